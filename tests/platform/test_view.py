"""What a study sees of its trials, given what MLflow has of them."""

import math
from typing import Any

import pandas as pd
import pytest
from driver_records import looks, record
from driver_studies import study

from grokgrid.tracking import TrialRecord, TrialStatus
from grokgrid.view import State, View, view_of
from search_spaces import Study
from trainables.trial import Trial

RISING = {1: 0.1, 6: 0.3, 11: 0.5, 16: 0.7, 21: 0.9}


def one(*, above: float | None = 0.6, updates: int = 20, unit: str = "updates", **trial: Any) -> Study:
    """A study of one trial, which looks at 1, 6, 11, 16 …"""
    goal = None if above is None else {"metric": "test_accuracy", "above": above}
    budget = {unit: updates, "look_every": 5}
    return study(seeds=1, arms={"baseline": {}}, trial={"goal": goal, "budget": budget, **trial})


def seen(study: Study, record: TrialRecord | None, curves: pd.DataFrame | None = None) -> View:
    (trial,) = study.trials
    return view_of(study, {trial.key: record} if record else {}, looks(trial, {}) if curves is None else curves)


def the(study: Study) -> Trial:
    (trial,) = study.trials
    return trial


def row(view: View) -> dict[str, Any]:
    (row,) = view.trials.to_dict("records")
    return dict(row)


STATES: dict[str, tuple[Study, dict[int, float], dict[str, Any], State]] = {
    "it met the goal": (one(), {1: 0.1, 6: 0.7}, {}, State.REACHED),
    "the goal is above, not at": (one(above=0.7), {1: 0.1, 6: 0.7, 11: 0.7, 16: 0.7}, {}, State.CENSORED),
    "it met the goal and fell again": (one(), {1: 0.1, 6: 0.7, 11: 0.2, 16: 0.2}, {}, State.REACHED),
    "its budget ended": (one(), {1: 0.1, 6: 0.1, 11: 0.1, 16: 0.1}, {}, State.CENSORED),
    "it met the goal after this budget": (one(updates=15), {1: 0.1, 6: 0.1, 11: 0.1, 16: 0.7}, {}, State.CENSORED),
    "it has more to do": (one(updates=100), {1: 0.1, 6: 0.1}, {}, State.STOPPED),
    "it failed when it was to do more": (one(updates=100), {1: 0.1, 6: 0.1}, {"failed_run": "f"}, State.FAILED),
    "it failed at what others asked": (one(), {1: 0.1, 6: 0.7}, {"failed_run": "f"}, State.REACHED),
    "it diverged": (one(), {1: 0.1}, {"diverged_at": 3, "updates": 6}, State.DIVERGED),
    "it diverged before any look": (one(), {}, {"diverged_at": 1, "updates": 1}, State.DIVERGED),
    "it met the goal, then diverged": (one(), {1: 0.7}, {"diverged_at": 3, "updates": 6}, State.REACHED),
    "it diverged after this budget": (
        one(updates=10),
        {1: 0.1, 6: 0.1},
        {"diverged_at": 9, "updates": 11},
        State.CENSORED,
    ),
    "it spent its budget without a goal": (one(above=None), {1: 0.1, 6: 0.1, 11: 0.1, 16: 0.1}, {}, State.FINISHED),
    "it diverged without a goal": (one(above=None), {1: 0.1}, {"diverged_at": 3, "updates": 6}, State.DIVERGED),
}


class TestStates:
    @pytest.mark.parametrize(("study", "accuracies", "more", "state"), STATES.values(), ids=STATES)
    def test_of_trials_with_looks(self, study: Study, accuracies: dict[int, float], more: dict[str, Any], state: State):
        view = seen(study, record(the(study), accuracies, **more), looks(the(study), accuracies))
        assert row(view)["state"] == state
        assert view.is_complete == (state not in (State.STOPPED, State.FAILED))
        assert len(view.over) == view.is_complete

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            (TrialStatus.CLAIMING, State.RUNNING),
            (TrialStatus.RUNNING, State.RUNNING),
            (TrialStatus.FAILED, State.FAILED),
        ],
    )
    def test_of_trials_without_a_result(self, status: TrialStatus, state: State):
        view = seen(one(), record(the(one()), status=status))
        assert row(view)["state"] == state and not view.is_complete

    def test_of_a_trial_that_nobody_ran(self):
        view = seen(one(), None)
        assert row(view)["state"] == State.MISSING and not view.is_complete

    def test_a_goal_below(self):
        below = one(goal={"metric": "train_loss", "below": 0.35})
        view = seen(below, record(the(below), RISING), looks(the(below), RISING))
        assert row(view)["state"] == State.REACHED and row(view)["updates"] == 16


