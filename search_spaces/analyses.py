"""The settings of analyses: what a report says of a study's results."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from search_spaces.predicates import Predicate
from search_spaces.search import Better, better_of
from trainables.assessments.base import Assessment
from trainables.configuration import Bool, Config, Float
from trainables.validation import Problem, ValidationErrors, nearest, not_fields, shown


class Analysis(Config):
    """What a report says of the results; a field that holds one accepts each kind, by its name."""

    kind: str

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if Config not in cls.__bases__:
            return handler(source)
        by_class = core_schema.simple_ser_schema("any")
        return core_schema.no_info_plain_validator_function(cls._chosen, serialization=by_class)

    @classmethod
    def _chosen(cls, value: Any) -> "Analysis":
        """Its errors are those of the kind that is given, and of no other."""
        kinds = {each.model_fields["kind"].default: each for each in cls.__subclasses__()}
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(not_fields(value))
        kind = value.get("kind")
        if kind is None:
            raise ValueError(f"needs a kind. Allowed: {', '.join(kinds)}")
        if not isinstance(kind, str) or kind not in kinds:
            raise ValueError(f"{shown(kind)} is not known; {nearest(kind, kinds)}")
        return kinds[kind].model_validate(value)


class Acceleration(Analysis):
    """How much sooner each arm reaches the goal than the baseline, paired by seed: in steps, in seconds of
    optimisation, and in seconds of the grokking phase, from the first evaluation at which the goal's metric is at least
    `phase_from` to the goal (Walker et al., Table 1).
    """

    kind: Literal["acceleration"] = "acceleration"
    baseline: str
    phase_from: Float | None = 0.2


class Curves(Analysis):
    """Metrics against steps: a curve a seed, mean and band.

    metrics  by default accuracies, or R^2 of a regression; of a training function that has neither, its first four
    """

    kind: Literal["curves"] = "curves"
    metrics: tuple[str, ...] | None = None


class Measurements(Analysis):
    """Metrics where training ends, over seeds; with a baseline their differences from it, paired by seed. max/METRIC
    and min/METRIC are extremes over all evaluations from the first step until then, first/METRIC is the value at the
    first evaluation, which may be at step 0.

    Where a trial ends all its probes are due. If another study has trained it on, a metric is as last measured by then:
    a budget whose last evaluation is one at which the probes are due anyway makes no difference.
    """

    kind: Literal["measurements"] = "measurements"
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    baseline: str | None = None


class LambdaCurve(Analysis):
    """How metrics depend on the strength of a method: each against the one setting on the grid of `arm`, over seeds.

    baseline  the arm that stands for a strength of 0
    metrics   times to the goal (steps, epochs, seconds), or what is measured, where trials end. By the first of them
              the best strength is chosen
    better    whether less or more of it is better; needed unless its name tells: times, losses, accuracies
    """

    kind: Literal["lambda_curve"] = "lambda_curve"
    arm: str
    baseline: str
    metrics: Annotated[tuple[str, ...], Field(min_length=1)] = ("steps", "test_accuracy")
    better: Better | None = None

    @property
    def chosen_for(self) -> Better | None:
        """Whether less or more of the first metric is better; None if that is not known."""
        return self.better or better_of(self.metrics[0])

    @model_validator(mode="after")
    def _can_choose(self) -> Self:
        if self.chosen_for is None:
            wrong = f"is missing: whether less or more of {self.metrics[0]!r} is better decides which strength is best"
            raise ValidationErrors("lambda_curve", [Problem(("better",), wrong)])
        return self


class ArmsBySetting(Analysis):
    """A metric where training ends as papers print it: arms down, the values of one setting of their grids across, the
    mean over seeds and its 95% interval; with a baseline also the differences from it, paired by seed.

    setting   the path of the setting; arms that have it alone on their grid are in the table
    baseline  the arm with which each other one is compared at the same value of the setting
    null_as   what a value of null is called: `all`, say, where the setting is a number of examples
    """

    kind: Literal["table"] = "table"
    metric: str
    setting: str
    baseline: str | None = None
    null_as: Annotated[str, Field(min_length=1)] = "null"


class Panel(Config):
    """One of several plots side by side.

    metrics  the first is drawn as a solid line, the others dashed
    colour   the metric that colours the markers on the curve of the only one of `metrics`
    shaded   whether the region is shaded here; by default it is, if there is one
    """

    metrics: Annotated[tuple[str, ...], Field(min_length=1, max_length=4)]
    colour: str | None = None
    shaded: Bool | None = None


class Region(Config):
    """The steps at which a metric changes: where |d metric / d log(steps)| of its mean over seeds is more than `share`
    of its maximum.
    """

    metric: str
    share: Annotated[Float, Field(gt=0, lt=1)] = 0.1


class Panels(Analysis):
    """Curves side by side on one axis of steps, which begins at step 0 if the evaluations do.

    rows  together: all arms in one row of panels; arms: a row an arm, in which a column's axes have the same limits
    """

    kind: Literal["panels"] = "panels"
    panels: Annotated[tuple[Panel, ...], Field(min_length=1, max_length=4)]
    rows: Literal["together", "arms"] = "together"
    region: Region | None = None


class Scatter(Analysis):
    """One measured quantity against another, a dot a trial, coloured by a third or else by the arm. Each is METRIC,
    where training ended, first/METRIC, max/METRIC or min/METRIC.
    """

    kind: Literal["scatter"] = "scatter"
    x: str
    y: str
    colour: str | None = None


class HeatMap(Analysis):
    """The mean over seeds of a metric at every point of a grid of two settings.

    x, y  the paths of the settings
    arm   the arm that has them on its grid; needed if several have
    """

    kind: Literal["heat_map"] = "heat_map"
    metric: str
    x: str
    y: str
    arm: str | None = None


class RobustnessCurve(Analysis):
    """Accuracy against the size of a perturbation, where training ended; with a baseline the differences from it,
    paired by seed; clean accuracy against robustness; and signs that attacks are weak because gradients are masked.

    assessments  titles of the study's assessments of the last networks that have sizes; by default all of them
    """

    kind: Literal["robustness_curve"] = "robustness_curve"
    baseline: str | None = None
    assessments: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class Statement(Analysis):
    """Whether the results agree with a sentence, a paper's or one's own: they do if all clauses do, and differ if one
    differs.

    source  where the sentence stands
    that    what the sentence claims, clause by clause
    """

    kind: Literal["statement"] = "statement"
    sentence: Annotated[str, Field(min_length=1, max_length=500)]
    source: str = ""
    that: Annotated[tuple[Predicate, ...], Field(min_length=1)]

    @property
    def arms(self) -> frozenset[str]:
        """The arms that its clauses name."""
        return frozenset(arm for predicate in self.that for arm, _ in predicate.cells_named)


def sizes_of(assessment: Assessment) -> tuple[float, ...]:
    """The sizes of its perturbations, growing, without 0, at which each is also made; empty if it has none."""
    return getattr(assessment, "sizes", ())


def has_curve(assessment: Assessment) -> bool:
    """Whether it says of the network where training ended how accuracy depends on size."""
    return bool(sizes_of(assessment)) and assessment.network == "last"


def metrics_asked(analysis: Analysis) -> tuple[str, ...]:
    """What an analysis names."""
    if isinstance(analysis, ArmsBySetting | HeatMap):
        return (analysis.metric,)
    if isinstance(analysis, Statement):
        return tuple(metric for predicate in analysis.that for metric in predicate.metrics_named)
    if isinstance(analysis, Scatter):
        return tuple(dict.fromkeys(filter(None, (analysis.x, analysis.y, analysis.colour))))
    if isinstance(analysis, Panels):
        drawn = (metric for panel in analysis.panels for metric in (*panel.metrics, panel.colour))
        return tuple(dict.fromkeys(filter(None, (*drawn, analysis.region.metric if analysis.region else None))))
    return getattr(analysis, "metrics", None) or ()
