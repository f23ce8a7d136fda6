import numpy as np
import pandas as pd
import pytest
from scipy import stats

from grokgrid.statistics import Times, fraction_reached, mean_curve

NAN = np.nan


def approx(values, **tolerance):
    return pytest.approx(values, nan_ok=True, **tolerance)


def test_the_fraction_with_a_common_budget_is_counted():
    times = Times([10, 30, 30, 100], [True, True, True, False], range(4))
    found = fraction_reached(times, [5, 10, 29, 30, 100, 101])
    assert found.fraction.tolist() == approx([0, 0.25, 0.25, 0.75, 0.75, NAN])
    low, high = found.confidence_interval()
    # Clopper & Pearson by their closed forms at 0 of 4: 1 - (0.025)^(1/4); at 3 of 4: Beta(3, 2) and Beta(4, 1).
    assert (low[0], high[0]) == approx((0, 1 - 0.025**0.25))
    assert high[3] == approx(0.975**0.25)
    assert np.isnan(low[-1]) and np.isnan(high[-1])


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_a_counted_fraction_is_scipys(level):
    n = 7
    low, high = fraction_reached(Times(range(1, n + 1), [True] * n, range(n)), range(n + 1)).confidence_interval(level)
    theirs = [stats.binomtest(count, n).proportion_ci(level) for count in range(n + 1)]
    assert low.tolist() == approx([each.low for each in theirs], abs=1e-9)
    assert high.tolist() == approx([each.high for each in theirs], abs=1e-9)


def test_once_all_have_reached_the_goal_the_fraction_stays_one():
    found = fraction_reached(Times([10, 30], [True, True], [0, 1]), [20, 30, 1000])
    assert found.fraction.tolist() == [0.5, 1, 1]


def test_with_unlike_budgets_it_is_kaplan_and_meiers():
    # Fan belts, Conover 1999, p. 91, as in the documentation of scipy.stats.ecdf.
    broken, unbroken = [77, 47, 81, 56, 80], [62, 60, 43, 71, 37]
    times = Times(broken + unbroken, [True] * 5 + [False] * 5, range(10))
    found = fraction_reached(times, [40, 47, 56, 75, 77, 80, 81, 500])
    assert found.fraction.tolist() == approx([0, 0.125, 0.25, 0.25, 0.5, 0.75, 1, 1])
    low, high = found.confidence_interval()
    assert np.isnan(low[[0, 6, 7]]).all()
    # At 47: S = 7/8, log-log with variance 1 / log(S)^2 x 1 / (8 x 7): S to the exp(+-1.959964 x sqrt of it).
    spread = np.exp(1.959964 * np.sqrt(1 / 56) / np.log(8 / 7))
    assert (low[1], high[1]) == approx((1 - 0.875 ** (1 / spread), 1 - 0.875**spread), rel=1e-6)
    assert (low[1:6] < found.fraction[1:6]).all() and (found.fraction[1:6] < high[1:6]).all()


def test_beyond_a_last_censored_time_nothing_is_known():
    found = fraction_reached(Times([10, 20, 30], [False, True, False], range(3)), [25, 30, 31])
    assert found.fraction.tolist() == approx([0.5, 0.5, NAN])


def test_no_trials_no_fraction():
    found = fraction_reached(Times([], [], []), [1, 2])
    assert np.isnan(found.fraction).all() and np.isnan(found.confidence_interval().low).all()


@pytest.mark.parametrize("grid", [[2, 1], [1, 1], [NAN], [[1.0]]])
def test_grids_increase(grid):
    with pytest.raises(ValueError, match="grid: "):
        fraction_reached(Times([1], [True], [0]), grid)


CURVES = pd.DataFrame(
    {
        "key": ["a", "a", "a", "b", "b", "c"],
        "steps": [20, 10, 30, 10, 20, 10],
        "accuracy": [0.4, 0.2, 0.6, 0.4, 0.8, 0.9],
    }
)


def test_the_mean_is_over_the_trials_that_are_still_there():
    found = mean_curve(CURVES, "accuracy")
    assert found.grid.tolist() == [10, 20, 30]
    assert found.n.tolist() == [3, 2, 1]
    assert found.mean.tolist() == approx([0.5, 0.6, 0.6])
    assert found.sd.tolist() == approx([np.sqrt(0.13), np.sqrt(0.08), NAN])
    low, high = found.confidence_interval()
    # Student's 97.5% point with 2 degrees of freedom is 4.302653; two trials hardly show a spread.
    assert (high - found.mean).tolist() == approx([4.302653 * np.sqrt(0.13 / 3), NAN, NAN], rel=1e-6)
    assert (low + high).tolist() == approx([2 * found.mean[0], NAN, NAN])


def test_between_evaluations_it_is_interpolated_and_outside_there_is_nothing():
    found = mean_curve(CURVES, "accuracy", [5, 15, 40])
    assert found.n.tolist() == [0, 2, 0]
    assert found.mean.tolist() == approx([NAN, (0.3 + 0.6) / 2, NAN])


def test_blanks_and_infinities_are_not_measured():
    curves = CURVES.assign(accuracy=[0.4, 0.2, np.inf, NAN, 0.8, NAN])
    found = mean_curve(curves, "accuracy")
    assert (found.grid.tolist(), found.n.tolist()) == ([10, 20], [1, 2])
    assert mean_curve(CURVES.iloc[:0], "accuracy").grid.size == 0
    with pytest.raises(ValueError, match="no column loss; there are key, steps, accuracy"):
        mean_curve(CURVES, "loss")
