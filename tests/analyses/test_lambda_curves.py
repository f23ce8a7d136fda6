"""Metrics against the strength of a method, in imagined studies whose best strength is known."""

import itertools
from typing import Any

import numpy as np
import pytest
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.analyses import Report, make_report
from grokgrid.results import State
from grokgrid.statistics import GeometricMean
from search_spaces import Study
from search_spaces.analyses import LambdaCurve

STRENGTHS = (0.001, 0.01, 0.1)
CURVE = {"kind": "lambda_curve", "arm": "jacobian", "baseline": "baseline", "metrics": ["steps", "test_accuracy"]}
BASE = [501, 401, 601, 301, 701]
SLOW = [401, 351, 501, 251, 601]
SOON = [101, 91, 111, 71, 151]


def study(**changes: Any) -> Study:
    arms = {
        "baseline": {},
        "jacobian": {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": list(STRENGTHS)}},
    }
    return synthetic_study(**({"arms": arms, "analyses": [CURVE, {"kind": "curves"}]} | changes))


def reported(*outcomes: list[Outcome], **changes: Any) -> Report:
    """outcomes: of the baseline, then of each strength."""
    chosen = study(**changes)
    return make_report(synthetic_results(chosen, {c.name: o for c, o in zip(chosen.cells, outcomes, strict=False)}))


def text(found: Report) -> str:
    return " ".join([found.headline, *found.notes])


def column(found: Report, label: str, name: str = "lambda_curve-steps") -> tuple[str, ...]:
    (table,) = (table for section in found.sections for table in section.tables if table.name == name)
    (texts,) = (column.text for column in table.columns if column.label == label)
    return texts


def test_the_best_strength_is_told_first_with_how_sure_the_choice_is():
    found = reported(BASE, SLOW, SOON, SLOW)
    low, high = GeometricMean.of(SOON).confidence_interval()
    assert found.headline == (
        "jacobian at strength 0.01 has the least steps to test_accuracy > 0.85 of 4 values, on 5 seeds: 102 (95% "
        f"interval {low:.1f} to {high:.0f}, 5/5 seeds reached it), best in 100% of resamples; the best of several is "
        "so partly by luck."
    )
    assert column(found, "strength") == ("0 (baseline)", "0.001", "0.01", "0.1")
    assert column(found, "best in") == ("0%", "0%", "100%", "0%")
    assert column(found, "reached") == ("5/5",) * 4
    metrics = found.metrics
    assert metrics["lambda_curve/best"] == 0.01 and metrics["lambda_curve/best_in"] == 1
    assert metrics["lambda_curve/jacobian/strength/0.01/steps/estimate"] == pytest.approx(np.exp(np.log(SOON).mean()))
    assert metrics["lambda_curve/baseline/steps/n"] == 5


def test_a_rival_is_named_with_the_share_of_all_resamples_that_it_wins():
    rival = [91, 111, 121, 81, 141]
    found = reported(BASE, rival, SOON, SLOW)
    shares = found.tables["lambda_curve-steps"].set_index("strength")["best_in"]
    ahead = np.log(SOON) - np.log(rival)
    wins = np.mean([ahead[list(seeds)].sum() > 0 for seeds in itertools.product(range(5), repeat=5)])
    assert shares[0.001] == pytest.approx(wins, abs=0.02) and 0.05 < wins < 0.45
    assert found.headline.startswith(
        "Which strength of jacobian has the least steps to test_accuracy > 0.85 is open because another candidate "
        "may be as good: of 4 values, on 5 seeds, it is 0.01, 102 ("
    )
    assert found.headline.endswith(f"best in {shares[0.01]:.0%} of resamples, 0.001 in {shares[0.001]:.0%}.")


def test_censored_times_are_bounds_and_the_choice_takes_them_at_the_budget():
    late = [(State.CENSORED, 991)] * 5
    found = reported(BASE, late, SOON, [901, *late[1:]])
    assert column(found, "typical")[1] == "≥ 991" and column(found, "reached")[1] == "0/5"
    assert column(found, "the others")[1] == "5 censored"
    row = found.tables["lambda_curve-steps"].set_index("strength").loc[0.001]
    assert row["estimator"] == "lower bound" and row["known"] == 0
    assert found.metrics["lambda_curve/best"] == 0.01


def test_where_a_fit_is_printed_what_it_presumes_is_said():
    fit = reported([501, 401, 601, 301, (State.CENSORED, 991)], SLOW, SOON, SLOW)
    assert "Fits of censored times (at 0 (baseline)) presume that logarithms are normal" in text(fit)
    assert "Fits of censored times" not in text(reported(BASE, SLOW, SOON, SLOW))


def test_a_strength_that_diverges_wins_nothing():
    diverged = [(State.DIVERGED, 11)] * 5
    found = reported(BASE, SLOW, SOON, diverged)
    assert found.metrics["lambda_curve/best"] == 0.01
    by_accuracy = [CURVE | {"metrics": ["train_accuracy"], "better": "less"}]
    found = reported(SLOW, SLOW, SLOW, diverged, analyses=by_accuracy)
    assert found.tables["lambda_curve-train_accuracy"]["best_in"].tolist()[-1] <= 1 / 4


def test_all_diverged_is_no_choice():
    found = reported(*[[(State.DIVERGED, 11)] * 5] * 4, analyses=[CURVE | {"metrics": ["test_accuracy"]}])
    assert "No strength is chosen: no seed is over, with a number, at every candidate." in found.notes


def test_the_choice_rests_on_seeds_that_are_over_everywhere():
    found = reported(BASE, SLOW, SOON, [*SLOW[:2], (State.RUNNING, 11)])
    assert "The choice rests on 2 of 5 seeds." in found.notes
    assert "Resamples of fewer than 5 seeds would be much too sure of themselves: none are made." in found.notes
    assert "best in" not in [c.label for section in found.sections for t in section.tables for c in t.columns]
    assert "lambda_curve/best_in" not in found.metrics
    assert "is open because fewer than 5 seeds are over at every candidate" in found.headline
    found = reported(BASE, SLOW, SOON)
    assert "No strength is chosen: no seed is over, with a number, at every candidate." in found.notes
    assert "best in" not in [c.label for section in found.sections for t in section.tables for c in t.columns]


def test_a_best_at_an_end_of_the_grid_is_said_to_be_there():
    told = "The best lies at an end of the grid: a better strength may lie beyond."
    for times, is_said in (((SLOW, SLOW, SOON), True), ((SOON, SLOW, SLOW), True), ((SLOW, SOON, SLOW), False)):
        assert (told in reported(BASE, *times).notes) is is_said


def test_a_strength_of_zero_can_be_the_best():
    found = reported(SOON, SLOW, SLOW, SLOW)
    assert found.headline.startswith("baseline has the least steps to test_accuracy > 0.85 of 4 values, on 5 seeds: ")
    assert found.metrics["lambda_curve/best"] == 0


def test_more_of_an_accuracy_is_better_and_its_mean_is_told():
    late = [(State.CENSORED, 991)] * 5
    found = reported(late, late, SOON, late, analyses=[CURVE | {"metrics": ["test_accuracy"]}])
    assert found.metrics["lambda_curve/best"] == 0.01
    assert column(found, "mean", "lambda_curve-test_accuracy")[2] == "0.860"


def test_seconds_of_trials_that_ran_differently_are_not_told():
    in_seconds = study(analyses=[CURVE | {"metrics": ["seconds", "steps"]}])
    outcomes = {cell.name: times for cell, times in zip(in_seconds.cells, (BASE, SLOW, SOON, SLOW), strict=True)}
    found = make_report(synthetic_results(in_seconds, outcomes))
    assert found.metrics["lambda_curve/best"] == 0.01
    elsewhere = {(in_seconds.cells[1].name, 0): {"device": "cuda"}}
    found = make_report(synthetic_results(in_seconds, outcomes, places=elsewhere))
    assert column(found, "typical", "lambda_curve-seconds") == ("–",) * 4
    assert "lambda_curve/best" not in found.metrics
    assert "Seconds do not compare, and none are told: the trials ran differently: " in text(found)


def test_figures_are_drawn():
    found = reported(BASE, [(State.CENSORED, 991)] * 5, SOON, SLOW)
    figures = {figure.name: figure for section in found.sections for figure in section.figures}
    assert {"lambda_curve-steps", "lambda_curve-test_accuracy"} <= figures.keys()
    axes = figures["lambda_curve-steps"].draw().axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "regulariser.strength"
    arrows = [line for line in axes.get_lines() if line.get_marker() == "^" and len(line.get_xdata())]
    assert [line.get_xdata().tolist() for line in arrows] == [[0.001] * 5]


def test_what_is_not_trusted_is_hollow_and_off_the_line():
    late: list[Outcome] = [(State.CENSORED, 991)] * 4 + [901]
    found = reported(BASE, SLOW, SOON, late)
    assert column(found, "typical")[-1].startswith("≥ ")
    (figure,) = (f for s in found.sections for f in s.figures if f.name == "lambda_curve-steps")
    lines = figure.draw().axes[0].lines
    (joined,) = (line for line in lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 0.8)
    assert list(joined.get_xdata()) == [0.001, 0.01]
    diamonds = [line for line in lines if line.get_marker() == "D"]
    assert [line.get_markerfacecolor() == "none" for line in diamonds] == [False, False, True]


def test_an_open_interval_runs_out_of_the_figure():
    late = [(State.CENSORED, 991), (State.CENSORED, 981), (State.CENSORED, 971), (State.CENSORED, 961), 951]
    found = reported(late, late, SOON, SLOW)
    assert np.isinf(found.tables["lambda_curve-steps"]["high"]).tolist() == [True, True, False, False]
    figures = {figure.name: figure for section in found.sections for figure in section.figures}
    low, high = figures["lambda_curve-steps"].draw().axes[0].get_ylim()
    assert 50 < low < 71 and 991 < high < 1200


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arm": "jacobean"}, "analyses.0.arm: 'jacobean' is no arm; did you mean 'jacobian'?"),
        ({"baseline": "jacobian"}, "analyses.0.baseline: 'jacobian' has a grid of 3 cells; a baseline is one cell"),
        ({"arm": "baseline"}, "'baseline' has 0 settings on its grid; one is needed, the strength"),
        ({"metrics": ["step"]}, "'step' is not measured; did you mean 'steps'?"),
        ({"metrics": ["train_jacobian_norm_mean"]}, "better: is missing"),
        ({"metrics": []}, "at least 1"),
        ({"better": "lower"}, "'lower' is not allowed"),
    ],
)
def test_problems_are_told(changes: dict[str, Any], told: str):
    with pytest.raises(ValueError) as caught:
        study(analyses=[CURVE | changes])
    assert told in str(caught.value)


def test_a_grid_of_something_else_is_no_strength():
    arms = {"baseline": {}, "jacobian": {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": [0, 1]}}}
    with pytest.raises(ValueError, match="other values than positive numbers on its grid"):
        study(arms=arms)


def test_times_need_a_goal():
    trial = {name: value for name, value in synthetic_study().trial.items() if name != "goal"}
    with pytest.raises(ValueError, match="'steps' needs a goal"):
        study(trial=trial)


def test_what_is_better_follows_from_the_name():
    names = {"steps": "less", "seconds": "less", "test_loss": "less", "train_accuracy": "more"}
    for metric, better in names.items():
        assert LambdaCurve(arm="a", baseline="b", metrics=(metric,)).chosen_for == better
