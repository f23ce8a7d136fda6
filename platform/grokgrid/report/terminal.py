"""A report in a terminal. A table that is too wide is split, its names repeated; a number is never cut short."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from grokgrid.analyses import Column, Report, Table
from grokgrid.analyses.wording import NOTHING
from grokgrid.report.rendering import said_once, split_columns

_ASCII = str.maketrans({"±": "+/-", "≥": ">=", "≤": "<=", "–": "-", "∞": "inf", "“": '"', "”": '"', "’": "'"})


def show(report: Report, console: Console) -> None:
    """Everything but the figures; the headline last, where one looks after a long table."""

    def say(text: str, style: str = "") -> None:
        console.print(Text(_plain(text, console), style))

    console.print()
    say(f"{report.study.name}: {report.study.question}", "bold")
    for section in report.sections:
        shown = [table for table in section.tables if table.num_rows]
        if not shown and not section.notes:
            continue
        console.print()
        console.rule(Text(_plain(section.title, console), "bold"), align="left", characters="-", style="dim")
        for table in shown:
            console.print()
            say(table.title, "bold")
            if table.caption:
                say(table.caption, "dim")
            for part in parts(table, console):
                console.print()
                console.print(part)
            for sentence in _sentences(table):
                say(f"- {sentence}")
        if section.notes:
            console.print()
        for note in section.notes:
            say(f"* {note}")
    console.print()
    say(report.headline, "bold")


def _plain(text: str, console: Console) -> str:
    return text.translate(_ASCII) if console.options.ascii_only else text


def parts(table: Table, console: Console) -> Iterator[RichTable]:
    """As many tables as the width asks for, each with as many of the values as fit."""
    names, (_, values, _) = said_once(table), split_columns(table)
    taken: list[Column] = []
    for column in values:
        wider = _rich([*names, *taken, column], console)
        if taken and console.measure(wider, options=_unbounded(console)).maximum > console.width:
            yield _rich([*names, *taken], console)
            taken = []
        taken.append(column)
    yield _rich([*names, *taken], console)


def _rich(columns: list[Column], console: Console) -> RichTable:
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        # Names may be folded where a terminal is narrower than a name; nothing of a value may be lost.
        is_name = column.kind == "name"
        rich.add_column(
            Text(_plain(column.label, console)),
            justify="left" if is_name else "right",
            overflow="fold",
            no_wrap=not is_name,
        )
    for row in zip(*(column.text for column in columns), strict=True):
        rich.add_row(*(Text(_plain(text, console)) for text in row))
    return rich


def _unbounded(console: Console):  # type: ignore[no-untyped-def]
    return console.options.update(width=10_000, max_width=10_000)


def _sentences(table: Table) -> Iterator[str]:
    """Prose, each once, after the names of the rows that it is of."""
    names, _, prose = split_columns(table)
    for column in prose:
        rows: dict[str, list[str]] = {}
        for text, *name in zip(column.text, *(each.text for each in names), strict=True):
            rows.setdefault(text, []).append(" ".join(name))
        # What holds of all rows need not name them.
        yield from (
            text if len(rows) == 1 else f"{', '.join(those)}: {text}" for text, those in rows.items() if text != NOTHING
        )
