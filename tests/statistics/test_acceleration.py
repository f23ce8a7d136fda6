import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grokgrid.statistics import (
    CensoredFit,
    Direction,
    Estimator,
    GeometricMean,
    MeanSd,
    PairedTestKind,
    RatioKind,
    Times,
    WhyOpen,
    acceleration,
)


def times(value, reached=None, seeds=None):
    return Times(
        value, [True] * len(value) if reached is None else reached, range(len(value)) if seeds is None else seeds
    )


def kinds(found):
    return found.ratios["kind"].tolist()


# --- every trial reached the goal


def test_exact_pairs_by_hand():
    found = acceleration(times([20, 60, 60, 240]), times([20, 30, 20, 40]))  # ratios 1, 2, 3, 6
    assert found.n == 4
    assert kinds(found) == [RatioKind.EXACT] * 4
    assert (found.reached_baseline, found.reached_arm) == (4, 4)
    assert found.mean_sd().mean == pytest.approx(3)
    assert found.mean_sd().sd == pytest.approx(math.sqrt((4 + 1 + 0 + 9) / 3))
    assert found.mean_sd().n == 4
    assert found.mean_sd(Direction.MORE).mean == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 6) / 4)
    assert found.estimator is Estimator.GEOMETRIC_MEAN
    assert found.estimate == pytest.approx(36**0.25)
    assert found.confidence_interval(0.9) == GeometricMean.of([1, 2, 3, 6]).confidence_interval(0.9)
    assert found.restricted_mean_ratio == pytest.approx(380 / 110)
    assert found.restricted_at is None
    assert found.improvement.probability == pytest.approx(3.5 / 4)  # a tie counts half


def test_pairs_are_formed_by_seed_and_the_others_are_named():
    found = acceleration(times([10, 20, 30], seeds=[2, 0, 9]), times([10, 5, 1], seeds=[0, 2, 7]))
    assert found.ratios["seed"].tolist() == [0, 2]
    assert found.ratios["ratio"].tolist() == [2, 2]
    assert found.unpaired_seeds == (7, 9)
    assert "Left out, for want of a partner with the same seed: seeds 7, 9." in found.warnings


def test_no_common_seed_is_told_and_no_error():
    found = acceleration(times([10], seeds=[0]), times([10], seeds=[1]))
    assert found.n == 0
    assert found.estimate is found.confidence_interval() is found.mean_sd() is found.test is None
    assert found.restricted_mean_ratio is found.improvement.probability is None
    assert found.warnings[-1] == "No seed is on both sides: there is nothing to compare."
    assert acceleration(times([]), times([])).n == 0


def test_one_pair_has_an_estimate_and_nothing_to_judge_it_by():
    found = acceleration(times([10]), times([5]))
    assert found.estimate == pytest.approx(2)
    assert found.mean_sd() == MeanSd(2, None, 1)
    assert found.confidence_interval() is None
    assert any(warning.startswith("n = 1: ") for warning in found.warnings)
    assert found.why_open is WhyOpen.ONE_SEED and not found.is_trusted
    assert "No interval is trusted: one seed shows no spread." in found.warnings


def test_equal_ratios_show_no_spread():
    found = acceleration(times([10, 20, 30, 40, 50]), times([5, 10, 15, 20, 25]))
    assert found.estimate == pytest.approx(2)
    assert found.mean_sd().sd == 0
    assert found.confidence_interval() is None
    assert any("no spread" in warning for warning in found.warnings)


def test_five_good_seeds_warn_of_nothing_but_the_floor_of_p():
    found = acceleration(times([20, 31, 42, 53, 64]), times([10, 10, 10, 10, 10]))
    assert found.warnings == ("With 5 pairs the Wilcoxon signed-rank test cannot give a p below 0.0625.",)
    assert acceleration(times([2, 3, 4, 5, 6, 7]), times([1] * 6)).warnings == ()


