"""When a trial is evaluated and when it stops.

Evaluations are spaced evenly, after the 1st, the (1 + n)th, the (1 + 2n)th … epoch or step as in Walker et al.'s
scripts, or logarithmically, at about `evaluations_per_decade` per decade. A trial computes up to the last evaluation
within its budget: what came after could not be seen. The extent of the budget is no part of the trial key, the spacing
of the evaluations is.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import NOT_IN_KEY, Config, Float, PositiveInt


class Budget(Config):
    """How long a trial may train, in epochs or in steps, and when it is evaluated, in the same unit."""

    epochs: Annotated[PositiveInt | None, NOT_IN_KEY] = None
    steps: Annotated[PositiveInt | None, NOT_IN_KEY] = None
    evaluate_every: PositiveInt | None = None
    evaluations_per_decade: Annotated[PositiveInt, Field(le=1000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _evaluate_at_each_by_default(cls, value: Any) -> Any:
        if (
            isinstance(value, dict)
            and value.get("evaluate_every") is None
            and value.get("evaluations_per_decade") is None
        ):
            return {**value, "evaluate_every": 1}
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        if (self.evaluate_every is None) == (self.evaluations_per_decade is None):
            raise ValueError("give either evaluate_every or evaluations_per_decade")
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

    def next_evaluation(self, position: float) -> int:
        """The first evaluation after `position`, in the budget's unit, whether within the budget or not."""
        if self.evaluate_every is not None:
            return 1 + self.evaluate_every * int((position + self.evaluate_every - 1) // self.evaluate_every)
        assert self.evaluations_per_decade is not None
        # Two steps before the first that can be it: there may be thousands.
        step = max(0, int(math.log10(max(1, position)) * self.evaluations_per_decade) - 2)
        while round(10 ** (step / self.evaluations_per_decade)) <= position:
            step += 1
        return round(10 ** (step / self.evaluations_per_decade))

    def ends_after(self, position: float) -> bool:
        """Whether no evaluation is left within the budget after `position`."""
        return self.next_evaluation(position) > self.extent

    @property
    def last_evaluation(self) -> int:
        """The last evaluation within the budget, in its unit: where a trial that never meets its goal ends."""
        if self.evaluate_every is not None:
            return 1 + self.evaluate_every * ((self.extent - 1) // self.evaluate_every)
        evaluation = 1
        while not self.ends_after(evaluation):
            evaluation = self.next_evaluation(evaluation)
        return evaluation

    def num_evaluations(self) -> int:
        if self.evaluate_every is not None:
            return 1 + (self.extent - 1) // self.evaluate_every
        evaluations, position = 0, 0
        while not self.ends_after(position):
            evaluations, position = evaluations + 1, self.next_evaluation(position)
        return evaluations


class Goal(Config):
    """What a trial is to reach: the first evaluation at which `metric` is strictly above, or below, a value."""

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
