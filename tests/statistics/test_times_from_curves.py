import numpy as np
import pandas as pd
import pytest

from grokgrid.statistics import Times, phase_seconds, time_to_goal


def evaluations(key, accuracies, *, seconds_a_pass=2.0, first=1, every=10):
    epochs = [first + every * i for i in range(len(accuracies))]
    return pd.DataFrame(
        {
            "key": key,
            "steps": [4 * p for p in epochs],
            "epochs": [float(p) for p in epochs],
            "seconds": [seconds_a_pass * p for p in epochs],
            "test_accuracy": accuracies,
        }
    )


def trial(key, seed, epochs, *, seconds_a_pass=2.0, diverged_at=None):
    steps = int(4 * epochs)
    return {
        "key": key,
        "seed": seed,
        "steps": steps,
        "epochs": float(epochs),
        "seconds": seconds_a_pass * epochs,
        "diverged_at": diverged_at,
    }


CURVES = pd.concat(
    [
        evaluations("slow", [0.1, 0.2, 0.85, 0.86, 0.84]),
        evaluations("censored", [0.1, 0.3, 0.3, 0.3, 0.3]),
        evaluations("diverged", [0.1, 0.4], seconds_a_pass=3.0),
        evaluations("running", [0.1, 0.15]),
        evaluations("sudden", [0.1, 0.9]),
        evaluations("late", [0.1] * 6 + [0.9]),
    ],
    ignore_index=True,
)
TRIALS = pd.DataFrame(
    [
        trial("slow", 0, 41),
        trial("censored", 1, 41),
        trial("diverged", 2, 12, seconds_a_pass=3.0, diverged_at=48),
        trial("running", 3, 11),
        trial("sudden", 4, 11),
        trial("late", 5, 61),
        trial("stillborn", 6, 0, diverged_at=1),
    ]
)


def goal(**settings):
    settings = {"metric": "test_accuracy", "above": 0.85, "budget": 41, "budget_unit": "epochs", **settings}
    return time_to_goal(CURVES, TRIALS, **settings).set_index("key")


def test_the_first_evaluation_strictly_above_is_the_time():
    table = goal(column="epochs")
    assert table["time"].to_dict() == {
        "slow": 31,  # 0.85 itself, at 21, is not above; that it falls again later does not matter
        "censored": 41,
        "diverged": 11,
        "running": 11,
        "sudden": 11,
        "late": 41,  # seen above only beyond the budget
        "stillborn": 0,
    }
    assert table.index[table["reached"]].tolist() == ["slow", "sudden"]
    assert table.index[table["diverged"]].tolist() == ["diverged", "stillborn"]
    assert (table["budget"] == 41).all()


def test_the_table_makes_times_with_the_diverged_censored_at_the_budget():
    times = Times.of(goal(column="epochs"))
    assert times.value.tolist() == [31, 41, 41, 11, 11, 41, 41]
    assert times.reached.tolist() == [True, False, False, False, True, False, False]
    assert Times.of(goal(column="steps")).value.tolist() == [124, 164, 164, 44, 44, 164, 164]


def test_seconds_of_a_diverged_trial_are_its_pace_to_the_budget():
    table = goal(column="seconds")
    assert table.loc["diverged", "budget"] == pytest.approx(3 * 41)
    assert table.loc["diverged", "time"] == pytest.approx(33)
    # Without a step it has no pace; the median of the others is 2.
    assert table.loc["stillborn", "budget"] == pytest.approx(2 * 41)
    assert Times.of(table).value.tolist() == pytest.approx([62, 82, 123, 22, 22, 82, 82])


def test_a_time_within_the_budget_stays_within_it_when_the_pace_changed():
    # Slow to its goal at epoch 41, then faster beyond the budget: at its mean pace the budget ends before the goal.
    curves = evaluations("key", [0.1, 0.1, 0.1, 0.1, 0.9], seconds_a_pass=5.0)
    table = time_to_goal(
        curves,
        pd.DataFrame([trial("key", 0, 400, seconds_a_pass=2.0)]),
        metric="test_accuracy",
        above=0.85,
        column="seconds",
        budget=41,
        budget_unit="epochs",
    )
    times = Times.of(table)
    assert (times.value.tolist(), times.reached.tolist()) == ([205], [True])


def test_a_trial_that_diverged_beyond_the_budget_did_not_diverge_within_it():
    table = goal(budget=11, column="epochs")
    assert not table.loc["diverged", "diverged"]


def test_what_is_measured_before_training_meets_nothing():
    """0.9 at epoch 0 would be the goal, and 0.3 the beginning of the phase."""
    trials = pd.DataFrame([trial("key", 0, 40)])
    above = evaluations("key", [0.9, 0.1, 0.3, 0.9, 0.1], first=0)
    settings = {"budget": 40, "budget_unit": "epochs"}
    assert time_to_goal(above, trials, metric="test_accuracy", above=0.85, **settings)["time"].tolist() == [120]
    assert phase_seconds(above, trials, lower=0.2, upper=0.85, **settings)["time"].tolist() == [20]
    only = time_to_goal(above[:1], trials, metric="test_accuracy", above=0.85, **settings)
    assert (only["time"].tolist(), only["reached"].tolist()) == ([0], [False])


def test_below_and_blanks():
    curves = pd.DataFrame({"key": "a", "steps": [1, 2, 3, 4], "test_loss": [1.0, np.nan, 0.5, 0.4]})
    trials = pd.DataFrame([{"key": "a", "seed": 3, "steps": 4, "diverged_at": None}])
    table = time_to_goal(curves, trials, metric="test_loss", below=0.5, budget=10)
    assert table["time"].tolist() == [4]
    assert table["seed"].tolist() == [3]


def test_what_is_wrong_is_told_at_once():
    with pytest.raises(ValueError, match="one of the two"):
        goal(below=0.1)
    with pytest.raises(ValueError) as caught:
        goal(metric="test_acuracy", budget=0)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["curves", "budget"]
    assert "there are key, steps, epochs, seconds, test_accuracy" in str(caught.value)
    with pytest.raises(ValueError, match="trials: no column diverged_at"):
        time_to_goal(CURVES, TRIALS.drop(columns="diverged_at"), metric="test_accuracy", above=0.8, budget=4)


def test_phases_by_hand():
    table = phase_seconds(CURVES, TRIALS, budget=41, budget_unit="epochs").set_index("key")
    assert table["time"].to_dict() == {
        "slow": 40,  # 20% itself counts, at epoch 11; above 85% at epoch 31; 2 s an epoch
        "censored": 60,  # began at epoch 11, last seen at 41
        "diverged": 0,  # began at its last evaluation
        "running": 0,
        "sudden": 0,  # both at one evaluation
        "late": 0,
        "stillborn": 0,
    }
    assert table.index[table["reached"]].tolist() == ["slow", "sudden"]
    # The diverged ones are censored at the whole budget.
    assert Times.of(table).value.tolist() == pytest.approx([40, 60, 123, 0, 0, 0, 82])
    with pytest.raises(ValueError, match="lower: 0.9"):
        phase_seconds(CURVES, TRIALS, lower=0.9, budget=41)
