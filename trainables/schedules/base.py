"""What a schedule of the learning rate is."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from pydantic import model_validator

from trainables.component import Component
from trainables.evaluations import Length
from trainables.validation import Problem, ValidationErrors


class Schedule(Component):
    """What the learning rate is multiplied by, as training goes on.

    A length in epochs changes the rate between epochs, one in steps at each step. It is part of the trial's key, as the
    budget, which may grow, is not.

    warmup  so long it rises linearly to that, from the first step or epoch on (Goyal et al. 2017, 2.2)
    """

    warmup: Length | None = None

    @property
    def length(self) -> Length | None:
        """After which it does not change; None if it has no end of its own."""
        return None

    @abstractmethod
    def factor(self, steps: int, steps_per_epoch: int) -> float:
        """Of the step after so many."""

    def warm(self, steps: int, steps_per_epoch: int) -> float:
        """How far the warm-up is: 1 from its end on."""
        if self.warmup is None:
            return 1.0
        return min(1.0, (position(self.warmup.unit, steps, steps_per_epoch) + 1) / self.warmup.extent)

    @model_validator(mode="wrap")
    @classmethod
    def _say_what_a_horizon_is(cls, value: Any, handler: Any) -> Self:
        field = cls.model_fields.get("horizon")
        if field is not None and field.is_required() and isinstance(value, dict) and value.get("horizon") is None:
            wrong = (
                "is missing: a schedule says itself how long it is, since a trial's budget may grow; write"
                " horizon: {epochs: 100} or {steps: 10000}"
            )
            raise ValidationErrors(cls.__name__, [Problem(("horizon",), wrong)])
        made: Self = handler(value)
        return made


def position(unit: str, steps: int, steps_per_epoch: int) -> int:
    """How many whole epochs, or steps, so many steps are."""
    return steps // steps_per_epoch if unit == "epochs" else steps


def same_unit(warmup: Length | None, length: Length | None, other: str) -> None:
    """Raises:
    ValidationErrors: the warm-up is in another unit than the rest of the schedule, or as long as that.
    """
    if warmup is None or length is None:
        return
    if warmup.unit != length.unit:
        wrong = f"is in {warmup.unit}, and {other} in {length.unit}: give both in the same unit"
        raise ValidationErrors("schedule", [Problem(("warmup",), wrong)])
    if warmup.extent >= length.extent:
        wrong = f"{warmup.extent} is not allowed: it should be shorter than {other}, {length.extent}"
        raise ValidationErrors("schedule", [Problem(("warmup", warmup.unit), wrong)])
