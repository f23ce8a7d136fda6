"""A learning rate that falls in steps."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import Config, PositiveFloat, PositiveInt
from trainables.evaluations import Length, in_a_unit
from trainables.schedules.base import Schedule, position, same_unit

_Places = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class Places(Config):
    """Numbers of epochs, or of steps, that grow."""

    epochs: _Places | None = None
    steps: _Places | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_unit(cls, value: Any) -> Any:
        return in_a_unit(value)

    @model_validator(mode="after")
    def _grow(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps: at: {epochs: [50, 100]}")
        if list(self.places) != sorted(set(self.places)):
            raise ValueError(f"{list(self.places)} is not allowed: each should be larger than the one before")
        return self

    @property
    def unit(self) -> str:
        return "epochs" if self.epochs is not None else "steps"

    @property
    def places(self) -> tuple[int, ...]:
        return self.epochs or self.steps or ()


class Steps(Schedule):
    """The learning rate is multiplied by `by` at each of these places: after so many epochs, or steps."""

    name: Literal["steps"] = "steps"
    at: Places
    by: PositiveFloat = 0.1

    @model_validator(mode="after")
    def _fits(self) -> Self:
        first = {self.at.unit: self.at.places[0]}
        same_unit(self.warmup, Length.model_validate(first), "at")
        return self

    def factor(self, steps: int, steps_per_epoch: int) -> float:
        done = position(self.at.unit, steps, steps_per_epoch)
        passed = sum(place <= done for place in self.at.places)
        return self.warm(steps, steps_per_epoch) * self.by**passed
