import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from grokgrid.statistics import SampleMean, Verdict, paired_difference, sample_verdict


def with_mean_sd(mean: float, sd: float, n: int) -> SampleMean:
    x = np.linspace(-1, 1, n)
    return SampleMean.of(mean + sd * x / x.std(ddof=1))


class TestSampleMean:
    def test_the_interval_is_students(self):
        # sd of 1 to 5 is sqrt(2.5); the 97.5% point of t with 4 degrees of freedom is 2.776445 (Student's table).
        found = SampleMean.of([5, 1, 4, 2, 3])
        margin = 2.776445 * math.sqrt(2.5 / 5)
        assert found.confidence_interval() == pytest.approx((3 - margin, 3 + margin), abs=1e-6)
        assert (found.n, found.mean, found.sd, found.min, found.max) == pytest.approx((5, 3, math.sqrt(2.5), 1, 5))

    @pytest.mark.parametrize(("values", "sd"), [([0.7], None), ([0.1] * 3, 0.0)])
    def test_without_spread_there_is_no_interval(self, values: list[float], sd: float | None):
        found = SampleMean.of(values)
        assert found.sd == sd
        assert found.confidence_interval() is None

    @pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf], [[1.0]]], ids=str)
    def test_what_has_no_mean_is_refused(self, values: list[float]):
        with pytest.raises(ValueError, match="a list of one or more finite numbers is allowed"):
            SampleMean.of(values)


class TestPairedDifference:
    def test_pairs_are_of_the_same_seed(self):
        found = paired_difference(pd.Series([1.0, 2.0, 4.0], [0, 1, 2]), pd.Series([9.0, 4.5, 2.5, 1.0], [7, 2, 1, 0]))
        assert found is not None
        assert (found.mean.n, found.mean.mean) == pytest.approx((3, 1 / 3))  # Differences 0, 0.5 and 0.5.
        assert found.test.num_pairs == 2

    def test_p_at_five_seeds_is_at_best_its_floor(self):
        baseline = pd.Series([0.1, 0.2, 0.3, 0.4, 0.5])
        found = paired_difference(baseline, baseline + [0.01, 0.02, 0.03, 0.04, 0.05])
        assert found is not None
        assert found.test.p == found.test.floor == 2 / 2**5

    def test_differences_equal_but_for_the_last_bits_are_tied(self):
        baseline, arm = pd.Series([0.0, 0.1, 0.2, 0.7]), pd.Series([0.2, 0.3, 0.4, 0.5])
        found = paired_difference(baseline, arm)
        assert found is not None
        assert len(set(np.abs(arm - baseline))) > 1
        assert found.test.p == stats.wilcoxon([1, 1, 1, -1]).pvalue

    def test_without_any_difference_nothing_speaks_for_one(self):
        same = pd.Series([0.5, 0.0, 0.5])
        for values in (same, same * 0):
            found = paired_difference(values, values)
            assert found is not None
            assert (found.mean.mean, found.test.p, found.test.num_pairs) == (0, 1, 0)

    def test_without_a_common_seed_there_is_none(self):
        assert paired_difference(pd.Series([1.0], [0]), pd.Series([2.0], [1])) is None


class TestVerdict:
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_the_line_between_agree_and_differ_is_welchs(self, sign: int):
        # Both sd 0.82, both n = 10: df = 18, whose 97.5% point is 2.100922 (Student's table); the difference may be
        # 2.100922 x 0.82 x sqrt(2 / 10) = 0.770434.
        for difference, expected in ((0.7704, Verdict.AGREE), (0.7705, Verdict.DIFFER)):
            ours = with_mean_sd(sign * (7.56 + difference), 0.82, 10)
            judged = sample_verdict(ours, value=sign * 7.56, error=0.82, n=10)
            assert judged.verdict is expected
            assert judged.ours == ours.mean_sd

    @pytest.mark.parametrize(
        ("ours", "published", "expected", "reason"),
        [
            ((0.5, 0.1, 10), {"error": None}, Verdict.NOT_COMPARABLE, "published without an error"),
            ((0.5, 0.1, 10), {"n": None}, Verdict.NOT_COMPARABLE, "not over two or more seeds"),
            ((0.5, 0.1, 10), {"n": 1}, Verdict.NOT_COMPARABLE, "not over two or more seeds"),
            ((0.5, 0.1, 10), {"not_comparable": "of other examples"}, Verdict.NOT_COMPARABLE, "of other examples"),
            ((0.5, 0.01, 4), {}, Verdict.INCONCLUSIVE, "n = 4, fewer than 5"),
            ((0.5, 0.0, 10), {}, Verdict.INCONCLUSIVE, "our values show no spread"),
            ((0.02, 0.1, 10), {}, Verdict.INCONCLUSIVE, "our interval spans both sides of 0"),
            ((-0.02, 0.1, 10), {}, Verdict.INCONCLUSIVE, "our interval spans both sides of 0"),
            ((-0.1, 0.05, 10), {}, Verdict.INCONCLUSIVE, "our interval spans a factor of 2.11"),  # -0.136 to -0.064.
            ((-0.1, 0.04, 10), {}, Verdict.DIFFER, "ours -0.1 ± 0.04 (n = 10), published 0.5 ± 0.1 (n = 10): Welch's"),
        ],
    )
    def test_what_decides_nothing_says_why_and_shows_ours(self, ours, published, expected, reason: str):
        found = with_mean_sd(*ours)
        judged = sample_verdict(found, **{"value": 0.5, "error": 0.1, "n": 10} | published)
        assert judged.verdict is expected
        assert reason in judged.reason
        assert judged.ours == found.mean_sd

    def test_without_ours_there_is_nothing_to_compare(self):
        judged = sample_verdict(None, value=0.5, error=0.1, n=10)
        assert (judged.verdict, judged.ours) == (Verdict.NOT_COMPARABLE, None)
