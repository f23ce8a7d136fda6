import math

import numpy as np
import pytest
from scipy import optimize, stats

from grokgrid.statistics import Bound, CensoredFit, Estimator, GeometricMean

EXACT, AT_LEAST, AT_MOST = [2.0, 3.0, 4.0, 2.5], [5.0, 6.0], [1.0]


def test_geometric_mean_and_student_interval_by_hand():
    # Logarithms log 2 times 1, 2, 3: mean 2, sd 1. Student's 97.5% point with 2 degrees of freedom is 4.302653.
    found = GeometricMean.of([2, 4, 8])
    assert found.value == pytest.approx(4)
    low, high = found.confidence_interval()
    assert low == pytest.approx(4 * 2 ** (-4.302653 / math.sqrt(3)), rel=1e-6)
    assert high == pytest.approx(4 * 2 ** (4.302653 / math.sqrt(3)), rel=1e-6)
    assert found.confidence_interval(0.5).factor < found.confidence_interval(0.95).factor


@pytest.mark.parametrize("ratios", [[3.0], [3.0, 3.0], [1 / 3 * 3, 1.0, 1 + 1e-16]])
def test_without_spread_there_is_an_estimate_and_no_interval(ratios):
    found = GeometricMean.of(ratios)
    assert found.value == pytest.approx(ratios[0])
    assert found.confidence_interval() is None


@pytest.mark.parametrize("ratios", [[], [1.0, 0.0], [1.0, -1.0], [math.inf], [math.nan], [[1.0]]])
def test_what_is_no_list_of_ratios_is_refused(ratios):
    with pytest.raises(ValueError, match="ratios: "):
        GeometricMean.of(ratios)


@pytest.mark.parametrize("level", [0, 1, 95, math.nan])
def test_levels_lie_between_0_and_1(level):
    for estimate in (GeometricMean.of([1, 2]), CensoredFit.of([1, 2], [3])):
        with pytest.raises(ValueError, match="level: "):
            estimate.confidence_interval(level)


@pytest.mark.parametrize(("at_least", "at_most"), [(AT_LEAST, AT_MOST), (AT_LEAST, []), ([], AT_MOST)])
def test_the_censored_fit_is_scipys(at_least, at_most):
    found = CensoredFit.of(EXACT, at_least, at_most)
    data = stats.CensoredData(uncensored=np.log(EXACT), right=np.log(at_least), left=np.log(at_most))
    mean, sd = stats.norm.fit(data)  # by Nelder-Mead: four digits
    assert found.mean_log == pytest.approx(mean, abs=3e-4)
    assert found.sd_log == pytest.approx(sd, abs=3e-4)


def plain_log_likelihood(mean, sd):
    """Written down anew, from scipy's normal distribution."""
    normal = stats.norm(mean, sd)
    return (
        normal.logpdf(np.log(EXACT)).sum() + normal.logsf(np.log(AT_LEAST)).sum() + normal.logcdf(np.log(AT_MOST)).sum()
    )


def test_the_ends_of_the_interval_lie_on_the_profile_likelihood():
    def profile(mean):
        best = optimize.minimize_scalar(lambda log_sd: -plain_log_likelihood(mean, math.exp(log_sd)), bounds=(-6, 6))
        return -best.fun

    found = CensoredFit.of(EXACT, AT_LEAST, AT_MOST)
    top = plain_log_likelihood(found.mean_log, found.sd_log)
    assert top == pytest.approx(profile(found.mean_log), abs=1e-8)
    t = stats.t.ppf(0.975, 3)
    for end in found.confidence_interval():
        assert 2 * (top - profile(math.log(end))) == pytest.approx(4 * math.log(1 + t**2 / 3), rel=1e-6)


def test_without_bounds_the_censored_fit_is_the_geometric_mean_with_students_interval():
    ratios = [1.3, 0.7, 2.2, 1.9]
    fit, plain = CensoredFit.of(ratios), GeometricMean.of(ratios)
    assert fit.value == pytest.approx(plain.value, rel=1e-12)
    assert fit.sd_log == pytest.approx(plain.sd_log * math.sqrt(3 / 4), rel=1e-9)
    for level in (0.5, 0.95, 0.999):
        assert fit.confidence_interval(level) == pytest.approx(plain.confidence_interval(level), rel=1e-9)


@pytest.mark.parametrize("exact", [[], [2.0], [2.0, 2.0, 2.0]])
def test_where_the_likelihood_has_no_limit_no_fit_is_made(exact):
    assert not CensoredFit.is_possible(exact)
    with pytest.raises(ValueError, match="at least two different"):
        CensoredFit.of(exact, [1.0, 1.5])


def test_bounds_far_beyond_the_exact_ratios_still_give_a_maximum():
    # Almost equal ratios beside bounds a thousand times larger: an honest fit is useless, but it is a fit.
    found = CensoredFit.of([2.0, 2.0000001], [2000.0] * 8)
    assert found.value > 2000
    low, high = found.confidence_interval()
    assert low < found.value < high
    assert CensoredFit.of([1e-300, 1e300], [1e308]).confidence_interval().high == math.inf


def test_a_bound_is_open_at_the_unknown_end():
    ratios = GeometricMean.of([2, 4, 8])
    low, high = ratios.confidence_interval()
    assert Bound(Estimator.LOWER_BOUND, ratios).confidence_interval() == (low, math.inf)
    assert Bound(Estimator.UPPER_BOUND, ratios).confidence_interval() == (0, high)
    for side in (Estimator.LOWER_BOUND, Estimator.UPPER_BOUND):
        assert Bound(side, ratios).confidence_interval().factor == math.inf
    assert Bound(Estimator.LOWER_BOUND, GeometricMean.of([2])).confidence_interval() is None


def held(intervals, truth):
    return sum(low <= truth <= high for low, high in intervals)


def test_students_interval_holds_the_truth_95_times_in_100():
    # 2,000 samples of n = 5. The bounds are passed by luck once in 100,000; normal in place of Student quantiles would
    # hold 87.8%.
    rng = np.random.default_rng(20240501)
    samples = np.exp(rng.normal(0.7, 0.4, (2000, 5)))
    count = held((GeometricMean.of(sample).confidence_interval() for sample in samples), math.exp(0.7))
    assert stats.binom.ppf(5e-6, 2000, 0.95) <= count <= stats.binom.ppf(1 - 5e-6, 2000, 0.95)


def test_the_likelihood_interval_holds_the_truth_no_less_often():
    # 500 samples of n = 6, in the mean 30% of them bounds that do not depend on the ratios. Passed by luck once in
    # 100,000.
    rng = np.random.default_rng(20240502)
    intervals = []
    while len(intervals) < 500:
        x, bound = rng.normal(0.7, 0.4, 6), rng.normal(0.994, 0.4, 6)
        exact, at_least = np.exp(x[x < bound]), np.exp(bound[x >= bound])
        if len(exact) > 1:
            intervals.append(CensoredFit.of(exact, at_least).confidence_interval())
    assert held(intervals, math.exp(0.7)) >= stats.binom.ppf(1e-5, 500, 0.95)
