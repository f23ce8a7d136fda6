"""A grid: values for any setting of an arm, by its dotted path.

    grid:
      regulariser.strength: {logspace: {from: 1e-5, to: 1e-1, num: 9}}
      optimiser.weight_decay: [0.01, 0.1]

Every combination of the values is a cell.
"""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from trainables.configuration import Config, Float, PositiveFloat, without_type
from trainables.validation import shown

MOST_VALUES = 10_000
"""Of an axis; a study has no more cells."""

_Num = Annotated[int, Field(strict=True, ge=2, le=MOST_VALUES)]


class _Logspace(Config):
    from_: PositiveFloat = Field(alias="from")
    to: PositiveFloat
    num: _Num


class _Linspace(Config):
    from_: Float = Field(alias="from")
    to: Float
    num: _Num


class Spacing(Config):
    """`num` values from one end to the other, both included, spaced evenly or by equal factors."""

    logspace: _Logspace | None = None
    linspace: _Linspace | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.logspace is None) == (self.linspace is None):
            raise ValueError("give a list of values, or one of logspace and linspace")
        if self._at(0) == self._at(1) or self._at(self.num - 2) == self._at(self.num - 1):
            raise ValueError(f"from and to are too close for {self.num:,} values: some would be the same")
        return self

    @property
    def num(self) -> int:
        spacing = self.logspace or self.linspace
        assert spacing is not None
        return spacing.num

    def values(self) -> list[float]:
        return [self._at(index) for index in range(self.num)]

    def _at(self, index: int) -> float:
        if self.logspace is not None:
            low, high = self.logspace.from_, self.logspace.to
            value = low * (high / low) ** (index / (self.num - 1))
        else:
            assert self.linspace is not None
            low, high = self.linspace.from_, self.linspace.to
            value = low + (high - low) * index / (self.num - 1)
        # Twelve digits: what is meant as 1e-3 is then 1e-3, and the same trial as one with strength: 1e-3.
        return float(f"{value:.12g}")


Axis = tuple[int, Callable[[], list[Any]]]
"""How many values an axis has, and what lists them."""


def axis_of(axis: Any) -> Axis:
    """One axis, given as a list or as a spacing.

    Raises:
        ValueError: it is neither, is empty or holds a value twice. (pydantic's ValidationError is one.)
    """
    if isinstance(axis, dict):
        spacing = Spacing.model_validate(axis)
        return spacing.num, spacing.values
    if not isinstance(axis, list | tuple):
        raise ValueError(f"{shown(axis)} is not a list of values, nor {{logspace: …}} or {{linspace: …}}")
    if not axis:
        raise ValueError("needs at least one value")
    if len(axis) <= MOST_VALUES:
        refuse_twice(axis)
    return len(axis), lambda: list(axis)


def refuse_twice(values: Sequence[Any]) -> None:
    """Raises:
    ValueError: a value is among them twice; 1 and 1.0 are one value, 1 and true are two.
    """
    seen: dict[str, Any] = {}
    for value in values:
        mark = json.dumps(without_type(value), sort_keys=True, default=repr)
        if mark in seen:
            raise ValueError(f"holds {shown(seen[mark])} twice")
        seen[mark] = value
