"""The mean of a metric over a grid of two settings, of imagined trials whose curves are given."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from pictured_results import ALIGNMENT, GRID, NORM, pictured, pictured_study
from scipy import stats

from grokgrid.analyses import Report, Section, make_report
from grokgrid.report import html
from grokgrid.results import State
from search_spaces import Study, narrow

HEAT_MAP = {"kind": "heat_map", "metric": f"max/{ALIGNMENT}", "x": "optimiser.lr", "y": "model.width"}
ARMS = {"standard": {"grid": GRID}, "other": {}}
STANDARD = [cell.name for cell in pictured_study(arms=ARMS).cells if cell.arm == "standard"]


def mapped(**changes: Any) -> Study:
    return pictured_study(**{"arms": ARMS, "analyses": [HEAT_MAP]} | changes)


def reported(study: Study, outcomes: Mapping[tuple[str, int], Any] | None = None) -> Report:
    return make_report(pictured(study, outcomes))


def section(found: Report) -> Section:
    return found.sections[0]


def drawn(found: Report) -> Figure:
    (figure,) = section(found).figures
    return figure.draw()


def mesh(figure: Figure) -> QuadMesh:
    (it,) = (each for each in figure.axes[0].collections if isinstance(each, QuadMesh))
    return it


def columns(found: Report) -> dict[str, tuple[str, ...]]:
    (table,) = section(found).tables
    return {column.label: column.text for column in table.columns}


def means(study: Study) -> pd.DataFrame:
    """By width, down, and learning rate, across: by pandas."""
    seen = pictured(study)
    curves = seen.curves[(seen.curves["arm"] == "standard") & (seen.curves["steps"] > 0)]
    largest = curves.groupby(["cell", "seed"])[ALIGNMENT].max().groupby("cell").mean()
    points = {cell.name: dict(cell.point) for cell in study.cells if cell.arm == "standard"}
    frame = pd.DataFrame([points[str(cell)] | {"mean": mean} for cell, mean in largest.items()])
    return frame.pivot(index="model.width", columns="optimiser.lr", values="mean")


class TestFigure:
    def test_has_a_field_a_cell_in_the_colour_of_its_mean(self):
        study = mapped()
        figure = drawn(reported(study))
        theirs = means(study)
        np.testing.assert_allclose(mesh(figure).get_array(), theirs.to_numpy())
        axes = figure.axes[0]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.001", "0.01", "0.1"]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["8", "16"]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimiser.lr", "model.width")
        assert mesh(figure).get_clim() == pytest.approx((theirs.min().min(), theirs.max().max()))
        assert figure.axes[1].get_ylabel() == f"largest {ALIGNMENT.replace('_', ' ')}"

    def test_has_numbers_from_the_least_on_whatever_the_grid_s_order(self):
        grid = {"optimiser.lr": [0.1, 0.001, 0.01], "model.width": [16, 8]}
        axes = drawn(reported(mapped(arms={"standard": {"grid": grid}}))).axes[0]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.001", "0.01", "0.1"]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["8", "16"]

    def test_writes_figures_that_can_be_read_on_their_colour(self):
        texts = drawn(reported(mapped())).axes[0].texts
        assert [text.get_text() for text in texts[:2]] == ["0.320", "0.720"]
        assert texts[0].get_color() == "#ffffff" and texts[-1].get_color() == "#000000", "dark to light"

    def test_leaves_blank_what_is_not_known(self):
        outcomes = {(STANDARD[0], seed): (State.DIVERGED, 30) for seed in range(3)}
        figure = drawn(reported(mapped(), outcomes))
        assert np.ma.getmaskarray(mesh(figure).get_array()).ravel().tolist() == [True, *[False] * 5]
        assert figure.axes[0].texts[0].get_text() == "–"

    def test_has_a_logarithmic_scale_for_what_spans_decades(self):
        metric = f"min/{NORM}"
        assert isinstance(mesh(drawn(reported(mapped(analyses=[HEAT_MAP | {"metric": metric}])))).norm, LogNorm)
        assert not isinstance(mesh(drawn(reported(mapped()))).norm, LogNorm)

    @pytest.mark.slow
    def test_of_a_large_grid_fits(self):
        widths = list(range(8, 48))
        grid = {"optimiser.lr": [float(x) for x in np.geomspace(1e-4, 1, 25)], "model.width": widths}
        figure = drawn(reported(mapped(seeds=1, arms={"standard": {"grid": grid}})))
        FigureCanvasAgg(figure).draw()
        assert not figure.axes[0].texts and mesh(figure).get_array().shape == (40, 25)
        ticks = [tick.get_window_extent() for tick in figure.axes[0].get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in zip(ticks[:-1], ticks[1:], strict=True))

    def test_belongs_in_a_page(self):
        text = html.render(reported(mapped()))
        assert text.count("<svg") == 1 and "<image" not in text and "mathdefault" not in text


class TestTable:
    def test_has_means_and_spreads_for_people_as_they_are_drawn(self):
        found = columns(reported(mapped()))
        assert found == {
            "model.width, across optimiser.lr": ("16", "8"),
            "0.001": ("0.520 ± 0.020", "0.320 ± 0.020"),
            "0.01": ("0.920 ± 0.020", "0.720 ± 0.020"),
            "0.1": ("1.320 ± 0.020", "1.120 ± 0.020"),
        }

    def test_says_where_fewer_have_come_to_the_end(self):
        outcomes: dict[tuple[str, int], Any] = {(STANDARD[0], 1): (State.DIVERGED, 30)}
        outcomes |= {(STANDARD[1], seed): State.MISSING for seed in range(3)}
        found = reported(mapped(), outcomes)
        assert columns(found)["0.001"] == ("–", "0.320 ± 0.028 (2)")
        (table,) = section(found).tables
        assert f"{STANDARD[0]} 1 diverged; {STANDARD[1]} 3 missing." in table.caption
        assert "the table has how many in brackets" in table.caption

    def test_has_a_row_a_cell_for_programs(self):
        study = mapped()
        found = reported(study).tables["heat_map"]
        assert list(found["cell"]) == STANDARD
        pivoted = found.pivot(index="model.width", columns="optimiser.lr", values="mean")
        np.testing.assert_allclose(pivoted, means(study))
        ends = stats.t.interval(0.95, 2, found["mean"][0], found["sd"][0] / np.sqrt(3))
        assert [found["low"][0], found["high"][0]] == pytest.approx(ends)
        assert set(found["n"]) == set(found["seeds"]) == {3}

    def test_of_one_seed_has_no_spread(self):
        found = reported(mapped(seeds=1))
        assert columns(found)["0.001"] == ("0.500", "0.300")
        assert found.tables["heat_map"]["sd"].isna().all()
        assert "the mean over 1 seed." in section(found).figures[0].caption

    def test_is_in_mlflow_by_name(self):
        metrics = reported(mapped()).metrics
        assert metrics[f"heat_map/standard/lr/0.01/width/8/max/{ALIGNMENT}/mean"] == pytest.approx(0.72)


class TestSection:
    def test_is_what_the_headline_tells_only_if_nothing_else_does(self):
        title = f"largest {ALIGNMENT.replace('_', ' ')} over optimiser.lr and model.width"
        told = "shows 6 cells; whether they differ is open because no analysis compares the arms."
        assert reported(mapped()).headline == f"“{title}” {told}"
        assert title not in reported(mapped(analyses=[HEAT_MAP, {"kind": "curves"}])).headline

    @pytest.mark.parametrize("outcome", [State.MISSING, (State.RUNNING, 0), (State.DIVERGED, 30)])
    def test_without_an_end_has_no_figure(self, outcome: Any):
        cells = [cell.name for cell in mapped().cells]
        found = reported(mapped(), {(cell, seed): outcome for cell in cells for seed in range(3)})
        assert not section(found).figures and set(columns(found)["0.01"]) == {"–"}

    def test_is_of_the_arm_that_is_named_if_several_have_the_grid(self):
        arms = {"standard": {"grid": GRID}, "other": {"grid": GRID, "optimiser": {"weight_decay": 0.1}}}
        found = reported(mapped(arms=arms, analyses=[HEAT_MAP | {"arm": "other"}]))
        assert set(found.tables["heat_map"]["arm"]) == {"other"}

    def test_of_fewer_arms_goes_with_its_arm(self):
        assert narrow(mapped(), arms=["other"]).analyses == ()
        assert narrow(mapped(), arms=["standard"]).analyses == mapped().analyses
