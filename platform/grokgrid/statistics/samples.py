"""A quantity measured once a trial, such as an accuracy at the end of training: its mean over seeds, its difference
from the baseline's, paired by seed, and a published mean beside it.

Unlike times to a goal such values may be negative, and none is censored: a trial that did not come to the end has none.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from grokgrid.statistics.accelerations import MeanSd
from grokgrid.statistics.estimates import Interval, check_level
from grokgrid.statistics.evidence import WIDE, WhyOpen
from grokgrid.statistics.pairs import PairedTest, PairedTestKind
from grokgrid.statistics.typical import FEW_SEEDS
from grokgrid.statistics.verdicts import Judgement, Verdict, by_welch


@dataclass(frozen=True)
class SampleMean:
    """Mean, standard deviation (ddof=1; None at n = 1) and extremes of n values."""

    n: int
    mean: float
    sd: float | None
    min: float
    max: float

    @classmethod
    def of(cls, values: ArrayLike) -> "SampleMean":
        """Of finite values (n,), n >= 1."""
        x = np.asarray(values, float)
        if x.ndim != 1 or not x.size or not np.isfinite(x).all():
            raise ValueError(f"values: {x.tolist()}; a list of one or more finite numbers is allowed")
        # Equal values have a spread of 0, whatever rounding makes of their mean.
        sd = None if x.size == 1 else float(x.std(ddof=1)) if np.ptp(x) > 0 else 0.0
        return cls(x.size, float(x.mean()), sd, float(x.min()), float(x.max()))

    @property
    def mean_sd(self) -> MeanSd:
        return MeanSd(self.mean, self.sd, self.n)

    @property
    def why_open(self) -> WhyOpen | None:
        """Why there is no interval to trust; None if there is one."""
        if self.n <= 2:
            return WhyOpen.ONE_SEED if self.n == 1 else WhyOpen.TWO_SEEDS
        return None if self.sd else WhyOpen.NO_SPREAD

    def confidence_interval(self, level: float = 0.95) -> Interval | None:
        """Student's t (scipy.stats.t); None where `why_open` says why."""
        check_level(level)
        if self.why_open or self.sd is None:
            return None
        margin = float(stats.t.ppf((1 + level) / 2, self.n - 1)) * self.sd / math.sqrt(self.n)
        return Interval(self.mean - margin, self.mean + margin)


@dataclass(frozen=True)
class PairedDifference:
    """Arm minus baseline, over the seeds that both have."""

    mean: SampleMean
    test: PairedTest


def paired_difference(baseline: "pd.Series[float]", arm: "pd.Series[float]") -> PairedDifference | None:
    """Of finite values by seed. Wilcoxon's signed-rank test (scipy.stats.wilcoxon) leaves out differences of 0; its p
    is 1 if all are. None if no seed is on both sides.
    """
    seeds = baseline.index.intersection(arm.index)
    if not len(seeds):
        return None
    theirs, ours = baseline.loc[seeds].to_numpy(float), arm.loc[seeds].to_numpy(float)
    differences = ours - theirs
    # Rounded, so that differences that are equal but for the last bits are tied.
    scale = max(np.abs(theirs).max(), np.abs(ours).max())
    ranked = np.round(differences / scale, 12) if scale else differences
    ranked = ranked[ranked != 0]
    p = float(stats.wilcoxon(ranked).pvalue) if len(ranked) else 1.0
    return PairedDifference(SampleMean.of(differences), PairedTest(PairedTestKind.SIGNED_RANK, p, len(ranked)))


def sample_verdict(
    ours: SampleMean | None,
    *,
    value: float,
    error: float | None,
    n: int | None,
    not_comparable: str | None = None,
    level: float = 0.95,
) -> Judgement:
    """Judges a published mean `value`, of standard deviation `error` over n seeds, as `verdicts.verdict` does a ratio:
    Welch's t of the two means. An interval that holds 0 spans more than any factor, so decides nothing.
    """
    check_level(level)
    found = ours.mean_sd if ours is not None else None
    if not_comparable is not None:
        return Judgement(Verdict.NOT_COMPARABLE, not_comparable, found)
    if ours is None:
        return Judgement(Verdict.NOT_COMPARABLE, "no trial of ours has come to the end with a number")
    if error is None or n is None or n < 2:
        return Judgement(Verdict.NOT_COMPARABLE, "published without an error, or not over two or more seeds", found)
    if ours.n < FEW_SEEDS:
        return Judgement(Verdict.INCONCLUSIVE, f"n = {ours.n}, fewer than {FEW_SEEDS}", found)
    interval = ours.confidence_interval(level)
    if interval is None or not ours.sd:
        return Judgement(Verdict.INCONCLUSIVE, "our values show no spread to judge by", found)
    size = interval if interval.high > 0 else Interval(-interval.high, -interval.low)
    if size.factor > WIDE:
        spans = f"a factor of {size.factor:.3g}" if math.isfinite(size.factor) else "both sides of 0"
        return Judgement(Verdict.INCONCLUSIVE, f"our interval spans {spans}", found)
    return by_welch(ours.mean_sd, MeanSd(value, error, n), level)
