"""Measurements as columns that people read, as a tidy table, and as metrics; and what few seeds cannot say."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import pandas as pd

from grokgrid.analyses.measurement_rows import Measurement, Row
from grokgrid.analyses.parts import Column
from grokgrid.analyses.wording import LEVEL, NOTHING, PERCENT, cell_label, finite, listed, open_because, slug
from grokgrid.plurals import plural
from grokgrid.statistics import FEW_SEEDS, SIGNIFICANT, Interval, SampleMean
from search_spaces import Study


def columns_of(study: Study, rows: Sequence[Row], baseline: str | None, first: Column) -> tuple[Column, ...]:
    """first: what a row is about, beside its cell."""
    some = any(row.others != NOTHING for row in rows)
    columns = [
        first,
        _column(rows, cell_label(study), lambda row: row.cell, "name"),
        _column(rows, "mean ± sd", lambda row: row.mean),
        _column(rows, f"{PERCENT} interval", lambda row: row.interval),
        _column(rows, "min", lambda row: row.min),
        _column(rows, "max", lambda row: row.max),
        _column(rows, "n", lambda row: row.n),
        *([_column(rows, "the others", lambda row: row.others)] if some else []),
        *(differences(rows, baseline) if baseline is not None else ()),
        *why(rows),
    ]
    return tuple(columns)


def differences(rows: Sequence[Row], baseline: str) -> tuple[Column, ...]:
    """What the differences from a baseline say."""
    return (
        _column(rows, f"minus {baseline}", lambda row: row.difference),
        _column(rows, "its interval", lambda row: row.its_interval),
        _column(rows, "finding", lambda row: row.finding),
        _column(rows, "pairs", lambda row: row.pairs),
        _column(rows, "p", lambda row: row.p),
        *((_column(rows, "Holm’s p", lambda row: row.holms_p),) if _family(rows) > 1 else ()),
        _column(rows, "least p", lambda row: row.least_p),
    )


def why(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Why rows are open; nothing where none is."""
    some = any(row.why != NOTHING for row in rows)
    return (_column(rows, "why", lambda row: open_because(row.why), "prose"),) if some else ()


def caption_of_differences(study: Study, rows: Sequence[Row], baseline: str, among: str) -> Iterator[str]:
    """among: which comparisons Holm's p allows for."""
    family = _family(rows)
    yield (
        f"Minus {baseline}: the difference, paired by seed, its mean ± sd and {PERCENT} interval. p is of "
        "Wilcoxon's signed-rank test, in which pairs without a difference do not count; least p: what the others "
        "could give at best."
    )
    if family > 1:
        yield (
            f"{among} {family} {cell_label(study)}s are compared with {baseline}: Holm’s p "
            "allows for so many tests, p and the interval do not."
        )
    if any(row.is_but_p for row in rows):
        tested = "Holm’s p" if family > 1 else "p"
        yield f"P above {SIGNIFICANT:g}: the interval shows a side, and {tested} does not."


def _family(rows: Sequence[Row]) -> int:
    return max((row.m.family for row in rows), default=0)


def _column(
    rows: Sequence[Row], label: str, text: Callable[[Row], str], kind: Literal["name", "value", "prose"] = "value"
) -> Column:
    return Column(label, tuple(map(text, rows)), kind)


def tidy(
    rows: Sequence[Row], baseline: str | None, num_seeds: int, more: Sequence[dict[str, Any]] = ()
) -> pd.DataFrame:
    """more: of each row, columns that it has beside."""
    return pd.DataFrame(
        [
            {"metric": m.metric, "cell": m.cell.name, "arm": m.cell.arm}
            | dict(m.cell.columns)
            | (more[index] if more else {})
            | figures(m)
            | {
                "level": LEVEL,
                "seeds": num_seeds,
                "others": m.others,
                "baseline": baseline,
                "pairs": m.difference.mean.n if m.difference else 0,
                "p_floor": m.difference.test.floor if m.difference else None,
                "finding": None if row.finding == NOTHING else row.finding,
                "open_because": None if row.why == NOTHING else row.why,
            }
            for index, row in enumerate(rows)
            for m in [row.m]
        ]
    )


def figures(m: Measurement) -> dict[str, float | None]:
    """What both the table and MLflow's metrics hold."""
    mean, ends = m.found, interval_of(m.found)
    apart = m.difference.mean if m.difference else None
    apart_ends = interval_of(apart)
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


def interval_of(mean: SampleMean | None) -> Interval | None:
    return mean.confidence_interval(LEVEL) if mean else None


def logged(found: Sequence[Measurement], name: str) -> Iterator[tuple[str, float]]:
    """MLflow's metrics."""
    for m in found:
        for key, value in finite(figures(m)).items():
            yield f"{name}/{slug(m.cell)}/{m.metric}/{key}", value


def of_few_seeds(found: Sequence[Measurement]) -> Iterator[str]:
    if few := sorted({m.n for m in found if 0 < m.n < FEW_SEEDS}):
        sizes = listed([str(n) for n in few])
        yield f"n = {sizes}: with fewer than {FEW_SEEDS} seeds the spread, and so any interval, is hardly known."
    yield from of_few_pairs(found)


def of_few_pairs(found: Sequence[Measurement]) -> Iterator[str]:
    """Where so few are compared that p must be above 0.05."""
    tests = {m.difference.test.num_pairs: m.difference.test for m in found if m.difference}
    if weak := [tests[num] for num in sorted(tests) if num and tests[num].floor > 1 - LEVEL]:
        sizes = listed([plural(test.num_pairs, "pair") for test in weak])
        yield f"With {sizes} the {weak[0].kind} cannot give a p below {listed([f'{test.floor:g}' for test in weak])}."
