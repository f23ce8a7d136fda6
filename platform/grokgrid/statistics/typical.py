"""The typical one of positive quantities of which some are known only as bounds: times to a goal, ratios of two.

None is dropped in silence. The headline, which tables print, is

    every one exact                               geometric mean, Student-t interval
    three, and half of all, exact or more         censored log-normal fit, likelihood interval if n >= 5
    fewer, every other a bound of one direction   "at least" or "at most", interval open at one end if n >= 5
    fewer, two different ones exact               censored log-normal fit, no interval
    fewer, all the bounds of one direction        "at least" or "at most", no interval
    otherwise                                     none

One or two quantities, or all equal, give no interval; `why_open` says why there is none. An interval is given only
where simulation found that it covers, of ratios (benchmarks/coverage.py, docs/statistics.md). Times follow the same
rules. All that is censored of them is the slow tail, so that the fit hangs more on its being log-normal: where it is
printed of times, a note says so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from grokgrid.statistics.estimates import Bound, CensoredFit, Estimator, GeometricMean, Interval
from grokgrid.statistics.evidence import WhyOpen
from grokgrid.statistics.times import Times

FEW_SEEDS = 5
"""With fewer than this a report warns, a published figure is not judged, and no interval is trusted unless all are
exact: of three arms alike, bounds that happened to point one way held the truth 89 to 93% of the time.
"""

LEAST_EXACT = 3
"""With fewer exact ones, or fewer than half, the censored fit's interval is not trusted. Where most of a side is
censored it is the slow trials whose ratios are bounds, and the fit, which takes ratio and bound for unrelated, leans to
one side: at n = 20 its 95% interval held the truth as seldom as 86% of the time. Of two exact ones it says nothing.
"""


@dataclass(frozen=True, eq=False)
class Typical:
    """Of n quantities, `num_exact` of them known, `num_unknown` without so much as a bound, `num_undefined` without a
    value. No headline: nothing can be said of the typical one.
    """

    n: int
    num_exact: int
    num_unknown: int
    num_undefined: int
    headline: GeometricMean | CensoredFit | Bound | None

    @property
    def estimator(self) -> Estimator | None:
        return self.headline.estimator if self.headline else None

    @property
    def estimate(self) -> float | None:
        return self.headline.value if self.headline else None

    @property
    def why_open(self) -> WhyOpen | None:
        """Why there is no interval to trust; None if there is one."""
        if not self.n:
            return WhyOpen.NO_PAIR
        if self.headline is None:
            return WhyOpen.UNDEFINED if self.num_undefined else WhyOpen.TOO_FEW_REACHED
        if self.n <= 2:
            return WhyOpen.ONE_SEED if self.n == 1 else WhyOpen.TWO_SEEDS
        return self._distrust or (None if _has_spread(self.headline) else WhyOpen.NO_SPREAD)

    @property
    def _distrust(self) -> WhyOpen | None:
        """Why the headline's interval may not cover as it claims, as simulation found."""
        if isinstance(self.headline, GeometricMean):
            return None
        if self.n < FEW_SEEDS:
            return WhyOpen.FEW_CENSORED
        if isinstance(self.headline, CensoredFit) and not _is_enough(self.num_exact, self.n):
            return WhyOpen.FEW_EXACT
        if isinstance(self.headline, Bound) and self.num_unknown:
            return WhyOpen.PARTIAL_BOUND
        return None

    @property
    def is_trusted(self) -> bool:
        return self.why_open is None

    def confidence_interval(self, level: float = 0.95) -> Interval | None:
        """The headline's; None where `why_open` says why."""
        return None if self.headline is None or self.why_open else self.headline.confidence_interval(level)


def typical(
    exact: ArrayLike, at_least: ArrayLike = (), at_most: ArrayLike = (), *, num_unknown: int = 0, num_undefined: int = 0
) -> Typical:
    """Of positive quantities. One that is undefined can neither be used nor, without favouring a side, be left out."""
    known = [np.asarray(values, float) for values in (exact, at_least, at_most)]
    n = sum(map(len, known)) + num_unknown + num_undefined
    headline = None if num_undefined or not n else _headline(*known, num_unknown=num_unknown)
    return Typical(n, len(known[0]), num_unknown, num_undefined, headline)


def typical_time(times: Times) -> Typical:
    """Of a cell's times to the goal: a censored one is longer than it was watched for. A time of 0 is undefined, for it
    was shorter than evaluations can tell.
    """
    some = times.value > 0
    exact, at_least = times.value[times.reached & some], times.value[~times.reached & some]
    num_zero = int((times.reached & ~some).sum())
    return typical(exact, at_least, num_unknown=times.n - len(exact) - len(at_least) - num_zero, num_undefined=num_zero)


def _headline(
    exact: np.ndarray, at_least: np.ndarray, at_most: np.ndarray, *, num_unknown: int
) -> GeometricMean | CensoredFit | Bound | None:
    num_bounds = len(at_least) + len(at_most)
    if not num_bounds + num_unknown:
        return GeometricMean.of(exact)
    one_way = bool(len(at_least)) != bool(len(at_most))
    is_enough = _is_enough(len(exact), len(exact) + num_bounds + num_unknown)
    if CensoredFit.is_possible(exact) and (is_enough or num_unknown or not one_way):
        return CensoredFit.of(exact, at_least, at_most)
    if one_way:
        side = Estimator.LOWER_BOUND if len(at_least) else Estimator.UPPER_BOUND
        return Bound(side, GeometricMean.of(np.concatenate([exact, at_least, at_most])))
    return None


def _has_spread(headline: GeometricMean | CensoredFit | Bound) -> bool:
    mean = headline.taken_as_exact if isinstance(headline, Bound) else headline
    return mean.sd_log is not None


def _is_enough(num_exact: int, n: int) -> bool:
    return num_exact >= LEAST_EXACT and 2 * num_exact >= n
