"""The base of all analyses: the settings of one kind, its checks, and what a report must know of it.

A new kind is two files of one name, and nothing else is edited:

    search_spaces/analyses/NAME.py       a class derived from Analysis, with `kind: Literal["NAME"] = "NAME"`
    platform/grokgrid/analyses/NAME.py   section(results, analysis, name): from a study's results to a section
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from search_spaces.cells import Cell
from trainables.assessments.base import Assessment
from trainables.configuration import Config
from trainables.discovery import class_named, files_of, is_base, package_of
from trainables.validation import Problem, ValidationErrors, nearest, not_fields, shown

Content = Mapping[str, Any]


@dataclass(frozen=True)
class StudyContent:
    """What an analysis is checked against. Other fields of the study may be wrong.

    arms         as they are given
    cells        without the wrong ones
    measured     metrics of evaluations; empty while they are not known
    afterwards   metrics of assessments; empty likewise
    assessments  None if they are wrong
    """

    arms: Mapping[str, Any]
    cells: Sequence[Cell]
    measured: Sequence[str]
    afterwards: Sequence[str]
    assessments: tuple[Assessment, ...] | None

    @property
    def metrics(self) -> list[str]:
        """All that is measured, by evaluations and by assessments."""
        return [*self.measured, *self.afterwards]

    @property
    def lacks_goal(self) -> bool:
        return bool(self.cells) and self.cells[0].config.goal is None


class Analysis(Config):
    """What a report says of the results; a field that holds one accepts each kind, by its name.

    accounts_for_trials  whether its section says where all trials ended: the section of trials need not name those that
                         did not, and the headline need not say where curves ended
    compares_times       whether its section compares the times to the goal, so that the headline need not count who
                         reached it
    is_joined            whether all analyses of the kind are one section, where the first one stands
    """

    accounts_for_trials: ClassVar[bool] = False
    compares_times: ClassVar[bool] = False
    is_joined: ClassVar[bool] = False

    kind: str

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        """What is wrong with the content of an analysis beside its study; fields may be wrong by themselves."""
        return iter(())

    @property
    def metrics_named(self) -> tuple[str, ...]:
        """The metrics that its settings name."""
        return ()

    @property
    def grey_arm(self) -> str | None:
        """The arm that all figures draw in grey, for others are compared with it."""
        return None

    def among(self, kept: Collection[str], arms: Mapping[str, Any]) -> Self | None:
        """What is left of it where only the arms `kept` of the study's `arms` remain."""
        return self

    def is_in_headline(self, analyses: Sequence["Analysis"], *, has_goal: bool) -> bool:
        """Whether the headline has its sentence, beside the other analyses of the study."""
        return True

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The names of all kinds, found without importing them."""
        return tuple(files_of(package_of(Analysis)))

    @classmethod
    def of_kind(cls, kind: str) -> type["Analysis"]:
        """The class of a kind.

        Raises:
            ValidationErrors: its file cannot be imported, or holds no analysis, or more than one.
        """
        return class_named(Analysis, kind)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if not is_base(cls):
            return handler(source)
        by_class = core_schema.simple_ser_schema("any")
        return core_schema.no_info_plain_validator_function(cls._chosen, serialization=by_class)

    @classmethod
    def _chosen(cls, value: Any) -> "Analysis":
        """Its errors are those of the kind that is given, and of no other."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(not_fields(value))
        kind = value.get("kind")
        if kind is None:
            raise ValueError(f"needs a kind. Allowed: {', '.join(cls.kinds())}")
        if not isinstance(kind, str) or kind not in cls.kinds():
            raise ValueError(f"{shown(kind)} is not known; {nearest(kind, cls.kinds())}")
        return cls.of_kind(kind).model_validate(value)


def metrics_in(content: Content) -> list[str]:
    """The names in the field `metrics`, right or wrong."""
    given = content.get("metrics")
    return [metric for metric in given if isinstance(metric, str)] if isinstance(given, list | tuple) else []


def problems_of_analyses(contents: Sequence[Content], study: StudyContent) -> Iterator[Problem]:
    """Of each whose kind is known, with paths that begin with its place; others are wrong by themselves."""
    for index, content in enumerate(contents):
        kind = content.get("kind")
        if not isinstance(kind, str) or kind not in Analysis.kinds():
            continue
        try:
            found = Analysis.of_kind(kind)
        except ValidationErrors:
            continue
        for problem in found.problems(content, study):
            yield problem.below(index)