def test_fewer_than_five_seeds_are_told():
    found = acceleration(times([20, 31, 42, 53]), times([10] * 4))
    assert found.warnings[0].startswith("n = 4: with fewer than 5 seeds")


def test_a_budget_must_be_a_time():
    with pytest.raises(ValueError, match="budget: 0"):
        acceleration(times([1]), times([1]), budget=0)


# --- tests


def test_signed_rank_by_hand():
    # All five one way: 2 of the 2^5 sign patterns are as extreme.
    five = acceleration(times([2, 3, 4, 5, 6]), times([1] * 5)).test
    assert (five.kind, five.p, five.floor, five.num_pairs) == (PairedTestKind.SIGNED_RANK, 2 / 32, 2 / 32, 5)
    # The smallest of six the other way: rank sums 0 and 1, one pattern each, twice.
    six = acceleration(times([1, 3, 4, 5, 6, 7]), times([1.5, 1, 1, 1, 1, 1])).test
    assert six.p == pytest.approx(4 / 64)
    assert six.floor == pytest.approx(2 / 64)


def test_ratios_of_one_do_not_enter_the_test():
    found = acceleration(times([7, 3, 4, 5]), times([7, 1, 1, 1])).test
    assert (found.num_pairs, found.p) == (3, 2 / 8)
    nothing = acceleration(times([7, 3]), times([7, 3])).test
    assert (nothing.num_pairs, nothing.p, nothing.floor) == (0, 1, 1)


def test_pairs_tied_but_for_rounding_are_tied():
    # Ratios 3, 3, 3 and 1/3, the last digits of their logarithms differing. All ranks are 2.5, so that p is that of
    # three signs of four: 10 / 16.
    found = acceleration(times([0.3, 3.3, 9.9, 0.7]), times([0.1, 1.1, 3.3, 2.1])).test
    assert found.p == pytest.approx(10 / 16)


def test_with_a_bound_the_test_is_the_sign_test():
    # Five decided pairs, four of them sooner: 2 (1 + 5) / 2^5.
    found = acceleration(
        times([9, 9, 9, 9, 1, 10], [True, True, True, False, True, False]),
        times([3, 4, 5, 2, 2, 10], [True] * 5 + [False]),
    )
    assert (found.test.kind, found.test.num_pairs) == (PairedTestKind.SIGN, 5)
    assert found.test.p == pytest.approx(12 / 32)
    assert any("sign test" in warning for warning in found.warnings)


# --- censored


def test_each_kind_of_pair():
    found = acceleration(
        times([50, 100, 80, 100], [True, False, True, False]),
        times([10, 20, 100, 100], [True, True, False, False]),
        budget=100,
    )
    assert kinds(found) == [RatioKind.EXACT, RatioKind.AT_LEAST, RatioKind.AT_MOST, RatioKind.UNKNOWN]
    assert found.ratios["ratio"].tolist() == pytest.approx([5, 5, 0.8, math.nan], nan_ok=True)
    assert (found.reached_baseline, found.reached_arm) == (2, 2)
    assert found.mean_sd() is found.geometric_mean is None
    assert found.restricted_mean_ratio == pytest.approx(330 / 230)
    assert found.restricted_at == 100
    assert (found.improvement.num_sooner, found.improvement.num_later) == (2, 1)
    assert found.improvement.undecided_seeds == (3,)
    assert found.improvement.probability == pytest.approx(2 / 3)
    assert found.headline is None  # one exact ratio, and bounds both ways
    told = " ".join(found.warnings)
    assert "2 of 4 baseline trials and 2 of 4 of the arm" in told
    assert "Neither side gives so much as a bound of the ratio: seed 3." in told
    assert "Open which side is sooner, counted for neither: seed 3." in told
    assert "No estimate" in told


