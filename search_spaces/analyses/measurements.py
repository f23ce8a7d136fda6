"""Metrics where training ends."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from search_spaces.analyses._checks import problems_of_baseline, problems_of_metrics
from search_spaces.analyses.base import Analysis, Content, StudyContent
from search_spaces.analyses.table import ArmsBySetting
from trainables.validation import Problem


class Measurements(Analysis):
    """Metrics where training ends, over seeds; with a baseline their differences from it, paired by seed. max/METRIC
    and min/METRIC are extremes over all evaluations from the first step until then, first/METRIC is the value at the
    first evaluation, which may be at step 0.

    Where a trial ends all its probes are due. If another study has trained it on, a metric is as last measured by then:
    a budget whose last evaluation is one at which the probes are due anyway makes no difference.
    """

    accounts_for_trials: ClassVar[bool] = True

    kind: Literal["measurements"] = "measurements"
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    baseline: str | None = None

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        yield from problems_of_baseline(content, study)
        yield from problems_of_metrics(content, study)

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return self.metrics

    @property
    def grey_arm(self) -> str | None:
        return self.baseline

    def among(self, kept: Collection[str], arms: Mapping[str, Any]) -> Self:
        return self if self.baseline in kept else self.model_copy(update={"baseline": None})

    def is_in_headline(self, analyses: Sequence[Analysis], *, has_goal: bool) -> bool:
        """A table that compares the same metric says more."""
        tables = (each for each in analyses if isinstance(each, ArmsBySetting) and each.baseline is not None)
        return self.baseline is not None or all(self.metrics[0] != table.metric for table in tables)
