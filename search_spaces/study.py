"""A study: a question with its arms, grid, seeds, goal and analyses."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from search_spaces.analyses import (
    Analysis,
    Curves,
    LambdaCurve,
    has_curve,
    sizes_of,
)
from search_spaces.assessing import assessments_in, metrics_of_assessments, problems_of_assessments
from search_spaces.cells import Cell, Settings, cells_of, nested, overlay, placed, without
from search_spaces.pictures import problems_of_pictures
from search_spaces.predicate_checks import problems_of_statement
from search_spaces.search import TIMES, Search, allowed_like, measured_by, reading_of, seeds_up_to
from trainables.assessments.base import Assessment
from trainables.component import Component, components_in
from trainables.configuration import Bool, Config, Float, NonNegativeFloat, PositiveFloat, PositiveInt, spelled
from trainables.datasets.base import Dataset
from trainables.evaluations import Goal
from trainables.gradient_config import metrics_of
from trainables.limits import wrong_values
from trainables.names import MAX_ARM, TRIALS_EXPERIMENT, alike, is_reserved
from trainables.plugins.config import Plugin, plugins_in
from trainables.probes.base import Probe
from trainables.trial import Trial, TrialConfig
from trainables.validation import Problem, ValidationErrors, nearest, problems_of

_PROBES = TypeAdapter(tuple[Probe, ...])

MAX_SEEDS = 10_000
MAX_TRIALS = 1_000_000

StudyName = Annotated[
    str,
    spelled(r"[a-z0-9][a-z0-9._-]{0,63}", "a small letter or digit, then up to 63 more or . _ -: it names a folder"),
]
ArmName = Annotated[
    str,
    spelled(
        rf"[A-Za-z][A-Za-z0-9_-]{{0,{MAX_ARM - 1}}}",
        f"a letter, then up to {MAX_ARM - 1} letters, digits, _ or -: it names metrics",
    ),
]


class Reference(Config):
    """A published figure that the study reproduces: of `measure`, a ratio of times, baseline and arm; or of `metric`,
    measured at the end of training.

    at              of an arm with a grid: the values of its settings, by their paths, at which it was published
    value, error    mean and its error over `num_seeds` seeds; without an error they are not judged
    error_is        sd: the standard deviation over seeds; sem: the mean's standard error; ci95: half the width of its
                    95% interval, Student's
    direction       of a ratio. fewer: baseline over arm, "times fewer"; more: arm over baseline, "times more"
    not_comparable  why our figure cannot be held against it, if so
    """

    arm: str
    at: dict[str, Any] = {}
    measure: Literal["steps", "seconds", "phase_seconds"] | None = None
    metric: str | None = None
    value: Float
    error: NonNegativeFloat | None = None
    error_is: Literal["sd", "sem", "ci95"] = "sd"
    num_seeds: PositiveInt | None = 10
    direction: Literal["fewer", "more"] = "fewer"
    source: str
    not_comparable: str | None = None

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        problems = []
        if (self.measure is None) == (self.metric is None):
            wrong = "give either measure, for a ratio of times, or metric, for a measurement at the end of training"
            problems.append(Problem((), wrong))
        elif self.measure is not None and self.value <= 0:
            wrong = f"{self.value:g} is not allowed: a ratio of times should be greater than 0"
            problems.append(Problem(("value",), wrong))
        elif self.metric is not None and self.metric.endswith("_accuracy") and not 0 <= self.value <= 1:
            wrong = f"{self.value:g} is no accuracy: they are fractions, from 0 to 1"
            problems.append(Problem(("value",), wrong))
        if self.error is not None and self.error_is != "sd" and (self.num_seeds is None or self.num_seeds < 2):
            wrong = f"is needed, at least 2: of how many seeds {self.error_is} {self.error:g} is decides what it says"
            problems.append(Problem(("num_seeds",), wrong))
        if self.metric is not None and self.direction != "fewer":
            wrong = f"{self.direction!r} is not allowed: a metric is no ratio of times, and has no direction"
            problems.append(Problem(("direction",), wrong))
        if problems:
            raise ValidationErrors("reference", problems)
        return self


class Resources(Config):
    """What a trial has to itself while it trains; fractions of a GPU are shares of it. No part of a trial's key."""

    cpus: PositiveFloat = 1.0
    gpus: NonNegativeFloat = 0.0


