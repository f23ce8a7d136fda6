"""Published figures that a study reproduces, and the checks that need the study."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal, Self

from pydantic import model_validator

from search_spaces.analyses.base import Content, StudyContent, metrics_in
from trainables.configuration import Config, Float, NonNegativeFloat, PositiveInt
from trainables.validation import Problem, ValidationErrors, nearest


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


def shows_ratios(kinds: Collection[Any]) -> bool:
    """Whether a report with these kinds of analyses has a table in which published ratios stand beside ours."""
    return "acceleration" in kinds


def problems_of_ratios(references: Sequence[Content], analyses: Sequence[Content]) -> Iterator[Problem]:
    """Of published ratios that no analysis shows. references, analyses: as they are given, right or wrong"""
    has_ratios = any(reference.get("measure") is not None for reference in references)
    if has_ratios and not shows_ratios([analysis.get("kind") for analysis in analyses]):
        wrong = "published accelerations stand beside ours: add {kind: acceleration, baseline: …} to analyses"
        yield Problem((), wrong)


def problems_of_references(
    references: Sequence[Content], analyses: Sequence[Content], study: StudyContent
) -> Iterator[Problem]:
    """Of each, with paths that begin with its place."""
    measurements = [analysis for analysis in analyses if analysis.get("kind") == "measurements"]
    beside = [metric for analysis in measurements for metric in metrics_in(analysis)]
    for index, reference in enumerate(references):
        for problem in _problems_of_one(reference, beside, study):
            yield problem.below(index)


def _problems_of_one(reference: Content, beside: Sequence[str], study: StudyContent) -> Iterator[Problem]:
    """beside: the metrics of the measurements, where a published figure can stand beside ours"""
    arm, metric = reference.get("arm"), reference.get("metric")
    if arm is not None and arm not in study.arms:
        yield Problem(("arm",), f"{arm!r} is no arm; {nearest(arm, study.arms)}")
    at, mine = reference.get("at") or {}, [cell for cell in study.cells if cell.arm == arm]
    if mine and isinstance(at, dict) and not any(dict(cell.point).items() >= at.items() for cell in mine):
        points = "; ".join(dict.fromkeys(cell.name for cell in mine))
        yield Problem(("at",), f"{arm!r} has no such cell. Allowed: {points}")
    if isinstance(metric, str) and study.measured:
        if metric not in study.metrics:
            yield Problem(("metric",), f"{metric!r} is not measured; {nearest(metric, study.metrics)}")
        elif metric not in beside:
            add = f"add {{kind: measurements, metrics: [{metric}]}} to analyses"
            yield Problem(("metric",), f"published figures stand beside ours: {add}")
