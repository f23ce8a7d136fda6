"""Metrics at the end of training: each cell's mean over seeds and, paired by seed, its difference from the baseline."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from grokgrid.analyses.ends import ENDED, end_values, num_ended
from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.published import published_measurements
from grokgrid.analyses.trials import absent, others
from grokgrid.analyses.wording import (
    LEVEL,
    NOTHING,
    PERCENT,
    cell_label,
    finite,
    labels,
    listed,
    mean_sd,
    p_value,
    precise,
    slug,
)
from grokgrid.plurals import plural
from grokgrid.statistics import FEW_SEEDS, Interval, PairedDifference, SampleMean, holm_within, paired_difference
from grokgrid.view import State, View
from search_spaces import Cell
from search_spaces.search import measured_by
from search_spaces.study import Measurements

LEFT_OUT = {
    State.DIVERGED: "diverged: left out, which flatters the method",
    State.RUNNING: "still running: left out",
    State.STOPPED: "stopped before the end: left out",
    State.FAILED: "failed: left out",
    State.MISSING: "missing: left out",
}


@dataclass(frozen=True)
class Measurement:
    """A metric of a cell's trials that ended.

    found       None if there is none
    num_ended   that ended, whether the metric is a number there or not
    difference  from the baseline; None for the baseline itself, without one, and without a common seed
    p_holm      the difference's p, allowing for all cells of which this metric is compared
    others      the states of the trials that did not end
    """

    cell: Cell
    metric: str
    found: SampleMean | None
    num_ended: int
    difference: PairedDifference | None
    p_holm: float | None
    others: str

    @property
    def n(self) -> int:
        return self.found.n if self.found else 0


def measure(view: View, analysis: Measurements) -> tuple[Measurement, ...]:
    """Metric by metric, every cell."""
    found = [_measured(view, analysis, metric, cell) for metric in analysis.metrics for cell in view.study.cells]
    tests = [m.difference.test if m.difference else None for m in found]
    adjusted = holm_within([m.metric for m in found], [test.p if test else None for test in tests])
    return tuple(replace(m, p_holm=p) for m, p in zip(found, adjusted, strict=True))


def measurements_section(view: View, analysis: Measurements, *, name: str = "measurements") -> Section:
    found = measure(view, analysis)
    tables = [_table(view, analysis, found, name)]
    if any(reference.metric in analysis.metrics for reference in view.study.reference):
        means = [(m.cell, m.metric, m.found) for m in found]
        tables.append(published_measurements(view.study, means, f"{name}-published"))
    return Section(
        title="At the end of training",
        tables=tuple(tables),
        notes=(*absent(view, LEFT_OUT), *_notes(view, found)),
        metrics=dict(_metrics(found, name)),
    )


def _measured(view: View, analysis: Measurements, metric: str, cell: Cell) -> Measurement:
    values, difference = end_values(view, cell, metric), None
    if analysis.baseline is not None and cell.arm != analysis.baseline:
        (baseline,) = (other for other in view.study.cells if other.arm == analysis.baseline)
        difference = paired_difference(end_values(view, baseline, metric), values)
    return Measurement(
        cell=cell,
        metric=metric,
        found=SampleMean.of(values) if len(values) else None,
        num_ended=num_ended(view, cell),
        difference=difference,
        p_holm=None,
        others=others(view, cell, but=ENDED),
    )


def _table(view: View, analysis: Measurements, found: Sequence[Measurement], name: str) -> Table:
    names, num_seeds = labels(view.study), len(view.study.seed_list)
    columns = [
        Column("metric", tuple(m.metric for m in found), "name"),
        Column(cell_label(view.study), tuple(names[m.cell.name] for m in found), "name"),
        Column("mean ± sd", tuple(mean_sd(m.found.mean_sd if m.found else None) for m in found)),
        Column(f"{PERCENT} interval", tuple(_interval(m.found) for m in found)),
        Column("min", tuple(precise(m.found.min, m.found.sd) if m.found else NOTHING for m in found)),
        Column("max", tuple(precise(m.found.max, m.found.sd) if m.found else NOTHING for m in found)),
        Column("n", tuple(f"{m.n}/{num_seeds}" for m in found)),
    ]
    if any(m.others != NOTHING for m in found):
        columns.append(Column("the others", tuple(m.others for m in found)))
    caption = [f"Where training ended, over seeds; the {PERCENT} interval is Student's of the mean."]
    if view.study.goal is not None:
        caption.append(f"A trial ends when it reaches {view.study.goal}: not all at the same time.")
    if analysis.baseline is not None:
        apart = [m.difference for m in found]
        family = max(Counter(m.metric for m in found if m.difference).values(), default=0)
        columns += [
            Column(f"minus {analysis.baseline}", tuple(mean_sd(d.mean.mean_sd if d else None) for d in apart)),
            Column("its interval", tuple(_interval(d.mean if d else None) for d in apart)),
            Column("pairs", tuple(str(d.mean.n) if d else NOTHING for d in apart)),
            Column("p", tuple(p_value(d.test.p if d else None) for d in apart)),
            *([Column("Holm’s p", tuple(p_value(m.p_holm) for m in found))] if family > 1 else []),
            Column("least p", tuple(p_value(d.test.floor if d else None) for d in apart)),
        ]
        caption.append(
            f"Minus {analysis.baseline}: the difference, paired by seed, its mean ± sd and {PERCENT} interval. p is of "
            "Wilcoxon's signed-rank test, in which pairs without a difference do not count; least p: what the others "
            "could give at best."
        )
        if family > 1:
            caption.append(
                f"By each metric {family} {cell_label(view.study)}s are compared with {analysis.baseline}: Holm’s p "
                "allows for so many tests, p alone does not."
            )
    return Table(name, "Measured at the end", _tidy(analysis, found, num_seeds), tuple(columns), " ".join(caption))


def _interval(mean: SampleMean | None) -> str:
    ends = _ends(mean)
    return f"{precise(ends.low, mean.sd)} to {precise(ends.high, mean.sd)}" if mean and ends else NOTHING


def _ends(mean: SampleMean | None) -> Interval | None:
    return mean.confidence_interval(LEVEL) if mean else None


def _tidy(analysis: Measurements, found: Sequence[Measurement], num_seeds: int) -> pd.DataFrame:
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
            }
            for m in found
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


def _notes(view: View, found: Sequence[Measurement]) -> Iterator[str]:
    if few := sorted({m.n for m in found if 0 < m.n < FEW_SEEDS}):
        sizes = listed([str(n) for n in few])
        yield f"n = {sizes}: with fewer than {FEW_SEEDS} seeds the spread, and so any interval, is hardly known."
    tests = {m.difference.test.num_pairs: m.difference.test for m in found if m.difference}
    if weak := [tests[num] for num in sorted(tests) if num and tests[num].floor > 1 - LEVEL]:
        sizes = listed([plural(test.num_pairs, "pair") for test in weak])
        yield f"With {sizes} the {weak[0].kind} cannot give a p below {listed([f'{test.floor:g}' for test in weak])}."
    names, metrics = labels(view.study), dict.fromkeys(m.metric for m in found)
    if chosen := [metric for metric in metrics if metric != measured_by(metric) and "test_" in metric]:
        yield (
            f"{listed(chosen)}: taken of the look that is best (or worst) on the test images themselves, in every arm;"
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
