import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from grokgrid.statistics import Share, dominance, dominates, mean_over_sizes, on_front

ACCURACY = st.integers(0, 20).map(lambda num: num / 20)
POINTS = st.lists(st.tuples(ACCURACY, ACCURACY), min_size=1, max_size=8)


class TestMeanOverSizes:
    def test_is_the_area_over_the_range(self):
        # By hand: (0.9 + 0.5) / 2 * 0.1 + (0.5 + 0.1) / 2 * 0.3 = 0.07 + 0.09, over 0.4.
        assert mean_over_sizes([0, 0.1, 0.4], [0.9, 0.5, 0.1]) == pytest.approx(0.16 / 0.4)

    @given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.data())
    def test_is_the_integral_of_the_line_between_points(self, steps: list[int], data: st.DataObject):
        sizes = np.concatenate([[0.0], np.cumsum(steps) / 100])
        accuracies = data.draw(st.lists(ACCURACY, min_size=len(sizes), max_size=len(sizes)))
        area = sum(
            integrate.quad(lambda x: float(np.interp(x, sizes, accuracies)), low, high)[0]
            for low, high in itertools.pairwise(sizes)
        )
        assert mean_over_sizes(sizes, accuracies) == pytest.approx(area / sizes[-1], abs=1e-9)

    def test_of_the_same_everywhere_is_that(self):
        assert mean_over_sizes([0, 0.03, 1], [[0.25] * 3, [1.0] * 3]).tolist() == pytest.approx([0.25, 1])

    def test_needs_every_accuracy(self):
        found = mean_over_sizes([0, 1], [[0.5, math.nan], [0.5, 0.1]])
        assert np.isnan(found).tolist() == [True, False]

    @pytest.mark.parametrize("sizes", [[0.0], [0, 0.2, 0.1], [0, 0], [[0, 1]]], ids=str)
    def test_sizes_that_do_not_grow_are_refused(self, sizes: list[float]):
        with pytest.raises(ValueError, match="two or more growing numbers"):
            mean_over_sizes(sizes, np.zeros(np.shape(sizes)))

    def test_another_number_of_accuracies_is_refused(self):
        with pytest.raises(ValueError, match=r"\(…, 3\) is allowed"):
            mean_over_sizes([0, 1, 2], [0.5, 0.4])


class TestFront:
    def test_is_of_those_that_none_beats(self):
        # The second is worse in both than the first, the fourth worse in one than the third.
        points = [(0.9, 0.4), (0.8, 0.3), (0.7, 0.6), (0.7, 0.5), (0.95, 0.1)]
        assert on_front(points).tolist() == [True, False, True, False, True]

    def test_holds_those_that_are_the_same_and_none_that_is_unknown(self):
        assert on_front([(0.9, 0.4), (0.9, 0.4), (math.nan, 1.0)]).tolist() == [True, True, False]

    def test_differences_of_rounding_are_none(self):
        assert not dominates([0.1 + 0.2, 0.5], [0.3, 0.5])
        assert on_front([(0.1 + 0.2, 0.5), (0.3, 0.5)]).all()

    @given(POINTS)
    def test_is_what_comparing_one_by_one_gives(self, points: list[tuple[float, float]]):
        def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
            return a != b and a[0] >= b[0] and a[1] >= b[1]

        assert on_front(points).tolist() == [not any(beats(b, a) for b in points) for a in points]
        assert on_front(points).any()


class TestDominance:
    def test_counts_seeds(self):
        # Better in both; better in one, the same in the other; a trade; the same; worse; unknown.
        arm = [(0.9, 0.5), (0.8, 0.5), (0.9, 0.3), (0.8, 0.4), (0.7, 0.3), (math.nan, 0.9)]
        found = dominance([(0.8, 0.4)] * 6, arm)
        assert found is not None
        assert (found.dominates, found.is_dominated) == (Share(2, 5), Share(1, 5))

    @given(POINTS, st.data())
    def test_turned_round_swaps_the_two(self, theirs: list[tuple[float, float]], data: st.DataObject):
        ours = data.draw(st.lists(st.tuples(ACCURACY, ACCURACY), min_size=len(theirs), max_size=len(theirs)))
        one, other = dominance(theirs, ours), dominance(ours, theirs)
        assert one is not None and other is not None
        assert (one.dominates, one.is_dominated) == (other.is_dominated, other.dominates)

    def test_without_a_pair_there_is_none(self):
        assert dominance([(math.nan, 1.0)], [(0.5, 0.5)]) is None
        assert dominance([], []) is None

    def test_other_seeds_are_refused(self):
        with pytest.raises(ValueError, match="the same seeds are allowed"):
            dominance([(0.5, 0.5)], [(0.5, 0.5)] * 2)


class TestShare:
    @pytest.mark.parametrize(("num", "n"), [(0, 3), (3, 3), (7, 10), (1, 1)])
    def test_the_interval_is_of_quantiles_of_the_beta_distribution(self, num: int, n: int):
        # Clopper & Pearson: its ends are quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k).
        low = stats.beta.ppf(0.025, num, n - num + 1) if num else 0
        high = stats.beta.ppf(0.975, num + 1, n - num) if num < n else 1
        assert Share(num, n).confidence_interval() == pytest.approx((low, high), abs=1e-9)

    def test_three_of_three_says_little(self):
        # (0.05 / 2) ** (1 / 3) = 0.2924.
        assert Share(3, 3).confidence_interval() == pytest.approx((0.2924, 1), abs=1e-4)
        assert Share(3, 3).share == 1
