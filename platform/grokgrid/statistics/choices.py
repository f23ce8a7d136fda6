"""How sure the choice of the best of several candidates is."""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from grokgrid.statistics.times import Floats

NUM_RESAMPLES = 10_000

Better = Literal["less", "more"]


def wins(
    values: ArrayLike, better: Better, generator: np.random.Generator, num_resamples: int = NUM_RESAMPLES
) -> Floats:
    """The share of resamples of the seeds in which each candidate's mean is best, (k,); a tie is shared.

    values  (n, k): n seeds, the same for all k candidates, so what a seed does to all of them does not blur the choice

    Seeds are drawn with replacement (the bootstrap, Efron 1979, https://doi.org/10.1214/aos/1176344552). The shares
    say how far the choice hangs on the seeds at hand. They are no probabilities that a candidate is truly the best:
    those of few seeds are too sure of themselves.
    """
    x = np.asarray(values, float)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(
            f"values: shape {x.shape}; finite numbers (seeds, candidates), one or more of each, are allowed"
        )
    n = len(x)
    counts = generator.multinomial(n, np.full(n, 1 / n), size=num_resamples)
    sums = counts @ (x if better == "less" else -x)
    # Rounding must not decide between candidates that are equal.
    best = sums <= sums.min(axis=1, keepdims=True) + 1e-12 * np.abs(x).sum()
    shares: Floats = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def p_not_behind(values: ArrayLike, known: ArrayLike, best: int, better: Better) -> Floats:
    """Of each candidate the p value of its being no worse than `best`, which has the best mean of values (n, k): (k,);
    NaN for `best` itself and where the differences from it show no spread to judge by.

    known (n, k): where it is False, the true value is at least as bad as the one given, as a censored time is.

    One-sided paired t-tests (scipy.stats.t): a value of another candidate that is not known hides how much worse it is,
    which errs on the safe side. Where one of `best` is not known, sign tests on the seeds on which it is known who is
    better (scipy.stats.binomtest). Each p times k - 1, at most 1. So the choice is allowed for: if candidate j is truly
    the best, one of the k - 1 others is wrongly found to be better than it, at a p of at most 0.05, in at most 5 of 100
    studies (Bonferroni; of normal differences).
    """
    x, is_known = np.asarray(values, float) * (1 if better == "less" else -1), np.asarray(known, bool)
    n, k = x.shape
    found = np.full(k, np.nan)
    for index in range(k):
        if index == best or n < 2:
            continue
        behind = x[:, index] - x[:, best]
        if is_known[:, best].all():
            p = _p_above_zero(behind, 1e-12 * np.abs(x).max())
        else:
            ahead = is_known[:, best] & np.where(is_known[:, index], behind > 0, behind >= 0)
            after = is_known[:, index] & np.where(is_known[:, best], behind < 0, behind <= 0)
            num = int(ahead.sum() + after.sum())
            p = float(stats.binomtest(int(ahead.sum()), num, alternative="greater").pvalue) if num else 1.0
        found[index] = np.minimum(1.0, (k - 1) * p)
    return found


def _p_above_zero(d: Floats, rounding: float) -> float:
    """Student's, one-sided; 1 where all are 0, NaN where they are equal otherwise."""
    if not d.any():
        return 1.0
    if np.ptp(d) <= rounding:
        return math.nan
    return float(stats.t.sf(d.mean() / (d.std(ddof=1) / math.sqrt(len(d))), len(d) - 1))