class Study(Config):
    """A question, and all that is run to answer it.

    seeds      a number n, for 0 … n-1, or a list
    trial      what all trials share: fields of TrialConfig
    arms       name -> what the arm changes in `trial`, and its `grid`
    assessments
               what is measured of the trained networks afterwards, example by example: attacks, say
    search     the settings of an arm of which `grokgrid optimise` finds the best
    keep_checkpoints
               whether the last checkpoint of a trial that ended stays in MLflow, so that it can be trained on; without
               it the trial would start anew
    """

    name: StudyName
    question: str
    seeds: Annotated[SerializeAsAny[int | tuple[int, ...]], seeds_up_to(MAX_SEEDS)]
    trial: Settings
    arms: Annotated[dict[ArmName, Settings], Field(min_length=1)]
    assessments: tuple[Assessment, ...] = ()
    analyses: tuple[Analysis, ...] = (Curves(),)
    reference: tuple[Reference, ...] = ()
    resources: Resources = Resources()
    search: Search | None = None
    keep_checkpoints: Bool = True

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name == TRIALS_EXPERIMENT:
            raise ValueError(f"{name!r} is the name of the experiment that holds all trials")
        if is_reserved(name):
            raise ValueError(f"{name!r} is reserved: an experiment or a device is named so; choose another name")
        return name

    @field_validator("arms")
    @classmethod
    def _differ_in_more_than_case(cls, arms: dict[str, Settings]) -> dict[str, Settings]:
        for one, other in alike(arms):
            raise ValueError(f"{one!r} and {other!r} differ in nothing but case, which some databases ignore")
        return arms

    @field_validator("arms", mode="before")
    @classmethod
    def _empty_arm_is_the_trial_itself(cls, arms: Any) -> Any:
        return {name: {} if arm is None else arm for name, arm in arms.items()} if isinstance(arms, dict) else arms

    @model_validator(mode="wrap")
    @classmethod
    def _all_problems_at_once(cls, value: Any, handler: Callable[[Any], Self] | ValidatorFunctionWrapHandler) -> Self:
        """Pydantic would tell of the cells only once the rest is right."""
        if isinstance(value, dict) and (wrong := wrong_values(value)):
            # Nothing is made of what is too large, or could not be printed.
            raise ValidationErrors("study", wrong)
        study, problems = None, []
        try:
            study = handler(value)
        except ValidationError as error:
            problems = problems_of(error)
        if isinstance(value, dict):
            trial, arms = value.get("trial"), value.get("arms")
            if (
                isinstance(trial, dict)
                and isinstance(arms, dict)
                and all(isinstance(a, dict) for a in arms.values() if a)
            ):
                problems += _problems_of_cells(value, *cells_of(trial, {name: arm or {} for name, arm in arms.items()}))
        if problems:
            raise ValidationErrors("study", problems)
        assert study is not None
        return study

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        cells, problems = cells_of(self.trial, self.arms)
        assert not problems
        return tuple(cells)

    @property
    def seed_list(self) -> tuple[int, ...]:
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    def trial_of(self, cell: Cell, seed: int) -> Trial:
        return Trial(config=cell.config, seed=seed)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials, each once, seed by seed: a study that is stopped early has all arms for the first seeds."""
        return tuple(self.trials_by_key.values())

    @property
    def num_trials(self) -> int:
        """How many those are, without making them: cells of the same configuration share theirs."""
        return len({cell.key_of(0) for cell in self.cells}) * len(self.seed_list)

    @cached_property
    def trials_by_key(self) -> dict[str, Trial]:
        """The same, in that order."""
        places = ((cell, seed) for seed in self.seed_list for cell in self.cells)
        return {cell.key_of(seed): self.trial_of(cell, seed) for cell, seed in places}

    def candidate(self, settings: Mapping[str, Any]) -> Cell:
        """The arm of the search at these settings, by their dotted paths, in place of its grid.

        Raises:
            ValidationErrors: this combination of settings is not allowed.
        """
        assert self.search is not None
        cells, problems = cells_of(self.trial, {self.search.arm: self.searched_arm(settings)})
        if problems:
            raise ValidationErrors(self.name, problems)
        return cells[0]

    def searched_arm(self, settings: Mapping[str, Any]) -> Settings:
        """The arm of the search, these settings alone on its grid."""
        assert self.search is not None
        arm = {name: value for name, value in self.arms[self.search.arm].items() if name != "grid"}
        for path in settings:
            arm = without(arm, tuple(path.split(".")))
        return arm | {"grid": {path: [value] for path, value in settings.items()}}

    def placed(self, cell: Cell, problem: Problem) -> Problem:
        """A problem of a cell's configuration with its path in this study."""
        return placed(problem, cell, self.trial, self.arms[cell.arm])

    @property
    def data_sets(self) -> tuple[Dataset, ...]:
        """That its trials and assessments need, each once."""
        of_cells = (data for cell in self.cells for data in cell.config.data_sets)
        others = (each.on for each in self.assessments if isinstance(each.on, Dataset))
        return tuple(dict.fromkeys((*of_cells, *others)))

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """Of all cells and assessments."""
        afterwards: list[tuple[str, Component]] = [(each.title, each) for each in self.assessments]
        afterwards += [inner for each in self.assessments for inner in components_in(each)]
        of_cells = [plugin for cell in self.cells for _, plugin in cell.config.plugins]
        return (*of_cells, *(plugin for _, plugin in plugins_in(tuple(afterwards))))

    @property
    def goal(self) -> Goal | None:
        """The goal that all cells share; None if there is none."""
        return self.cells[0].config.goal


