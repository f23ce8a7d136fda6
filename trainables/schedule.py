"""When a trial is evaluated and when it stops.

Evaluations are spaced evenly, after the 1st, the (1 + n)th, the (1 + 2n)th … epoch or step as in Walker et al.'s
scripts, or logarithmically, at about `per_decade` per decade. A trial trains up to the last evaluation within its
budget, since nothing would be measured of what came after. The extent of the budget is not part of the trial key; its
unit and the spacing of the evaluations are.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import NOT_IN_KEY, Config, Float, PositiveInt


class Budget(Config):
    """How long a trial may train: in epochs, once through the training set each, or in steps of the optimiser."""

    epochs: Annotated[PositiveInt | None, NOT_IN_KEY] = None
    steps: Annotated[PositiveInt | None, NOT_IN_KEY] = None

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
        """The budget in its unit."""
        extent = self.epochs if self.epochs is not None else self.steps
        assert extent is not None
        return extent

    def position(self, *, steps: int, epochs: float) -> float:
        """How far a trial is, in the budget's unit."""
        return epochs if self.unit == "epochs" else steps


class Evaluate(Config):
    """When a trial is evaluated, in the unit of its budget: at every n-th, or so many times per decade."""

    every: PositiveInt | None = None
    per_decade: Annotated[PositiveInt, Field(le=1000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _at_each_by_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("every") is None and value.get("per_decade") is None:
            return {**value, "every": 1}
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.every is None) == (self.per_decade is None):
            raise ValueError("give either every or per_decade")
        return self

    def next_after(self, position: float) -> int:
        """The first evaluation after `position`, whether within the budget or not."""
        if self.every is not None:
            return 1 + self.every * int((position + self.every - 1) // self.every)
        assert self.per_decade is not None
        # Two steps before the first that can be it: there may be thousands.
        step = max(0, int(math.log10(max(1, position)) * self.per_decade) - 2)
        while round(10 ** (step / self.per_decade)) <= position:
            step += 1
        return round(10 ** (step / self.per_decade))

    def last_within(self, extent: int) -> int:
        """The last evaluation within a budget of this extent: where a trial that never meets its goal ends."""
        if self.every is not None:
            return 1 + self.every * ((extent - 1) // self.every)
        last = 1
        while (following := self.next_after(last)) <= extent:
            last = following
        return last

    def num_within(self, extent: int) -> int:
        if self.every is not None:
            return 1 + (extent - 1) // self.every
        num, position = 0, 0
        while (position := self.next_after(position)) <= extent:
            num += 1
        return num


class Goal(Config):
    """What a trial should reach: the first evaluation at which `metric` is strictly above, or below, a value."""

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
