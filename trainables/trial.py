"""A trial: one configuration with one seed, the rules between its fields, and the key: which trials are the same."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, ValidationInfo, field_validator, model_validator

from trainables.component import Component, components_in
from trainables.configuration import NOT_IN_KEY, Bool, Config, Int, PositiveInt, decisive, spelled
from trainables.datasets.base import Dataset
from trainables.gradient_filters.base import GradientFilter
from trainables.input_transforms.base import InputTransform
from trainables.losses.base import Loss
from trainables.models.base import Model
from trainables.names import alike
from trainables.optimisers.base import Optimiser
from trainables.plugins.config import Plugin, plugins_in
from trainables.probes.accuracy import Accuracy
from trainables.probes.base import Probe
from trainables.probes.loss import LossProbe
from trainables.regularisers.base import Regulariser
from trainables.schedule import Budget, Evaluate, Goal
from trainables.validation import Problem, ValidationErrors, nearest

Seed = Annotated[Int, Field(ge=0, lt=2**32)]

TRIAL_SEMANTICS = 3
"""Increment when the same configuration and seed would train differently; old trials no longer match."""


ALWAYS: tuple[Probe, ...] = (
    Accuracy(on="train"),
    Accuracy(on="test"),
    LossProbe(on="train"),
    LossProbe(on="test"),
)
"""Measured at every evaluation unless a trial gives the same probe another schedule."""

ON_VALIDATION: tuple[Probe, ...] = (Accuracy(on="validation"), LossProbe(on="validation"))
"""The same, of trials whose data holds examples out."""

SHORT_FORMS = {
    "regulariser": "regularisers",
    "input_transform": "input_transforms",
    "gradient_filter": "gradient_filters",
}
"""Fields for one component -> fields for several of them by name."""


def _by_name(value: Any) -> Any:
    """A mapping's key is the default name of its component; null takes a component away."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: {"name": key, **each} if isinstance(each, Mapping) and "name" not in each else each
        for key, each in value.items()
        if each is not None
    }


_ByName = BeforeValidator(_by_name)
_SHORT = Field(exclude=True)
"""Of a form that is written out once it is read."""

_Key = Annotated[
    str,
    spelled(r"(?!name$)[A-Za-z_]\w*", "letters, digits and _, since it is a part of dotted paths, and not `name`"),
]


class TrialConfig(Config):
    """All settings of a trial but its seed.

    batch_size        None: the whole training set at once
    shuffle           a new order of the training set every epoch; otherwise file order
    regularisers      by name; `regulariser` is short for one of them, and so on. Their terms are added
    input_transforms  applied in the order written, as
    gradient_filters  are
    evaluate          when the trial is evaluated, in the unit of the budget
    goal              ends the trial at the first evaluation that meets it
    """

    data: Dataset
    model: Model
    loss: Loss
    optimiser: Optimiser
    batch_size: PositiveInt | None = None
    shuffle: Bool = False
    dtype: Literal["float32", "float64"] = "float32"
    regulariser: Annotated[Regulariser | None, _SHORT] = None
    regularisers: Annotated[dict[_Key, Regulariser], _ByName] = {}
    input_transform: Annotated[InputTransform | None, _SHORT] = None
    input_transforms: Annotated[dict[_Key, InputTransform], _ByName] = {}
    gradient_filter: Annotated[GradientFilter | None, _SHORT] = None
    gradient_filters: Annotated[dict[_Key, GradientFilter], _ByName] = {}
    probes: tuple[Probe, ...] = ()
    budget: Budget
    evaluate: Evaluate = Evaluate(every=1)
    goal: Annotated[Goal | None, NOT_IN_KEY] = None

    @model_validator(mode="wrap")
    @classmethod
    def _write_out_short_forms(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        config = handler(value)
        problems, changes = [], dict[str, Any]()
        for short, long in SHORT_FORMS.items():
            component: Component | None = getattr(config, short)
            if component is None:
                continue
            name = default_name(component.name)
            if name in getattr(config, long):
                problems.append(Problem((short,), f"{name!r} is among the {long} too; give one of the two"))
            changes |= {short: None, long: {name: component, **getattr(config, long)}}
        if problems:
            raise ValidationErrors("trial", problems)
        return config.model_copy(update=changes) if changes else config

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
    def _measure_nothing_twice(cls, probes: tuple[Probe, ...], info: ValidationInfo) -> tuple[Probe, ...]:
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
    def all_probes(self) -> tuple[Probe, ...]:
        """The probes of this trial: those that every trial has, unless given another schedule, and its own."""
        return _with_those_of_every_trial(self.probes, bool(self.data.num_validation))

    @property
    def components(self) -> tuple[tuple[str, Component], ...]:
        """All components, each with its dotted path."""
        return components_in(self)

    @property
    def plugins(self) -> tuple[tuple[str, Plugin], ...]:
        """The plugins among them."""
        return plugins_in(self.components)

    def next_evaluation(self, *, steps: int, epochs: float) -> int:
        """The first evaluation after that, in the budget's unit, whether within the budget or not."""
        return self.evaluate.next_after(self.budget.position(steps=steps, epochs=epochs))

    @property
    def last_evaluation(self) -> int:
        """The last evaluation within the budget, in its unit: where a trial that never meets its goal ends."""
        return self.evaluate.last_within(self.budget.extent)

    @property
    def num_evaluations(self) -> int:
        return self.evaluate.num_within(self.budget.extent)

    @property
    def metrics(self) -> tuple[str, ...]:
        return metrics_of(self.probes, held_out=bool(self.data.num_validation))


def default_name(component: str) -> str:
    """The key in a mapping of a component of which a study gives the short form: "l1" of "my_plugins.py:l1"."""
    return component.rpartition(":")[2]


def metrics_of(probes: tuple[Probe, ...], *, held_out: bool = False) -> tuple[str, ...]:
    """What a trial with these probes measures; held_out: whether its data has examples for validation."""
    return tuple(metric for probe in _with_those_of_every_trial(probes, held_out) for metric in probe.metrics)


def _with_those_of_every_trial(probes: tuple[Probe, ...], held_out: bool) -> tuple[Probe, ...]:
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
        "data_digest": config.data.content_digest,
        "evaluation_unit": config.budget.unit,
        # JSON objects are sorted, and these are applied in the order written.
        "order": [list(config.input_transforms), list(config.gradient_filters)],
        "config": decisive(config.model_copy(update={"probes": tuple(probes)})),
    }
    text = json.dumps(decided, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def seed_key(cell: str, seed: int) -> str:
    """The key of a cell's trial with this seed."""
    return f"{cell}{seed:08x}"
