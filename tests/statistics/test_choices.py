"""How often each candidate wins when seeds are resampled."""

import numpy as np
import pytest
from scipy import stats

from grokgrid.statistics import CensoredFit, Estimator, GeometricMean, Times, p_not_behind, typical_time, wins


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


def not_behind(values, *, known=None, best=0, better="less"):
    return p_not_behind(values, np.ones_like(values, bool) if known is None else known, best, better)


class TestPNotBehind:
    """Whether the best is told apart from the others, the choice of it allowed for."""

    VALUES = np.array([[1.0, 2.0, 1.1], [1.2, 2.5, 0.9], [0.9, 2.2, 1.3], [1.1, 1.9, 0.8], [1.0, 2.4, 1.2]])

    def test_is_of_one_sided_paired_t_tests_times_the_number_of_others(self):
        by_scipy = [stats.ttest_rel(self.VALUES[:, i], self.VALUES[:, 0], alternative="greater") for i in (1, 2)]
        found = not_behind(self.VALUES)
        assert np.isnan(found[0])
        assert found[1:] == pytest.approx([2 * by_scipy[0].pvalue, min(1, 2 * by_scipy[1].pvalue)])
        assert found[1] < 0.01 and found[2] > 0.5
        assert not_behind(-self.VALUES, better="more")[1:] == pytest.approx(found[1:])

    def test_of_a_twin_is_one_and_without_a_spread_there_is_none(self):
        values = np.array([[1.0, 1.0, 2.0], [2.0, 2.0, 3.0], [4.0, 4.0, 5.0]])
        found = not_behind(values)
        assert found[1] == 1 and np.isnan(found[2])
        assert np.isnan(not_behind(values[:1])).all()

    def test_is_of_sign_tests_where_the_best_is_not_known_on_every_seed(self):
        """The best reached the goal on three seeds of five, the second never, the third on one, later. Of each, three
        seeds are decided, which a coin gives once in 8 times.
        """
        values = np.array([[3.0, 9.0, 4.0], [3.1, 9.0, 9.0], [2.9, 9.0, 9.0], [9.0, 9.0, 9.0], [9.0, 9.0, 9.0]])
        assert not_behind(values, known=values < 9)[1:].tolist() == [2 / 8, 2 / 8]
        # Of the fourth seed it is known that the last was sooner: three of four, or more, once in 5 / 16.
        values[3, 2] = 8.0
        assert not_behind(values, known=values < 9)[2] == 2 * 5 / 16

    def test_others_that_are_not_known_are_taken_at_their_bounds(self):
        values = np.array([[3.0, 9.0], [3.1, 9.0], [2.9, 9.0], [3.3, 9.0], [3.2, 9.0]])
        assert not_behind(values, known=values < 9) == pytest.approx(not_behind(values), nan_ok=True)

    def test_a_true_best_is_rarely_found_to_be_behind(self):
        """Ten candidates alike but for luck: the lucky one is told apart from them all in far fewer than 5 of 100."""
        generator = np.random.default_rng(3)
        wrong = 0
        for _ in range(300):
            values = generator.normal(size=(5, 10))
            found = not_behind(values, best=int(values.mean(axis=0).argmin()))
            wrong += bool((np.nan_to_num(found) <= 0.05).all())
        # 300 studies at 5% give 15 and, by luck, more than 28 in one of a thousand.
        assert wrong <= 28


class TestTypicalTime:
    def test_is_the_geometric_mean_if_all_reached_the_goal(self):
        found = typical_time(Times([100, 400, 200], [True] * 3, [0, 1, 2]))
        assert found.estimate == pytest.approx(200)
        assert found.confidence_interval() == GeometricMean.of([100, 400, 200]).confidence_interval()

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
