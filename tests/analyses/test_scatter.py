"""One measured quantity against another, of imagined trials whose curves are given."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pictured_results import ALIGNMENT, GRID, INNER, NORM, NTK, pictured, pictured_study, values_at
from scipy import stats

from grokgrid.analyses import Report, Section, make_report
from grokgrid.analyses.drawing import colours
from grokgrid.analyses.wording import mean_sd
from grokgrid.report import html
from grokgrid.results import Results, State
from grokgrid.statistics import MeanSd
from search_spaces import Study

SCATTER = {"kind": "scatter", "x": f"first/{NTK}", "y": f"min/{NORM}", "colour": f"max/{ALIGNMENT}"}
ARMS = {"standard": {"grid": GRID}}
CELLS = [cell.name for cell in pictured_study(arms=ARMS).cells]


def scattered(**changes: Any) -> Study:
    return pictured_study(**{"arms": ARMS, "analyses": [SCATTER]} | changes)


def reported(study: Study, outcomes: Mapping[tuple[str, int], Any] | None = None) -> Report:
    return make_report(pictured(study, outcomes))


def section(found: Report) -> Section:
    return found.sections[0]


def drawn(found: Report) -> Figure:
    (figure,) = section(found).figures
    return figure.draw()


def dots(figure: Figure) -> list[PathCollection]:
    """Without those of the legend, of which each has no place."""
    found = [each for each in figure.axes[0].collections if isinstance(each, PathCollection)]
    return [each for each in found if len(each.get_offsets())]


def expected(study: Study) -> pd.DataFrame:
    """What each trial comes to, by another way than the report's."""
    rows = []
    for cell in study.cells:
        for seed in study.seed_list:
            values = values_at(study, cell.name, seed)
            # From the first step on: without step 0.
            x, y, colour = values[NTK][0], values[NORM][1:].min(), values[ALIGNMENT][1:].max()
            rows.append({"cell": cell.name, "seed": seed, "x": x, "y": y, "colour": colour})
    return pd.DataFrame(rows)


class TestFigure:
    def test_has_a_dot_a_trial_and_a_mean_a_cell_coloured_by_a_third_quantity(self):
        study = scattered()
        figure = drawn(reported(study))
        theirs = expected(study)
        found = dots(figure)
        trials, means = found
        of_cells = theirs.groupby("cell", sort=False)[["x", "y", "colour"]].mean()
        for each, values in ((trials, theirs[["x", "y", "colour"]]), (means, of_cells)):
            np.testing.assert_allclose(np.column_stack([each.get_offsets(), each.get_array()]), values)
        assert means.get_sizes()[0] > trials.get_sizes()[0]
        assert {each.get_clim() for each in found} == {(theirs["colour"].min(), theirs["colour"].max())}
        assert figure.axes[1].get_ylabel() == f"largest {ALIGNMENT.replace('_', ' ')}"

    def test_says_what_the_axes_are(self):
        axes = drawn(reported(scattered())).axes[0]
        assert axes.get_xlabel() == "first train ntk mean" and axes.get_ylabel() == "least train centroid norm mean"
        assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log"), "only norms span two decades"

    def test_gives_each_arm_a_shape(self):
        study = scattered(arms=ARMS | {"other": {}})
        figure = drawn(reported(study))
        shapes = [each.get_paths()[0].vertices.shape for each in dots(figure)]
        assert shapes[0] == shapes[-3] != shapes[-1] == shapes[-2]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["standard", "other"]

    def test_without_a_third_quantity_has_the_arms_colours(self):
        study = scattered(analyses=[{"kind": "scatter", "x": NTK, "y": INNER}], arms={"standard": {}, "other": {}})
        figure = drawn(reported(study))
        inks = [to_hex(each.get_facecolor()[0]) for each in dots(figure)]
        assert inks == [colours(study)[arm] for arm in ("standard", "standard", "other", "other")]
        assert len(figure.axes) == 1 and reported(study).tables["scatter"]["colour"].isna().all()

    def test_of_one_seed_has_one_marker_a_cell(self):
        found = reported(scattered(seeds=1))
        (markers,) = dots(drawn(found))
        assert len(markers.get_offsets()) == len(CELLS)
        assert (
            section(found).figures[0].caption.startswith("A marker a trial, one seed of 6 cells; its colour is largest")
        )

    def test_keeps_its_legend_inside(self):
        figure = drawn(reported(scattered(analyses=[{"kind": "scatter", "x": NTK, "y": INNER}])))
        FigureCanvasAgg(figure).draw()
        legend = figure.legends[0].get_window_extent()
        assert legend.x1 <= figure.bbox.x1 and legend.y1 <= figure.bbox.y1
        assert figure.axes[0].get_window_extent().y1 < legend.y0

    def test_belongs_in_a_page(self):
        text = html.render(reported(scattered()))
        assert text.count("<svg") == 1 and "<image" not in text and "mathdefault" not in text


