import math

import numpy as np
import pytest

from grokgrid.statistics import Direction, Published, Times, Verdict, acceleration, standard_deviation, verdict

FEWER, MORE = Direction.FEWER, Direction.MORE


def found(ratios):
    ratios = np.asarray(ratios, float)
    return acceleration(
        Times(1000 * ratios, [True] * len(ratios), range(len(ratios))),
        Times([1000] * len(ratios), [True] * len(ratios), range(len(ratios))),
    )


def with_mean_sd(mean, sd, n):
    x = np.linspace(-1, 1, n)
    return mean + sd * x / x.std(ddof=1)


# Walker et al., Table 1, cross-entropy, Jacobian regularisation, steps.
PUBLISHED = Published(value=7.56, error=0.82, direction=FEWER, n=10)


def test_like_figures_agree_and_ours_stands_beside():
    judged = verdict(found(with_mean_sd(7.2, 0.9, 10)), PUBLISHED)
    assert judged.verdict is Verdict.AGREE
    assert (judged.ours.mean, judged.ours.sd, judged.ours.n) == pytest.approx((7.2, 0.9, 10))
    assert judged.reason.startswith("ours 7.2 ± 0.9 (n = 10), published 7.56 ± 0.82 (n = 10): Welch's p = ")


def test_the_line_between_agree_and_differ_is_welchs():
    # Both sd 0.82, both n = 10: df = 18, whose 97.5% point is 2.100922 (Student's table); the difference may be
    # 2.100922 x 0.82 x sqrt(2 / 10) = 0.770434.
    for difference, expected in ((0.7704, Verdict.AGREE), (0.7705, Verdict.DIFFER)):
        for sign in (-1, 1):
            judged = verdict(found(with_mean_sd(7.56 + sign * difference, 0.82, 10)), PUBLISHED)
            assert judged.verdict is expected


def test_unlike_spreads_are_not_pooled():
    # sd 0.4 over 5 beside 0.82 over 10: variance 0.4^2 / 5 + 0.82^2 / 10 = 0.09924, by Welch and Satterthwaite's
    # formula df = 12.99, so that the difference may be 2.1607 x 0.31502 = 0.6807; pooled it might be 0.849.
    for difference, expected in ((0.680, Verdict.AGREE), (0.682, Verdict.DIFFER)):
        assert verdict(found(with_mean_sd(7.56 + difference, 0.4, 5)), PUBLISHED).verdict is expected


def test_times_more_is_compared_with_the_mean_of_the_reciprocals():
    # A mean of ratios of 2 and of reciprocals of 1.2 are not each other's reciprocals.
    ratios = np.array([0.45, 0.5, 0.55, 0.6, 0.52, 0.48])
    up = Published(value=float((1 / ratios).mean()), error=0.1, direction=MORE, n=10)
    judged = verdict(found(ratios), up)
    assert judged.verdict is Verdict.AGREE
    assert judged.ours.mean == pytest.approx((1 / ratios).mean())
    assert judged.ours.sd == pytest.approx((1 / ratios).std(ddof=1))
    down = Published(value=float((1 / ratios).mean()), error=0.1, direction=FEWER, n=10)
    assert verdict(found(ratios), down).verdict is Verdict.DIFFER


def test_few_seeds_decide_nothing():
    judged = verdict(found(with_mean_sd(20, 0.5, 4)), PUBLISHED)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert judged.reason == "n = 4, fewer than 5"


def test_an_interval_wider_than_a_factor_of_two_decides_nothing():
    # n = 5, logarithms -s, 0, 0, 0, s around log 3: sd s / sqrt 2, half width 2.776445 s / sqrt 10, which is log(2) / 2
    # at s = 0.394738.
    for s, expected in ((0.3947, Verdict.DIFFER), (0.3948, Verdict.INCONCLUSIVE)):
        judged = verdict(found(3 * np.exp([-s, 0, 0, 0, s])), PUBLISHED)
        assert judged.verdict is expected


def test_ratios_all_equal_decide_nothing():
    assert verdict(found([7.56] * 6), PUBLISHED).verdict is Verdict.INCONCLUSIVE


def test_a_censored_trial_leaves_no_mean_to_compare():
    baseline = Times([7000.0] * 6, [True] * 5 + [False], range(6))
    judged = verdict(acceleration(baseline, Times(range(900, 906), [True] * 6, range(6))), PUBLISHED)
    assert judged.verdict is Verdict.NOT_COMPARABLE
    assert judged.reason == "5 of 6 pairs have an exact ratio, and their mean needs all"
    assert judged.ours is None


@pytest.mark.parametrize(("error", "n"), [(None, 10), (0.8, None), (0.8, 1)])
def test_a_figure_without_error_or_n_cannot_be_compared(error, n):
    judged = verdict(found(with_mean_sd(7.2, 0.9, 10)), Published(6.31, error, n))
    assert judged.verdict is Verdict.NOT_COMPARABLE
    assert judged.ours.mean == pytest.approx(7.2)


def test_the_caller_may_know_that_figures_do_not_compare():
    judged = verdict(found(with_mean_sd(7.2, 0.9, 10)), PUBLISHED, not_comparable="seconds of unlike machines")
    assert (judged.verdict, judged.reason) == (Verdict.NOT_COMPARABLE, "seconds of unlike machines")
    assert judged.ours.mean == pytest.approx(7.2)


def test_no_pairs_cannot_be_compared():
    none = acceleration(Times([], [], []), Times([], [], []))
    assert verdict(none, PUBLISHED).reason == "no seed is on both sides"


def test_a_reference_is_checked_all_at_once():
    with pytest.raises(ValueError) as caught:
        Published(value=-1, error=math.nan, n=0)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["value", "error", "n"]
    with pytest.raises(ValueError, match="level: 95"):
        verdict(found([1, 2]), PUBLISHED, level=95)


class TestWhatAPaperPrintsAsItsError:
    def test_a_standard_error_is_that_over_the_root_of_n(self):
        assert standard_deviation(0.3, "sem", 9) == pytest.approx(0.9)

    def test_half_an_interval_is_students(self):
        # Of 15 seeds the 97.5% point of t is 2.144787 (Student's table): Hoffman et al.'s 49.2 +- 1.9.
        assert standard_deviation(1.9, "ci95", 15) == pytest.approx(1.9 / 2.144787 * math.sqrt(15), rel=1e-6)

    def test_the_interval_of_that_many_normal_draws_is_so_wide(self):
        from scipy import stats

        draws = np.random.default_rng(0).normal(size=15)
        low, high = stats.t.interval(0.95, 14, loc=draws.mean(), scale=stats.sem(draws))
        assert standard_deviation((high - low) / 2, "ci95", 15) == pytest.approx(draws.std(ddof=1))

    def test_a_standard_deviation_stays_and_nothing_stays_nothing(self):
        assert standard_deviation(0.82, "sd", 10) == 0.82
        assert standard_deviation(None, "ci95", 15) is None
        assert standard_deviation(0.0, "ci95", 5) == 0
