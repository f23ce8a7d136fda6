"""Metrics against steps."""

from collections.abc import Iterator, Sequence
from typing import Literal

from search_spaces.analyses._checks import not_measured, problems_of_readings
from search_spaces.analyses.base import Analysis, Content, StudyContent, metrics_in
from trainables.validation import Problem


class Curves(Analysis):
    """Metrics against steps: a curve a seed, mean and band.

    metrics  by default accuracies, or R^2 of a regression; of a training function that has neither, its first four
    """

    kind: Literal["curves"] = "curves"
    metrics: tuple[str, ...] | None = None

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        for metric in metrics_in(content):
            if study.measured and metric not in study.measured:
                yield not_measured(metric, ("metrics",), study.measured)
        yield from problems_of_readings(content, study)

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return self.metrics or ()

    def is_in_headline(self, analyses: Sequence[Analysis], *, has_goal: bool) -> bool:
        """Where neither a goal nor another analysis says where the trials ended."""
        return not has_goal and not any(each.accounts_for_trials for each in analyses)
