"""What an interval decides: whatever has none to trust is open, and says why."""

import math

import pytest

from grokgrid.statistics import (
    FEW_SEEDS,
    VAGUE,
    Evidence,
    Finding,
    Interval,
    SampleMean,
    Times,
    WhyOpen,
    acceleration,
    judge_difference,
    judge_ratio,
    typical_time,
)
from grokgrid.statistics.evidence import WIDE
from grokgrid.statistics.typical import LEAST_EXACT

ABOVE, BELOW, OPEN = Evidence.ABOVE, Evidence.BELOW, Evidence.OPEN
ALIKE = Finding(Evidence.NO_CLEAR_DIFFERENCE)
LATE = 99.0


def compared(baseline: list[float], arm: list[float]) -> WhyOpen | None:
    """Why the acceleration is open. A time of LATE is censored there."""
    sides = [Times(side, [time < LATE for time in side], range(len(side))) for side in (baseline, arm)]
    return acceleration(*sides).why_open


class TestAnAccelerationIsOpen:
    @pytest.mark.parametrize(
        ("baseline", "arm", "why"),
        [
            ([], [], WhyOpen.NO_PAIR),
            ([50], [10], WhyOpen.ONE_SEED),
            ([LATE], [10], WhyOpen.ONE_SEED),
            ([50, 60], [10, 20], WhyOpen.TWO_SEEDS),
            ([50] * 5, [10] * 5, WhyOpen.NO_SPREAD),
            ([LATE] * 5, [10] * 5, WhyOpen.NO_SPREAD),
            ([LATE] * 5, [LATE] * 5, WhyOpen.TOO_FEW_REACHED),
            ([50, 60, 70], [0, 10, 20], WhyOpen.UNDEFINED),
            ([50, 60, 70, LATE], [10, 20, 30, 20], WhyOpen.FEW_CENSORED),
            ([50, 60, LATE, LATE, 30], [10, 20, 10, 20, LATE], WhyOpen.FEW_EXACT),
            ([LATE] * 5, [10, 20, 10, 20, LATE], WhyOpen.PARTIAL_BOUND),
            ([50, 60, 70], [10, 20, 20], None),
            ([50, 60, 70, 80, LATE], [10, 20, 20, 10, 20], None),
            ([LATE] * 5, [10, 20, 10, 20, 30], None),
        ],
    )
    def test_for_each_reason(self, baseline: list[float], arm: list[float], why: WhyOpen | None):
        assert compared(baseline, arm) is why

    def test_exactly_where_it_has_no_interval(self):
        for n in range(1, 8):
            for num_late in range(n + 1):
                times = Times(
                    [*range(10, 10 + n - num_late), *[LATE] * num_late],
                    [True] * (n - num_late) + [False] * num_late,
                    range(n),
                )
                for found in (typical_time(times), acceleration(times, Times(range(5, 5 + n), [True] * n, range(n)))):
                    assert (found.why_open is None) is (found.confidence_interval() is not None) is found.is_trusted


class TestAMeanIsOpen:
    @pytest.mark.parametrize(
        ("values", "why"),
        [
            ([0.5], WhyOpen.ONE_SEED),
            ([0.5, 0.6], WhyOpen.TWO_SEEDS),
            ([0.5] * 5, WhyOpen.NO_SPREAD),
            ([0.5, 0.6, 0.7], None),
        ],
    )
    def test_exactly_where_it_has_no_interval(self, values: list[float], why: WhyOpen | None):
        found = SampleMean.of(values)
        assert found.why_open is why
        assert (found.confidence_interval() is None) is (why is not None)


class TestARatiosInterval:
    @pytest.mark.parametrize(
        ("low", "high", "finding"),
        [
            (1.2, 3.0, Finding(ABOVE)),
            (0.3, 0.9, Finding(BELOW)),
            (0.8, 1.3, ALIKE),
            (0.5, 2.0, ALIKE),
            (0.9, 2.1, Finding(OPEN, WhyOpen.WIDE)),
            (0.4, 1.1, Finding(OPEN, WhyOpen.WIDE)),
            (12.3, 9243.0, Finding(ABOVE, WhyOpen.VAGUE)),
            (0.0001, 0.9, Finding(BELOW, WhyOpen.VAGUE)),
            (3.0, math.inf, Finding(ABOVE, WhyOpen.BOUND)),
            (0.0, 0.4, Finding(BELOW, WhyOpen.BOUND)),
            (0.9, math.inf, Finding(OPEN, WhyOpen.BOUND)),
            (0.0, 1.0, Finding(OPEN, WhyOpen.BOUND)),
            (1.0, 1.5, ALIKE),
            # Of ratios so far apart that their exponentials are no numbers any more.
            (0.0, math.inf, Finding(OPEN, WhyOpen.WIDE)),
        ],
    )
    def test_decides_a_side_or_nothing(self, low: float, high: float, finding: Finding):
        assert judge_ratio(Interval(low, high), None) == finding

    @pytest.mark.parametrize("why", WhyOpen)
    def test_that_is_not_there_decides_nothing(self, why: WhyOpen):
        assert judge_ratio(None, why) == judge_difference(None, why, [1.0]) == Finding(OPEN, why)


class TestADifferencesInterval:
    @pytest.mark.parametrize(
        ("low", "high", "sizes", "finding"),
        [
            (0.01, 0.2, [0.8], Finding(ABOVE)),
            (-0.2, -0.01, [0.8], Finding(BELOW)),
            (-0.1, 0.2, [0.8], ALIKE),
            # Half of it, or twice as much, may well be.
            (-0.5, 0.2, [0.8], Finding(OPEN, WhyOpen.WIDE)),
            (-0.1, 0.9, [0.8], Finding(OPEN, WhyOpen.WIDE)),
            (-0.1, 0.2, [-0.15], Finding(OPEN, WhyOpen.WIDE)),
            (-0.1, 0.1, [0.0], Finding(OPEN, WhyOpen.WIDE)),
            # Of an accuracy of 0.98 the error may be half or twice as large.
            (-0.015, 0.012, [0.98], ALIKE),
            (-0.015, 0.012, [0.98, 0.98 - 1], Finding(OPEN, WhyOpen.WIDE)),
        ],
    )
    def test_decides_a_side_or_nothing(self, low: float, high: float, sizes: list[float], finding: Finding):
        assert judge_difference(Interval(low, high), None, sizes) == finding

    def test_is_open_where_values_are_left_out_although_there_is_one(self):
        assert judge_difference(Interval(0.1, 0.2), WhyOpen.LEFT_OUT, [1.0]) == Finding(OPEN, WhyOpen.LEFT_OUT)


def test_the_reasons_name_the_limits_of_the_code():
    assert (
        f"fewer than {FEW_SEEDS} seeds" in WhyOpen.FEW_CENSORED and f"fewer than {FEW_SEEDS} seeds" in WhyOpen.FEW_SEEDS
    )
    assert f"fewer than {LEAST_EXACT} seeds" in WhyOpen.FEW_EXACT
    assert f"a factor of {WIDE:g}" in WhyOpen.WIDE and f"a factor of {VAGUE:g}" in WhyOpen.VAGUE
