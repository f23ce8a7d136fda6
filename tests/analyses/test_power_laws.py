"""Power laws along a setting, of imagined trials: the picture, its slopes, and the clause that a statement has."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pictured_results import NORM, pictured, pictured_study, values_at
from pydantic import ValidationError

from grokgrid.analyses import make_report
from grokgrid.analyses.slopes import log_slopes
from grokgrid.results import State
from search_spaces import Study

WIDTHS = [8, 16, 32, 64]
LAW = {"kind": "power_law", "arm": "standard", "metrics": [NORM]}


def along_widths(**changes: Any) -> Study:
    arms = {"standard": {"grid": {"model.width": WIDTHS}}}
    return pictured_study(**{"arms": arms, "seeds": 5, "analyses": [LAW]} | changes)


def stated(**clause: Any) -> dict[str, Any]:
    slope = {"statistic": "slope", "arm": "standard", "metric": NORM} | clause
    return {"kind": "statement", "sentence": "It falls.", "that": [slope]}


def slopes_by_hand(study: Study, metric: str = NORM) -> list[float]:
    """numpy's polynomial of degree 1, of the last values."""
    cells = [cell.name for cell in study.cells]
    return [
        float(np.polyfit(np.log(WIDTHS), np.log([values_at(study, cell, seed)[metric][-1] for cell in cells]), 1)[0])
        for seed in study.seed_list
    ]


def test_the_table_has_the_slope_of_each_seed_in_the_mean():
    study = along_widths(analyses=[LAW | {"metrics": [NORM, "train_ntk_mean"]}])
    report = make_report(pictured(study))
    slopes = report.tables["power_law-slopes"].set_index("metric")
    for metric in (NORM, "train_ntk_mean"):
        by_hand = slopes_by_hand(study, metric)
        assert slopes.loc[metric, "slope"] == pytest.approx(np.mean(by_hand))
        assert slopes.loc[metric, "sd"] == pytest.approx(np.std(by_hand, ddof=1), abs=1e-12)
    assert report.metrics["power_law/train_ntk_mean/slope"] == pytest.approx(slopes.loc["train_ntk_mean", "slope"])


def test_an_exact_power_of_the_setting_has_its_exponent():
    x = np.array([1.0, 10.0, 40.0])
    values = [pd.Series({0: 3 * each**-0.5, 1: 7 * each**2.0}) for each in x]
    assert log_slopes(x, values).tolist() == pytest.approx([-0.5, 2.0])


def test_the_picture_has_a_line_of_that_slope():
    study = along_widths()
    (section, *_) = make_report(pictured(study)).sections
    (axes,) = section.figures[0].draw().axes
    assert axes.get_xscale() == axes.get_yscale() == "log" and axes.get_xlabel() == "model.width"
    (line,) = (each for each in axes.lines if each.get_linestyle() == "-" and len(each.get_xdata()) == len(WIDTHS))
    found = np.polyfit(np.log(line.get_xdata()), np.log(line.get_ydata()), 1)[0]
    assert found == pytest.approx(np.mean(slopes_by_hand(study)))


@pytest.mark.parametrize(("side", "verdict"), [({"above": 0.1}, "agree"), ({"below": 0.1}, "differ")])
def test_a_clause_judges_the_slope(side: dict[str, float], verdict: str):
    """The kernel grows by 1 a width from some 2: a slope between 0.3 and 0.5, by the seed."""
    study = along_widths(analyses=[stated(**side, metric="train_ntk_mean")])
    (row,) = make_report(pictured(study)).tables["statements-clauses"].to_dict("records")
    assert row["estimate"] == pytest.approx(np.mean(slopes_by_hand(study, "train_ntk_mean"))) and row["n"] == 5
    assert row["verdict"] == verdict


def test_a_trial_that_diverged_leaves_the_slope_open():
    study = along_widths(analyses=[stated(below=0)])
    lost = {(study.cells[1].name, 2): (State.DIVERGED, 100)}
    (row,) = make_report(pictured(study, lost)).tables["statements-clauses"].to_dict("records")
    assert (row["verdict"], row["n"]) == ("inconclusive", 4)
    assert "diverged" in row["open_because"]
    report = make_report(pictured(along_widths(), lost))
    assert report.tables["power_law-slopes"]["n"].tolist() == [4]


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({"standard": {}}, "'standard' has 0 settings on its grid; one is needed, against which the slope is"),
        ({"standard": {"grid": {"model.width": [8, 16]}}}, "'standard' has 2 cells; a slope needs at least 3"),
        ({"standard": {"grid": {"model.activation": ["relu", "tanh", "gelu"]}}}, "other values than positive numbers"),
        ({"other": {"grid": {"model.width": WIDTHS}}}, "'standard' is no arm; "),
    ],
)
def test_an_arm_without_a_scale_is_refused(arms: dict[str, Any], said: str):
    for analysis in (LAW, stated(below=0)):
        with pytest.raises(ValidationError, match=said):
            pictured_study(arms=arms, analyses=[analysis])