def test_some_bounds_give_the_censored_fit():
    found = acceleration(
        times([50, 60, 80, 100, 90], [True, True, True, False, True]),
        times([10, 20, 20, 20, 100], [True] * 4 + [False]),
    )
    assert found.estimator is Estimator.CENSORED_FIT
    fit = CensoredFit.of([5, 3, 4], [5], [0.9])
    assert found.estimate == pytest.approx(fit.value)
    assert found.is_trusted
    assert found.confidence_interval() == pytest.approx(fit.confidence_interval())


def test_pairs_censored_on_both_sides_tell_the_fit_nothing():
    reached = [True, True, True, False, False]
    open_pair = acceleration(times([50, 60, 80, 99, 99], reached), times([10, 20, 20, 99, 99], reached))
    assert open_pair.estimator is Estimator.CENSORED_FIT
    assert open_pair.confidence_interval() == pytest.approx(GeometricMean.of([5, 3, 4]).confidence_interval())


NOT_TRUSTED = "No interval is trusted: fewer than 3 seeds, or fewer than half, are exact"


@pytest.mark.parametrize(("num_exact", "n", "is_trusted"), [(2, 5, False), (3, 6, True), (3, 7, False), (9, 20, False)])
def test_a_fit_is_trusted_with_three_and_half_of_the_ratios_exact(num_exact, n, is_trusted):
    # The bounds point both ways.
    baseline = [20 + seed for seed in range(num_exact)] + [99, 50] * n
    reached = [True] * num_exact + [False, True] * n
    arm, arm_reached = [10] * num_exact + [50, 99] * n, [True] * num_exact + [True, False] * n
    found = acceleration(times(baseline[:n], reached[:n]), times(arm[:n], arm_reached[:n]))
    assert found.estimator is Estimator.CENSORED_FIT
    assert found.is_trusted is is_trusted
    assert (found.confidence_interval() is not None) is is_trusted
    assert any(warning.startswith(NOT_TRUSTED) for warning in found.warnings) is not is_trusted
    assert not any("no spread" in warning for warning in found.warnings)


def test_mostly_bounds_of_one_direction_leave_a_bound():
    found = acceleration(times([50, 60, 99, 99, 99], [True, True] + [False] * 3), times([10, 20, 20, 30, 40]))
    assert found.estimator is Estimator.LOWER_BOUND
    low, high = found.confidence_interval()
    assert (low, high) == (GeometricMean.of([5, 3, 4.95, 3.3, 2.475]).confidence_interval().low, math.inf)


def test_a_bound_without_every_pair_is_not_trusted():
    # Of the last pair nothing is known: its ratio may be anything.
    found = acceleration(times([99] * 5, [False] * 5), times([10, 20, 10, 20, 99], [True] * 4 + [False]))
    assert found.estimator is Estimator.LOWER_BOUND
    assert found.estimate == pytest.approx(math.sqrt(9.9 * 4.95))
    assert not found.is_trusted and found.confidence_interval() is None
    told = "No interval is trusted: the bound is of the seeds that give one, and the others may lie anywhere."
    assert told in found.warnings


def test_of_few_pairs_all_must_be_exact():
    found = acceleration(times([50, 60, 80, 99], [True] * 3 + [False]), times([10, 20, 20, 20]))
    assert found.estimator is Estimator.CENSORED_FIT and found.estimate == pytest.approx(4.1, rel=0.1)
    assert found.confidence_interval() is None
    assert "No interval is trusted: of fewer than 5 seeds, not every one is exact." in found.warnings
    assert acceleration(times([50, 60, 80]), times([10, 20, 20])).is_trusted


@pytest.mark.parametrize("exact", [0, 1])
def test_bounds_of_one_direction_leave_a_bound(exact):
    reached = [True] * exact + [False] * (5 - exact)
    found = acceleration(times([40] * 5, reached), times([20, 10, 5, 20, 5]))
    assert found.estimator is Estimator.LOWER_BOUND
    assert found.estimate == pytest.approx(4)
    assert found.confidence_interval().high == math.inf
    turned = acceleration(times([20, 10, 5, 20, 5]), times([40] * 5, reached))
    assert turned.estimator is Estimator.UPPER_BOUND
    assert turned.confidence_interval().low == 0
    assert any("no more than a bound" in warning for warning in found.warnings)


