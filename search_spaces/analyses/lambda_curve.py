"""How metrics depend on the strength of a method."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from search_spaces.analyses._checks import problems_of_baseline, problems_of_metrics
from search_spaces.analyses.base import Analysis, Content, StudyContent, metrics_in
from search_spaces.search import TIMES, Better, better_of
from trainables.validation import Problem, ValidationErrors, nearest


class LambdaCurve(Analysis):
    """How metrics depend on the strength of a method: each against the one setting on the grid of `arm`, over seeds.

    baseline  the arm that stands for a strength of 0
    metrics   times to the goal (steps, epochs, seconds), or what is measured, where trials end. By the first of them
              the best strength is chosen
    better    whether less or more of it is better; needed unless its name tells: times, losses, accuracies
    """

    compares_times: ClassVar[bool] = True

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

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        yield from problems_of_baseline(content, study)
        yield from cls._problems_of_strengths(content, study)
        yield from problems_of_metrics(content, study, beside=TIMES)

    @classmethod
    def _problems_of_strengths(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        arm, metrics = content.get("arm"), metrics_in(content) or list(cls.model_fields["metrics"].default)
        if isinstance(arm, str) and arm not in study.arms:
            yield Problem(("arm",), f"{arm!r} is no arm; {nearest(arm, study.arms)}")
        points = [dict(cell.point) for cell in study.cells if cell.arm == arm]
        if points and len(points[0]) != 1:
            yield Problem(("arm",), f"{arm!r} has {len(points[0])} settings on its grid; one is needed, the strength")
        elif points and not all(_is_strength(value) for point in points for value in point.values()):
            wrong = f"{arm!r} has other values than positive numbers on its grid, and the axis is logarithmic"
            yield Problem(("arm",), wrong)
        times = [metric for metric in metrics if metric in TIMES]
        if times and study.lacks_goal:
            yield Problem(("metrics",), f"{times[0]!r} needs a goal: give trial.goal")

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return self.metrics

    @property
    def grey_arm(self) -> str:
        return self.baseline

    def among(self, kept: Collection[str], arms: Mapping[str, Any]) -> Self | None:
        return self if {self.arm, self.baseline} <= set(kept) else None


def _is_strength(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