def _problems_of_cells(study: dict[str, Any], cells: list[Cell], problems: list[Problem]) -> list[Problem]:
    """The cells' own problems, and those of analyses and references that speak of arms, goals and metrics."""
    problems = list(problems)
    if not problems and len({(str(cell.config.goal), cell.config.budget) for cell in cells}) > 1:
        wrong = "all arms must share one goal and one budget: what is compared is how soon they reach it"
        problems.append(Problem(("arms",), wrong))
    seeds = study.get("seeds")
    num_seeds = seeds if isinstance(seeds, int) else len(_listed(seeds))
    if num_seeds <= MAX_SEEDS and len(cells) * num_seeds > MAX_TRIALS:
        wrong = f"{num_seeds:,} seeds of {len(cells):,} cells make {len(cells) * num_seeds:,} trials"
        problems.append(Problem(("seeds",), f"{wrong}; a study has at most {MAX_TRIALS:,}"))
    arms, analyses, references = list(study["arms"]), _given(study, "analyses"), _given(study, "reference")
    measured = _measured(study, cells)
    problems += [
        Problem(("assessments", *problem.path), problem.message)
        for problem in problems_of_assessments(study, cells, measured)
    ]
    afterwards = list(metrics_of_assessments(assessments_in(study.get("assessments")) or ())) if measured else []
    for index, analysis in enumerate(analyses):
        of_curves = analysis.get("kind") == "curves"
        of_one = [
            *_problems_of_analysis(analysis, arms, cells, measured if of_curves else [*measured, *afterwards]),
            *_problems_of_robustness(analysis, study.get("assessments")),
            *_problems_of_extremes(analysis, afterwards),
            *problems_of_statement(analysis, arms, cells, measured, afterwards),
            *problems_of_pictures(analysis, study["arms"], measured, afterwards),
        ]
        problems += [Problem(("analyses", index, *problem.path), problem.message) for problem in of_one]
    compares = any(analysis.get("kind") == "acceleration" for analysis in analyses)
    if not compares and any(reference.get("measure") is not None for reference in references):
        wrong = "published accelerations stand beside ours: add {kind: acceleration, baseline: …} to analyses"
        problems.append(Problem(("reference",), wrong))
    problems += [
        Problem(("search", *problem.path), problem.message) for problem in _problems_of_search(study, cells, measured)
    ]
    beside = [metric for given in analyses if given.get("kind") == "measurements" for metric in _metrics(given)]
    for index, reference in enumerate(references):
        found = _problems_of_reference(reference, arms, cells, [*measured, *afterwards], beside)
        problems += [Problem(("reference", index, *problem.path), problem.message) for problem in found]
    return problems


