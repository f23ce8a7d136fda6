import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokgrid.statistics import holm, holm_within


def test_by_hand():
    # In order 0.01, 0.02, 0.03, 0.04, times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, of which the last may not fall below
    # the one before.
    assert holm([0.03, 0.01, 0.04, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.4, 0.5]).tolist() == pytest.approx([0.8, 0.8])
    assert holm([0.6, 0.9]).tolist() == [1, 1]


def test_one_comparison_and_none_need_no_adjustment():
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_lies_between_p_and_bonferronis(p):
    adjusted, order = holm(p), np.argsort(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-15).all()
    assert (np.diff(adjusted[order]) >= 0).all()


@pytest.mark.parametrize("p", [[1.1], [-0.1], [float("nan")], [[0.1]]])
def test_only_p_values_are_taken(p):
    with pytest.raises(ValueError, match="p: "):
        holm(p)


def test_families_do_not_mix_and_who_was_not_tested_counts_in_none():
    adjusted = holm_within(["a", "b", "a", "b", "a"], [0.01, 0.02, None, 0.03, 0.04])
    assert adjusted == pytest.approx((0.02, 0.04, None, 0.04, 0.04))
