"""The configuration of a network that is trained by gradients."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, ValidationInfo, field_validator, model_validator

from trainables.component import Component
from trainables.configuration import NOT_IN_KEY, Bool, PositiveInt, decisive, spelled
from trainables.datasets.base import Dataset
from trainables.evaluations import NOT_YET, Budget, Evaluate, Goal, Keep
from trainables.gradient_filters.base import GradientFilter
from trainables.input_transforms.base import InputTransform
from trainables.losses.base import Loss
from trainables.models.base import Model
from trainables.names import alike
from trainables.optimisers.base import Optimiser
from trainables.probes.accuracy import Accuracy
from trainables.probes.base import Probe
from trainables.probes.loss import LossProbe
from trainables.probes.r2 import R2
from trainables.regularisers.base import Regulariser
from trainables.schedules.base import Schedule
from trainables.tasks import Task
from trainables.trial import TrialConfig
from trainables.validation import Path, Problem, ValidationErrors, nearest

ALWAYS: tuple[Probe, ...] = (
    Accuracy(on="train"),
    Accuracy(on="test"),
    R2(on="train"),
    R2(on="test"),
    LossProbe(on="train"),
    LossProbe(on="test"),
)
"""Measured at every evaluation, where they serve the task, unless a trial gives the same probe another schedule."""

ON_VALIDATION: tuple[Probe, ...] = (Accuracy(on="validation"), R2(on="validation"), LossProbe(on="validation"))
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


class GradientConfig(TrialConfig):
    """A network that is trained by gradients.

    schedule          of the learning rate
    batch_size        None: the whole training set at once
    drop_last         leaves out the last batch of an epoch where it is smaller than the others
    shuffle           a new order of the training set every epoch; otherwise file order
    regularisers      by name; `regulariser` is short for one of them, and so on. Their terms are added
    input_transforms  applied in the order written, as
    gradient_filters  are
    evaluate          when the trial is evaluated, in the unit of the budget
    keep              which networks are kept on the way, beside the last one
    """

    data: Dataset
    model: Model
    loss: Loss
    optimiser: Optimiser
    schedule: Schedule | None = None
    batch_size: PositiveInt | None = None
    drop_last: Bool = False
    shuffle: Bool = False
    dtype: Literal["float32", "float64"] = "float32"
    regulariser: Annotated[Regulariser | None, _SHORT] = None
    regularisers: Annotated[dict[_Key, Regulariser], _ByName] = {}
    input_transform: Annotated[InputTransform | None, _SHORT] = None
    input_transforms: Annotated[dict[_Key, InputTransform], _ByName] = {}
    gradient_filter: Annotated[GradientFilter | None, _SHORT] = None
    gradient_filters: Annotated[dict[_Key, GradientFilter], _ByName] = {}
    probes: tuple[Probe, ...] = ()
    evaluate: Evaluate = Evaluate(every=1)
    budget: Budget
    goal: Annotated[Goal | None, NOT_IN_KEY] = None
    keep: Annotated[Keep | None, NOT_IN_KEY] = None

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
    @field_validator("data")
    @classmethod
    def _can_be_trained_on(cls, data: Dataset) -> Dataset:
        data.refuse_if_test_only()
        return data

    @field_validator("model")
    @classmethod
    def _takes_the_examples(cls, model: Model, info: ValidationInfo) -> Model:
        shape = info.data["data"].shape if "data" in info.data else None
        if shape is not None and (wrong := model.misfit(shape[0])) is not None:
            raise ValueError(wrong)
        return model

    @field_validator("loss", *SHORT_FORMS, *SHORT_FORMS.values(), "probes")
    @classmethod
    def _serves_the_task(cls, value: Any, info: ValidationInfo) -> Any:
        if "data" not in info.data:
            return value
        data = info.data["data"]
        several: Iterable[tuple[Path, Component]] = (((), value),) if value else ()
        if isinstance(value, dict):
            several = (((name,), each) for name, each in value.items())
        elif isinstance(value, tuple):
            several = (((index,), each) for index, each in enumerate(value))
        problems = [
            Problem(path, wrong) for path, each in several if (wrong := _unfit(each, data, info.data)) is not None
        ]
        if problems:
            raise ValidationErrors("trial", problems)
        return value

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
        tables = [name for probe in probes for name in probe.table_names]
        measured = (*metrics_of(probes, task=_task(info.data)), *tables)
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

    @field_validator("budget")
    @classmethod
    def _has_an_evaluation(cls, budget: Budget, info: ValidationInfo) -> Budget:
        evaluate: Evaluate | None = info.data.get("evaluate")
        if evaluate is not None and not evaluate.last_within(budget.extent):
            first = f"{evaluate.next_after(0):,.0f}"
            wrong = f"{budget.extent:,} ends before the first evaluation after training has begun, at {first}"
            allowed = f"at least {first} is allowed, or an earlier evaluation: see evaluate"
            raise ValidationErrors("budget", [Problem((budget.unit,), f"{wrong}; {allowed}")])
        return budget

    @field_validator("goal")
    @classmethod
    def _can_be_seen_and_reached(cls, goal: Goal | None, info: ValidationInfo) -> Goal | None:
        if goal is not None and (problems := list(_problems_of_goal(goal, _measured(info.data)))):
            raise ValidationErrors("goal", problems)
        return goal

    @field_validator("keep")
    @classmethod
    def _can_be_seen(cls, keep: Keep | None, info: ValidationInfo) -> Keep | None:
        if keep is not None and keep.when is not None:
            if problems := list(_problems_of_goal(keep.when, _measured(info.data))):
                raise ValidationErrors("keep", [problem.below("when") for problem in problems])
        return keep

    @property
    def all_probes(self) -> tuple[Probe, ...]:
        """The probes of this trial: those that every trial has, unless given another schedule, and its own."""
        return _with_those_of_every_trial(self.probes, bool(self.data.num_validation), self.data.task)

    def decides(self) -> dict[str, Any]:
        # Probes in any order, and one named as every trial has it anyway, are the same measurements.
        own = (p for p in self.probes if p not in (*ALWAYS, *ON_VALIDATION))
        probes = tuple(sorted(own, key=lambda p: p.model_dump_json()))
        return {
            "data_digest": self.data.content_digest,
            "evaluation_unit": self.budget.unit,
            # JSON objects are sorted, and these are applied in the order written.
            "order": [list(self.input_transforms), list(self.gradient_filters)],
            "config": decisive(self.model_copy(update={"probes": probes})),
        }

    @property
    def data_sets(self) -> tuple[Dataset, ...]:
        return (self.data,)

    @property
    def first_evaluation(self) -> float:
        """0 if it is before any training."""
        return self.evaluate.next_after(NOT_YET)

    def next_evaluation(self, *, steps: int, epochs: float) -> float:
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
        return metrics_of(self.probes, held_out=bool(self.data.num_validation), task=self.data.task)


def check_fit(config: GradientConfig, input_shape: tuple[int, ...], *, has_pixels: bool) -> None:
    """What is only known of the data itself.

    Raises:
        ValidationErrors: the model cannot take its examples, or they are no images where pixels are needed.
    """
    problems = []
    if (wrong := config.model.misfit(input_shape)) is not None:
        problems.append(Problem(("model",), wrong))
    for name, transform in config.input_transforms.items():
        if transform.needs_pixels and not has_pixels:
            problems.append(Problem(("input_transforms", name), _no_pixels(transform, config.data)))
    if problems:
        raise ValidationErrors("trial", problems)


def _unfit(component: Component, data: Dataset, trial: Mapping[str, Any]) -> str | None:
    """Why it cannot be part of a trial with this data, if so. trial: its settings that come first, if right"""
    if data.task not in component.serves:
        others = [name for name in component.names() if _could_serve(component.named(name), data)]
        told = f"Allowed: {', '.join(others)}" if others else f"None of the {component.kind()} is"
        return f"{component.name!r} is not for {data.task}, which {data.title} asks for. {told}"
    if isinstance(component, InputTransform) and component.needs_pixels and data.has_pixels is False:
        return _no_pixels(component, data)
    if isinstance(component, Probe) and (wrong := component.misfit(data, trial)) is not None:
        return f"{component.name}: {wrong}"
    return None


def _could_serve(kind: type[Component], data: Dataset) -> bool:
    needs_pixels = issubclass(kind, InputTransform) and kind.needs_pixels
    return data.task in kind.serves and not (needs_pixels and data.has_pixels is False)


def _no_pixels(transform: InputTransform, data: Dataset) -> str:
    remedy = "" if data.has_pixels is False else ": give uint8, which becomes pixels; floats are taken as they are"
    return f"{transform.name} needs images of pixels in [0, 1], which {data.title} does not have{remedy}"


def _beyond(goal: Goal) -> str | None:
    """Why no trial can meet it, if that is known."""
    if goal.metric.endswith("_accuracy") and not 0 <= goal.threshold <= 1:
        return f"{goal.threshold:g} cannot be reached: accuracies are fractions, from 0 to 1"
    if goal.metric.endswith("_r2") and goal.above is not None and goal.above >= 1:
        return f"{goal.above:g} cannot be reached: R^2 is at most 1"
    return None


def default_name(component: str) -> str:
    """The key in a mapping of a component of which a study gives the short form: "l1" of "my_plugins.py:l1"."""
    return component.rpartition(":")[2]


def metrics_of(probes: tuple[Probe, ...], *, held_out: bool = False, task: Task = "classification") -> tuple[str, ...]:
    """What a trial with these probes measures; held_out: whether its data has examples for validation."""
    return tuple(metric for probe in _with_those_of_every_trial(probes, held_out, task) for metric in probe.metrics)


def measured_of_all(task: Task, *, held_out: bool) -> tuple[Probe, ...]:
    """What is measured of every trial of a task."""
    return tuple(probe for probe in (*ALWAYS, *(ON_VALIDATION if held_out else ())) if task in probe.serves)


def _with_those_of_every_trial(probes: tuple[Probe, ...], held_out: bool, task: Task) -> tuple[Probe, ...]:
    given = {(probe.name, probe.on) for probe in probes}
    always = measured_of_all(task, held_out=held_out)
    return tuple(probe for probe in always if (probe.name, probe.on) not in given) + probes


def _task(settings: dict[str, Any]) -> Task:
    """Of a trial with these settings, as far as they are right."""
    return settings["data"].task if "data" in settings else "classification"


def _problems_of_goal(goal: Goal, measured: tuple[str, ...]) -> Iterator[Problem]:
    if measured and goal.metric not in measured:
        missing = f"is not measured by this trial; {nearest(goal.metric, measured)}"
        yield Problem(("metric",), f"{goal.metric!r} {missing}")
    if (wrong := _beyond(goal)) is not None:
        yield Problem(("above" if goal.above is not None else "below",), wrong)


def _measured(settings: dict[str, Any]) -> tuple[str, ...]:
    """By a trial with these settings, as far as they are right."""
    if "probes" not in settings:
        return ()
    held_out = "data" not in settings or bool(settings["data"].num_validation)
    return metrics_of(settings["probes"], held_out=held_out, task=_task(settings))
