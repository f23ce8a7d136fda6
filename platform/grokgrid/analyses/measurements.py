"""Metrics at the end of training: each cell's mean over seeds and, paired by seed, its difference from the baseline."""

from collections.abc import Iterator, Sequence

from grokgrid.analyses.headlines import measured
from grokgrid.analyses.measurement_rows import Measurement, Row, measure, rows_of
from grokgrid.analyses.measurement_tables import (
    caption_of_differences,
    columns_of,
    logged,
    of_few_seeds,
    tidy,
)
from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.published import published_measurements
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import PERCENT, labels, listed
from grokgrid.results import Results, State
from search_spaces.analyses import Measurements
from search_spaces.search import reading_of

TITLE = "Measured at the end"

LEFT_OUT = {
    State.DIVERGED: "diverged: left out, which flatters the method",
    State.RUNNING: "still running: left out",
    State.STOPPED: "stopped before the end: left out",
    State.FAILED: "failed: left out",
    State.MISSING: "missing: left out",
}


def section(results: Results, analysis: Measurements, name: str) -> Section:
    found = measure(results, analysis)
    rows = rows_of(results.study, found)
    tables = [_table(results, analysis, rows, name)]
    if any(reference.metric in analysis.metrics for reference in results.study.reference):
        means = [(m.cell, m.metric, m.found) for m in found]
        tables.append(published_measurements(results.study, means, f"{name}-published"))
    return Section(
        title="At the end of training",
        tables=tuple(tables),
        notes=(*absent(results, LEFT_OUT), *_notes(results, found)),
        metrics=dict(logged(found, name)),
        sentence=measured(rows, analysis.baseline, f"the table “{TITLE}”"),
    )


def _table(results: Results, analysis: Measurements, rows: Sequence[Row], name: str) -> Table:
    first = Column("metric", tuple(row.metric for row in rows), "name")
    columns = columns_of(results.study, rows, analysis.baseline, first)
    caption = " ".join(_caption(results, analysis, rows))
    return Table(name, TITLE, tidy(rows, analysis.baseline, len(results.study.seed_list)), columns, caption)


def _caption(results: Results, analysis: Measurements, rows: Sequence[Row]) -> Iterator[str]:
    yield f"Where training ended, over seeds; the {PERCENT} interval is Student's of the mean."
    if any(reading_of(metric) == "first" for metric in analysis.metrics):
        yield "What begins with first/ is of the first evaluation of the trials that came to the end."
    if results.study.goal is not None:
        yield f"A trial ends when it reaches {results.study.goal}: not all at the same time."
    if analysis.baseline is not None:
        yield from caption_of_differences(results.study, rows, analysis.baseline, "By each metric")


def _notes(results: Results, found: Sequence[Measurement]) -> Iterator[str]:
    yield from of_few_seeds(found)
    names, metrics = labels(results.study), dict.fromkeys(m.metric for m in found)
    if chosen := [metric for metric in metrics if reading_of(metric) in ("max", "min") and "test_" in metric]:
        yield (
            f"{listed(chosen)}: taken of the evaluation that is best (or worst) on the test examples themselves, in "
            f"every arm;"
            " a network that was chosen otherwise comes to less."
        )
    for metric in metrics:
        short = [m for m in found if m.metric == metric and m.n < m.num_ended]
        if short:
            those = listed([f"{m.num_ended - m.n} of {m.num_ended} of {names[m.cell.name]}" for m in short])
            yield f"{metric} is no number at the end of trials that ended, which are left out: {those}."
