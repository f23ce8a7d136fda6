"""A paired test that may be looked at after every seed."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from grokgrid.statistics import e_values, is_greater
from grokgrid.statistics.sequential import EFFECT_SD


def bayes_factor(differences: np.ndarray) -> float:
    """By its definition, integrated numerically: effects N(0, g^2) against none, sigma under the prior 1 / sigma."""

    def likelihood(log_sigma: float, effect: float) -> float:
        sigma = math.exp(log_sigma)
        return float(stats.norm.pdf(differences, effect * sigma, sigma).prod())

    def with_effect(log_sigma: float, effect: float) -> float:
        return likelihood(log_sigma, effect) * float(stats.norm.pdf(effect, 0, EFFECT_SD))

    over, _ = integrate.dblquad(with_effect, -6 * EFFECT_SD, 6 * EFFECT_SD, -5, 5)
    under, _ = integrate.quad(lambda log_sigma: likelihood(log_sigma, 0.0), -5, 5)
    return over / under


@pytest.mark.parametrize("num", [2, 3, 6])
def test_is_the_bayes_factor_that_it_is_said_to_be(num: int):
    differences = np.array([1.3, 0.2, 2.1, -0.4, 1.1, 0.9])[:num]
    assert e_values(differences)[-1] == pytest.approx(bayes_factor(differences), rel=1e-3)


def test_depends_on_neither_unit_nor_later_differences():
    differences = np.array([1.3, 0.2, 2.1, -0.4])
    values = e_values(differences)
    np.testing.assert_allclose(e_values(differences * 1e-6), values)
    np.testing.assert_allclose(e_values(-differences), values)
    np.testing.assert_allclose(e_values(differences[:2]), values[:2])


def test_one_difference_says_nothing_and_equal_ones_no_more_than_so_many_can():
    """As t grows without limit e_n tends to (1 + n g^2)^((n - 1) / 2)."""
    n = np.arange(1, 5)
    np.testing.assert_allclose(e_values([2.0] * 4), (1 + n * EFFECT_SD**2) ** ((n - 1) / 2))
    np.testing.assert_allclose(e_values([0.1] * 4), e_values([2.0] * 4))
    # Of no difference at all: less and less reason to believe in one.
    np.testing.assert_allclose(
        e_values([0.0] * 4), (1 + n * EFFECT_SD**2) ** -0.5 * [(1 + EFFECT_SD**2) ** 0.5, 1, 1, 1]
    )


def test_a_blank_ends_it():
    found = e_values([1.0, 1.1, np.nan, 1.0])
    assert np.isfinite(found[:2]).all() and np.isnan(found[2:]).all()
    assert is_greater([1.0, 1.1, 0.9, 1.0, 1.05, np.nan], 0.05) and not is_greater([np.nan, 1.0, 1.1, 0.9, 1.0], 0.05)
    assert not is_greater(np.empty((3, 0)), 0.05).any()


class TestErrorRate:
    """Of 20,000 pairs without a difference, looked at after each of 50 seeds. The standard error of a rate of 0.05 is
    0.0015, so a bound of 0.055 fails by luck once in some 2,000 runs, were the rate 0.05; it is about half that.
    """

    generator = np.random.default_rng(0)

    def test_holds_at_every_evaluation(self):
        differences = self.generator.normal(0, 3.0, (20_000, 50))
        assert is_greater(differences, 0.05).mean() < 0.055
        assert is_greater(differences - 0.5, 0.05).mean() < is_greater(differences, 0.05).mean()
        # What it is there for: a t-test repeated after every seed errs many times as often.
        means = np.cumsum(differences, axis=1) / np.arange(1, 51)
        sds = np.array([differences[:, : n + 1].std(axis=1, ddof=1) for n in range(1, 50)]).T
        n = np.arange(2, 51)
        assert (means[:, 1:] / sds * np.sqrt(n) > stats.t.ppf(0.95, n - 1)).any(axis=1).mean() > 0.2

    def test_a_real_difference_is_found(self):
        differences = self.generator.normal(1.5, 1.0, (2000, 20))
        assert is_greater(differences, 0.05).mean() > 0.95
        assert not is_greater(-differences, 0.05).any()
