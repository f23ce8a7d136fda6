"""What a sentence of a paper claims of arms, as clauses that can be checked.

A clause is a figure over seeds, a side and a threshold. It agrees if the whole 95% interval lies on that side, differs
if the whole interval lies on the other, and is inconclusive otherwise. Each statistic is a class, chosen by its name:

    {statistic: level, arm: minimised, metric: max/test_accuracy, above: 0.85}
    {statistic: difference, arm: constrained, than: minimised, metric: train_centroid_norm_mean}
    {statistic: sooner, arm: jacobian, than: weight_decay, metric: test_accuracy, above: 0.9, factor: 2}
    {statistic: before, arm: standard, first: {metric: train_accuracy, above: 0.99}, then: {…}}
    {statistic: change, arm: standard, metric: train_centroid_norm_mean, above: 0}
    {statistic: correlation, metrics: [max/point_centroid_alignment, point_centroid_norm], below: 0}
    {statistic: agreement, arm: standard, metrics: [point_predicted_change, point_measured_change], below: 0.01}
    {statistic: slope, arm: finite, metric: train_jacobian_ntk_deviation, below: -0.4}

A clause is of one cell, or of two; a correlation and a slope are of several. `at` chooses the cell of an arm with a
grid by the values of its settings, as in references.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, GetCoreSchemaHandler, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import CoreSchema, core_schema

from search_spaces.search import reading_of
from trainables.configuration import Config, Float, NonNegativeInt, PositiveFloat
from trainables.evaluations import Goal
from trainables.validation import nearest, not_fields, shown

Takes = Literal["evaluations", "extremes", "assessments"]
Pair = Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]
At = dict[str, Any]


class Bound(NamedTuple):
    """The side of a threshold on which the interval must lie."""

    side: Literal["above", "below"]
    value: float

    def __str__(self) -> str:
        return f"{'>' if self.side == 'above' else '<'} {self.value:g}"


class Predicate(Config):
    """One clause of a statement; a field that holds one accepts each statistic, by its name.

    takes  what its metrics may be: of evaluations alone; extremes over them, too; and measurements of assessments, too
    """

    statistic: str
    takes: ClassVar[Takes] = "evaluations"

    @property
    def bound(self) -> Bound:
        raise NotImplementedError

    @property
    def cells_named(self) -> tuple[tuple[str, At], ...]:
        """The arms that it is of, each with the values that choose a cell; empty for all cells of the study."""
        named = [(getattr(self, "arm", None), getattr(self, "at", {}))]
        named.append((getattr(self, "than", None), getattr(self, "than_at", {})))
        return tuple((arm, at) for arm, at in named if arm is not None)

    @property
    def metrics_named(self) -> tuple[str, ...]:
        pair: tuple[str, ...] = getattr(self, "metrics", ())
        return pair or (getattr(self, "metric", ""),)

    @model_serializer(mode="wrap")
    def _with_its_name(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Also where fields at their default are left out: the name says which clause it is."""
        return {"statistic": self.statistic, **handler(self)}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if Config not in cls.__bases__:
            return handler(source)
        by_class = core_schema.simple_ser_schema("any")
        return core_schema.no_info_plain_validator_function(cls._chosen, serialization=by_class)

    @classmethod
    def _chosen(cls, value: Any) -> "Predicate":
        """Its errors are those of the statistic that is given, and of no other."""
        statistics = {each.model_fields["statistic"].default: each for each in cls.__subclasses__()}
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(not_fields(value))
        name = value.get("statistic")
        if name is None:
            raise ValueError(f"needs a statistic. Allowed: {', '.join(statistics)}")
        if not isinstance(name, str) or name not in statistics:
            raise ValueError(f"{shown(name)} is not known; {nearest(name, statistics)}")
        return statistics[name].model_validate(value)


class Threshold(Config):
    """What all clauses share that give the side and the threshold by themselves, in the unit of their statistic."""

    least: ClassVar[float | None] = None
    """What `above` is where neither side is given; without it one is needed."""

    above: Float | None = None
    below: Float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if self.above is not None and self.below is not None:
            raise ValueError(f"above {self.above:g} and below {self.below:g} are given; give one, the threshold")
        if self.above is None and self.below is None and self.least is None:
            raise ValueError("needs a threshold: give either above or below")
        return self

    @property
    def bound(self) -> Bound:
        if self.below is not None:
            return Bound("below", self.below)
        above = self.above if self.above is not None else self.least
        assert above is not None
        return Bound("above", above)


class Level(Threshold, Predicate):
    """The mean over seeds of a metric where training ended, or of its extreme over training, max/METRIC or
    min/METRIC.
    """

    takes: ClassVar[Takes] = "assessments"
    statistic: Literal["level"] = "level"
    arm: str
    at: At = {}
    metric: str


