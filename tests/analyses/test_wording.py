"""Numbers as people read them: a printed figure lies on the side on which the verdict beside it says that it lies."""

import math

import pytest

from grokgrid.analyses.wording import beside, difference, interval, p_value, ratio
from grokgrid.statistics import Interval


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.00"), (1.0004, "1.0004"), (0.9996, "0.9996"), (1.00001, "1.00001"), (1.01, "1.01"), (None, "–")],
)
def test_a_ratio_is_not_rounded_to_one(value: float | None, text: str):
    assert ratio(value) == text


def test_ends_of_an_interval_of_ratios_are_not_rounded_to_one():
    assert interval(Interval(1.0004, 1.5)) == "1.0004 to 1.50"
    assert interval(Interval(0.9997, math.inf)) == "at least 0.9997"


@pytest.mark.parametrize(
    ("value", "sd", "text"), [(0.0004, 0.01, "0.000400"), (-0.0004, 0.01, "-0.000400"), (0.0, 0.01, "0.000")]
)
def test_a_difference_is_not_rounded_to_zero(value: float, sd: float, text: str):
    assert difference(value, sd) == text


@pytest.mark.parametrize(("p", "text"), [(0.05, "0.05"), (0.0501, "0.0501"), (0.04999, "0.05"), (0.0625, "0.062")])
def test_a_p_value_is_not_rounded_across_the_limit(p: float, text: str):
    assert p_value(p) == text


@pytest.mark.parametrize(
    ("value", "sd", "limit", "text"),
    [
        (0.9123, 0.02, 0.85, "0.912"),
        (0.8502, 0.02, 0.85, "0.8502"),
        (0.8498, 0.02, 0.85, "0.8498"),
        (0.85, 0.02, 0.85, "0.850"),
        (1e-9, 1e-10, 0.01, "1.00e-09"),
        (-0.00001, 0.3, 0, "-1.00e-05"),
        (1234.5, None, 1, "1,234"),
        (math.inf, None, 2, "∞"),
    ],
)
def test_a_figure_is_not_rounded_across_a_threshold(value: float, sd: float | None, limit: float, text: str):
    assert beside(value, sd, limit) == text
