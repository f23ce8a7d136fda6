"""One measured quantity against another."""

from collections.abc import Iterator
from typing import Literal

from search_spaces.analyses._picture import Picture, problems_of_quantities
from search_spaces.analyses.base import Content, StudyContent
from trainables.validation import Problem


class Scatter(Picture):
    """One measured quantity against another, a dot a trial, coloured by a third or else by the arm. Each is METRIC,
    where training ended, first/METRIC, max/METRIC or min/METRIC.
    """

    kind: Literal["scatter"] = "scatter"
    x: str
    y: str
    colour: str | None = None

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        yield from problems_of_quantities(content, ("x", "y", "colour"), study)
        if isinstance(x := content.get("x"), str) and x == content.get("y"):
            yield Problem(("y",), f"{x!r} is x, too; a scatter is of two quantities")

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, (self.x, self.y, self.colour))))
