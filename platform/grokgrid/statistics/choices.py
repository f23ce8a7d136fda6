"""How sure the choice of the best of several candidates is."""

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


def p_not_behind(values: ArrayLike, best: int, better: Better) -> Floats:
    """Of each candidate the p value of its being no worse than `best`, which has the best mean of values (n, k): (k,);
    NaN for `best` itself and where the differences from it show no spread to judge by.

    One-sided paired t-tests (scipy.stats.t), each p times k - 1, at most 1. So the choice is allowed for: if candidate
    j is truly the best, one of the k - 1 others is wrongly found to be better than it, at a p of at most 0.05, in at
    most 5 of 100 studies (Bonferroni; of normal differences).
    """
    x = np.asarray(values, float)
    n, k = x.shape
    behind = (x - x[:, [best]]) * (1 if better == "less" else -1)
    found = np.full(k, np.nan)
    for index in range(k):
        d = behind[:, index]
        if index == best or n < 2:
            continue
        if not d.any():
            found[index] = 1.0
        elif np.ptp(d) > 1e-12 * np.abs(x).max():
            t = d.mean() / (d.std(ddof=1) / np.sqrt(n))
            found[index] = min(1.0, (k - 1) * float(stats.t.sf(t, n - 1)))
    return found
