"""Accuracy against the size of a perturbation: the area under the curve, and what it costs in clean accuracy.

A point is (clean accuracy, robustness); more of both is better. One point dominates another if it is not worse in both
and better in one:

    a dominates b    a_i >= b_i for both i, and a_i > b_i for one

Differences below `TIE` are rounding, and not counted: accuracies are fractions of some thousands of examples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from grokgrid.statistics.estimates import Interval, check_level
from grokgrid.statistics.times import Floats

TIE = 1e-9


def mean_over_sizes(sizes: ArrayLike, accuracies: ArrayLike) -> Floats:
    """The area under accuracy against size (trapezoidal rule), divided by the range of the sizes: the mean accuracy
    over sizes, where it is linear between two.

    sizes: (k,) growing, k >= 2; accuracies: (…, k). Of shape (…); NaN where one of the accuracies is.
    """
    x, y = np.asarray(sizes, float), np.asarray(accuracies, float)
    if x.ndim != 1 or x.size < 2 or not (np.diff(x) > 0).all():
        raise ValueError(f"sizes: {x.tolist()}; a list of two or more growing numbers is allowed")
    if y.shape[-1:] != x.shape:
        raise ValueError(f"accuracies: of shape {y.shape}; (…, {x.size}) is allowed")
    return np.asarray(np.trapezoid(y, x, axis=-1) / (x[-1] - x[0]), float)


def dominates(one: ArrayLike, other: ArrayLike) -> NDArray[np.bool_]:
    """Whether points (…, 2) dominate others (…, 2), each by each; (…). A point that holds NaN neither does nor is."""
    apart = np.asarray(one, float) - np.asarray(other, float)
    return np.asarray((apart >= -TIE).all(axis=-1) & (apart > TIE).any(axis=-1))


def on_front(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points (m, 2) no other one dominates: the Pareto front; (m,). One that holds NaN is not on it."""
    x = np.asarray(points, float).reshape(-1, 2)
    beaten = dominates(x[:, None, :], x[None, :, :]).any(axis=0)
    return np.asarray(~beaten & np.isfinite(x).all(axis=1))


@dataclass(frozen=True)
class Share:
    """In `num` of n seeds something is so; n >= 1."""

    num: int
    n: int

    @property
    def share(self) -> float:
        return self.num / self.n

    def confidence_interval(self, level: float = 0.95) -> Interval:
        """Of the share over all seeds that there might be: Clopper & Pearson's, which is exact (scipy.stats.binomtest,
        https://doi.org/10.1093/biomet/26.4.404).
        """
        check_level(level)
        found = stats.binomtest(self.num, self.n).proportion_ci(confidence_level=level, method="exact")
        return Interval(float(found.low), float(found.high))


@dataclass(frozen=True)
class Dominance:
    """Over the seeds that both have: how often the arm dominates the baseline, and how often it is dominated. On the
    other seeds the one is better in one, the other in the other, or they are the same.
    """

    dominates: Share
    is_dominated: Share


def dominance(baseline: ArrayLike, arm: ArrayLike) -> Dominance | None:
    """Of points (n, 2) each, seed by seed; pairs that hold NaN are left out. None if no pair is left."""
    theirs, ours = np.asarray(baseline, float).reshape(-1, 2), np.asarray(arm, float).reshape(-1, 2)
    if theirs.shape != ours.shape:
        raise ValueError(f"baseline, arm: of shapes {theirs.shape} and {ours.shape}; the same seeds are allowed")
    known = np.isfinite(theirs).all(axis=1) & np.isfinite(ours).all(axis=1)
    n = int(known.sum())
    if not n:
        return None
    ahead, behind = dominates(ours[known], theirs[known]), dominates(theirs[known], ours[known])
    return Dominance(Share(int(ahead.sum()), n), Share(int(behind.sum()), n))
