"""A paired test that may be looked at after every seed, and as often as one likes.

Notation: d_1 … d_n are differences of one pair of candidates, seed by seed, independent and normal, their mean delta
standard deviations, and the standard deviation unknown; t is Student's statistic of the first n of them.

The e-value is the Bayes factor of delta ~ N(0, g^2) against delta = 0 under the prior 1 / sigma; it depends on t alone:

    e_n = (1 + n g^2)^(-1/2) * [ (1 + t^2 / (n - 1)) / (1 + t^2 / ((n - 1) (1 + n g^2))) ]^(n / 2)

Where delta = 0 the e-values are a martingale of mean 1, whatever sigma, so that they ever come to 1 / alpha with a
probability of at most alpha (Ville's inequality): at no matter how many looks, and whenever one stops. That is
what a t-test repeated after every seed does not give. (Wang and Ramdas 2024, "Anytime-valid t-tests and confidence
sequences for Gaussian means with unknown variance", Sequential Analysis 43, on the method and its history.)

One side only: by symmetry the first crossing lies on either side as often, so 1 / (2 alpha) is the threshold for a
first crossing upwards. A mean further down makes t smaller at every look, and a first crossing upwards rarer.
"""

import numpy as np
from numpy.typing import ArrayLike

from grokgrid.statistics.times import Floats

EFFECT_SD = 5.0
"""g. Candidates that are not close differ by several standard deviations of a paired difference; then a small g would
ask for more seeds. A large one costs close candidates little: the e-value falls as 1 / g.
"""


def e_values(differences: ArrayLike) -> Floats:
    """After each look: (…, n), of differences (…, n). 1 after the first, which alone says nothing of sigma.

    Differences that are all alike, and not zero, have the largest e-value that so many can have. A blank (NaN) and all
    behind it give NaN.
    """
    d = np.asarray(differences, float)
    n = np.arange(1, d.shape[-1] + 1)
    mean = np.cumsum(d, axis=-1) / n
    # From the deviations of each look's own mean: sums of squares would lose all digits where differences are
    # alike.
    squares = np.zeros_like(mean)
    squares[..., 1:] = np.cumsum((n[1:] / n[:-1]) * (d[..., 1:] - mean[..., 1:]) ** 2, axis=-1)
    # t^2 / (n - 1) = n mean^2 / squares, and both terms of the ratio are multiplied by `squares`.
    wide = 1 + n * EFFECT_SD**2
    signal = n * mean**2
    below = squares + signal / wide
    ratio = np.divide(squares + signal, below, out=np.ones_like(below), where=below != 0)
    values: Floats = np.exp(n / 2 * np.log(ratio) - 0.5 * np.log(wide))
    values[..., :1] = np.where(np.isnan(mean[..., :1]), np.nan, 1.0)
    return values


def is_greater(differences: ArrayLike, level: float) -> np.ndarray:
    """Whether the mean of differences (…, n) is told to be above 0 at any look so far, (…): of pairs whose mean
    is at most 0 it ever is, at any number of looks, with a probability of at most `level`.
    """
    d = np.asarray(differences, float)
    if not d.shape[-1]:
        return np.zeros(d.shape[:-1], bool)
    with np.errstate(invalid="ignore"):
        crossed = e_values(d) >= 1 / (2 * level)
    first = np.argmax(crossed, axis=-1)[..., None]
    # cumsum of blanks is blank, and no blank crosses.
    at_first = np.take_along_axis(np.cumsum(d, axis=-1), first, axis=-1)[..., 0]
    found: np.ndarray = crossed.any(axis=-1) & (at_first > 0)
    return found
