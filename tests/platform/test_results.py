"""What a study sees of its trials, given what MLflow has of them."""

import math
from typing import Any

import pandas as pd
import pytest
from driver_records import evaluations, record
from driver_studies import study

from grokgrid.results import Results, State, results_of
from grokgrid.tracking import WorkRecord, WorkStatus
from search_spaces import Study
from trainables.trial import Trial

RISING = {1: 0.1, 6: 0.3, 11: 0.5, 16: 0.7, 21: 0.9}


def one(*, above: float | None = 0.6, steps: int = 20, unit: str = "steps", **trial: Any) -> Study:
    """A study of one trial, which is evaluated at 1, 6, 11, 16 …"""
    goal = None if above is None else {"metric": "test_accuracy", "above": above}
    return study(
        seeds=1, arms={"baseline": {}}, trial={"goal": goal, "budget": {unit: steps}, "evaluate": {"every": 5}, **trial}
    )


def seen(study: Study, record: WorkRecord | None, curves: pd.DataFrame | None = None) -> Results:
    (trial,) = study.trials
    return results_of(
        study, {trial.key: record} if record else {}, evaluations(trial, {}) if curves is None else curves
    )


def the(study: Study) -> Trial:
    (trial,) = study.trials
    return trial


def row(results: Results) -> dict[str, Any]:
    (row,) = results.trials.to_dict("records")
    return dict(row)


STATES: dict[str, tuple[Study, dict[int, float], dict[str, Any], State]] = {
    "it met the goal": (one(), {1: 0.1, 6: 0.7}, {}, State.REACHED),
    "the goal is above, not at": (one(above=0.7), {1: 0.1, 6: 0.7, 11: 0.7, 16: 0.7}, {}, State.CENSORED),
    "it met the goal and fell again": (one(), {1: 0.1, 6: 0.7, 11: 0.2, 16: 0.2}, {}, State.REACHED),
    "its budget ended": (one(), {1: 0.1, 6: 0.1, 11: 0.1, 16: 0.1}, {}, State.CENSORED),
    "it met the goal after this budget": (one(steps=15), {1: 0.1, 6: 0.1, 11: 0.1, 16: 0.7}, {}, State.CENSORED),
    "it has more to do": (one(steps=100), {1: 0.1, 6: 0.1}, {}, State.STOPPED),
    "it failed when it was to do more": (one(steps=100), {1: 0.1, 6: 0.1}, {"failed_run": "f"}, State.FAILED),
    "it failed at what others asked": (one(), {1: 0.1, 6: 0.7}, {"failed_run": "f"}, State.REACHED),
    "it diverged": (one(), {1: 0.1}, {"diverged_at": 3, "steps": 6}, State.DIVERGED),
    "it diverged before any evaluation": (one(), {}, {"diverged_at": 1, "steps": 1}, State.DIVERGED),
    "it met the goal, then diverged": (one(), {1: 0.7}, {"diverged_at": 3, "steps": 6}, State.REACHED),
    "it diverged after this budget": (
        one(steps=10),
        {1: 0.1, 6: 0.1},
        {"diverged_at": 9, "steps": 11},
        State.CENSORED,
    ),
    "it spent its budget without a goal": (one(above=None), {1: 0.1, 6: 0.1, 11: 0.1, 16: 0.1}, {}, State.FINISHED),
    "it diverged without a goal": (one(above=None), {1: 0.1}, {"diverged_at": 3, "steps": 6}, State.DIVERGED),
}


class TestStates:
    @pytest.mark.parametrize(("study", "accuracies", "more", "state"), STATES.values(), ids=STATES)
    def test_of_trials_with_evaluations(
        self, study: Study, accuracies: dict[int, float], more: dict[str, Any], state: State
    ):
        results = seen(study, record(the(study), accuracies, **more), evaluations(the(study), accuracies))
        assert row(results)["state"] == state
        assert results.is_complete == (state not in (State.STOPPED, State.FAILED))
        assert len(results.over) == results.is_complete

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            (WorkStatus.CLAIMING, State.RUNNING),
            (WorkStatus.RUNNING, State.RUNNING),
            (WorkStatus.FAILED, State.FAILED),
        ],
    )
    def test_of_trials_without_a_result(self, status: WorkStatus, state: State):
        results = seen(one(), record(the(one()), status=status))
        assert row(results)["state"] == state and not results.is_complete

    def test_of_a_trial_that_nobody_ran(self):
        results = seen(one(), None)
        assert row(results)["state"] == State.MISSING and not results.is_complete

    def test_a_goal_below(self):
        below = one(goal={"metric": "train_loss", "below": 0.35})
        results = seen(below, record(the(below), RISING), evaluations(the(below), RISING))
        assert row(results)["state"] == State.REACHED and row(results)["steps"] == 16