class Difference(Threshold, Predicate):
    """The mean over seeds of a metric where training ended (or an extreme) of `arm` minus that of `than`, paired by
    seed. Without a threshold it should be above 0.
    """

    least: ClassVar[float | None] = 0.0
    takes: ClassVar[Takes] = "assessments"
    statistic: Literal["difference"] = "difference"
    arm: str
    at: At = {}
    than: str
    than_at: At = {}
    metric: str


class Sooner(Predicate):
    """How many times fewer steps `arm` takes than `than` until the metric is above, or below, a value: the ratio of
    steps, `than` over `arm`, paired by seed. Censored trials count as in accelerations.

    factor  the ratio should be above it
    """

    statistic: Literal["sooner"] = "sooner"
    arm: str
    at: At = {}
    than: str
    than_at: At = {}
    metric: str
    above: Float | None = None
    below: Float | None = None
    factor: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _is_an_event(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below, the value that the metric reaches")
        return self

    @property
    def event(self) -> Goal:
        return Goal(metric=self.metric, above=self.above, below=self.below)

    @property
    def bound(self) -> Bound:
        return Bound("above", self.factor)


class Before(Predicate):
    """That an arm comes to `first` in fewer steps than to `then`: the ratio of steps of one trial, `then` over `first`,
    should be above 1. Censored trials count as in accelerations.
    """

    statistic: Literal["before"] = "before"
    arm: str
    at: At = {}
    first: Goal
    then: Goal

    @model_validator(mode="after")
    def _are_two_events(self) -> Self:
        if self.first == self.then:
            raise ValueError(f"first and then are the same, {self.first}: an order is of two events")
        return self

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return (self.first.metric, self.then.metric)

    @property
    def bound(self) -> Bound:
        return Bound("above", 1.0)


class Change(Threshold, Predicate):
    """How a metric (or its extreme) where training ended differs from an earlier value of the same metric and trial.

    since  that value: at the first evaluation, which may be before training, or its extreme from the first step on
    by     difference: the mean over seeds; ratio: the geometric mean over seeds of positive values
    """

    takes: ClassVar[Takes] = "extremes"
    statistic: Literal["change"] = "change"
    arm: str
    at: At = {}
    metric: str
    since: Literal["first", "max", "min"] = "first"
    by: Literal["difference", "ratio"] = "difference"

    @model_validator(mode="after")
    def _can_differ(self) -> Self:
        if reading_of(self.metric) == self.since:
            raise ValueError(f"{self.metric!r} since {self.since} is no change: it is held against itself")
        if self.by == "ratio" and self.bound.value <= 0:
            raise ValueError(f"{self.bound.side} {self.bound.value:g} says nothing: ratios are positive")
        return self


class Correlation(Threshold, Predicate):
    """Spearman's rank correlation of two metrics where training ended (or of their extremes) over the cells of the
    study, or of some arms: one correlation a seed, and their mean over seeds. Trials of one seed may share a draw, so
    they are never taken for independent of each other.
    """

    takes: ClassVar[Takes] = "assessments"
    statistic: Literal["correlation"] = "correlation"
    arms: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    metrics: Pair

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        _are_two(self.metrics)
        if not -1 < self.bound.value < 1:
            raise ValueError(f"{self.bound.side} {self.bound.value:g} says nothing: correlations lie between -1 and 1")
        if twice := [arm for arm in self.arms or () if (self.arms or ()).count(arm) > 1]:
            raise ValueError(f"arms holds {shown(twice[0])} twice")
        return self

    @property
    def cells_named(self) -> tuple[tuple[str, At], ...]:
        return tuple((arm, {}) for arm in self.arms or ())


class Agreement(Threshold, Predicate):
    """The largest |a - b| over evaluations, divided by the largest |b| over these evaluations: a number without a
    unit, and its mean over seeds.

    metrics    a and b; b is what a is held against
    from_step  the first step that counts
    """

    statistic: Literal["agreement"] = "agreement"
    arm: str
    at: At = {}
    metrics: Pair
    from_step: NonNegativeInt = 0

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        _are_two(self.metrics)
        if self.bound.value <= 0:
            raise ValueError(f"{self.bound.side} {self.bound.value:g} says nothing: deviations are 0 or more")
        return self


class Slope(Threshold, Predicate):
    """How a metric where training ended (or an extreme) falls or grows along the one setting on the grid of an arm: the
    slope of its logarithm against that of the setting, by least squares, one a seed, and their mean over seeds. A
    metric proportional to n^-1/2 has the slope -0.5 against n.
    """

    takes: ClassVar[Takes] = "assessments"
    statistic: Literal["slope"] = "slope"
    arm: str
    metric: str

    @property
    def cells_named(self) -> tuple[tuple[str, At], ...]:
        return ((self.arm, {}),)


def _are_two(metrics: Pair) -> None:
    """Raises:
    ValueError: they are the same.
    """
    if metrics[0] == metrics[1]:
        raise ValueError(f"metrics holds {shown(metrics[0])} twice: it is held against itself")
