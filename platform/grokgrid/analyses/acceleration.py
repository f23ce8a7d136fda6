"""The acceleration table: how much sooner each cell reaches the goal than the baseline, and how sure that is."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing
from grokgrid.analyses.acceleration_rows import SLUG, Row, rows_of
from grokgrid.analyses.comparisons import Comparison, compare
from grokgrid.analyses.headlines import sooner
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.published import published_table
from grokgrid.analyses.times import Measure
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
from grokgrid.results import Results
from grokgrid.statistics import SIGNIFICANT, Direction, Estimator, RatioKind
from search_spaces import Study
from search_spaces.analyses import Acceleration

FEW_TO_CHECK = 20
"""Of fewer ratios than this, two modes make the interval too narrow, and a glance may not see them."""

ESTIMATORS = {
    Estimator.GEOMETRIC_MEAN: "geometric means",
    Estimator.CENSORED_FIT: "log-normal fits that allow for censoring",
    Estimator.LOWER_BOUND: "lower bounds",
    Estimator.UPPER_BOUND: "upper bounds",
}

TITLE = "How many times sooner"


def section(results: Results, analysis: Acceleration, name: str) -> Section:
    comparisons = compare(results, analysis)
    rows = rows_of(results.study, comparisons)
    title = f"Acceleration over {analysis.baseline}"
    tables = [_table(results, analysis, rows, name)]
    if results.study.reference:
        tables.append(published_table(results.study, comparisons, f"{name}-published"))
    tables.append(_pairs(comparisons, f"{name}-pairs"))
    drawn = [c for c in comparisons if c.measure is Measure.STEPS and c.estimate is not None]
    figures = [
        Figure(
            f"{name}-steps",
            "Acceleration in steps",
            partial(drawing.accelerations, results.study, drawn),
            "A dot a seed, an arrow where one of its two trials was censored and the ratio is a bound; the diamond is "
            f"the estimate with its {PERCENT} interval, hollow where it is a bound or has no interval to trust.",
        )
    ]
    in_steps = [row for row in rows if row.c.measure is Measure.STEPS]
    return Section(
        title=title,
        tables=tuple(tables),
        figures=tuple(figures if drawn else ()),
        notes=(*absent(results), *_notes(results, comparisons)),
        metrics=dict(_metrics(rows, name)),
        sentence=sooner(in_steps, f"the table “{TITLE}” under “{title}”") if in_steps else "",
    )


def _table(results: Results, analysis: Acceleration, rows: Sequence[Row], name: str) -> Table:
    def column(label: str, text: Callable[[Row], str], kind: Literal["name", "value", "prose"] = "value") -> Column:
        return Column(label, tuple(map(text, rows)), kind)

    family = max((row.family for row in rows), default=0)
    estimators = {row.c.estimator for row in rows if row.c.estimator}
    columns = (
        column("measure", lambda row: row.measure, "name"),
        column(cell_label(results.study), lambda row: row.cell, "name"),
        column("acceleration", lambda row: row.estimate),
        column(f"{PERCENT} interval", lambda row: row.interval),
        column("finding", lambda row: row.finding),
        *([column("estimator", lambda row: row.estimator)] if len(estimators) > 1 else []),
        column("mean ± sd", lambda row: row.mean_sd),
        column("pairs", lambda row: row.pairs),
        column("p", lambda row: row.p),
        *([column("Holm’s p", lambda row: row.holms_p)] if family > 1 else []),
        column("least p", lambda row: row.least_p),
        column("reached", lambda row: row.reached),
        *([column("the others", lambda row: row.others)] if any(row.others != NOTHING for row in rows) else []),
        column(f"{analysis.baseline}’s", lambda row: row.reached_baseline),
        column("sooner", lambda row: row.sooner),
        column("restricted", lambda row: row.restricted),
        *(
            [column("why", lambda row: open_because(row.why), "prose")]
            if any(row.why != NOTHING for row in rows)
            else []
        ),
    )
    caption = " ".join(_caption(results, analysis, rows, family, estimators))
    return Table(name, TITLE, _tidy(rows), columns if rows else (), caption)


def _caption(
    results: Results, analysis: Acceleration, rows: Sequence[Row], family: int, estimators: set[Estimator]
) -> Iterator[str]:
    goal, baseline = results.study.goal, analysis.baseline
    yield f"Time of {baseline} to {goal} over the time of the other, paired by seed: above 1 the other is sooner."
    if len(estimators) == 1:
        (estimator,) = estimators
        yield f"Estimates are {ESTIMATORS[estimator]}."
    yield (
        "Reached: how many seeds got there, and of the baseline’s. Least p: what so many pairs could give at best. "
        "Sooner: on how many of the seeds of which it is known. Restricted: the ratio of mean times up to the budget."
    )
    if family > 1:
        yield (
            f"By each measure {family} {cell_label(results.study)}s are compared with {baseline}: Holm’s p allows "
            f"for so "
            "many tests, p and the interval do not."
        )
    if any(row.is_but_p for row in rows):
        tested = "Holm’s p" if family > 1 else "p"
        yield f"P above {SIGNIFICANT:g}: the interval shows a side, and {tested} does not."
    if any(row.c.found.n < FEW_TO_CHECK for row in rows if row.c.interval is not None):
        yield (
            "Intervals presume that ratios are log-normal: with so few seeds, two modes make them too narrow "
            "(docs/statistics.md)."
        )
    if any(row.c.measure is Measure.PHASE_SECONDS for row in rows):
        yield f"Phase: seconds from the first evaluation at {analysis.phase_from:g} to the goal."


def _tidy(rows: Sequence[Row]) -> pd.DataFrame:
    tidy = []
    for row in rows:
        c, found, ends = row.c, row.c.found, row.c.interval
        fewer, more = c.mean_sd(Direction.FEWER), c.mean_sd(Direction.MORE)
        test = c.test
        tidy.append(
            {"baseline": c.baseline.name, "cell": c.cell.name, "arm": c.cell.arm}
            | dict(c.cell.columns)
            | {
                "measure": c.measure.value,
                "estimate": c.estimate,
                "low": ends.low if ends else None,
                "high": ends.high if ends else None,
                "level": LEVEL,
                "trusted": None if c.estimate is None else c.is_trusted,
                "finding": row.finding,
                "open_because": str(c.finding.why) if c.finding.why else None,
                "estimator": c.estimator.value if c.estimator else None,
                "pairs": found.n,
                **{kind.value.replace(" ", "_"): found.num(kind) for kind in RatioKind},
                "seeds": c.num_seeds,
                "reached": c.reached,
                "reached_baseline": c.reached_baseline,
                "mean_fewer": fewer.mean if fewer else None,
                "sd_fewer": fewer.sd if fewer else None,
                "mean_more": more.mean if more else None,
                "sd_more": more.sd if more else None,
                "p": test.p if test else None,
                "p_holm": row.p_holm,
                "test": test.kind.value if test else None,
                "p_floor": test.floor if test else None,
                "test_pairs": test.num_pairs if test else None,
                "probability_of_improvement": None if c.not_comparable else found.improvement.probability,
                "restricted_means_ratio": None if c.not_comparable else found.restricted_mean_ratio,
                "restricted_at": None if c.not_comparable else found.restricted_at,
                "not_comparable": c.not_comparable,
            }
        )
    return pd.DataFrame(tidy)


def _pairs(comparisons: Sequence[Comparison], name: str) -> Table:
    columns = ["cell", "measure", "seed", "baseline", "arm", "ratio", "kind"]
    pairs = pd.DataFrame(columns=columns)
    if comparisons:
        of = np.repeat(np.arange(len(comparisons)), [c.found.n for c in comparisons])
        pairs = pd.concat([c.found.ratios for c in comparisons], ignore_index=True).assign(
            cell=np.array([c.cell.name for c in comparisons], object)[of],
            measure=np.array([c.measure.value for c in comparisons], object)[of],
            kind=lambda ratios: [str(kind) for kind in ratios["kind"]],
        )
    return Table(name, "Every pair", pairs[columns].rename(columns={"baseline": "time_baseline", "arm": "time"}))


def _notes(results: Results, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The warnings of the statistics, each once, with whom it concerns."""
    if not comparisons:
        yield "There is no other arm to compare."
    concerned: dict[str, list[Comparison]] = {}
    for c in comparisons:
        for warning in [f"Not comparable, for {c.not_comparable}."] if c.not_comparable else c.found.warnings:
            concerned.setdefault(warning, []).append(c)
    for warning, those in concerned.items():
        whom = _whom(results.study, comparisons, those)
        yield f"{whom}: {warning}" if whom else warning
    names = {
        str(name)
        for cell in {id(c.cell): c.cell for c in comparisons}.values()
        for name in results.seen_of(cell).reindex(columns=["device_name"])["device_name"].dropna()
    }
    if len(names) > 1 and not all(c.not_comparable for c in comparisons if c.measure is not Measure.STEPS):
        yield f"The seconds are of different devices: {listed(sorted(names))}."


