"""A grid: values for any setting of an arm, by its dotted path.

    grid:
      regulariser.strength: {logspace: {from: 1e-5, to: 1e-1, num: 9}}
      optimiser.weight_decay: [0.01, 0.1]

Every combination of the values is a cell.
"""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from trainables.configuration import Config, Float, PositiveFloat

_Num = Annotated[int, Field(strict=True, ge=2, le=10_000)]


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
        return self

    def values(self) -> list[float]:
        if self.logspace is not None:
            low, high, steps = self.logspace.from_, self.logspace.to, self.logspace.num - 1
            spaced = [low * (high / low) ** (step / steps) for step in range(steps + 1)]
        else:
            assert self.linspace is not None
            low, high, steps = self.linspace.from_, self.linspace.to, self.linspace.num - 1
            spaced = [low + (high - low) * step / steps for step in range(steps + 1)]
        # Twelve digits: what is meant as 1e-3 is then 1e-3, and the same trial as one with strength: 1e-3.
        return [float(f"{value:.12g}") for value in spaced]


def grid_values(axis: Any) -> list[Any]:
    """The values of one axis, given as a list or as a spacing.

    Raises:
        ValueError: it is neither, is empty or holds a value twice. (pydantic's ValidationError is one.)
    """
    if isinstance(axis, list | tuple):
        values = list(axis)
    elif isinstance(axis, dict):
        values = Spacing.model_validate(axis).values()
    else:
        raise ValueError(f"{axis!r} is not a list of values, nor {{logspace: …}} or {{linspace: …}}")
    if not values:
        raise ValueError("needs at least one value")
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"holds {value!r} twice")
    return values
