"""A trial: one configuration with one seed, and the key that says which trials are the same."""

import hashlib
import json
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from trainables.configuration import NOT_IN_KEY, Bool, Config, Int, PositiveInt, decisive
from trainables.data.config import DataConfig
from trainables.gradient_filters.config import GradientFilterConfig
from trainables.input_transforms.config import InputNoiseConfig
from trainables.losses.config import LossConfig
from trainables.models.config import ModelConfig
from trainables.names import alike
from trainables.optimisers.config import OptimiserConfig
from trainables.plugins.config import PluginConfig
from trainables.probes.config import ALWAYS, ON_VALIDATION, ProbeConfig
from trainables.regularisers.config import RegulariserConfig
from trainables.schedule import Budget, Goal
from trainables.validation import Problem, ValidationErrors, nearest

Seed = Annotated[Int, Field(ge=0, lt=2**32)]

TRIAL_SEMANTICS = 2
"""Raised whenever the same configuration and seed would train differently than before: old trials are then others."""


PLUGIN_FIELDS = ("data", "model", "loss", "regulariser", "gradient_filter", "probes")
"""The fields of a trial where a plugin may stand; probes are a list of them."""


class TrialConfig(Config):
    """All settings of a trial but its seed.

    batch_size  None: the whole training set at once
    shuffle     a new order of the training set every epoch; otherwise file order
    goal        ends the trial at the first evaluation that meets it
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
    input_transform: InputNoiseConfig | None = None
    probes: tuple[ProbeConfig, ...] = ()
    budget: Budget
    goal: Annotated[Goal | None, NOT_IN_KEY] = None

    # Validators of fields, not of the whole: pydantic asks them also where other fields are wrong.
    @field_validator("batch_size")
    @classmethod
    def _is_within_the_training_set(cls, batch_size: int | None, info: ValidationInfo) -> int | None:
        num_train = info.data["data"].num_train if "data" in info.data else None
        if batch_size is not None and num_train is not None and batch_size > num_train:
            raise ValueError(
                f"{batch_size} is more than the {num_train} training examples; without it a batch is all of them"
            )
        return batch_size

    @field_validator("probes")
    @classmethod
    def _measure_nothing_twice(cls, probes: tuple[ProbeConfig, ...], info: ValidationInfo) -> tuple[ProbeConfig, ...]:
        measured = metrics_of(probes)
        twice = sorted(metric for metric, num in Counter(measured).items() if num > 1)
        if "data" in info.data and not info.data["data"].num_validation:
            held_out = [probe.name for probe in probes if probe.on == "validation"]
            if held_out:
                raise ValueError(
                    f"{held_out[0]} on validation needs examples held out for it: give data.num_validation"
                )
        if twice:
            raise ValueError(f"{', '.join(twice)} would be measured by two probes")
        for one, other in alike(measured):
            raise ValueError(
                f"{one!r} and {other!r} differ in nothing but case or accents, which some databases ignore"
            )
        return probes

    @field_validator("goal")
    @classmethod
    def _can_be_seen_and_reached(cls, goal: Goal | None, info: ValidationInfo) -> Goal | None:
        problems = []
        measured = _measured(info.data)
        if goal is not None and measured and goal.metric not in measured:
            wrong = f"is not measured by this trial; {nearest(goal.metric, measured)}"
            problems.append(Problem(("metric",), f"{goal.metric!r} {wrong}"))
        if goal is not None and goal.metric.endswith("_accuracy") and not 0 <= goal.threshold <= 1:
            side = "above" if goal.above is not None else "below"
            wrong = f"{goal.threshold:g} cannot be reached: accuracies are fractions, from 0 to 1"
            problems.append(Problem((side,), wrong))
        if problems:
            raise ValidationErrors("goal", problems)
        return goal

    @property
    def all_probes(self) -> tuple[ProbeConfig, ...]:
        """The probes of this trial: those that every trial has, unless given another schedule, and its own."""
        return _with_those_of_every_trial(self.probes, bool(self.data.num_validation))

    @property
    def plugins(self) -> tuple[tuple[str, PluginConfig], ...]:
        """The plugins, each with its field."""
        given = {field: getattr(self, field) for field in PLUGIN_FIELDS}
        components = [(field, each) for field, one in given.items() for each in (one if field == "probes" else [one])]
        return tuple((field, part) for field, part in components if isinstance(part, PluginConfig))

    @property
    def metrics(self) -> tuple[str, ...]:
        return metrics_of(self.probes, held_out=bool(self.data.num_validation))


def metrics_of(probes: tuple[ProbeConfig, ...], *, held_out: bool = False) -> tuple[str, ...]:
    """What a trial with these probes measures; held_out: whether its data has examples for validation."""
    return tuple(metric for probe in _with_those_of_every_trial(probes, held_out) for metric in probe.metrics)


def _with_those_of_every_trial(probes: tuple[ProbeConfig, ...], held_out: bool) -> tuple[ProbeConfig, ...]:
    given = {(probe.name, probe.on) for probe in probes}
    always = (*ALWAYS, *(ON_VALIDATION if held_out else ()))
    return tuple(probe for probe in always if (probe.name, probe.on) not in given) + probes


def _measured(settings: dict[str, Any]) -> tuple[str, ...]:
    """By a trial with these settings, as far as they are right."""
    if "probes" not in settings:
        return ()
    return metrics_of(settings["probes"], held_out="data" not in settings or bool(settings["data"].num_validation))


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
    evaluations are in.
    """
    # Probes in any order, and one named as every trial has it anyway, are the same measurements.
    probes = sorted((p for p in config.probes if p not in (*ALWAYS, *ON_VALIDATION)), key=lambda p: p.model_dump_json())
    decided = {
        "semantics": TRIAL_SEMANTICS,
        "data_digest": config.data.digest,
        "evaluation_unit": config.budget.unit,
        "config": decisive(config.model_copy(update={"probes": tuple(probes)})),
    }
    text = json.dumps(decided, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def seed_key(cell: str, seed: int) -> str:
    """The key of a cell's trial with this seed."""
    return f"{cell}{seed:08x}"
