"""A trial: one configuration with one seed, and the key that says which trials are the same."""

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import NOT_IN_KEY, Bool, Config, Int, PositiveInt, decisive
from trainables.data.config import DataConfig
from trainables.gradient_filters.config import GradientFilterConfig
from trainables.input_noise.config import InputNoiseConfig
from trainables.losses.config import LossConfig
from trainables.mistakes import Mistake, Mistakes, nearest
from trainables.models.config import ModelConfig
from trainables.optimisers.config import OptimiserConfig
from trainables.probes.config import ALWAYS, ProbeConfig
from trainables.regularisers.config import RegulariserConfig
from trainables.schedule import Budget, Goal

Seed = Annotated[Int, Field(ge=0, lt=2**32)]

TRIAL_SEMANTICS = 2
"""Raised whenever the same configuration and seed would train differently than before: old trials are then others."""


class TrialConfig(Config):
    """All settings of a trial but its seed.

    batch_size  None: the whole training set at once
    shuffle     a new order of the training set every pass; otherwise file order
    goal        ends the trial at the first look that meets it
    """

    data: DataConfig
    model: ModelConfig
    loss: LossConfig
    optimiser: OptimiserConfig
    batch_size: PositiveInt | None = None
    shuffle: Bool = False
    dtype: Literal["float32", "float64"] = "float32"
    regulariser: RegulariserConfig | None = None
    gradient_filter: GradientFilterConfig | None = None
    input_noise: InputNoiseConfig | None = None
    probes: tuple[ProbeConfig, ...] = ()
    budget: Budget
    goal: Annotated[Goal | None, NOT_IN_KEY] = None

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        mistakes = []
        measured = self.metrics
        twice = sorted({metric for metric in measured if measured.count(metric) > 1})
        if twice:
            mistakes.append(Mistake(("probes",), f"{', '.join(twice)} would be measured by two probes"))
        if self.goal is not None and self.goal.metric not in measured:
            wrong = f"{self.goal.metric!r} is not measured by this trial; {nearest(self.goal.metric, measured)}"
            mistakes.append(Mistake(("goal", "metric"), wrong))
        if self.goal is not None and self.goal.metric.endswith("_accuracy") and not 0 <= self.goal.threshold <= 1:
            side = "above" if self.goal.above is not None else "below"
            wrong = f"{self.goal.threshold:g} cannot be reached: accuracies are fractions, from 0 to 1"
            mistakes.append(Mistake(("goal", side), wrong))
        num_train = self.data.num_train
        if self.batch_size is not None and num_train is not None and self.batch_size > num_train:
            wrong = f"{self.batch_size} is more than the {num_train} training images; without it a batch is all of them"
            mistakes.append(Mistake(("batch_size",), wrong))
        if mistakes:
            raise Mistakes("trial", mistakes)
        return self

    @property
    def all_probes(self) -> tuple[ProbeConfig, ...]:
        """The probes of this trial: those that every trial has, unless given another schedule, and its own."""
        given = {(probe.name, probe.on) for probe in self.probes}
        return tuple(probe for probe in ALWAYS if (probe.name, probe.on) not in given) + self.probes

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(metric for probe in self.all_probes for metric in probe.metrics)


class Trial(Config):
    """One configuration with one seed: the unit of record."""

    config: TrialConfig
    seed: Seed

    @property
    def key(self) -> str:
        """What decides the trajectory, as 32 hexadecimal characters: the cell's 24 and 8 of the seed, so the seeds of a
        cell are found by their common beginning. Not cached: `model_copy(update=…)` would copy the old key along.
        """
        return seed_key(cell_key(self.config), self.seed)


def cell_key(config: TrialConfig) -> str:
    """24 hexadecimal characters of a hash of all that decides a trajectory but the seed.

    Budget and goal are left out (a trial that ended is continued when more is asked of it), the unit and spacing of the
    looks are in.
    """
    # Probes in any order, and one named as every trial has it anyway, are the same measurements.
    probes = sorted((p for p in config.probes if p not in ALWAYS), key=lambda p: p.model_dump_json())
    decided = {
        "semantics": TRIAL_SEMANTICS,
        "data_digest": config.data.digest,
        "look_unit": config.budget.unit,
        "config": decisive(config.model_copy(update={"probes": tuple(probes)})),
    }
    text = json.dumps(decided, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def seed_key(cell: str, seed: int) -> str:
    """The key of a cell's trial with this seed."""
    return f"{cell}{seed:08x}"