class TestTable:
    def test_has_a_row_a_trial_for_programs(self):
        study = scattered()
        found = reported(study).tables["scatter"]
        pd.testing.assert_frame_equal(found[["cell", "seed", "x", "y", "colour"]], expected(study), check_dtype=False)
        assert list(found.columns) == ["cell", "arm", "optimiser.lr", "model.width", "seed", "x", "y", "colour"]

    def test_has_a_row_a_cell_for_people(self):
        found = reported(scattered(), {(CELLS[0], 1): (State.DIVERGED, 30), (CELLS[1], 0): State.MISSING})
        (table,) = section(found).tables
        columns = {column.label: column.text for column in table.columns}
        assert columns["cell"] == tuple(CELLS) and columns["n"][:3] == ("2/3", "2/3", "3/3")
        assert columns[f"first/{NTK}"][2] == "1.10 ± 0.10"

    def test_writes_what_is_too_small_for_decimals_by_its_digits(self):
        """With six decimals it would be 0.000000 ± 0.000000."""
        assert mean_sd(MeanSd(3.21e-7, 4.5e-8, 5)) == "3.21e-07 ± 4.50e-08"
        assert mean_sd(MeanSd(0.25, 4.5e-8, 5)) == "0.250000 ± 4.50e-08"

    def test_leaves_out_trials_without_an_end_and_says_so(self):
        found = reported(scattered(), {(CELLS[0], 1): (State.DIVERGED, 30), (CELLS[1], 0): (State.RUNNING, 30)})
        assert len(found.tables["scatter"]) == 16
        caption = section(found).figures[0].caption
        assert f"{CELLS[0]} 1 diverged; {CELLS[1]} 1 running; only those with an end are drawn." in caption

    def test_leaves_out_trials_without_a_number_and_says_so(self):
        study = scattered()
        seen = pictured(study)
        is_first = (seen.curves["cell"] == CELLS[0]) & (seen.curves["steps"] == 0) & (seen.curves["seed"] == 0)
        curves = seen.curves.assign(**{NTK: seen.curves[NTK].mask(is_first)})
        found = make_report(Results(study, seen.trials, curves, seen.at))
        assert len(found.tables["scatter"]) == 17
        told = "Left out: 1 trial that came to the end without a number for each of these."
        assert told in section(found).figures[0].caption


class TestCorrelation:
    def test_is_spearmans_over_the_means_of_cells_and_no_test(self):
        study = scattered()
        (note,) = section(reported(study)).notes
        means = expected(study).groupby("cell", sort=False)[["x", "y", "colour"]].mean()
        rho = stats.spearmanr(means["y"], means["colour"]).statistic
        assert rho == -1
        assert note.startswith("Spearman’s rank correlation over the means of 6 cells. first train ntk mean and least")
        assert f"least {NORM.replace('_', ' ')} and largest {ALIGNMENT.replace('_', ' ')}: {rho:.2f}." in note
        assert "first train ntk mean and least train centroid norm mean: undefined, since one is the same" in note
        assert note.endswith("It describes these cells, which were chosen, and is no test.")

    def test_of_two_cells_is_not_made(self):
        study = scattered(arms={"standard": {}, "other": {}})
        assert not section(reported(study)).notes


class TestSection:
    def test_is_what_the_headline_tells_only_if_nothing_else_does(self):
        title = "least train centroid norm mean against first train ntk mean"
        assert reported(scattered()).headline == (
            f"“{title}” shows 6 cells; whether they differ is open because no analysis compares the arms."
        )
        both = scattered(analyses=[SCATTER, {"kind": "measurements", "metrics": [NTK]}])
        assert title not in reported(both).headline

    @pytest.mark.parametrize("outcome", [State.MISSING, (State.RUNNING, 0), (State.DIVERGED, 30)])
    def test_without_an_end_has_no_figure(self, outcome: Any):
        found = reported(scattered(), {(cell, seed): outcome for cell in CELLS for seed in range(3)})
        assert not section(found).figures and found.tables["scatter"].empty
        if outcome == (State.DIVERGED, 30):
            assert "is open because no trial has ended with a number" in found.headline