def _problems_of_analysis(
    analysis: dict[str, Any], arms: list[str], cells: list[Cell], measured: list[str]
) -> Iterator[Problem]:
    kind, baseline = analysis.get("kind"), analysis.get("baseline")
    if kind in ("acceleration", "measurements", "lambda_curve", "robustness_curve") and isinstance(baseline, str):
        num_cells = sum(cell.arm == baseline for cell in cells)
        if baseline not in arms:
            yield Problem(("baseline",), f"{baseline!r} is no arm; {nearest(baseline, arms)}")
        elif num_cells > 1:
            wrong = f"{baseline!r} has a grid of {num_cells} cells; a baseline is one cell"
            yield Problem(("baseline",), wrong)
    if kind == "acceleration" and isinstance(baseline, str) and cells and cells[0].config.goal is None:
        yield Problem((), "acceleration needs a goal: give trial.goal")
    if kind == "lambda_curve":
        yield from _problems_of_strengths(analysis, arms, cells)
        measured = [*TIMES, *measured] if measured else measured
    if kind == "table":
        yield from _problems_of_table(analysis, cells, measured)
    if kind in ("curves", "measurements", "lambda_curve") and measured:
        for metric in _metrics(analysis):
            if (metric if kind == "curves" else measured_by(metric)) not in measured:
                allowed = list(measured) if kind == "curves" else allowed_like(metric, measured)
                yield Problem(("metrics",), f"{metric!r} is not measured; {nearest(metric, allowed)}")


def _problems_of_robustness(analysis: dict[str, Any], given: Any) -> Iterator[Problem]:
    """Of assessments that are right by themselves; the others are reported where they are given."""
    if analysis.get("kind") != "robustness_curve":
        return
    if (assessments := assessments_in(given)) is None:
        return
    by_title = {each.title: each for each in assessments}
    with_curve = [title for title, each in by_title.items() if has_curve(each)]
    if not with_curve:
        yield Problem(
            (), "robustness_curve needs an assessment of the last networks with sizes: give one in assessments"
        )
        return
    named = [title for title in _listed(analysis.get("assessments")) if isinstance(title, str)]
    for index, title in enumerate(named):
        place = ("assessments", index)
        if title in named[:index]:
            yield Problem(place, f"{title!r} is there twice")
        elif title not in by_title:
            yield Problem(place, f"{title!r} is not assessed; {nearest(title, with_curve)}")
        elif not sizes_of(by_title[title]):
            wrong = f"{title!r} has no sizes, and the curve is accuracy against size"
            yield Problem(place, f"{wrong}. Allowed: {', '.join(with_curve)}")
        elif title not in with_curve:
            wrong = f"{title!r} is of networks that were kept on the way, and the curve is of the last ones"
            yield Problem(place, f"{wrong}. Allowed: {', '.join(with_curve)}")


def _problems_of_extremes(analysis: dict[str, Any], afterwards: list[str]) -> Iterator[Problem]:
    for metric in _metrics(analysis):
        if metric != (plain := measured_by(metric)) and plain in afterwards:
            none = "first evaluation" if reading_of(metric) == "first" else "extremes over it"
            wrong = f"{metric!r}: an assessment is made once, and has no {none}; write {plain}"
            yield Problem(("metrics",), wrong)


