"""Curves over the seeds of one cell: the fraction that has reached the goal, and the mean of a metric."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats
from scipy.stats._result_classes import EmpiricalDistributionFunction

from grokgrid.statistics.estimates import check_level
from grokgrid.statistics.times import Floats, Ints, Times


class Band(NamedTuple):
    """Ends of an interval at each point of a grid, (g,) each; NaN where there is none."""

    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class FractionReached:
    """The fraction of trials whose time is at most `grid` (g,)."""

    times: Times
    grid: Floats

    @property
    def n(self) -> int:
        return self.times.n

    @cached_property
    def fraction(self) -> Floats:
        """(g,). With one common budget the plain fraction, NaN beyond it. Where trials were censored at different times
        the Kaplan-Meier estimate (scipy.stats.ecdf), NaN beyond a last time that is censored.
        """
        if not self.n:
            return np.full(self.grid.shape, np.nan)
        fraction = self._counts / self.n if self._plain else self._kaplan_meier.evaluate(self.grid)
        last = self.times.value.max()
        known = (
            np.full(self.grid.shape, True) if self.times.reached[self.times.value == last].all() else self.grid <= last
        )
        return np.where(known, fraction, np.nan)

    def confidence_interval(self, level: float = 0.95) -> Band:
        """Point by point: Clopper & Pearson's exact one for the plain fraction, by quantiles of the beta distribution
        (https://doi.org/10.1093/biomet/26.4.404); for Kaplan-Meier the exponential Greenwood one, which is undefined
        (NaN) at fractions of 0 and 1.
        """
        check_level(level)
        if not self.n:
            return Band(self.fraction, self.fraction)
        if self._plain:
            low, high = _clopper_pearson(self._counts, self.n, level)
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
                interval: Any = self._kaplan_meier.confidence_interval(level, method="log-log")
            low, high = interval.low.evaluate(self.grid), interval.high.evaluate(self.grid)
            low, high = (np.where(self.fraction > 0, end, np.nan) for end in (low, high))
        return Band(*(np.where(np.isnan(self.fraction), np.nan, end) for end in (low, high)))

    @property
    def _plain(self) -> bool:
        first = self.times.first_censored
        return first is None or bool((self.times.value <= first).all())

    @property
    def _counts(self) -> Ints:
        return np.searchsorted(np.sort(self.times.value[self.times.reached]), self.grid, side="right")

    @property
    def _kaplan_meier(self) -> EmpiricalDistributionFunction:
        value, reached = self.times.value, self.times.reached
        return stats.ecdf(stats.CensoredData(uncensored=value[reached], right=value[~reached])).cdf


def _clopper_pearson(counts: Ints, n: int, level: float) -> tuple[Floats, Floats]:
    tail, misses = (1 - level) / 2, n - counts
    low = special.betaincinv(np.maximum(counts, 1), misses + 1, tail)
    high = special.betaincinv(counts + 1, np.maximum(misses, 1), 1 - tail)
    return np.where(counts > 0, low, 0.0), np.where(misses > 0, high, 1.0)


def fraction_reached(times: Times, grid: ArrayLike) -> FractionReached:
    """Over `grid` (g,), in the unit of the times."""
    return FractionReached(times, _grid(grid))


@dataclass(frozen=True, eq=False)
class MeanCurve:
    """Over `grid` (g,) of steps: mean and sd (ddof=1) over the `n` trials that have a value there; NaN without, the
    sd at n = 1, too. Where `n` falls, trials have ended, the quick ones first: the mean is then that of the slow ones.
    """

    grid: Floats
    mean: Floats
    sd: Floats
    n: Ints

    def confidence_interval(self, level: float = 0.95) -> Band:
        """Student's t, point by point, not for the curve as a whole (scipy.stats.t); NaN where n < 3, as for a mean."""
        check_level(level)
        many = np.maximum(self.n, 2)
        margin = np.where(self.n > 2, stats.t.ppf((1 + level) / 2, many - 1) * self.sd / np.sqrt(many), np.nan)
        return Band(self.mean - margin, self.mean + margin)


def mean_curve(curves: pd.DataFrame, metric: str, grid: ArrayLike | None = None) -> MeanCurve:
    """The mean of `metric` over the trials in `curves` (key, steps, metrics), at `grid` or at every evaluation of any.

    Between two of its evaluations a trial's value is interpolated linearly; before its first and beyond its last it has
    none. Values that are not finite count as not measured.
    """
    if missing := [name for name in ("key", "steps", metric) if name not in curves.columns]:
        raise ValueError(f"curves: no column {', '.join(missing)}; there are {', '.join(map(str, curves.columns))}")
    measured = list(by_trial(curves, metric))
    if grid is None:
        grid = np.unique(np.concatenate([[], *(steps for steps, _ in measured)]))
    points = _grid(grid)
    trials = [np.interp(points, steps, values, left=np.nan, right=np.nan) for steps, values in measured]
    values = np.stack(trials) if trials else np.empty((0, len(points)))
    n = np.isfinite(values).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=0) / n
        sd = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / (n - 1))
    return MeanCurve(points, np.where(n > 0, mean, np.nan), np.where(n > 1, sd, np.nan), n)


def where_changing(steps: ArrayLike, values: ArrayLike, share: float) -> list[tuple[float, float]]:
    """The stretches, from one evaluation to a later one, over which a curve changes at more than `share` of its largest
    rate |d value / d log(steps)|, taken as the difference quotient from each evaluation to the next. None of a curve
    that is constant, or has one point.

        >>> where_changing([1, 10, 100, 1000], [0.0, 0.0, 0.9, 1.0], 0.2)
        [(10.0, 100.0)]

    steps: (evaluations,), positive and increasing; values: (evaluations,), finite
    """
    x, y = _grid(steps), np.array(values, float)
    if not 0 < share < 1 or (x <= 0).any() or x.shape != y.shape or not np.isfinite(y).all():
        raise ValueError(f"share {share}: between 0 and 1; steps: positive; values: finite, one a step")
    rate = np.abs(np.diff(y) / np.diff(np.log(x)))
    is_over = np.concatenate([[False], rate > share * rate.max(initial=0.0), [False]])
    starts, stops = (np.flatnonzero(is_over[1:] & ~is_over[:-1]), np.flatnonzero(~is_over[1:] & is_over[:-1]))
    return [(float(x[start]), float(x[stop])) for start, stop in zip(starts, stops, strict=True)]


def by_trial(curves: pd.DataFrame, metric: str) -> Iterator[tuple[Ints, Floats]]:
    """The finite values of `metric` of each trial that has any, and after how many steps: increasing."""
    values = curves[metric].to_numpy(float)
    finite = np.isfinite(values)
    codes, steps, values = (
        pd.factorize(curves["key"])[0][finite],
        curves["steps"].to_numpy()[finite],
        values[finite],
    )
    order = np.lexsort((steps, codes))
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    yield from zip(np.split(steps[order], cuts), np.split(values[order], cuts), strict=True) if len(order) else ()


def _grid(grid: ArrayLike) -> Floats:
    points = np.array(grid, float)
    if points.ndim != 1 or not np.isfinite(points).all() or (np.diff(points) <= 0).any():
        raise ValueError(f"grid: {points.tolist()}; a list of finite, increasing numbers is allowed")
    return points