def _whom(study: Study, comparisons: Sequence[Comparison], those: Sequence[Comparison]) -> str:
    """`jacobian, seconds`: which of the comparisons, as briefly as can be; nothing if it is all of them."""
    if len(those) == len(comparisons):
        return ""
    measures = list(dict.fromkeys(c.measure for c in comparisons))
    all_cells = frozenset(c.cell.name for c in comparisons)
    alike: dict[frozenset[str], list[str]] = {}
    for measure in measures:
        if cells := frozenset(c.cell.name for c in those if c.measure is measure):
            alike.setdefault(cells, []).append(measure.label)
    clauses = []
    for cells, mine in alike.items():
        whom = [] if cells == all_cells else [_cells(study, cells)]
        clauses.append(", ".join(whom + ([listed(mine)] if len(mine) < len(measures) else [])))
    return "; ".join(clauses)


def _cells(study: Study, names: frozenset[str]) -> str:
    short, told = labels(study), []
    for arm in study.arms:
        cells = [cell.name for cell in study.cells if cell.arm == arm]
        mine = [short[name] for name in cells if name in names]
        told += mine if len(mine) <= 2 else [f"{arm} ({len(mine)} of {len(cells)} cells)"]
    return listed(told)


def _metrics(rows: Sequence[Row], name: str) -> Iterator[tuple[str, float]]:
    for row in rows:
        c, ends, ours = row.c, row.c.interval, row.c.mean_sd(Direction.FEWER)
        values = {
            **({SLUG[c.estimator]: c.estimate} if c.estimator else {}),
            "low": ends.low if ends else None,
            "high": ends.high if ends else None,
            "n": float(c.found.n),
            "mean": ours.mean if ours else None,
            "sd": ours.sd if ours else None,
            "p": c.test.p if c.test else None,
            "p_holm": row.p_holm,
        }
        for key, value in finite(values).items():
            yield f"{name}/{slug(c.cell)}/{c.measure}/{key}", value
