"""Plugins: users' own assessments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import model_validator

from trainables.assessments.base import Assessment, AssessmentInput
from trainables.configuration import spelled
from trainables.names import MAX_METRIC
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded
from trainables.plugins.loading import shown as value_shown
from trainables.validation import ValidationErrors, shown

if TYPE_CHECKING:
    from trainables.tables import Columns

_Name = Annotated[str, spelled(r"[A-Za-z_]\w*", "a name of letters, digits and _")]


class PluginAssessment(Plugin, Assessment):
    """(at) -> column -> values, one for each example of the batch; see AssessmentInput in base.py.

    The table has the columns and `example`. The metrics are means of columns over all examples: TITLE_GIVEN for each
    column in `gives`, or TITLE_mean of the only column; TITLE is the label, or the name of the function or class.

    gives  columns whose means are metrics; none: there is one column, and its mean is one
    """

    model_config = Plugin.model_config
    interface = Interface(given=("at",))

    gives: tuple[_Name, ...] = ()

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if twice := [name for name in self.gives if self.gives.count(name) > 1]:
            raise ValueError(f"{shown(twice[0])} is in gives {self.gives.count(twice[0])} times: once is enough")
        if "example" in self.gives:
            raise ValueError("example is the column of the examples' numbers: a column of yours needs another name")
        if long := [name for name in (f"{self.title}_{metric}" for metric in self.metrics) if len(name) > MAX_METRIC]:
            raise ValueError(
                f"{shown(long[0])} has {len(long[0])} characters; a metric’s name has at most {MAX_METRIC}"
            )
        return self

    @property
    def title(self) -> str:
        return self.label or self.object

    @property
    def metrics(self) -> tuple[str, ...]:
        return self.gives or ("mean",)

    def assess(self, at: AssessmentInput) -> Columns:
        import torch

        from trainables.tables import columns_of

        # Copies: nothing else sees what a plugin writes into.
        own = replace(at, x=at.x.clone(), y=at.y.clone(), examples=at.examples.clone())
        with torch.enable_grad():
            given = loaded(self)(own)
        try:
            columns = columns_of(self.object, given)
        except ValidationErrors as error:
            raise self.problem(error.problems[0].message) from None
        if "example" in columns:
            raise self.problem(f"{self.object} returned a column example: it is added, and holds the examples' numbers")
        if len(next(iter(columns.values()))) != len(at.x):
            num = len(next(iter(columns.values())))
            raise self.problem(
                f"{self.object} should return a value for each of {len(at.x)} examples, it returned {num}"
            )
        if not self.gives and len(columns) > 1 or not {*self.gives} <= columns.keys():
            raise self.problem(f"{self.object} should return {self._wanted}, it returned {value_shown(given)}")
        return {"example": at.examples.cpu().numpy(), **columns}

    def summarise(self, rows: Columns) -> Mapping[str, float]:
        if self.gives:
            return {name: float(rows[name].mean()) for name in self.gives}
        (column,) = (values for name, values in rows.items() if name != "example")
        return {"mean": float(column.mean())}

    @property
    def _wanted(self) -> str:
        """What it should return, for people."""
        if self.gives:
            return f"a dict of columns, among them those in `gives`, {', '.join(self.gives)}"
        return "a dict of one column; name in `gives` the columns whose means are metrics"
