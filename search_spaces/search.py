"""The search of a study: which settings of an arm to vary, for what, and how long.

    search:
      arm: jacobian
      baseline: baseline
      settings:
        regulariser.strength: {log_uniform: {from: 1e-3, to: 10}}
      objectives: [steps]
      seeds: 10
      budget: {trials: 100}

A candidate is the arm at one value of each setting. Candidates are compared on `seeds`, none of which is the study's;
on the study's own seeds, which had no part in the choice, the best one is then held against the baseline.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from trainables.configuration import Config, Float, Int, PositiveFloat, PositiveInt
from trainables.names import alike, fit_one_column, written
from trainables.validation import Problem, ValidationErrors, problems_of, shown
from trainables.work import Seed

TIMES = ("steps", "epochs", "seconds")
"""Of a trial to its goal."""

FIRST_SEED = 100_000
"""Of the seeds that a search given a mere number of them takes: far from those of studies."""

MOST_CANDIDATES, MOST_SEEDS, MOST_SETTINGS = 1000, 1000, 50
"""Of any search."""

READINGS = ("first", "max", "min")
"""What may stand before the name of a metric: its value at the first evaluation, which may be at step 0, or its extreme
over the evaluations from the first step up to where training ended.
"""

Better = Literal["less", "more"]


def reading_of(metric: str) -> str:
    """`first`, `max` or `min`, if that and a slash stand before its name; empty where training ends."""
    before = metric.rpartition("/")[0]
    return before if before in READINGS else ""


def measured_by(metric: str) -> str:
    """What is measured for METRIC itself, first/METRIC, max/METRIC and min/METRIC."""
    return metric.rpartition("/")[2] if reading_of(metric) else metric


def allowed_like(metric: str, measured: Sequence[str]) -> list[str]:
    """The names among which to look for the nearest one to a metric that is not measured."""
    before, slash, _ = metric.rpartition("/")
    readings = (before,) if before in READINGS else READINGS
    return [f"{reading}/{name}" for reading in readings for name in measured] if slash else list(measured)


def better_of(metric: str) -> Better | None:
    """Whether less or more of a metric is better, if its name tells."""
    if metric in TIMES or metric.endswith("_loss"):
        return "less"
    return "more" if metric.endswith(("_accuracy", "_r2")) else None


def seeds_up_to(most: int) -> PlainValidator:
    """For a number of seeds, or a list of them; its errors are those of the form that is given, and of no other."""
    number = TypeAdapter(Annotated[PositiveInt, Field(le=most)])
    several = TypeAdapter(Annotated[tuple[Seed, ...], Field(min_length=1, max_length=most)])

    def check(seeds: Any) -> int | tuple[int, ...]:
        if seeds is None or isinstance(seeds, bool | float | str | dict):
            raise ValueError(f"{shown(seeds)} is not allowed: it should be a number of seeds, 3, or a list, [0, 4, 7]")
        try:
            found: int | tuple[int, ...] = (
                several.validate_python(seeds) if isinstance(seeds, list | tuple) else number.validate_python(seeds)
            )
        except ValidationError as error:
            raise ValidationErrors("seeds", problems_of(error)) from None
        counts = Counter(found if isinstance(found, tuple) else ())
        if twice := sorted(seed for seed, num in counts.items() if num > 1):
            more = f" and {len(twice) - 5:,} more" if len(twice) > 5 else ""
            raise ValueError(f"holds {', '.join(map(str, twice[:5]))}{more} twice")
        return found

    return PlainValidator(check)


class _Ends(Config):
    model_config = ConfigDict(serialize_by_alias=True)

    from_: Float = Field(alias="from")
    to: Float

    @model_validator(mode="after")
    def _increase(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError(f"from {self.from_:g} to {self.to:g} is no range: from should be the smaller one")
        return self


class LogUniform(_Ends):
    from_: PositiveFloat = Field(alias="from")
    to: PositiveFloat


class Uniform(_Ends):
    pass


class Integers(_Ends):
    from_: Int = Field(alias="from")
    to: Int


Value = bool | int | float | str | None


def _is_value(value: Any) -> Any:
    """A validator: with one error where a union would have one a member."""
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError(f"{shown(value)} is not allowed: it should be a number, a text, true, false or null")
    return value


class Range(Config):
    """The values that a setting may take: one of log_uniform, uniform, integers and choice."""

    log_uniform: LogUniform | None = None
    uniform: Uniform | None = None
    integers: Integers | None = None
    choice: (
        Annotated[
            tuple[Annotated[Value, PlainValidator(_is_value)], ...], Field(min_length=2, max_length=MOST_CANDIDATES)
        ]
        | None
    ) = None

    @field_validator("choice")
    @classmethod
    def _no_value_twice(cls, choice: tuple[Value, ...] | None) -> tuple[Value, ...] | None:
        given = choice or ()
        if any(value != value for value in given):
            raise ValueError("holds .nan, which is no value to choose")
        # Optuna takes values that Python calls equal for one: 1, 1.0 and true.
        for index, value in enumerate(given):
            if value in given[:index]:
                other = given[given.index(value)]
                same = shown(other) == shown(value)
                raise ValueError(
                    f"holds {shown(value)} twice" if same else f"{shown(other)} and {shown(value)} are one value here"
                )
        return choice

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.log_uniform, self.uniform, self.integers, self.choice)) != 1:
            raise ValueError("give one of log_uniform, uniform, integers and choice")
        return self

    def in_table(self, value: Value) -> Value:
        """A value as a table of candidates has it: as text, where the choices are of several types."""
        given = self.choice or ()
        return value if fit_one_column(given) and None not in given else written(value)

    @property
    def ends(self) -> LogUniform | Uniform | Integers | None:
        return self.log_uniform or self.uniform or self.integers

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Both ends, or every choice: if these are allowed, so is what lies between."""
        if self.choice is not None:
            return self.choice
        assert self.ends is not None
        return (self.ends.from_, self.ends.to)


