"""How often each candidate wins when seeds are resampled."""

import numpy as np
import pytest

from grokgrid.statistics import CensoredFit, Estimator, GeometricMean, Times, typical_time, wins


def shares(values, better="less") -> list[float]:
    return wins(values, better, np.random.default_rng(1)).tolist()


def test_shares_are_those_of_all_resamples():
    """Two seeds have four resamples: twice the first, twice the second, and two of both, in which 0.5 beats 1.5."""
    assert shares([[0, 1], [3, 0]]) == pytest.approx([0.25, 0.75], abs=0.02)
    assert shares([[0, 1], [3, 0]], "more") == pytest.approx([0.75, 0.25], abs=0.02)


def test_a_tie_is_shared_and_rounding_breaks_none():
    tenths = np.array([0.1, 0.2, 0.3, 0.7])
    assert shares(np.stack([tenths, tenths, tenths + 1], axis=1)) == [0.5, 0.5, 0]
    assert shares(np.stack([tenths, tenths[[3, 2, 1, 0]]], axis=1)[[0, 3]]) == pytest.approx([0.5, 0.5], abs=0.02)


def test_one_seed_decides_alone():
    assert shares([[3, 1, 2]]) == [0, 1, 0]


def test_what_all_candidates_share_does_not_blur_the_choice():
    hard = np.random.default_rng(0).normal(0, 100, 10)
    assert shares(np.stack([hard, hard + 0.1], axis=1)) == [1, 0]


@pytest.mark.parametrize("values", [[[1, np.nan]], [[]], [1, 2]])
def test_what_cannot_be_resampled_is_refused(values):
    with pytest.raises(ValueError, match="finite numbers"):
        shares(values)


class TestTypicalTime:
    def test_is_the_geometric_mean_if_all_reached_the_goal(self):
        found = typical_time(Times([100, 400], [True, True], [0, 1]))
        assert found.estimate == pytest.approx(200)
        assert found.confidence_interval() == GeometricMean.of([100, 400]).confidence_interval()

    def test_allows_for_the_censored(self):
        found = typical_time(Times([100, 400, 200, 300, 1000], [True] * 4 + [False], range(5)))
        assert found.estimate == pytest.approx(CensoredFit.of([100, 400, 200, 300], [1000]).value)
        assert found.is_trusted

    def test_is_a_bound_if_most_are_censored(self):
        found = typical_time(Times([100, 1000, 1000, 1000, 1000], [True] + [False] * 4, range(5)))
        assert found.estimator is Estimator.LOWER_BOUND and found.confidence_interval().high == np.inf

    def test_of_a_time_of_zero_there_is_none(self):
        assert typical_time(Times([0, 5], [True, True], [0, 1])).estimate is None
        # A trial that was not seen to begin has no bound.
        assert typical_time(Times([0, 5, 6], [False, True, True], [0, 1, 2])).num_unknown == 1

    def test_without_trials_there_is_none(self):
        assert typical_time(Times([], [], [])).headline is None
