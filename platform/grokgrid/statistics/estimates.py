"""Three ways to estimate a typical ratio from positive ratios, some of them known only as bounds.

All work on logarithms x = log ratio, taken as normal with mean mu and standard deviation sigma, so that exp(mu) is the
ratios' geometric mean and median; swapping the arms turns every estimate and interval into its reciprocal.

    GeometricMean   every ratio is known: exp(mean x), Student-t interval
    CensoredFit     some are bounds: maximum likelihood, profile-likelihood interval
    Bound           the bounds point one way and too few ratios are known for a fit: "at least", "at most"

Notation of the fit: k exact x_i; m bounds b_j, with s_j = +1 where x_j >= b_j and -1 where x_j <= b_j; theta = 1/sigma;
z_j = theta s_j (mu - b_j); Phi, phi the standard normal distribution function and density.

    l(mu, theta) = k log theta - theta^2/2 sum (x_i - mu)^2 + sum log Phi(z_j)          (constants left out)

l is concave in (theta, mu theta) (Olsen 1978, https://doi.org/10.2307/1913445). So there is one maximum; for a fixed mu
there is one best theta; and the mu whose profile likelihood lies above a cutoff form an interval.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from grokgrid.statistics.times import Floats


class Interval(NamedTuple):
    low: float
    high: float

    @property
    def factor(self) -> float:
        """How many times `low` goes into `high`; infinite if it has an open end."""
        return self.high / self.low if self.low > 0 and math.isfinite(self.high) else math.inf


class Estimator(StrEnum):
    """Which of the estimates a number is."""

    GEOMETRIC_MEAN = "geometric mean"
    CENSORED_FIT = "censored log-normal fit"
    LOWER_BOUND = "lower bound"
    UPPER_BOUND = "upper bound"


@dataclass(frozen=True)
class GeometricMean:
    """The geometric mean of `n` ratios whose logarithms have the mean `mean_log` and the sd (ddof=1) `sd_log`."""

    n: int
    mean_log: float
    sd_log: float | None

    @classmethod
    def of(cls, ratios: ArrayLike) -> "GeometricMean":
        """Of positive ratios (n,), n >= 1. `sd_log` is None at n = 1 and where all ratios are equal."""
        x = _logs(ratios)
        if not x.size:
            raise ValueError("ratios: none; at least one is needed")
        return cls(n=x.size, mean_log=float(x.mean()), sd_log=float(x.std(ddof=1)) if _vary(x) else None)

    @property
    def estimator(self) -> Estimator:
        return Estimator.GEOMETRIC_MEAN

    @property
    def value(self) -> float:
        return _exp(self.mean_log)

    def confidence_interval(self, level: float = 0.95) -> Interval | None:
        """Student's t on the logarithms (scipy.stats.t). None where the ratios show no spread to judge it by."""
        check_level(level)
        if self.sd_log is None:
            return None
        margin = float(stats.t.ppf((1 + level) / 2, self.n - 1)) * self.sd_log / math.sqrt(self.n)
        return Interval(_exp(self.mean_log - margin), _exp(self.mean_log + margin))


@dataclass(frozen=True)
class Bound:
    """What remains when no fit is possible and every bound points the same way: the true geometric mean is at least
    (or at most) that of the ratios with bounds taken as if they were exact.
    """

    estimator: Estimator
    taken_as_exact: GeometricMean

    @property
    def n(self) -> int:
        return self.taken_as_exact.n

    @property
    def value(self) -> float:
        return self.taken_as_exact.value

    def confidence_interval(self, level: float = 0.95) -> Interval | None:
        """Open at the unknown end. x_j >= b_j for each j makes the mean of x at least that of b, so the lower end of
        the t interval for the latter is one for the former, too: conservative.
        """
        interval = self.taken_as_exact.confidence_interval(level)
        if interval is None:
            return None
        if self.estimator is Estimator.LOWER_BOUND:
            return Interval(interval.low, math.inf)
        return Interval(0.0, interval.high)