class TestWhatIsSeen:
    """Of a trial that went on to step 21, for another study."""

    def test_ends_at_the_first_evaluation_that_met_the_goal(self):
        results = seen(one(), record(the(one()), RISING, final={"test_accuracy": 0.9}), evaluations(the(one()), RISING))
        assert list(results.curves["steps"]) == [1, 6, 11, 16]
        assert row(results)["steps"] == 16 and row(results)["seconds"] == 0.16
        assert row(results)["final/test_accuracy"] == 0.7

    def test_ends_at_the_last_evaluation_within_the_budget(self):
        short = one(above=None, steps=15)
        results = seen(short, record(the(short), RISING), evaluations(the(short), RISING))
        assert list(results.curves["steps"]) == [1, 6, 11]
        assert row(results)["final/test_accuracy"] == 0.5

    def test_counts_a_budget_in_epochs_in_epochs(self):
        short = one(above=None, steps=6, unit="epochs")
        results = seen(short, record(the(short), RISING), evaluations(the(short), RISING))
        assert list(results.curves["epochs"]) == [0.5, 3.0, 5.5]

    def test_has_no_divergence_that_came_later(self):
        short = one(steps=15)
        diverged = record(the(short), RISING, diverged_at=23, steps=26)
        assert math.isnan(row(seen(short, diverged, evaluations(the(short), RISING)))["diverged_at"])
        long = one(above=None, steps=30)
        assert row(seen(long, diverged, evaluations(the(long), RISING)))["diverged_at"] == 23

    def test_has_what_was_measured_once_more_at_its_very_end(self):
        probed = one(above=None, steps=21, probes=[{"name": "jacobian_norm", "every": 2}])
        measured = {f"train_jacobian_norm_{kind}": {1: 5.0, 11: 4.0, 21: 3.0} for kind in ("mean", "min", "max")}
        curves = evaluations(the(probed), RISING, **measured)
        metric = "final/train_jacobian_norm_mean"
        results = seen(probed, record(the(probed), RISING, final={"train_jacobian_norm_mean": 2.5}), curves)
        assert row(results)[metric] == 2.5
        short = one(above=None, steps=16, probes=[{"name": "jacobian_norm", "every": 2}])
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
        nothing = results_of(probed, {}, pd.DataFrame({"key": [], "steps": [], "epochs": [], "seconds": []}))
        assert list(nothing.trials.columns[:6]) == ["arm", "cell", "optimiser.lr", "seed", "key", "state"]
        assert "final/train_jacobian_norm_mean" in nothing.trials and "torch_version" in nothing.trials
        assert "train_jacobian_norm_mean" in nothing.curves
        trial = probed.trials[0]
        something = results_of(probed, {trial.key: record(trial, RISING)}, evaluations(trial, RISING))
        assert list(something.trials.columns) == list(nothing.trials.columns)
        assert list(something.curves.columns) == list(nothing.curves.columns)

    def test_are_in_the_studys_order_whatever_mlflow_says_first(self):
        small = study(seeds=[4, 2])
        records = {trial.key: record(trial, RISING) for trial in reversed(small.trials)}
        curves = pd.concat([evaluations(trial, RISING) for trial in reversed(small.trials)])
        results = results_of(small, records, curves)
        assert list(results.trials["seed"]) == [4, 2] * 3
        assert list(results.trials["arm"]) == ["baseline"] * 2 + ["slow"] * 2 + ["wild"] * 2
        assert list(results.curves["key"].unique()) == list(results.trials["key"])

    def test_show_a_shared_trial_in_each_of_its_cells(self):
        twins = study(seeds=1, arms={"baseline": {}, "twin": {}})
        (trial,) = twins.trials
        results = results_of(twins, {trial.key: record(trial, RISING)}, evaluations(trial, RISING))
        assert list(results.trials["cell"]) == ["baseline", "twin"] and results.is_complete
        assert list(results.curves.groupby("cell").size()) == [4, 4]

    def test_say_where_a_trial_ran_and_whose_run_it_is(self):
        told = row(seen(one(), record(the(one()), RISING), evaluations(the(one()), RISING)))
        assert told["device_name"] == "an abacus" and told["host"] == "elsewhere" and told["num_threads"] == 1
        assert told["run_id"] == f"run of {the(one()).key}"
