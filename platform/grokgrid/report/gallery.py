"""A page of several studies: of each its pictures, its statements with verdicts, what it cost, and its command."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from grokgrid.analyses import Report, Table
from grokgrid.analyses.statement import CLAUSES, VERDICTS
from grokgrid.plurals import plural
from grokgrid.report import figures
from grokgrid.report.files import put
from grokgrid.results import Results, State

_NOT_OVER = (State.RUNNING, State.STOPPED, State.FAILED, State.MISSING)


class Shown(NamedTuple):
    """A study's report, and the results that it was made of.

    named  how a command names the study: by its name in the library, or by its file
    """

    report: Report
    results: Results
    named: str


def write(studies: Sequence[Shown], path: Path, published_costs: Mapping[str, str]) -> list[Path]:
    """The page, in Markdown, and its pictures as SVG in a folder beside it, of the page's name.

    published_costs: by the name of a study, what its paper says that it cost

    Returns:
        The files.
    """
    pictures = path.with_suffix("")
    written: list[Path] = []
    parts = ["\n".join(_overview(studies, path.name, published_costs))]
    for report, results, named in studies:
        drawn, files = figures.write(report, pictures / report.study.name)
        written += files
        parts.append("\n".join(_part(Shown(drawn, results, named), pictures.name)))
    text = "\n\n".join(["# Gallery", *parts]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    return [put(path, text.encode()), *written]


def _overview(studies: Sequence[Shown], file: str, published_costs: Mapping[str, str]) -> Iterator[str]:
    names = " ".join(study.named for study in studies)
    yield f"Made by `grokgrid gallery {names} --out {file}` of what had been run. Costs are of optimisation alone,"
    yield "without evaluations, on one thread unless a study's own section says otherwise."
    yield ""
    yield from _row("study", "statements", "seeds", "cost here", "published cost", "command")
    yield from _row(*["---"] * 6)
    for report, results, named in studies:
        name = report.study.name
        yield from _row(
            f"[{name}](#{name})",
            _counted(report),
            str(len(report.study.seed_list)),
            _cost(results),
            published_costs.get(name, "–"),
            f"`grokgrid run {named}`",
        )


def _counted(report: Report) -> str:
    verdicts = _table(report, VERDICTS)
    if verdicts is None:
        return "–"
    counts = verdicts.data["verdict"].value_counts()
    return ", ".join(f"{num} {verdict}" for verdict, num in counts.items())


def _cost(results: Results) -> str:
    """In core-hours or GPU-hours, of the trials that have begun."""
    trials = results.trials.drop_duplicates("key")
    hours = float(trials["seconds"].sum()) / 3600
    device = "GPU" if set(trials["device"].dropna()) == {"cuda"} else "core"
    left = trials["state"].isin(_NOT_OVER).sum()
    missing = f"; {left} of {len(trials)} not over" if left else ""
    amount = f"{hours:.2g} {device}-hours" if hours >= 1 else f"{60 * hours:.2g} {device}-minutes"
    return f"{plural(len(trials), 'trial')}, {amount}{missing}"


def _part(shown: Shown, folder: str) -> Iterator[str]:
    report, results, named = shown
    study = report.study
    yield f"## {study.name}"
    yield study.question
    verdicts, clauses = _table(report, VERDICTS), _table(report, CLAUSES)
    if verdicts is not None and clauses is not None:
        of_statement = clauses.data.groupby("statement")["n"].min()
        yield ""
        yield from _row("sentence", "source", "verdict", "n", "ours")
        yield from _row(*["---"] * 5)
        for row in verdicts.data.to_dict("records"):
            n = f"{of_statement[row['statement']]}/{len(study.seed_list)}"
            yield from _row(f"“{row['sentence']}”", row["source"] or "–", row["verdict"], n, row["because"])
    places = sorted({str(name) for name in results.trials["device_name"].dropna()})
    yield ""
    yield f"{_cost(results)}, on {' and '.join(places) or 'nothing yet'}: `grokgrid run {named}`."
    for section in report.sections:
        for figure in section.figures:
            yield ""
            yield f"![{figure.title}]({folder}/{study.name}/{figure.name}.svg)"
            yield ""
            yield figure.caption
    for note in report.notes:
        yield ""
        yield note


def _table(report: Report, title: str) -> Table | None:
    return next((table for section in report.sections for table in section.tables if table.title == title), None)


def _row(*texts: str) -> Iterator[str]:
    yield f"| {' | '.join(' '.join(text.split()).replace('|', chr(92) + '|') for text in texts)} |"