def _problems_of_table(analysis: dict[str, Any], cells: list[Cell], measured: list[str]) -> Iterator[Problem]:
    setting, metric = analysis.get("setting"), analysis.get("metric")
    on_grids = list(dict.fromkeys(path for cell in cells for path, _ in cell.point))
    inside = list(dict.fromkeys(cell.arm for cell in cells if [path for path, _ in cell.point] == [setting]))
    if cells and isinstance(setting, str) and not inside:
        told = f"; {nearest(setting, on_grids)}" if on_grids else ""
        yield Problem(("setting",), f"{setting!r} is on no arm's grid by itself{told}")
    if measured and isinstance(metric, str) and measured_by(metric) not in measured:
        yield Problem(("metric",), f"{metric!r} is not measured; {nearest(metric, allowed_like(metric, measured))}")
    baseline = analysis.get("baseline")
    if isinstance(baseline, str) and inside and baseline not in inside:
        wrong = f"{baseline!r} is no arm of the table, which has {setting} alone on its grid"
        yield Problem(("baseline",), f"{wrong}; {nearest(baseline, inside)}")


def _problems_of_strengths(analysis: dict[str, Any], arms: list[str], cells: list[Cell]) -> Iterator[Problem]:
    arm, metrics = analysis.get("arm"), _metrics(analysis) or list(LambdaCurve.model_fields["metrics"].default)
    if isinstance(arm, str) and arm not in arms:
        yield Problem(("arm",), f"{arm!r} is no arm; {nearest(arm, arms)}")
    points = [dict(cell.point) for cell in cells if cell.arm == arm]
    if points and len(points[0]) != 1:
        yield Problem(("arm",), f"{arm!r} has {len(points[0])} settings on its grid; one is needed, the strength")
    elif points and not all(_is_strength(value) for point in points for value in point.values()):
        yield Problem(
            ("arm",), f"{arm!r} has other values than positive numbers on its grid, and the axis is logarithmic"
        )
    times = [metric for metric in metrics if metric in TIMES]
    if times and cells and cells[0].config.goal is None:
        yield Problem(("metrics",), f"{times[0]!r} needs a goal: give trial.goal")


def _problems_of_search(study: dict[str, Any], cells: list[Cell], measured: list[str]) -> Iterator[Problem]:
    """Those of a search that is right by itself; the others are told by it."""
    try:
        search = TypeAdapter(Search | None).validate_python(study.get("search"))
    except ValidationError:
        return
    if search is None:
        return
    arms = study["arms"]
    for field in ("arm", "baseline"):
        if (name := getattr(search, field)) not in arms:
            yield Problem((field,), f"{name!r} is no arm; {nearest(name, arms)}")
    num_cells = sum(cell.arm == search.baseline for cell in cells)
    if num_cells > 1:
        yield Problem(("baseline",), f"{search.baseline!r} has a grid of {num_cells} cells; a baseline is one cell")
    if search.arm == search.baseline:
        yield Problem(("arm",), f"{search.arm!r} is the baseline too: the best of an arm is held against another one")
    seeds = study.get("seeds")
    claimed = range(seeds) if isinstance(seeds, int) else seeds if isinstance(seeds, list | tuple) else ()
    if common := sorted(seed for seed in search.seed_list if seed in claimed):
        wrong = f"{', '.join(map(str, common[:5]))}: also the study’s; what is chosen on a seed cannot be claimed on it"
        yield Problem(("seeds",), wrong)
    for index, objective in enumerate(search.objectives):
        place = ("objectives", index, "metric")
        if objective.is_time and cells and cells[0].config.goal is None:
            yield Problem(place, f"{objective.metric!r} needs a goal: give trial.goal")
        elif measured and not objective.is_time and measured_by(objective.metric) not in measured:
            held_out = "; give data.num_validation" if "validation_" in objective.metric else ""
            others = [m for m in measured if not m.startswith("test_")]
            times = () if "/" in objective.metric else TIMES
            known = nearest(objective.metric, [*times, *allowed_like(objective.metric, others)])
            yield Problem(place, f"{objective.metric!r} is not measured{held_out}; {known}")
    if search.arm in arms:
        yield from _problems_of_settings(study["trial"], arms[search.arm] or {}, search, cells)


