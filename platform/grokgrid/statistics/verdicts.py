"""Does a measured acceleration agree with a published one? The same estimator is computed beside it and the two means
are compared, as far as both sides know how sure they are.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from scipy import stats

from grokgrid.statistics.accelerations import Acceleration, Direction, MeanSd
from grokgrid.statistics.estimates import Interval, check_level
from grokgrid.statistics.evidence import WIDE, WhyOpen
from grokgrid.statistics.pairs import RatioKind
from grokgrid.statistics.typical import FEW_SEEDS


class Verdict(StrEnum):
    AGREE = "agree"
    DIFFER = "differ"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Published:
    """A published acceleration: the mean over n seeds and, as its error, their standard deviation."""

    value: float
    error: float | None
    n: int | None
    direction: Direction = Direction.FEWER

    def __post_init__(self) -> None:
        problems = []
        if not (math.isfinite(self.value) and self.value > 0):
            problems.append(f"value: {self.value}; a finite, positive ratio is allowed")
        if self.error is not None and not (math.isfinite(self.error) and self.error >= 0):
            problems.append(f"error: {self.error}; a finite number that is not negative, or none, is allowed")
        if self.n is not None and self.n < 1:
            problems.append(f"n: {self.n}; at least 1, or none, is allowed")
        if problems:
            raise ValueError("\n".join(problems))


def standard_deviation(error: float | None, error_is: Literal["sd", "sem", "ci95"], n: int | None) -> float | None:
    """Of n seeds, from what a paper prints as the error of their mean: their standard deviation itself, the mean's
    standard error s / sqrt(n), or half the width of its 95% interval, t s / sqrt(n) with Student's t of n - 1 degrees
    of freedom.
    """
    if error is None or error_is == "sd" or n is None or n < 2:
        return error
    return error * math.sqrt(n) / (float(stats.t.ppf(0.975, n - 1)) if error_is == "ci95" else 1.0)


@dataclass(frozen=True)
class Judgement:
    """A verdict, its reason as a plain sentence, and the published estimator computed on our trials (None if it
    cannot be).
    """

    verdict: Verdict
    reason: str
    ours: MeanSd | None = None


def verdict(
    found: Acceleration, published: Published, *, not_comparable: str | None = None, level: float = 0.95
) -> Judgement:
    """Judges the published figure.

    not comparable  the caller says so and why (seconds of unlike machines, say), or not all our pairs have an exact
                    ratio, or the paper gives no error or no n above 1
    inconclusive    fewer than 5 pairs, or our interval's ends are more than a factor of two apart, or there is none
    agree           the `level` interval of the difference of the two means contains 0, by Welch's unequal-variances t
                    from mean, sd and n of each side (scipy.stats.ttest_ind_from_stats): p >= 1 - level
    differ          it does not

    Ours is the mean of t_baseline / t_arm for "times fewer", of t_arm / t_baseline for "times more".
    """
    check_level(level)
    ours = found.mean_sd(published.direction)
    if not_comparable is not None:
        return Judgement(Verdict.NOT_COMPARABLE, not_comparable, ours)
    if ours is None:
        exact = f"{found.num(RatioKind.EXACT)} of {found.n} pairs have an exact ratio, and their mean needs all"
        return Judgement(Verdict.NOT_COMPARABLE, exact if found.n else "no seed is on both sides")
    if published.error is None or published.n is None or published.n < 2:
        return Judgement(Verdict.NOT_COMPARABLE, "published without an error, or not over two or more seeds", ours)
    interval = found.confidence_interval(level)
    if ours.n < FEW_SEEDS:
        return Judgement(Verdict.INCONCLUSIVE, f"n = {ours.n}, fewer than {FEW_SEEDS}", ours)
    if interval is None or ours.sd is None:
        return Judgement(Verdict.INCONCLUSIVE, "our ratios show no spread to judge by", ours)
    if interval.factor > WIDE:
        return Judgement(Verdict.INCONCLUSIVE, f"our interval spans a factor of {interval.factor:.3g}", ours)
    return by_welch(ours, MeanSd(published.value, published.error, published.n), level)


def by_welch(ours: MeanSd, published: MeanSd, level: float) -> Judgement:
    """Agree or differ, by Welch's t of two means that both have a standard deviation."""
    assert ours.sd is not None and published.sd is not None
    test = stats.ttest_ind_from_stats(
        ours.mean, ours.sd, ours.n, published.mean, published.sd, published.n, equal_var=False
    )
    p = float(test.pvalue)
    reason = (
        f"ours {ours.mean:.3g} ± {ours.sd:.2g} (n = {ours.n}), published {published.mean:g} ± {published.sd:g} "
        f"(n = {published.n}): Welch's p = {p:.2g}"
    )
    return Judgement(Verdict.AGREE if p >= 1 - level else Verdict.DIFFER, reason, ours)


class OfThreshold(NamedTuple):
    """why: of INCONCLUSIVE, why."""

    verdict: Verdict
    why: WhyOpen | None = None


def threshold_verdict(
    interval: Interval | None, why: WhyOpen | None, threshold: float, *, is_above: bool
) -> OfThreshold:
    """Judges the claim that a figure lies above a threshold, or below it.

    agree           the whole interval lies there
    differ          the whole interval lies on the other side
    inconclusive    the interval holds the threshold; or `why`: there is no interval to trust
    """
    if interval is None or why is not None:
        assert why is not None
        return OfThreshold(Verdict.INCONCLUSIVE, why)
    if interval.low > threshold:
        return OfThreshold(Verdict.AGREE if is_above else Verdict.DIFFER)
    if interval.high < threshold:
        return OfThreshold(Verdict.DIFFER if is_above else Verdict.AGREE)
    return OfThreshold(Verdict.INCONCLUSIVE, WhyOpen.THRESHOLD)


def of_all(verdicts: Collection[Verdict]) -> Verdict:
    """Of a claim that several clauses make together: one that differs refutes it, and all must agree."""
    if Verdict.DIFFER in verdicts:
        return Verdict.DIFFER
    return Verdict.AGREE if set(verdicts) == {Verdict.AGREE} else Verdict.INCONCLUSIVE
