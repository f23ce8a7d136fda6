"""A constant learning rate."""

from __future__ import annotations

from typing import Literal

from trainables.schedules.base import Schedule


class Constant(Schedule):
    """The optimiser's own learning rate, after a warm-up if there is one."""

    name: Literal["constant"] = "constant"

    def factor(self, steps: int, steps_per_epoch: int) -> float:
        return self.warm(steps, steps_per_epoch)