def _problems_of_settings(trial: Settings, arm: Settings, search: Search, cells: list[Cell]) -> Iterator[Problem]:
    """What is not allowed at the ends of the ranges."""
    below = overlay(trial, {name: value for name, value in arm.items() if name != "grid"})
    arm_is_right = any(cell.arm == search.arm for cell in cells)
    for corner in search.corners():
        merged = below
        for path, value in corner.items():
            merged = overlay(merged, nested(path, value))
        try:
            TrialConfig.model_validate(merged)
        except ValidationError as error:
            for problem in problems_of(error):
                steps = {path: tuple(path.split(".")) for path in corner}
                at = [path for path, parts in steps.items() if problem.path == parts]
                around = [path for path, parts in steps.items() if problem.path == parts[: len(problem.path)]]
                if at:
                    yield Problem(("settings", at[0]), problem.message)
                elif arm_is_right and around:
                    yield Problem(("settings", around[0]), problem.message)
                elif arm_is_right:
                    # The arm's grid gave it, say.
                    yield Problem(("settings",), f"leave the arm without what it needs: {problem}")


def _is_strength(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _problems_of_reference(
    reference: dict[str, Any], arms: list[str], cells: list[Cell], measured: list[str], beside: list[str]
) -> Iterator[Problem]:
    """`beside`: the metrics of the measurements analyses, where a published figure can stand beside ours."""
    arm, metric = reference.get("arm"), reference.get("metric")
    if arm is not None and arm not in arms:
        yield Problem(("arm",), f"{arm!r} is no arm; {nearest(arm, arms)}")
    at, mine = reference.get("at") or {}, [cell for cell in cells if cell.arm == arm]
    if mine and isinstance(at, dict) and not any(dict(cell.point).items() >= at.items() for cell in mine):
        points = "; ".join(dict.fromkeys(cell.name for cell in mine))
        yield Problem(("at",), f"{arm!r} has no such cell. Allowed: {points}")
    if isinstance(metric, str) and measured:
        if metric not in measured:
            yield Problem(("metric",), f"{metric!r} is not measured; {nearest(metric, measured)}")
        elif metric not in beside:
            add = f"add {{kind: measurements, metrics: [{metric}]}} to analyses"
            yield Problem(("metric",), f"published figures stand beside ours: {add}")


def _given(study: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """The analyses or references, checked already or not; empty in place of what is none."""
    items = study.get(field)
    given = [item.model_dump() if isinstance(item, Config) else item for item in _listed(items)]
    return [item if isinstance(item, dict) else {} for item in given]


def _metrics(analysis: dict[str, Any]) -> list[str]:
    return [metric for metric in _listed(analysis.get("metrics")) if isinstance(metric, str)]


def _listed(items: Any) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else []


def _measured(study: dict[str, Any], cells: list[Cell]) -> list[str]:
    """All metrics of the study, also while none of its cells is right; empty if its probes are wrong, or only training
    tells.
    """
    if any(cell.config.metrics is None for cell in cells) or (not cells and "procedure" in study["trial"]):
        return []
    settings = [study["trial"], *(arm for arm in study["arms"].values() if arm)]
    given = [each["probes"] for each in settings if "probes" in each]
    held_out = any(isinstance(each.get("data"), dict) and bool(each["data"].get("num_validation")) for each in settings)
    try:
        tasks = {data.task for cell in cells for data in cell.config.data_sets} or {"classification"}
        found = [
            metrics_of(_PROBES.validate_python(probes), held_out=held_out, task=task)
            for task in sorted(tasks)
            for probes in ((), *given)
        ]
    except ValidationError:
        found = []
    return list(dict.fromkeys(itertools.chain(*(cell.config.metrics or () for cell in cells), *found)))