def test_an_arm_that_diverges_everywhere_is_at_most_as_fast_as_the_baseline():
    found = acceleration(times([50, 60, 70, 80, 90]), times([100] * 5, [False] * 5), budget=100)
    assert found.estimator is Estimator.UPPER_BOUND
    assert found.estimate < 1
    assert found.improvement.probability == 0
    assert found.restricted_mean_ratio == pytest.approx(0.7)


def test_nobody_reached_the_goal():
    found = acceleration(times([100, 100], [False, False]), times([100, 100], [False, False]), budget=100)
    assert found.estimate is found.test is found.improvement.probability is None
    # Up to 100 both took 100, whatever they would have taken.
    assert found.restricted_mean_ratio is None
    # The mean of six times 46.2 falls below 46.2 by rounding; still nobody was there before.
    at_the_end = times([46.2] * 6)
    assert acceleration(at_the_end, at_the_end, budget=46.2).restricted_mean_ratio is None


def test_a_tie_with_the_moment_of_censoring_is_decided():
    # At 100 the arm had reached the goal and the baseline had not.
    found = acceleration(times([100], [False]), times([100]))
    assert found.improvement.num_sooner == 1
    assert kinds(found) == [RatioKind.AT_LEAST]


def test_a_bound_below_the_other_time_leaves_the_order_open():
    # The baseline still runs, seen up to 10; the arm took 50.
    found = acceleration(times([10, 90], [False, True]), times([50, 45]), budget=100)
    assert kinds(found) == [RatioKind.AT_LEAST, RatioKind.EXACT]
    assert found.improvement.undecided_seeds == (0,)
    assert (found.restricted_at, found.restricted_mean_ratio) == (10, None)
    assert any("restricted means end at 10" in warning for warning in found.warnings)


# --- times of 0: phases between two evaluations


def test_a_phase_of_zero_has_no_ratio_and_prevents_an_estimate():
    found = acceleration(times([10, 20, 30]), times([5, 0, 10]))
    assert kinds(found) == [RatioKind.EXACT, RatioKind.UNDEFINED, RatioKind.EXACT]
    assert found.estimate is found.mean_sd() is None
    assert found.improvement.probability == 1
    assert found.test.kind is PairedTestKind.SIGN
    assert found.restricted_mean_ratio == pytest.approx(4)
    assert any("evaluate more often: seed 1." in warning for warning in found.warnings)


def test_a_phase_that_was_not_seen_to_begin_says_nothing():
    found = acceleration(times([10, 0, 30], [True, False, True]), times([5, 5, 10]))
    assert kinds(found) == [RatioKind.EXACT, RatioKind.UNKNOWN, RatioKind.EXACT]
    assert found.restricted_mean_ratio is None  # restricted at 0


# --- what holds whatever the times


@st.composite
def studies(draw):
    """True times of both sides, a common budget, and the Times that it leaves."""
    n = draw(st.integers(1, 7))
    whole = st.lists(st.integers(1, 50), min_size=n, max_size=n)
    baseline, arm = np.array(draw(whole), float), np.array(draw(whole), float)
    budget = float(draw(st.integers(5, 60)))
    seeds = draw(st.lists(st.integers(0, 99), min_size=n, max_size=n, unique=True))
    cut = [Times(np.minimum(each, budget), each <= budget, seeds) for each in (baseline, arm)]
    return baseline, arm, budget, *cut


def same(one, other):
    return one == other if one is None or other is None else one == pytest.approx(other, rel=1e-7)


def reciprocal(x):
    return None if x is None else math.inf if x == 0 else 1 / x


