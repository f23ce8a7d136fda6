"""A study: a question with its arms, grid, seeds, goal and analyses."""

import itertools
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from search_spaces.analyses.base import Analysis, StudyContent, problems_of_analyses
from search_spaces.analyses.curves import Curves
from search_spaces.assessing import assessments_in, metrics_of_assessments, problems_of_assessments
from search_spaces.cells import Cell, Settings, cells_of, placed, without
from search_spaces.references import Reference, problems_of_ratios, problems_of_references
from search_spaces.search import Search, seeds_up_to
from search_spaces.search_checks import problems_of_search
from trainables.assessments.base import Assessment
from trainables.component import Component, components_in
from trainables.configuration import Bool, Config, NonNegativeFloat, PositiveFloat, spelled
from trainables.datasets.base import Dataset
from trainables.evaluations import Goal
from trainables.gradient_config import metrics_of
from trainables.limits import wrong_values
from trainables.names import MAX_ARM, TRIALS_EXPERIMENT, alike, is_reserved
from trainables.plugins.config import Plugin, plugins_in
from trainables.probes.base import Probe
from trainables.trial import Trial
from trainables.validation import Problem, ValidationErrors, problems_of

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
        return Trial(config=cell.config, seed=seed if cell.config.draws else 0)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials, each once, seed by seed: a study that is stopped early has all arms for the first seeds."""
        return tuple(self.trials_by_key.values())

    @property
    def num_trials(self) -> int:
        """How many those are, without making them: cells of the same configuration share theirs."""
        each = {cell.key_of(0): len(self.seed_list) if cell.config.draws else 1 for cell in self.cells}
        return sum(each.values())

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

    def is_in_headline(self, analysis: Analysis) -> bool:
        """Whether the headline of a report has the sentence of one of its analyses."""
        return analysis.is_in_headline(self.analyses, has_goal=self.goal is not None)

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
    measured = _measured(study, cells)
    problems += [problem.below("assessments") for problem in problems_of_assessments(study, cells, measured)]
    assessments = assessments_in(study.get("assessments"))
    afterwards = metrics_of_assessments(assessments or ()) if measured else ()
    content = StudyContent(study["arms"], cells, measured, afterwards, assessments)
    analyses, references = _given(study, "analyses"), _given(study, "reference")
    problems += [problem.below("analyses") for problem in problems_of_analyses(analyses, content)]
    problems += [problem.below("reference") for problem in problems_of_ratios(references, analyses)]
    problems += [problem.below("search") for problem in problems_of_search(study, cells, measured)]
    problems += [problem.below("reference") for problem in problems_of_references(references, analyses, content)]
    return problems


def _given(study: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """The analyses or references, checked already or not; empty in place of what is none."""
    items = study.get(field)
    given = [item.model_dump() if isinstance(item, Config) else item for item in _listed(items)]
    return [item if isinstance(item, dict) else {} for item in given]


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