@dataclass(frozen=True, eq=False)
class CensoredFit:
    """The log-normal fit to `exact` (k,), `at_least` and `at_most` ratios.

    Assumes that the bound of a ratio is unrelated to the ratio. It is not quite: a slow arm has a small ratio and, as
    budget over its time, a small bound. So `acceleration` trusts the interval only where simulation found that it
    covers; docs/statistics.md has the figures.
    """

    exact: Floats
    at_least: Floats
    at_most: Floats
    mean_log: float
    sd_log: float

    @classmethod
    def of(cls, exact: ArrayLike, at_least: ArrayLike = (), at_most: ArrayLike = ()) -> "CensoredFit":
        """By maximum likelihood. ValueError unless `is_possible`."""
        ratios = (np.array(exact, float), np.array(at_least, float), np.array(at_most, float))
        likelihood = _Likelihood(*ratios)
        mean = likelihood.best_mean()
        return cls(*ratios, mean, 1 / likelihood.best_theta(mean))

    @staticmethod
    def is_possible(exact: ArrayLike) -> bool:
        """Whether there are two different exact ratios. As sigma falls to zero around a single one, the likelihood
        grows without limit.
        """
        return _vary(_logs(exact))

    @property
    def estimator(self) -> Estimator:
        return Estimator.CENSORED_FIT

    @property
    def n(self) -> int:
        return len(self.exact) + len(self.at_least) + len(self.at_most)

    @property
    def value(self) -> float:
        return _exp(self.mean_log)

    def confidence_interval(self, level: float = 0.95) -> Interval:
        """The profile-likelihood interval of mu, with Student's cutoff in place of the chi-squared one.

        With k exact values alone 2 (max l - l(mu)) = k log(1 + t^2 / (k - 1)), t being Student's statistic, so this
        cutoff gives the exact t interval there, where chi-squared is too narrow (85% for 95% at k = 3); both agree as
        k grows.
        """
        check_level(level)
        likelihood, k = _Likelihood(self.exact, self.at_least, self.at_most), len(self.exact)
        t = float(stats.t.ppf((1 + level) / 2, k - 1))
        floor = likelihood.profile(self.mean_log) - k / 2 * math.log1p(t**2 / (k - 1))
        low, high = (
            _root(lambda mean: likelihood.profile(mean) - floor, self.mean_log, step)
            for step in (-self.sd_log, self.sd_log)
        )
        return Interval(_exp(low), _exp(high))


class _Likelihood:
    """l of the module's notation, maximised over theta."""

    def __init__(self, exact: Floats, at_least: Floats, at_most: Floats) -> None:
        self.x = _logs(exact)
        if not _vary(self.x):
            raise ValueError(f"exact: {np.asarray(exact).tolist()}; at least two different ratios are needed for a fit")
        self.bounds = np.concatenate([_logs(at_least), _logs(at_most)])
        self.signs = np.concatenate([np.ones(len(at_least)), -np.ones(len(at_most))])

    def best_theta(self, mean: float) -> float:
        k, squares = len(self.x), float(((self.x - mean) ** 2).sum())
        distances = self.signs * (mean - self.bounds)

        def slope(theta: float) -> float:
            return k / theta - theta * squares + float(distances @ _mills(theta * distances))

        # The slope falls in theta. A bound adds at most 0.3 / theta, so that it is negative at `high`.
        high = math.sqrt((k + len(self.bounds)) / squares)
        low = high
        while slope(low) < 0:
            low /= 2
        return high if low == high else float(optimize.brentq(slope, low, high, xtol=1e-300, rtol=1e-13))

    def profile(self, mean: float) -> float:
        theta = self.best_theta(mean)
        bounded = special.log_ndtr(theta * self.signs * (mean - self.bounds)).sum()
        return float(len(self.x) * math.log(theta) - theta**2 / 2 * ((self.x - mean) ** 2).sum() + bounded)

    def best_mean(self) -> float:
        def slope(mean: float) -> float:
            theta = self.best_theta(mean)
            pull = (self.signs * _mills(theta * self.signs * (mean - self.bounds))).sum()
            return float(theta * (self.x - mean).sum() + pull)

        middle = float(self.x.mean())
        if slope(middle) == 0:
            return middle
        return _root(slope, middle, math.copysign(float(self.x.std()), slope(middle)))


def _root(function: Callable[[float], float], start: float, step: float) -> float:
    """The place beyond `start`, towards `step`, where `function` changes sign."""
    sign, near, far = math.copysign(1, function(start)), start, start + step
    while math.copysign(1, function(far)) == sign:
        near, step = far, 2 * step
        far = near + step
    return float(optimize.brentq(function, near, far, xtol=1e-12 * abs(far - start), rtol=1e-13))


def _mills(z: Floats) -> Floats:
    """phi(z) / Phi(z), without underflow."""
    ratio: Floats = math.sqrt(2 / math.pi) / special.erfcx(z * -math.sqrt(0.5))
    return ratio


def _logs(ratios: ArrayLike) -> Floats:
    values = np.asarray(ratios, float)
    if values.ndim != 1 or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"ratios: {values.tolist()}; a list of finite, positive numbers is allowed")
    logs: Floats = np.log(values)
    return logs


def _vary(x: Floats) -> bool:
    """Whether logarithms differ by more than rounding."""
    return x.size > 1 and float(np.ptp(x)) > 1e-12


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level: {level}; a number between 0 and 1 is allowed")
