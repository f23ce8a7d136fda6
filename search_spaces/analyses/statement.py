"""Whether the results agree with a sentence."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from search_spaces.analyses.base import Analysis, Content, StudyContent
from search_spaces.predicate_checks import problems_of_clauses
from search_spaces.predicates import Predicate
from trainables.validation import Problem


class Statement(Analysis):
    """Whether the results agree with a sentence, a paper's or one's own: they do if all clauses do, and differ if one
    differs.

    source  where the sentence stands
    that    what the sentence claims, clause by clause
    """

    accounts_for_trials: ClassVar[bool] = True
    compares_times: ClassVar[bool] = True
    is_joined: ClassVar[bool] = True

    kind: Literal["statement"] = "statement"
    sentence: Annotated[str, Field(min_length=1, max_length=500)]
    source: str = ""
    that: Annotated[tuple[Predicate, ...], Field(min_length=1)]

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        for problem in problems_of_clauses(
            content.get("that"), list(study.arms), study.cells, study.measured, study.afterwards
        ):
            yield problem.below("that")

    @property
    def arms(self) -> frozenset[str]:
        """The arms that its clauses name."""
        return frozenset(arm for predicate in self.that for arm, _ in predicate.cells_named)

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return tuple(metric for predicate in self.that for metric in predicate.metrics_named)

    def among(self, kept: Collection[str], arms: Mapping[str, Any]) -> Self | None:
        return self if self.arms <= set(kept) else None
