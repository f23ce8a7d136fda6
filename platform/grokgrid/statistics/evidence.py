"""What an interval decides: a side, no clear difference, or nothing, and why nothing.

    interval above the value of no difference      ABOVE; its size may be open all the same
    below it                                       BELOW
    holds it, and no difference of a factor of 2   NO_CLEAR_DIFFERENCE
    holds both, or there is no interval to trust   OPEN

Of ratios the value of no difference is 1, of differences 0. A figure without an interval to trust is always OPEN.
"""

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from grokgrid.statistics.estimates import Interval

WIDE = 2.0
"""An interval that holds no difference and a difference of this factor, too, decides nothing."""

VAGUE = 10.0
"""An interval whose ends are further apart than this factor says nothing of the size, even if it says which side."""

SIGNIFICANT = 0.05
"""A p value up to this is taken for a difference."""


class WhyOpen(StrEnum):
    """Why a figure is open: it has no interval to trust, or one that decides nothing (docs/statistics.md)."""

    NO_PAIR = "no seed has a figure on both sides"
    NO_VALUE = "no trial has ended with a number"
    UNLIKE = "the trials ran differently"
    UNLIKE_STEPS = "steps of a procedure and of an optimiser, or of two procedures, are not one unit"
    NOT_MEASURED = "it is not measured there"
    UNDEFINED = "a time of 0 has no ratio"
    TOO_FEW_REACHED = "too few trials reached the goal for an estimate"
    ONE_SEED = "one seed shows no spread"
    TWO_SEEDS = "two seeds hardly show a spread"
    NO_SPREAD = "all seeds give the same figure, which shows no spread"
    FEW_CENSORED = "of fewer than 5 seeds, not every one is exact"
    FEW_EXACT = "fewer than 3 seeds, or fewer than half, are exact"
    PARTIAL_BOUND = "the bound is of the seeds that give one, and the others may lie anywhere"
    LEFT_OUT = "trials that diverged or ended without a number are left out"
    NOT_OVER = "not all of its trials are over"
    THRESHOLD = "the interval holds the threshold"
    BOUND = "only a bound is known"
    WIDE = "the interval allows for no difference and for one of a factor of 2"
    VAGUE = "the ends of the interval are more than a factor of 10 apart"
    NO_COMMON_SEED = "no seed is over, with a number, at every candidate"
    FEW_SEEDS = "fewer than 5 seeds are over at every candidate"
    NOT_TOLD_APART = "another candidate may be as good"
    ALONE = "no other candidate has had as many seeds"
    NOT_COMPARED = "no analysis compares the arms"


class Evidence(StrEnum):
    """What a figure says."""

    ABOVE = "above"
    BELOW = "below"
    NO_CLEAR_DIFFERENCE = "no clear difference"
    OPEN = "open"


class Finding(NamedTuple):
    """why: of OPEN, why; of ABOVE and BELOW, why the size is open although the side is clear, if so."""

    evidence: Evidence
    why: WhyOpen | None = None

    @property
    def has_side(self) -> bool:
        return self.evidence in (Evidence.ABOVE, Evidence.BELOW)


def judge_ratio(interval: Interval | None, why: WhyOpen | None) -> Finding:
    """Of a ratio's interval; without one, `why` there is none."""
    if interval is None or why is not None:
        assert why is not None
        return Finding(Evidence.OPEN, why)
    is_bound = (interval.low <= 0) != math.isinf(interval.high)
    if interval.low > 1 or interval.high < 1:
        size = WhyOpen.BOUND if is_bound else WhyOpen.VAGUE if interval.factor > VAGUE else None
        return Finding(Evidence.ABOVE if interval.low > 1 else Evidence.BELOW, size)
    if is_bound:
        return Finding(Evidence.OPEN, WhyOpen.BOUND)
    if interval.high > WIDE or interval.low < 1 / WIDE:
        return Finding(Evidence.OPEN, WhyOpen.WIDE)
    return Finding(Evidence.NO_CLEAR_DIFFERENCE)


def judge_difference(interval: Interval | None, why: WhyOpen | None, sizes: Iterable[float]) -> Finding:
    """Of a difference's interval. sizes: what the difference is added to, such as the baseline's mean: it is WIDE where
    an end of the interval changes one of them by a factor of 2.
    """
    if interval is None or why is not None:
        assert why is not None
        return Finding(Evidence.OPEN, why)
    if interval.low > 0 or interval.high < 0:
        return Finding(Evidence.ABOVE if interval.low > 0 else Evidence.BELOW)
    if any(not _is_within(size + end, size) for size in sizes for end in interval):
        return Finding(Evidence.OPEN, WhyOpen.WIDE)
    return Finding(Evidence.NO_CLEAR_DIFFERENCE)


def _is_within(changed: float, size: float) -> bool:
    return size != 0 and 1 / WIDE <= changed / size <= WIDE


def is_significant(p: float | None) -> bool:
    return p is not None and p <= SIGNIFICANT
