"""When a trial is evaluated, when its network is kept, and when it stops.

Evaluations are spaced evenly, after the 1st, the (1 + n)th, the (1 + 2n)th … epoch or step as in Walker et al.'s
scripts, or logarithmically, at about `per_decade` per decade, or listed. One at 0 is before any training. A trial
trains up to the last evaluation within its budget, since nothing would be measured of what came after. The extent of
the budget is not part of the trial key; its unit and the spacing of the evaluations are.

    Evaluate(every=10)              1, 11, 21, …            Evaluate(every=10, first=0)        0, 10, 20, …
    Evaluate(per_decade=1)          1, 10, 100, …           Evaluate(per_decade=1, first=0)    0, 1, 10, 100, …
    Evaluate(at=(0, 10, 100))       0, 10, 100              Evaluate(per_decade=1, first=20)   100, 1000, …

What is measured at 0 meets no goal, and is no extreme: those are of training.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from trainables.configuration import NOT_IN_KEY, Config, Float, NonNegativeInt, PositiveInt
from trainables.validation import Problem, ValidationErrors, shown

NOT_YET = -1.0
"""The position of a trial that was not evaluated yet: one at 0 may have been."""


def in_a_unit(value: Any) -> Any:
    """Raises:
    ValueError: a number without epochs or steps.
    """
    if isinstance(value, int | float | list | tuple) and not isinstance(value, bool):
        raise ValueError(
            f"{shown(value)} is not allowed: write {{epochs: {shown(value)}}} or {{steps: {shown(value)}}}"
        )
    return value


class Length(Config):
    """A stretch of training, in epochs, once through the training set each, or in steps of the optimiser."""

    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_unit(cls, value: Any) -> Any:
        return in_a_unit(value)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self

    @property
    def unit(self) -> Literal["epochs", "steps"]:
        return "epochs" if self.epochs is not None else "steps"

    @property
    def extent(self) -> int:
        """The length in its unit."""
        extent = self.epochs if self.epochs is not None else self.steps
        assert extent is not None
        return extent


class Budget(Length):
    """How long a trial may train. Its unit is part of the trial key, its extent is not."""

    epochs: Annotated[PositiveInt | None, NOT_IN_KEY] = None
    steps: Annotated[PositiveInt | None, NOT_IN_KEY] = None

    def position(self, *, steps: int, epochs: float) -> float:
        """How far a trial is, in the budget's unit."""
        return epochs if self.unit == "epochs" else steps


class Spacing(Config):
    """Places on the way, in the unit of the budget: every n-th, so many per decade, or those listed.

    first  of the places, for the former two: 1 by default, and 0 is before any training
    """

    every: PositiveInt | None = None
    per_decade: Annotated[PositiveInt, Field(le=1000)] | None = None
    at: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] | None = None
    first: NonNegativeInt | None = None

    @field_validator("at")
    @classmethod
    def _grows(cls, at: tuple[int, ...] | None) -> tuple[int, ...] | None:
        for before, after in pairwise(at or ()):
            if before >= after:
                raise ValueError(f"{after:,} comes after {before:,}: each should be larger than the one before it")
        return at

    @field_validator("first")
    @classmethod
    def _goes_with_a_spacing(cls, first: int | None, info: ValidationInfo) -> int | None:
        if first is not None and info.data.get("at") is not None:
            raise ValueError(f"{first:,} is not allowed beside at: the list says which is the first")
        # As by default: the same trial.
        return None if first == 1 else first

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self._num_given > 1:
            raise ValueError("give one of every, per_decade and at")
        return self

    @property
    def _num_given(self) -> int:
        return sum(each is not None for each in (self.every, self.per_decade, self.at))

    @property
    def _start(self) -> int:
        return 1 if self.first is None else self.first

    def next_after(self, position: float) -> float:
        """The first place after `position`, which is NOT_YET at the beginning; inf if there is none."""
        if self.at is not None:
            index = bisect_right(self.at, position)
            return self.at[index] if index < len(self.at) else math.inf
        start = self._start
        if self.every is not None:
            return start if position < start else start + self.every * (int((position - start) // self.every) + 1)
        if self.per_decade is None:
            return math.inf
        if position < start == 0:
            return 0
        position = max(position, start - 1)
        # Two steps before the first that can be it: there may be thousands.
        step = max(0, int(math.log10(max(1, position)) * self.per_decade) - 2)
        while round(10 ** (step / self.per_decade)) <= position:
            step += 1
        return round(10 ** (step / self.per_decade))


class Evaluate(Spacing):
    """When a trial is evaluated; at every epoch or step unless given."""

    @model_validator(mode="before")
    @classmethod
    def _at_each_by_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and all(value.get(name) is None for name in ("every", "per_decade", "at")):
            return {**value, "every": 1}
        return value

    @field_validator("at")
    @classmethod
    def _is_of_training(cls, at: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if at == (0,):
            raise ValueError("0 alone is before any training: give a later one, too")
        return at

    def last_within(self, extent: int) -> int:
        """The last evaluation within a budget of this extent: where a trial that never meets its goal ends. 0 if none
        lies after 0 and within.
        """
        if self.every is not None:
            start = self._start
            return start + self.every * ((extent - start) // self.every) if extent >= start else 0
        return max(self._within(extent), default=0)

    def num_within(self, extent: int) -> int:
        if self.every is not None:
            return 1 + (extent - self._start) // self.every if extent >= self._start else 0
        return sum(1 for _ in self._within(extent))

    def _within(self, extent: int) -> Iterator[int]:
        position = self.next_after(NOT_YET)
        while position <= extent:
            yield int(position)
            position = self.next_after(position)


class Goal(Config):
    """What a trial should reach: the first evaluation at which `metric` is strictly above, or below, a value. It counts
    from the first step on: what is measured before any training meets no goal.
    """

    metric: str
    above: Float | None = None
    below: Float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        return self

    def __str__(self) -> str:
        return f"{self.metric} > {self.above}" if self.above is not None else f"{self.metric} < {self.below}"

    @property
    def threshold(self) -> float:
        value = self.above if self.above is not None else self.below
        assert value is not None
        return value

    def met_by(self, *, low: float, high: float) -> bool:
        """Whether a metric that ranged from `low` to `high` met the goal at some evaluation."""
        return high > self.above if self.above is not None else self.below is not None and low < self.below


class Keep(Spacing):
    """Which networks are kept on the way: at the first evaluation at or after each place, and at the first at which
    `when` holds. Places beyond the budget are no error: a larger one may reach them.

    when  as a goal is met: from the first step on, strictly above or below
    """

    when: Goal | None = None

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if not self._num_given and self.when is None:
            raise ValueError("give every, per_decade or at, or when: {metric: …, above: …}")
        if not self._num_given and self.first is not None:
            wrong = f"{self.first:,} is not allowed without every or per_decade, which begin there"
            raise ValidationErrors("keep", [Problem(("first",), wrong)])
        return self

    def has_place_in(self, before: float, position: float) -> bool:
        """Whether a place lies after `before`, where the evaluation before was, and up to `position`."""
        return self.next_after(before) <= position
