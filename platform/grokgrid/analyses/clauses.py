"""The figure of a statement's clause, and whether it lies where the clause says.

Every statistic gives a figure over seeds with its 95% interval, or the reason for which there is none to trust. A
figure whose cells have trials that diverged, ended without a number or are not over is open: what is left of the
others may flatter. Only times take such trials in, as censored.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from grokgrid.analyses.comparisons import unlike_steps
from grokgrid.analyses.ends import ENDED, end_values, num_ended
from grokgrid.analyses.measurement_rows import measures
from grokgrid.analyses.slopes import log_slopes, positions
from grokgrid.analyses.times import event_times
from grokgrid.analyses.trials import states_of
from grokgrid.analyses.wording import LEVEL
from grokgrid.results import Results, State
from grokgrid.statistics import (
    Estimator,
    Interval,
    OfThreshold,
    SampleMean,
    WhyOpen,
    acceleration,
    paired_difference,
    threshold_verdict,
)
from search_spaces import Cell
from search_spaces.assessing import metrics_of_assessments
from search_spaces.predicate_checks import cells_at
from search_spaces.predicates import (
    Agreement,
    Before,
    Change,
    Correlation,
    Difference,
    Level,
    Predicate,
    Slope,
    Sooner,
)
from search_spaces.search import measured_by
from trainables.evaluations import Goal


@dataclass(frozen=True)
class Figure:
    """What a statistic comes to over n seeds.

    why        why there is no interval to trust; None if there is one
    sd         of the values over seeds, where the figure is their mean
    estimator  where it is a ratio of steps: which estimate it is
    reached    where it is a ratio of steps: how many of the n came to each of the two events
    """

    n: int
    estimate: float | None
    interval: Interval | None
    why: WhyOpen | None
    sd: float | None = None
    estimator: Estimator | None = None
    reached: tuple[int, int] | None = None


@dataclass(frozen=True)
class Clause:
    """A clause of a statement beside the results. cells: those that it is of."""

    predicate: Predicate
    cells: tuple[Cell, ...]
    figure: Figure
    judged: OfThreshold


def judge(results: Results, predicate: Predicate) -> Clause:
    """A clause beside the results.

    Raises:
        ValueError: the study has not exactly one cell where the clause is of one.
    """
    cells = _cells(results, predicate)
    figure = _figure(results, predicate, cells)
    side, value = predicate.bound
    judged = threshold_verdict(figure.interval, figure.why, value, is_above=side == "above")
    return Clause(predicate, cells, figure, judged)


def _cells(results: Results, predicate: Predicate) -> tuple[Cell, ...]:
    study = results.study
    if isinstance(predicate, Correlation):
        arms = predicate.arms or study.arms
        return tuple(cell for cell in study.cells if cell.arm in arms)
    if isinstance(predicate, Slope):
        return tuple(cell for cell in study.cells if cell.arm == predicate.arm)
    cells: list[Cell] = []
    for arm, at in predicate.cells_named:
        found = cells_at(study.cells, arm, at)
        if len(found) != 1:
            raise ValueError(f"{arm}: {len(found)} cells at {at}; a clause is of exactly one")
        cells += found
    return tuple(cells)


def _figure(results: Results, predicate: Predicate, cells: Sequence[Cell]) -> Figure:
    match predicate:
        case Level():
            return _of_values(results, predicate, cells, end_values(results, cells[0], predicate.metric))
        case Difference():
            return _difference(results, predicate, cells)
        case Change():
            return _change(results, predicate, cells)
        case Correlation():
            return _correlation(results, predicate, cells)
        case Slope():
            return _slope(results, predicate, cells)
        case Agreement():
            return _of_values(results, predicate, cells, deviations(results, predicate, cells[0]))
        case Sooner():
            ours, theirs = cells
            return _ratio_of_steps(results, (theirs, predicate.event), (ours, predicate.event))
        case Before():
            return _ratio_of_steps(results, (cells[0], predicate.then), (cells[0], predicate.first))
        case _:
            raise ValueError(f"{predicate.statistic}: a statistic that no report computes")


def _of_values(results: Results, predicate: Predicate, cells: Sequence[Cell], values: "pd.Series[float]") -> Figure:
    """The mean over seeds of one cell's values."""
    mean = SampleMean.of(values) if len(values) else None
    return _of_mean(mean, _why_lost(results, predicate, cells, [values]), is_exact=_draw_nothing(cells))


def _draw_nothing(cells: Sequence[Cell]) -> bool:
    """Whether all seeds have the same figure, which is then exact."""
    return not any(cell.config.draws for cell in cells)


def _of_mean(mean: SampleMean | None, why_lost: WhyOpen | None, *, is_exact: bool = False) -> Figure:
    """why_lost: why a mean would flatter."""
    if mean is None:
        return Figure(0, None, None, why_lost or WhyOpen.NO_VALUE)
    if is_exact and why_lost is None:
        return Figure(mean.n, mean.mean, Interval(mean.mean, mean.mean), None, 0.0)
    why = why_lost or mean.why_open
    return Figure(mean.n, mean.mean, None if why else mean.confidence_interval(LEVEL), why, mean.sd)


def _difference(results: Results, predicate: Difference, cells: Sequence[Cell]) -> Figure:
    ours, theirs = (end_values(results, cell, predicate.metric) for cell in cells)
    found = paired_difference(theirs, ours)
    why = _why_lost(results, predicate, cells, [ours, theirs])
    why = why or (None if found else WhyOpen.NO_PAIR)
    return _of_mean(found.mean if found else None, why, is_exact=_draw_nothing(cells))