class TestWhatIsSeen:
    """Of a trial that went on to update 21, for another study."""

    def test_ends_at_the_first_look_that_met_the_goal(self):
        view = seen(one(), record(the(one()), RISING, final={"test_accuracy": 0.9}), looks(the(one()), RISING))
        assert list(view.curves["updates"]) == [1, 6, 11, 16]
        assert row(view)["updates"] == 16 and row(view)["seconds"] == 0.16
        assert row(view)["final/test_accuracy"] == 0.7

    def test_ends_at_the_last_look_within_the_budget(self):
        short = one(above=None, updates=15)
        view = seen(short, record(the(short), RISING), looks(the(short), RISING))
        assert list(view.curves["updates"]) == [1, 6, 11]
        assert row(view)["final/test_accuracy"] == 0.5

    def test_counts_a_budget_in_passes_in_passes(self):
        short = one(above=None, updates=6, unit="passes")
        view = seen(short, record(the(short), RISING), looks(the(short), RISING))
        assert list(view.curves["passes"]) == [0.5, 3.0, 5.5]

    def test_has_no_divergence_that_came_later(self):
        short = one(updates=15)
        diverged = record(the(short), RISING, diverged_at=23, updates=26)
        assert math.isnan(row(seen(short, diverged, looks(the(short), RISING)))["diverged_at"])
        long = one(above=None, updates=30)
        assert row(seen(long, diverged, looks(the(long), RISING)))["diverged_at"] == 23

    def test_has_what_was_measured_once_more_at_its_very_end(self):
        probed = one(above=None, updates=21, probes=[{"name": "jacobian_norm", "every": 2}])
        measured = {f"train_jacobian_norm_{kind}": {1: 5.0, 11: 4.0, 21: 3.0} for kind in ("mean", "min", "max")}
        curves = looks(the(probed), RISING, **measured)
        metric = "final/train_jacobian_norm_mean"
        view = seen(probed, record(the(probed), RISING, final={"train_jacobian_norm_mean": 2.5}), curves)
        assert row(view)[metric] == 2.5
        short = one(above=None, updates=16, probes=[{"name": "jacobian_norm", "every": 2}])
        assert (
            row(seen(short, record(the(short), RISING, final={"train_jacobian_norm_mean": 2.5}), curves))[metric] == 4.0
        )


class TestTables:
    def test_have_all_columns_from_the_beginning(self):
        probed = study(
            arms={
                "baseline": {},
                "slow": {"grid": {"optimiser.lr": [0.1, 0.2]}},
                "probed": {"probes": [{"name": "jacobian_norm"}]},
            }
        )
        nothing = view_of(probed, {}, pd.DataFrame({"key": [], "updates": [], "passes": [], "seconds": []}))
        assert list(nothing.trials.columns[:6]) == ["arm", "cell", "optimiser.lr", "seed", "key", "state"]
        assert "final/train_jacobian_norm_mean" in nothing.trials and "torch_version" in nothing.trials
        assert "train_jacobian_norm_mean" in nothing.curves
        trial = probed.trials[0]
        something = view_of(probed, {trial.key: record(trial, RISING)}, looks(trial, RISING))
        assert list(something.trials.columns) == list(nothing.trials.columns)
        assert list(something.curves.columns) == list(nothing.curves.columns)

    def test_are_in_the_studys_order_whatever_mlflow_says_first(self):
        small = study(seeds=[4, 2])
        records = {trial.key: record(trial, RISING) for trial in reversed(small.trials)}
        curves = pd.concat([looks(trial, RISING) for trial in reversed(small.trials)])
        view = view_of(small, records, curves)
        assert list(view.trials["seed"]) == [4, 2] * 3
        assert list(view.trials["arm"]) == ["baseline"] * 2 + ["slow"] * 2 + ["wild"] * 2
        assert list(view.curves["key"].unique()) == list(view.trials["key"])

    def test_show_a_shared_trial_in_each_of_its_cells(self):
        twins = study(seeds=1, arms={"baseline": {}, "twin": {}})
        (trial,) = twins.trials
        view = view_of(twins, {trial.key: record(trial, RISING)}, looks(trial, RISING))
        assert list(view.trials["cell"]) == ["baseline", "twin"] and view.is_complete
        assert list(view.curves.groupby("cell").size()) == [4, 4]

    def test_say_where_a_trial_ran_and_whose_run_it_is(self):
        told = row(seen(one(), record(the(one()), RISING), looks(the(one()), RISING)))
        assert told["device_name"] == "an abacus" and told["host"] == "elsewhere" and told["num_threads"] == 1
        assert told["run_id"] == f"run of {the(one()).key}"
