"""Trials of which nothing is drawn: computed once, and compared with every seed of the other arms."""

from typing import Any

import pytest
from driver_studies import drive, results

from grokgrid.analyses import make_report
from search_spaces import Study, narrow

pytestmark = pytest.mark.usefixtures("ready_home")

FLOW: dict[str, Any] = {"name": "jntk_flow", "lr": 0.1, "strength": 0.2, "evaluate": {"at": [1, 20]}}


def study(**changes: Any) -> Study:
    content = {
        "name": "beside-the-limit",
        "question": "Is a network near its limit?",
        "seeds": 5,
        "trial": {
            "data": {"name": "sphere", "num_train": 5, "num_test": 4, "dimension": 3, "seed": 0},
            "budget": {"steps": 20},
        },
        "arms": {
            "finite": {
                "model": {"name": "ntk_mlp", "width": 64},
                "loss": "mean_squared_error",
                "optimiser": {"name": "sgd", "lr": 0.1},
                "regulariser": {
                    "name": "jacobian",
                    "norm": "half_mean_square",
                    "projections": "exact",
                    "strength": 0.2,
                },
                "dtype": "float64",
                "evaluate": {"at": [1, 20]},
            },
            "limit": {"procedure": FLOW},
            "drawn": {"procedure": FLOW | {"start": "process"}},
        },
        "analyses": [
            {
                "kind": "statement",
                "sentence": "They are alike.",
                "that": [
                    {"statistic": "difference", "arm": "finite", "than": "limit", "metric": "train_loss", "below": 10},
                    {"statistic": "difference", "arm": "finite", "than": "drawn", "metric": "train_loss", "below": 10},
                ],
            }
        ],
    }
    return Study.model_validate(content | changes)


@pytest.mark.slow
def test_is_run_once_and_stands_beside_each_seed():
    asked = study()
    assert asked.num_trials == 11
    drive(asked)
    found = results(asked)
    limit = found.trials[found.trials["arm"] == "limit"]
    assert len(limit) == 5 and limit["run_id"].nunique() == 1 and set(limit["state"]) == {"finished"}
    assert found.trials[found.trials["arm"] == "drawn"]["run_id"].nunique() == 5
    assert sorted(found.evaluations_of(asked.cells[1])["seed"]) == sorted([*range(5)] * 2)
    report = make_report(found)
    clauses = report.tables["statements-clauses"]
    assert clauses["n"].tolist() == [5, 5] and clauses["verdict"].tolist() == ["agree", "agree"]
    assert any("Nothing is drawn in limit: one trial stands for all seeds" in note for note in report.notes)


@pytest.mark.slow
def test_more_seeds_do_not_run_it_again():
    few, more = narrow(study(), seeds=[3, 4]), study()
    drive(few)
    before = {str(row.run_id) for row in results(few).trials.itertuples() if row.arm == "limit"}
    drive(more)
    after = {str(row.run_id) for row in results(more).trials.itertuples() if row.arm == "limit"}
    assert before == after and len(after) == 1


def test_two_of_them_are_one_pair():
    """Whatever the number of seeds: no p value rests on copies. Curves are of every seed."""
    goal = {"metric": "train_residual", "below": 0.999}
    trial = {"data": study().trial["data"], "budget": {"steps": 20}, "goal": goal}
    arms = {name: {"procedure": FLOW | {"strength": each}} for name, each in (("weak", 0.01), ("strong", 2.0))}
    analyses = [
        {"kind": "acceleration", "baseline": "weak"},
        {"kind": "curves", "metrics": ["train_loss"]},
        {"kind": "measurements", "metrics": ["train_loss"], "baseline": "weak"},
    ]
    asked = study(trial=trial, arms=arms, analyses=analyses)
    drive(asked)
    assert asked.num_trials == 2
    report = make_report(results(asked))
    assert (report.tables["curves"]["n"] == 5).all()
    assert report.tables["acceleration"]["pairs"].iloc[0] == 1
    measured = report.tables["measurements"].set_index("cell")
    assert measured.loc["strong", "n"] == 5 and measured.loc["strong", "pairs"] == 1
    assert report.tables["acceleration"]["p"].isna().all() or (report.tables["acceleration"]["p"] == 1).all()