def _change(results: Results, predicate: Change, cells: Sequence[Cell]) -> Figure:
    (cell,) = cells
    ends = end_values(results, cell, predicate.metric)
    earlier = _earlier(results, cell, predicate)
    seeds = ends.index.intersection(earlier.index)
    ends, earlier = ends.loc[seeds], earlier.loc[seeds]
    if predicate.by == "difference":
        return _of_values(results, predicate, cells, ends - earlier)
    positive = (ends > 0) & (earlier > 0)
    logs = (ends[positive] / earlier[positive]).map(math.log)
    figure = _of_values(results, predicate, cells, logs)
    ends_of = figure.interval
    return Figure(
        n=figure.n,
        estimate=None if figure.estimate is None else math.exp(figure.estimate),
        interval=Interval(math.exp(ends_of.low), math.exp(ends_of.high)) if ends_of else None,
        why=figure.why,
    )


def _earlier(results: Results, cell: Cell, predicate: Change) -> "pd.Series[float]":
    return end_values(results, cell, f"{predicate.since}/{measured_by(predicate.metric)}")


def deviations(results: Results, predicate: Agreement, cell: Cell) -> "pd.Series[float]":
    """By seed, of trials that ended: max |a - b| / max |b| over evaluations from the step on that have both. None for a
    trial whose b is 0 throughout, that has no such evaluation, or where one of the two was infinite.
    """
    a, b = predicate.metrics
    rows = results.evaluations_of(cell).reindex(columns=["seed", "steps", *dict.fromkeys((a, b))])
    rows = rows[rows["steps"] >= predicate.from_step]
    # What was not due is NaN, as what is no number.
    rows = rows.dropna()
    apart = (rows[a] - rows[b]).abs().groupby(rows["seed"]).max()
    scale = rows[b].abs().groupby(rows["seed"]).max()
    found = (apart[scale > 0] / scale[scale > 0]).astype(float)
    found = found[np.isfinite(found)]
    trials = results.trials_of(cell)
    return found[found.index.isin(trials.loc[trials["state"].isin(ENDED), "seed"])]


def _correlation(results: Results, predicate: Correlation, cells: Sequence[Cell]) -> Figure:
    """One correlation a seed that has both metrics in every cell; their mean, and Student's interval cut to what a
    correlation can be.
    """
    x, y = ([end_values(results, cell, metric) for cell in cells] for metric in predicate.metrics)
    tables = [pd.concat(values, axis=1, join="inner") for values in (x, y)]
    seeds = tables[0].index.intersection(tables[1].index)
    pairs = [[table.loc[seed].to_numpy(float) for table in tables] for seed in seeds]
    # Of equal values there are no ranks to correlate.
    rhos = [float(stats.spearmanr(*pair).statistic) for pair in pairs if all(np.ptp(values) > 0 for values in pair)]
    why = _why_lost(results, predicate, cells, [*x, *y])
    if why is None and len(rhos) < len(seeds):
        why = WhyOpen.LEFT_OUT
    figure = _of_mean(SampleMean.of(rhos) if rhos else None, why)
    ends = figure.interval
    cut = Interval(max(ends.low, -1.0), min(ends.high, 1.0)) if ends else None
    return Figure(figure.n, figure.estimate, cut, figure.why, figure.sd)


def _slope(results: Results, predicate: Slope, cells: Sequence[Cell]) -> Figure:
    """One slope a seed that has a positive value in every cell."""
    values = [end_values(results, cell, predicate.metric) for cell in cells]
    slopes = log_slopes(positions(cells), values)
    why = _why_lost(results, predicate, cells, values)
    if why is None and len(slopes) < max(map(len, values)):
        why = WhyOpen.LEFT_OUT
    return _of_mean(SampleMean.of(slopes) if len(slopes) else None, why)


def _ratio_of_steps(results: Results, late: tuple[Cell, Goal], early: tuple[Cell, Goal]) -> Figure:
    """Steps to the late event over steps to the early one, paired by seed."""
    times = [event_times(results, cell, event, "steps") for cell, event in (late, early)]
    found = acceleration(*times)
    why = found.why_open
    if not all(measures(cell, event.metric) for cell, event in (late, early)):
        why = WhyOpen.NOT_MEASURED
    elif unlike_steps(late[0], early[0]):
        why = WhyOpen.UNLIKE_STEPS
    elif _not_over(results, [late[0], early[0]]):
        why = WhyOpen.NOT_OVER
    return Figure(
        n=found.n,
        estimate=None if why is WhyOpen.UNLIKE_STEPS else found.estimate,
        interval=None if why else found.confidence_interval(LEVEL),
        why=why,
        estimator=found.estimator,
        reached=(found.reached_baseline, found.reached_arm),
    )


def _why_lost(
    results: Results, predicate: Predicate, cells: Sequence[Cell], values: "Sequence[pd.Series[float]]"
) -> WhyOpen | None:
    """Why the figures of trials that have one would flatter. values: cell by cell, once or more often."""
    assessed = metrics_of_assessments(results.study.assessments)
    if not all(metric in assessed or measures(cell, metric) for cell in cells for metric in predicate.metrics_named):
        return WhyOpen.NOT_MEASURED
    ended = [num_ended(results, cell) for cell in cells] * (len(values) // len(cells))
    if any(State.DIVERGED in states_of(results, cell) for cell in cells) or any(
        len(mine) < num for mine, num in zip(values, ended, strict=True)
    ):
        return WhyOpen.LEFT_OUT
    return WhyOpen.NOT_OVER if _not_over(results, cells) else None


def _not_over(results: Results, cells: Sequence[Cell]) -> bool:
    return any(not state.is_over for cell in cells for state in states_of(results, cell))
