"""Pairs of trials with the same seed, one of the baseline and one of an arm: what each says about the ratio
t_baseline / t_arm, which of the two is sooner, and tests that neither tends to be.

The functions take the two sides with the same seeds in the same order.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy import stats

from grokgrid.statistics.times import Times


class RatioKind(StrEnum):
    """What a pair says about its ratio."""

    EXACT = "exact"
    AT_LEAST = "at least"
    """Only the baseline is censored."""
    AT_MOST = "at most"
    """Only the arm is censored."""
    UNKNOWN = "unknown"
    """Both are censored (or one is, at time 0, which bounds nothing)."""
    UNDEFINED = "undefined"
    """A time is 0, a phase between two evaluations: the ratio is 0, infinite or 0/0, and not to be estimated."""


@dataclass(frozen=True)
class Improvement:
    """On how many seeds the arm is sooner, later or tied; a pair that censoring leaves open is undecided."""

    num_sooner: int
    num_later: int
    num_tied: int
    undecided_seeds: tuple[int, ...]

    @property
    def probability(self) -> float | None:
        """The share of decided seeds on which the arm is sooner, ties counting half. None if none is decided."""
        decided = self.num_sooner + self.num_later + self.num_tied
        return (self.num_sooner + self.num_tied / 2) / decided if decided else None


class PairedTestKind(StrEnum):
    SIGNED_RANK = "Wilcoxon signed-rank test"
    SIGN = "sign test"


@dataclass(frozen=True)
class PairedTest:
    """A two-sided test of pairs; `num_pairs` counts those that enter: neither tied nor undecided."""

    kind: PairedTestKind
    p: float
    num_pairs: int

    @property
    def floor(self) -> float:
        """The smallest p that so many pairs can give, when all point one way: 2 / 2^n."""
        return min(1.0, 2.0 ** (1 - self.num_pairs))


def paired_ratios(baseline: Times, arm: Times) -> pd.DataFrame:
    """One row a pair: seed, baseline, arm (times), ratio (NaN where unknown or undefined), kind (RatioKind)."""
    both, neither = baseline.reached & arm.reached, ~baseline.reached & ~arm.reached
    undefined = (baseline.reached & (baseline.value == 0)) | (arm.reached & (arm.value == 0))
    unknown = neither | (baseline.value == 0) | (arm.value == 0)
    kind = np.select(
        [undefined, unknown, both, arm.reached],
        [RatioKind.UNDEFINED, RatioKind.UNKNOWN, RatioKind.EXACT, RatioKind.AT_LEAST],
        RatioKind.AT_MOST,
    )
    ratio = np.full(baseline.n, np.nan)
    np.divide(baseline.value, arm.value, out=ratio, where=~(undefined | unknown))
    columns = {"seed": baseline.seeds, "baseline": baseline.value, "arm": arm.value, "ratio": ratio}
    return pd.DataFrame({**columns, "kind": pd.Series([RatioKind(each) for each in kind], dtype=object)})


def improvement(baseline: Times, arm: Times) -> Improvement:
    """Compares the pairs. Who was censored at the very time at which the other reached the goal had not reached it by
    then, so is later.
    """
    both = baseline.reached & arm.reached
    sooner = arm.reached & np.where(baseline.reached, arm.value < baseline.value, arm.value <= baseline.value)
    later = baseline.reached & np.where(arm.reached, baseline.value < arm.value, baseline.value <= arm.value)
    tied = both & (baseline.value == arm.value)
    undecided = baseline.seeds[~(sooner | later | tied)]
    return Improvement(int(sooner.sum()), int(later.sum()), int(tied.sum()), tuple(int(seed) for seed in undecided))


def paired_test(ratios: pd.DataFrame, order: Improvement) -> PairedTest | None:
    """Wilcoxon's signed-rank test on the log ratios, ratios of 1 left out, if all are exact (scipy.stats.wilcoxon:
    exact up to 50 pairs, with ties up to 13). The ranks of bounds are unknown: otherwise it is the sign test on the
    decided pairs (scipy.stats.binomtest). None if no pair is decided.
    """
    if len(ratios) and (ratios["kind"] == RatioKind.EXACT).all():
        # Rounded, so that pairs that are tied but for the last bits count as tied.
        logs = np.round(np.log(ratios["ratio"].to_numpy(float)), 12)
        logs = logs[logs != 0]
        p = float(stats.wilcoxon(logs).pvalue) if len(logs) else 1.0
        return PairedTest(PairedTestKind.SIGNED_RANK, p, len(logs))
    num_pairs = order.num_sooner + order.num_later
    if num_pairs:
        return PairedTest(PairedTestKind.SIGN, float(stats.binomtest(order.num_sooner, num_pairs).pvalue), num_pairs)
    return PairedTest(PairedTestKind.SIGN, 1.0, 0) if order.num_tied else None
