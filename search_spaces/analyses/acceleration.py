"""How much sooner each arm reaches the goal."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from search_spaces.analyses._checks import problems_of_baseline
from search_spaces.analyses.base import Analysis, Content, StudyContent
from trainables.configuration import Float
from trainables.validation import Problem


class Acceleration(Analysis):
    """How much sooner each arm reaches the goal than the baseline, paired by seed: in steps, in seconds of
    optimisation, and in seconds of the grokking phase, from the first evaluation at which the goal's metric is at least
    `phase_from` to the goal (Walker et al., Table 1).
    """

    accounts_for_trials: ClassVar[bool] = True
    compares_times: ClassVar[bool] = True

    kind: Literal["acceleration"] = "acceleration"
    baseline: str
    phase_from: Float | None = 0.2

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        yield from problems_of_baseline(content, study)
        if isinstance(content.get("baseline"), str) and study.lacks_goal:
            yield Problem((), "acceleration needs a goal: give trial.goal")

    @property
    def grey_arm(self) -> str:
        return self.baseline

    def among(self, kept: Collection[str], arms: Mapping[str, Any]) -> Self | None:
        return self if self.baseline in kept else None
