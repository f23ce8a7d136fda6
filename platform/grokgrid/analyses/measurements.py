"""Metrics at the end of training: each cell's mean over seeds and, paired by seed, its difference from the baseline."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import pandas as pd

from grokgrid.analyses.headlines import measured
from grokgrid.analyses.measurement_rows import Measurement, Row, measure, rows_of
from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.published import published_measurements
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import (
    LEVEL,
    NOTHING,
    PERCENT,
    cell_label,
    finite,
    labels,
    listed,
    open_because,
    slug,
)
from grokgrid.plurals import plural
from grokgrid.results import Results, State
from grokgrid.statistics import FEW_SEEDS, SIGNIFICANT, Interval, SampleMean
from search_spaces.search import measured_by
from search_spaces.study import Measurements

TITLE = "Measured at the end"

LEFT_OUT = {
    State.DIVERGED: "diverged: left out, which flatters the method",
    State.RUNNING: "still running: left out",
    State.STOPPED: "stopped before the end: left out",
    State.FAILED: "failed: left out",
    State.MISSING: "missing: left out",
}


def measurements_section(results: Results, analysis: Measurements, *, name: str = "measurements") -> Section:
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
        metrics=dict(_metrics(found, name)),
        sentence=measured(rows, analysis.baseline, f"the table “{TITLE}”"),
    )


def _table(results: Results, analysis: Measurements, rows: Sequence[Row], name: str) -> Table:
    def column(label: str, text: Callable[[Row], str], kind: Literal["name", "value", "prose"] = "value") -> Column:
        return Column(label, tuple(map(text, rows)), kind)

    some = any(row.others != NOTHING for row in rows)
    family = max((row.m.family for row in rows), default=0)
    columns = [
        column("metric", lambda row: row.metric, "name"),
        column(cell_label(results.study), lambda row: row.cell, "name"),
        column("mean ± sd", lambda row: row.mean),
        column(f"{PERCENT} interval", lambda row: row.interval),
        column("min", lambda row: row.min),
        column("max", lambda row: row.max),
        column("n", lambda row: row.n),
        *([column("the others", lambda row: row.others)] if some else []),
    ]
    if analysis.baseline is not None:
        columns += [
            column(f"minus {analysis.baseline}", lambda row: row.difference),
            column("its interval", lambda row: row.its_interval),
            column("finding", lambda row: row.finding),
            column("pairs", lambda row: row.pairs),
            column("p", lambda row: row.p),
            *([column("Holm’s p", lambda row: row.holms_p)] if family > 1 else []),
            column("least p", lambda row: row.least_p),
        ]
    if any(row.why != NOTHING for row in rows):
        columns.append(column("why", lambda row: open_because(row.why), "prose"))
    caption = " ".join(_caption(results, analysis, rows, family))
    return Table(name, TITLE, _tidy(analysis, rows, len(results.study.seed_list)), tuple(columns), caption)


def _caption(results: Results, analysis: Measurements, rows: Sequence[Row], family: int) -> Iterator[str]:
    yield f"Where training ended, over seeds; the {PERCENT} interval is Student's of the mean."
    if results.study.goal is not None:
        yield f"A trial ends when it reaches {results.study.goal}: not all at the same time."
    if analysis.baseline is not None:
        yield (
            f"Minus {analysis.baseline}: the difference, paired by seed, its mean ± sd and {PERCENT} interval. p is of "
            "Wilcoxon's signed-rank test, in which pairs without a difference do not count; least p: what the others "
            "could give at best."
        )
    if family > 1:
        yield (
            f"By each metric {family} {cell_label(results.study)}s are compared with {analysis.baseline}: Holm’s p "
            "allows for so many tests, p and the interval do not."
        )
    if any(row.is_but_p for row in rows):
        tested = "Holm’s p" if family > 1 else "p"
        yield f"P above {SIGNIFICANT:g}: the interval shows a side, and {tested} does not."


def _ends(mean: SampleMean | None) -> Interval | None:
    return mean.confidence_interval(LEVEL) if mean else None


def _tidy(analysis: Measurements, rows: Sequence[Row], num_seeds: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"metric": m.metric, "cell": m.cell.name, "arm": m.cell.arm}
            | dict(m.cell.columns)
            | _figures(m)
            | {
                "level": LEVEL,
                "seeds": num_seeds,
                "others": m.others,
                "baseline": analysis.baseline,
                "pairs": m.difference.mean.n if m.difference else 0,
                "p_floor": m.difference.test.floor if m.difference else None,
                "finding": None if row.finding == NOTHING else row.finding,
                "open_because": None if row.why == NOTHING else row.why,
            }
            for row in rows
            for m in [row.m]
        ]
    )


def _figures(m: Measurement) -> dict[str, float | None]:
    """What both the table and MLflow's metrics hold."""
    mean, ends = m.found, _ends(m.found)
    apart = m.difference.mean if m.difference else None
    apart_ends = _ends(apart)
    return {
        "n": m.n,
        "mean": mean.mean if mean else None,
        "sd": mean.sd if mean else None,
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
        "min": mean.min if mean else None,
        "max": mean.max if mean else None,
        "difference": apart.mean if apart else None,
        "difference_sd": apart.sd if apart else None,
        "difference_low": apart_ends.low if apart_ends else None,
        "difference_high": apart_ends.high if apart_ends else None,
        "p": m.difference.test.p if m.difference else None,
        "p_holm": m.p_holm,
    }


def _notes(results: Results, found: Sequence[Measurement]) -> Iterator[str]:
    if few := sorted({m.n for m in found if 0 < m.n < FEW_SEEDS}):
        sizes = listed([str(n) for n in few])
        yield f"n = {sizes}: with fewer than {FEW_SEEDS} seeds the spread, and so any interval, is hardly known."
    tests = {m.difference.test.num_pairs: m.difference.test for m in found if m.difference}
    if weak := [tests[num] for num in sorted(tests) if num and tests[num].floor > 1 - LEVEL]:
        sizes = listed([plural(test.num_pairs, "pair") for test in weak])
        yield f"With {sizes} the {weak[0].kind} cannot give a p below {listed([f'{test.floor:g}' for test in weak])}."
    names, metrics = labels(results.study), dict.fromkeys(m.metric for m in found)
    if chosen := [metric for metric in metrics if metric != measured_by(metric) and "test_" in metric]:
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


def _metrics(found: Sequence[Measurement], name: str) -> Iterator[tuple[str, float]]:
    for m in found:
        for key, value in finite(_figures(m)).items():
            yield f"{name}/{slug(m.cell)}/{m.metric}/{key}", value
