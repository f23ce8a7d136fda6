"""Accuracy against the size of a perturbation."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from search_spaces.analyses._checks import problems_of_baseline
from search_spaces.analyses.base import Analysis, Content, StudyContent
from trainables.assessments.base import Assessment
from trainables.validation import Problem, nearest


class RobustnessCurve(Analysis):
    """Accuracy against the size of a perturbation, where training ended; with a baseline the differences from it,
    paired by seed; clean accuracy against robustness; and signs that attacks are weak because gradients are masked.

    assessments  titles of the study's assessments of the last networks that have sizes; by default all of them
    """

    accounts_for_trials: ClassVar[bool] = True

    kind: Literal["robustness_curve"] = "robustness_curve"
    baseline: str | None = None
    assessments: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        yield from problems_of_baseline(content, study)
        if study.assessments is not None:
            yield from _problems_of_assessments(content.get("assessments"), study.assessments)

    @property
    def grey_arm(self) -> str | None:
        return self.baseline

    def among(self, kept: Collection[str], arms: Mapping[str, Any]) -> Self:
        return self if self.baseline in kept else self.model_copy(update={"baseline": None})


def sizes_of(assessment: Assessment) -> tuple[float, ...]:
    """The sizes of its perturbations, growing, without 0, at which each is also made; empty if it has none."""
    return getattr(assessment, "sizes", ())


def has_curve(assessment: Assessment) -> bool:
    """Whether it says of the network where training ended how accuracy depends on size."""
    return bool(sizes_of(assessment)) and assessment.network == "last"


def _problems_of_assessments(given: Any, assessments: tuple[Assessment, ...]) -> Iterator[Problem]:
    """given: the titles that the analysis names, right or wrong"""
    by_title = {each.title: each for each in assessments}
    with_curve = [title for title, each in by_title.items() if has_curve(each)]
    if not with_curve:
        wrong = "robustness_curve needs an assessment of the last networks with sizes: give one in assessments"
        yield Problem((), wrong)
        return
    named = [title for title in given if isinstance(title, str)] if isinstance(given, list | tuple) else []
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
