"""Every strength of a method, by every metric, and which strength is best.

A time is estimated as accelerations are (geometric mean, censored fit or bound), a metric at the end of training by its
mean over seeds.
"""

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from grokgrid.analyses.ends import ENDED, end_values
from grokgrid.analyses.times import TimeColumn, goal_times
from grokgrid.analyses.trials import others, ran_differently
from grokgrid.analyses.wording import LEVEL, NOTHING
from grokgrid.results import Results, State
from grokgrid.statistics import (
    FEW_SEEDS,
    VAGUE,
    Estimator,
    Interval,
    SampleMean,
    Typical,
    WhyOpen,
    is_significant,
    p_not_behind,
    typical_time,
    wins,
)
from search_spaces import Cell
from search_spaces.analyses import LambdaCurve

_NO_SEEDS = pd.DataFrame({"seed": [], "value": [], "known": []})


@dataclass(frozen=True, eq=False)
class Point:
    """A metric at one strength.

    strength  0 for the baseline
    seeds     a row a trial with a value: seed, value, known; where it is not known, the value is a lower bound
    found     what is typical of a time, or the mean of a metric; None if there is no value
    others    the states of the trials that did not reach the goal or, of a metric, come to the end
    """

    cell: Cell
    strength: float
    metric: str
    seeds: pd.DataFrame
    found: Typical | SampleMean | None
    others: str

    @property
    def is_time(self) -> bool:
        return is_time(self.metric)

    @property
    def estimate(self) -> float | None:
        return self.found.estimate if isinstance(self.found, Typical) else self.found.mean if self.found else None

    @property
    def interval(self) -> Interval | None:
        return self.found.confidence_interval(LEVEL) if self.found else None

    @property
    def estimator(self) -> Estimator | None:
        return self.found.estimator if isinstance(self.found, Typical) else None

    @property
    def why_open(self) -> WhyOpen | None:
        """Why there is no interval to trust; None if there is one."""
        if self.found is None and self.is_time:
            return WhyOpen.UNLIKE
        return self.found.why_open if self.found is not None and len(self.seeds) else WhyOpen.NO_VALUE

    @property
    def is_trusted(self) -> bool:
        return self.why_open is None

    @property
    def num_known(self) -> int:
        return int(self.seeds["known"].sum())


@dataclass(frozen=True, eq=False)
class Choice:
    """The best strength, 0 among them, on the seeds whose trials are over at every one.

    shares  of the resamples of these seeds that each strength wins, in the order of the points; of fewer than FEW_SEEDS
            seeds they would be much too sure of themselves, and there are none
    p       of each strength, of its being no worse than the best; None for the best, and where there is no spread
    """

    best: int
    shares: tuple[float, ...] | None
    p: tuple[float | None, ...]
    num_seeds: int


@dataclass(frozen=True, eq=False)
class LambdaCurves:
    """The metrics at every strength, and the best strength.

    points          by metric, the baseline's and then those of the strengths, in increasing order
    choice          by the first metric; None while no seed is over at every strength
    not_comparable  why seconds of these trials do not compare, if so: then none are told
    """

    analysis: LambdaCurve
    points: dict[str, tuple[Point, ...]]
    choice: Choice | None
    not_comparable: str | None

    @property
    def first(self) -> tuple[Point, ...]:
        return self.points[self.analysis.metrics[0]]

    @property
    def best(self) -> Point | None:
        return self.first[self.choice.best] if self.choice else None

    @property
    def why_open(self) -> WhyOpen | None:
        """Why it is open which strength is best; None if it is clear."""
        if self.choice is None or self.best is None:
            return WhyOpen.UNLIKE if self.first[0].why_open is WhyOpen.UNLIKE else WhyOpen.NO_COMMON_SEED
        if (why := self.best.why_open) is not None:
            return why
        if self.choice.num_seeds < FEW_SEEDS:
            return WhyOpen.FEW_SEEDS
        ends = self.best.interval
        if self.best.is_time and ends is not None and ends.factor > VAGUE:
            return WhyOpen.BOUND if math.isinf(ends.high) else WhyOpen.VAGUE
        others = [p for index, p in enumerate(self.choice.p) if index != self.choice.best]
        if any(p is None for p in others):
            return WhyOpen.NO_SPREAD
        return None if all(is_significant(p) for p in others) else WhyOpen.NOT_TOLD_APART

    @property
    def setting(self) -> str:
        ((path, _),) = self.first[-1].cell.point
        return path.rpartition(".")[2]