@settings(deadline=None)
@given(studies())
def test_swapping_the_arms_inverts_everything(study):
    *_, budget, baseline, arm = study
    found, turned = acceleration(baseline, arm, budget=budget), acceleration(arm, baseline, budget=budget)
    assert same(turned.estimate, reciprocal(found.estimate))
    assert same(turned.restricted_mean_ratio, reciprocal(found.restricted_mean_ratio))
    interval = found.confidence_interval()
    assert same(turned.confidence_interval(), interval and (reciprocal(interval.high), reciprocal(interval.low)))
    assert found.test is turned.test is None or found.test.p == pytest.approx(turned.test.p)
    if found.improvement.probability is not None:
        assert turned.improvement.probability == pytest.approx(1 - found.improvement.probability)
    one, other = found.mean_sd(Direction.MORE), turned.mean_sd(Direction.FEWER)
    assert one is other is None or (one.mean == pytest.approx(other.mean) and same(one.sd, other.sd))


@settings(deadline=None)
@given(studies(), st.sampled_from([1 / 3, 0.1, 7.7, 1e6]))
def test_the_unit_of_time_changes_nothing(study, factor):
    *_, budget, baseline, arm = study
    scaled = [Times(each.value * factor, each.reached, each.seeds) for each in (baseline, arm)]
    found, other = acceleration(baseline, arm, budget=budget), acceleration(*scaled, budget=budget * factor)
    assert kinds(found) == kinds(other)
    assert found.estimator == other.estimator
    assert same(found.estimate, other.estimate)
    assert same(found.confidence_interval(), other.confidence_interval())
    assert same(found.restricted_mean_ratio, other.restricted_mean_ratio)
    assert found.test is other.test is None or found.test.p == pytest.approx(other.test.p)
    assert found.improvement == other.improvement


@settings(deadline=None)
@given(studies(), st.randoms(use_true_random=False))
def test_the_order_of_seeds_changes_nothing(study, random):
    *_, budget, baseline, arm = study
    order = list(range(baseline.n))
    random.shuffle(order)
    shuffled = Times(baseline.value[order], baseline.reached[order], baseline.seeds[order])
    found, other = acceleration(baseline, arm, budget=budget), acceleration(shuffled, arm, budget=budget)
    assert found.ratios.equals(other.ratios)
    assert (found.estimate, found.confidence_interval()) == (other.estimate, other.confidence_interval())
    assert (found.test, found.improvement, found.warnings) == (other.test, other.improvement, other.warnings)


@settings(deadline=None)
@given(studies())
def test_what_is_said_of_censored_pairs_is_true(study):
    baseline, arm, budget, *cut = study
    found = acceleration(*cut, budget=budget)
    order = np.argsort(cut[0].seeds)
    for truth, ratio, kind in zip((baseline / arm)[order], found.ratios["ratio"], kinds(found), strict=True):
        assert kind is not RatioKind.EXACT or truth == ratio
        assert kind is not RatioKind.AT_LEAST or truth >= ratio
        assert kind is not RatioKind.AT_MOST or truth <= ratio
    assert found.improvement.num_sooner <= (arm < baseline).sum()
    assert found.improvement.num_later <= (arm > baseline).sum()
    assert len(found.improvement.undecided_seeds) == found.num(RatioKind.UNKNOWN)


@settings(deadline=None)
@given(studies())
def test_censored_ratios_count_for_at_least_their_bounds(study):
    # The maximum of the likelihood is a fixed point of expectation-maximisation: mu is the mean of the exact logarithms
    # and of the expected censored ones, which lie beyond their bounds.
    *_, baseline, arm = study
    arm = Times(arm.value, np.ones(arm.n, bool), arm.seeds)
    ratios = acceleration(baseline, arm).ratios
    exact, at_least = (
        ratios.loc[ratios["kind"] == kind, "ratio"].to_numpy(float) for kind in (RatioKind.EXACT, RatioKind.AT_LEAST)
    )
    assume(CensoredFit.is_possible(exact))
    assert CensoredFit.of(exact, at_least).value >= GeometricMean.of(ratios["ratio"]).value * (1 - 1e-9)
