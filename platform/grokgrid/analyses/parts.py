"""What a report is made of. It holds the content alone: grokgrid.report makes pages and files of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import pandas as pd

from search_spaces import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Column:
    """A column as a person sees it, one text a row.

    name    says what the row is about; a repeated one may be left blank
    value   is never broken nor cut short
    prose   sentences, which may be set below the table; NOTHING where there is none
    """

    label: str
    text: tuple[str, ...]
    kind: Literal["name", "value", "prose"] = "value"


@dataclass(frozen=True, eq=False)
class Table:
    """A tidy table for programs, and the columns in which a person reads it; none if a figure shows it better."""

    name: str
    title: str
    data: pd.DataFrame
    columns: tuple[Column, ...] = ()
    caption: str = ""

    @property
    def num_rows(self) -> int:
        """Of what a person sees."""
        return len(self.columns[0].text) if self.columns else 0


@dataclass(frozen=True, eq=False)
class Figure:
    """Drawn only when asked for, for that takes a second and a plotting library."""

    name: str
    title: str
    draw: "Callable[[], Drawing]"
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    title: str
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    """Plain sentences: what a reader must know beside the figures."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    sentence: str = ""
    """What the headline says of it, without the full stop; empty if there is nothing to say."""


@dataclass(frozen=True, eq=False)
class Report:
    """A study's report as things stood at a time."""

    study: Study
    at: datetime
    headline: str
    sections: tuple[Section, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """Aggregated figures under names that MLflow takes, all finite."""
        return {name: value for section in self.sections for name, value in section.metrics.items()}

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        return {table.name: table.data for section in self.sections for table in section.tables}

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(note for section in self.sections for note in section.notes)
