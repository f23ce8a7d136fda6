"""Plugins: users' own schedules."""

from __future__ import annotations

import math

from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, shown
from trainables.schedules.base import Schedule


class PluginSchedule(Plugin, Schedule):
    """(steps, steps_per_epoch) -> what the learning rate is multiplied by in the step after so many."""

    model_config = Plugin.model_config
    interface = Interface(given=("steps", "steps_per_epoch"))

    def factor(self, steps: int, steps_per_epoch: int) -> float:
        given = loaded(self)(steps, steps_per_epoch)
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
            raise self.problem(f"{self.object} should return a number from 0 on, it returned {shown(given)}")
        return self.warm(steps, steps_per_epoch) * float(given)
