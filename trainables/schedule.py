"""When a trial looks and when it stops.

Looks are spaced evenly, after the 1st, the (1 + n)th, the (1 + 2n)th … pass or update as in Walker et al.'s scripts, or
logarithmically, at about `looks_per_decade` per decade. A trial computes up to the last look within its budget: what
came after could not be seen. The extent of the budget is no part of the trial key, the spacing of the looks is.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import NOT_IN_KEY, Config, Float, PositiveInt


class Budget(Config):
    """How long a trial may train, in passes or in updates, and when it looks, in the same unit."""

    passes: Annotated[PositiveInt | None, NOT_IN_KEY] = None
    updates: Annotated[PositiveInt | None, NOT_IN_KEY] = None
    look_every: PositiveInt | None = None
    looks_per_decade: Annotated[PositiveInt, Field(le=1000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _look_at_each_by_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("look_every") is None and value.get("looks_per_decade") is None:
            return {**value, "look_every": 1}
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.passes is None) == (self.updates is None):
            raise ValueError("give either passes or updates")
        if (self.look_every is None) == (self.looks_per_decade is None):
            raise ValueError("give either look_every or looks_per_decade")
        return self

    @property
    def unit(self) -> Literal["passes", "updates"]:
        return "passes" if self.passes is not None else "updates"

    @property
    def extent(self) -> int:
        """The budget in its unit."""
        extent = self.passes if self.passes is not None else self.updates
        assert extent is not None
        return extent

    def position(self, *, updates: int, passes: float) -> float:
        """How far a trial is, in the budget's unit."""
        return passes if self.unit == "passes" else updates

    def next_look(self, position: float) -> int:
        """The first look after `position`, in the budget's unit, whether within the budget or not."""
        if self.look_every is not None:
            return 1 + self.look_every * int((position + self.look_every - 1) // self.look_every)
        assert self.looks_per_decade is not None
        # Two steps before the first that can be it: there may be thousands.
        step = max(0, int(math.log10(max(1, position)) * self.looks_per_decade) - 2)
        while round(10 ** (step / self.looks_per_decade)) <= position:
            step += 1
        return round(10 ** (step / self.looks_per_decade))

    def ends_after(self, position: float) -> bool:
        """Whether no look is left within the budget after `position`."""
        return self.next_look(position) > self.extent

    @property
    def last_look(self) -> int:
        """The last look within the budget, in its unit: where a trial that never meets its goal ends."""
        if self.look_every is not None:
            return 1 + self.look_every * ((self.extent - 1) // self.look_every)
        look = 1
        while not self.ends_after(look):
            look = self.next_look(look)
        return look

    def num_looks(self) -> int:
        if self.look_every is not None:
            return 1 + (self.extent - 1) // self.look_every
        looks, position = 0, 0
        while not self.ends_after(position):
            looks, position = looks + 1, self.next_look(position)
        return looks


class Goal(Config):
    """What a trial is to reach: the first look at which `metric` is strictly above, or below, a value."""

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
        """Whether a metric that ranged from `low` to `high` met the goal at some look."""
        return high > self.above if self.above is not None else self.below is not None and low < self.below
