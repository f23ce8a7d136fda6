"""How metrics fall or grow along a setting, as powers of it."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from search_spaces.analyses._checks import problems_of_metrics
from search_spaces.analyses._picture import Picture
from search_spaces.analyses.base import Content, StudyContent
from search_spaces.predicate_checks import problems_of_scale
from trainables.validation import Problem


class PowerLaw(Picture):
    """Each metric, where training ended, against the one setting on the grid of `arm`, on logarithmic axes, with the
    slope of a straight line: -0.5 where it falls as the root of the setting grows. A statement with the statistic
    `slope` says what it should be.
    """

    kind: Literal["power_law"] = "power_law"
    arm: str
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        yield from problems_of_scale(content.get("arm"), list(study.arms), study.cells)
        yield from problems_of_metrics(content, study)

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return self.metrics

    def among(self, kept: Collection[str], arms: Mapping[str, Any]) -> Self | None:
        return self if self.arm in kept else None
