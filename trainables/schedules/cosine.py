"""Cosine annealing."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import Float
from trainables.evaluations import Length
from trainables.schedules.base import Schedule, position, same_unit


class Cosine(Schedule):
    """Half a cosine from 1 to `floor` (Loshchilov & Hutter 2017, eq. 5, without restarts), from the end of the warm-up
    to that of the horizon; `floor` from there on.
    """

    name: Literal["cosine"] = "cosine"
    horizon: Length
    floor: Annotated[Float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        same_unit(self.warmup, self.horizon, "horizon")
        return self

    @property
    def length(self) -> Length:
        return self.horizon

    def factor(self, steps: int, steps_per_epoch: int) -> float:
        begin = self.warmup.extent if self.warmup is not None else 0
        done = position(self.horizon.unit, steps, steps_per_epoch) - begin
        if done < 0:
            return self.warm(steps, steps_per_epoch)
        share = min(1.0, done / (self.horizon.extent - begin))
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2