class Objective(Config):
    """What is to be small or large, in the mean over seeds.

    metric  steps, epochs or seconds to the goal, of which the logarithm of min(time, budget) is taken; or anything
            that is measured, where training ends, or max/METRIC or min/METRIC, its extreme over the evaluations until
            then, or first/METRIC, at the first evaluation
    better  whether less or more of it is better; needed unless its name tells: times, losses, accuracies
    """

    metric: str = "steps"
    better: Better | None = None

    @property
    def is_time(self) -> bool:
        return self.metric in TIMES

    @property
    def sought(self) -> Better:
        sought = self.better or better_of(self.metric)
        assert sought is not None
        return sought

    @field_validator("metric")
    @classmethod
    def _is_not_of_the_test_examples(cls, metric: str) -> str:
        if not measured_by(metric).startswith("test_"):
            return metric
        other = f"give {metric.replace('test_', 'train_', 1)!r}"
        if metric.endswith(("_accuracy", "_r2", "_loss")):
            other = f"give data.num_validation, and {metric.replace('test_', 'validation_', 1)!r} here"
        raise ValueError(
            f"{metric!r} is not allowed: what is chosen on test examples cannot be claimed on them; {other}"
        )

    @model_validator(mode="after")
    def _can_choose(self) -> Self:
        if self.better is None and better_of(self.metric) is None:
            wrong = f"is missing: whether less or more of {self.metric!r} is better is not known"
            raise ValidationErrors("objective", [Problem(("better",), wrong)])
        if self.is_time and self.better == "more":
            raise ValidationErrors(
                "objective", [Problem(("better",), f"more {self.metric} to the goal are not better")]
            )
        return self


class SearchBudget(Config):
    """Where a search ends, whichever comes first.

    candidates    so many are tried, and all of them raced to the end
    trials        so many are run or found done, over all candidates
    device_hours  so long have they trained, wherever that was
    """

    candidates: Annotated[PositiveInt, Field(le=MOST_CANDIDATES)] | None = None
    trials: Annotated[PositiveInt, Field(le=1_000_000)] | None = None
    device_hours: PositiveFloat | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.candidates is None and self.trials is None and self.device_hours is None:
            raise ValueError("is without end: give candidates, trials or device_hours")
        return self

    @property
    def most_candidates(self) -> int:
        return min(self.candidates or MOST_CANDIDATES, self.trials or MOST_CANDIDATES)


class Search(Config):
    """settings: dotted path of each setting of the arm -> its range. Several objectives make a Pareto front."""

    arm: str
    baseline: str
    settings: Annotated[dict[str, Range], Field(min_length=1, max_length=MOST_SETTINGS)]
    objectives: Annotated[
        tuple[Annotated[Objective, BeforeValidator(lambda o: {"metric": o} if isinstance(o, str) else o)], ...],
        Field(min_length=1),
    ] = (Objective(),)
    seeds: Annotated[SerializeAsAny[int | tuple[int, ...]], seeds_up_to(MOST_SEEDS)] = 10
    budget: SearchBudget = SearchBudget(trials=100)

    @field_validator("settings")
    @classmethod
    def _differ_in_more_than_case(cls, settings: dict[str, Range]) -> dict[str, Range]:
        for one, other in alike(settings):
            raise ValueError(f"{one!r} and {other!r} differ in nothing but case, which some file systems ignore")
        return settings

    @field_validator("objectives")
    @classmethod
    def _no_objective_twice(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        metrics = [objective.metric for objective in objectives]
        twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
        if twice:
            raise ValueError(f"holds {', '.join(twice)} twice")
        return objectives

    @property
    def seed_list(self) -> tuple[int, ...]:
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds)) if isinstance(self.seeds, int) else self.seeds

    def corners(self) -> Iterator[dict[str, Any]]:
        """Settings to be checked: each at all its extremes, the others at their first one."""
        first = {path: spread.extremes[0] for path, spread in self.settings.items()}
        yield first
        for path, spread in self.settings.items():
            for value in spread.extremes[1:]:
                yield first | {path: value}


def rounded(value: float) -> float:
    """To four significant digits: what a person can read, and another study name again."""
    return float(f"{value:.4g}") if math.isfinite(value) else value