def is_time(metric: str) -> bool:
    return metric in get_args(TimeColumn)


def lambda_curves(results: Results, analysis: LambdaCurve) -> LambdaCurves:
    cells = results.study.cells
    strengths = {float(value): cell for cell in cells if cell.arm == analysis.arm for _, value in cell.point}
    (baseline,) = (cell for cell in cells if cell.arm == analysis.baseline)
    places = [(0.0, baseline), *sorted(strengths.items())]
    why = ran_differently(results, (cell for _, cell in places)) if "seconds" in analysis.metrics else None
    points = {
        metric: tuple(
            Point(cell, strength, metric, _NO_SEEDS, None, NOTHING)
            if why and metric == "seconds"
            else _point(results, cell, strength, metric)
            for strength, cell in places
        )
        for metric in analysis.metrics
    }
    return LambdaCurves(analysis, points, _choose(results, analysis, points[analysis.metrics[0]]), why)


def _point(results: Results, cell: Cell, strength: float, metric: str) -> Point:
    found: Typical | SampleMean | None
    but: tuple[State, ...]
    if is_time(metric):
        times = goal_times(results, cell, metric)  # type: ignore[arg-type]
        seeds = pd.DataFrame({"seed": times.seeds, "value": times.value, "known": times.reached})
        found, but = typical_time(times), (State.REACHED,)
    else:
        values = end_values(results, cell, metric)
        seeds = pd.DataFrame({"seed": values.index, "value": values.to_numpy(), "known": True})
        found, but = (SampleMean.of(values) if len(values) else None), ENDED
    return Point(cell, strength, metric, seeds, found, others(results, cell, but=but))


def _choose(results: Results, analysis: LambdaCurve, points: tuple[Point, ...]) -> Choice | None:
    better = analysis.chosen_for
    assert better is not None
    worst = math.inf if better == "less" else -math.inf
    values = pd.DataFrame({index: _values(results, point, worst) for index, point in enumerate(points)})
    seen = values.to_numpy()[np.isfinite(values)]
    if len(seen):
        values = values.replace(worst, seen.max() if better == "less" else seen.min())
    values = values.dropna()
    if not len(seen) or not len(values):
        return None
    known = pd.DataFrame({index: _known(results, point) for index, point in enumerate(points)}).reindex(values.index)
    # The same trials give the same shares: a report that is made again is the same report.
    shares = wins(values, better, np.random.default_rng(0)).tolist() if len(values) >= FEW_SEEDS else None
    means = values.mean().to_numpy()
    best = int(means.argmin() if better == "less" else means.argmax())
    p = tuple(None if math.isnan(each) else each for each in p_not_behind(values, known, best, better).tolist())
    return Choice(best, tuple(shares) if shares else None, p, len(values))


def _values(results: Results, point: Point, worst: float) -> "pd.Series[float]":
    """By seed, of trials that are over, what the choice rests on: log min(time, budget), or the metric at the end.

    A trial that diverged wins nothing by it: its time is the budget, and its metric the worst.
    """
    trials = results.over[results.over["cell"] == point.cell.name].set_index("seed")
    values = point.seeds.set_index("seed")["value"].astype(float).reindex(trials.index)
    return values.map(math.log) if point.is_time else values.mask(trials["state"] == State.DIVERGED, worst)


def _known(results: Results, point: Point) -> "pd.Series[bool]":
    """By seed, of trials that are over, whether the value is known: one that was censored or diverged may be worse."""
    trials = results.over[results.over["cell"] == point.cell.name].set_index("seed")
    if point.is_time:
        return point.seeds.set_index("seed")["known"].reindex(trials.index)
    return trials["state"] != State.DIVERGED
