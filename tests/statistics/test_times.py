import numpy as np
import pandas as pd
import pytest

from grokgrid.statistics import Times, restricted_mean


def test_every_problem_is_told_at_once():
    with pytest.raises(ValueError) as caught:
        Times([1.0, -2.0, np.nan], [1, 0, 1], [4, 4, 5])
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("value: [-2.0, nan]")
    assert lines[1].startswith("reached: dtype int64")
    assert lines[2].startswith("seeds: [4] more than once")


@pytest.mark.parametrize(
    ("value", "reached", "seeds", "told"),
    [
        ([1.0, 2.0], [True], [0, 1], "shapes (2,), (1,), (2,)"),
        ([[1.0]], [[True]], [[0]], "shapes (1, 1)"),
        ([np.inf], [False], [0], "value: [inf]"),
        ([1.0], [True], [0.5], "seeds: dtype float64"),
    ],
)
def test_what_is_no_list_of_times_is_refused(value, reached, seeds, told):
    with pytest.raises(ValueError) as caught:
        Times(value, reached, seeds)
    assert told in str(caught.value)


def test_times_cannot_be_changed():
    source = np.array([1.0, 2.0])
    times = Times(source, [True, False], [0, 1])
    source[0] = 99
    assert times.value[0] == 1
    with pytest.raises(ValueError):
        times.value[0] = 5


def trials(**columns):
    table = {"seed": [0], "time": [10.0], "reached": [False], "diverged": [False], **columns}
    return pd.DataFrame(table)


def test_a_diverged_trial_is_censored_at_the_budget_and_not_where_it_diverged():
    times = Times.of(trials(time=[3.0], diverged=[True]), budget=100)
    assert times.value.tolist() == [100]
    assert times.reached.tolist() == [False]


def test_a_trial_that_reached_the_goal_before_it_diverged_has_reached_it():
    times = Times.of(trials(time=[3.0], reached=[True], diverged=[True]), budget=100)
    assert (times.value.tolist(), times.reached.tolist()) == ([3], [True])


def test_a_goal_reached_only_beyond_the_budget_is_censored_at_it():
    times = Times.of(trials(time=[130.0], reached=[True]), budget=100)
    assert (times.value.tolist(), times.reached.tolist()) == ([100], [False])
    at_budget = Times.of(trials(time=[100.0], reached=[True]), budget=100)
    assert at_budget.reached.tolist() == [True]


def test_a_trial_still_running_is_censored_where_it_was_last_seen():
    assert Times.of(trials(time=[10.0]), budget=100).value.tolist() == [10]


def test_budgets_may_be_a_column():
    table = trials(seed=[0, 1], time=[3.0, 4.0], reached=[False] * 2, diverged=[True] * 2, budget=[50.0, 70.0])
    assert Times.of(table).value.tolist() == [50, 70]
    with pytest.raises(ValueError, match="no column budget"):
        Times.of(table.drop(columns="budget"))
    with pytest.raises(ValueError, match="no column diverged"):
        Times.of(table.drop(columns="diverged"), budget=3)
    with pytest.raises(ValueError, match="budget: .*nan"):
        Times.of(table, budget=float("nan"))


def test_no_trials_are_times_too():
    times = Times.of(trials().iloc[:0], budget=100)
    assert times.n == 0
    assert times.first_censored is None
    assert np.isnan(restricted_mean(times, 10))


def test_restricted_mean_by_hand():
    times = Times([40.0, 100.0, 70.0], [True, False, True], [0, 1, 2])
    assert restricted_mean(times, 100) == pytest.approx(70)  # (40 + 100 + 70) / 3
    assert restricted_mean(times, 50) == pytest.approx(140 / 3)  # (40 + 50 + 50) / 3
    with pytest.raises(ValueError, match="budget: 101; at most 100"):
        restricted_mean(times, 101)


def test_seeds_are_chosen_by_value():
    times = Times([40.0, 100.0, 70.0], [True, False, True], [7, 3, 5]).at([5, 7])
    assert times.value.tolist() == [70, 40]
    assert times.seeds.tolist() == [5, 7]
