"""Curves side by side, of imagined trials whose curves are given."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pictured_results import ALIGNMENT, GRID, INNER, NORM, NTK, STEPS, pictured, pictured_study, values_at
from scipy import stats

from grokgrid.analyses import Report, Section, make_report, panels
from grokgrid.analyses.drawing import colours
from grokgrid.report import html
from grokgrid.results import State
from grokgrid.statistics import where_changing
from search_spaces import Study

FIGURE_2: dict[str, Any] = {
    "kind": "panels",
    "panels": [{"metrics": [NTK]}, {"metrics": [INNER]}, {"metrics": [ALIGNMENT], "colour": NORM, "shaded": False}],
    "region": {"metric": NTK, "share": 0.1},
}
FIGURE_3 = FIGURE_2 | {"rows": "arms"}
FIGURE_5: dict[str, Any] = {
    "kind": "panels",
    "panels": [{"metrics": ["train_accuracy", "test_accuracy"]}, {"metrics": [NORM]}, {"metrics": [ALIGNMENT]}],
}
Outcomes = Mapping[tuple[str, int], tuple[State, int] | State]


def reported(study: Study, outcomes: Outcomes | None = None) -> Report:
    return make_report(pictured(study, outcomes))


def section(found: Report) -> Section:
    (it,) = (section for section in found.sections if section.title == "Curves side by side")
    return it


def drawn(found: Report) -> Figure:
    (figure,) = section(found).figures
    return figure.draw()


def caption(found: Report) -> str:
    (figure,) = section(found).figures
    return figure.caption


def shades(axes: Any) -> list[tuple[float, float]]:
    """From and to which steps something is shaded."""
    return [(p.get_x(), p.get_x() + p.get_width()) for p in axes.patches if isinstance(p, Rectangle)]


def markers(axes: Any) -> PathCollection:
    (it,) = (each for each in axes.collections if isinstance(each, PathCollection))
    return it


def alone(**changes: Any) -> Study:
    return pictured_study(**{"seeds": 1, "arms": {"standard": {}}, "analyses": [FIGURE_2]} | changes)


class TestChange:
    def test_is_where_the_rate_is_a_share_of_its_largest(self):
        # Rates by hand, in units of 1 / log 10: 0, 0.9, 0.1; a fifth of 0.9 is 0.18.
        assert where_changing([1, 10, 100, 1000], [0.0, 0.0, 0.9, 1.0], 0.2) == [(10, 100)]
        assert where_changing([1, 10, 100, 1000], [0.0, 0.0, 0.9, 1.0], 0.1) == [(10, 1000)]

    def test_may_come_in_several_stretches_and_go_down(self):
        assert where_changing([1, 2, 4, 8, 16], [1.0, 0.0, 0.0, 0.0, 1.0], 0.5) == [(1, 2), (8, 16)]

    def test_is_none_of_what_is_constant_or_a_point(self):
        assert where_changing([1, 2, 4], [3.0, 3.0, 3.0], 0.5) == where_changing([5], [1.0], 0.5) == []

    @pytest.mark.parametrize("wrong", [([0, 1], [0, 1], 0.5), ([1, 2], [0, np.nan], 0.5), ([1, 2], [0, 1], 1.0)])
    def test_needs_positive_steps_finite_values_and_a_share(self, wrong: Any):
        with pytest.raises(ValueError):
            where_changing(*wrong)


class TestFigure2:
    """One arm, one seed, one row."""

    def test_has_a_panel_each_with_its_curve_from_step_0_on(self):
        study = alone()
        axes = drawn(reported(study)).axes[:3]
        titles = [" ".join(each.get_title("left").split()) for each in axes]
        assert titles == [metric.replace("_", " ") for metric in (NTK, INNER, ALIGNMENT)]
        for each, metric in zip(axes, (NTK, INNER, ALIGNMENT), strict=True):
            (line,) = each.lines
            assert list(line.get_xdata()) == list(STEPS)
            assert list(line.get_ydata()) == pytest.approx(values_at(study, "standard", 0)[metric])
            assert line.get_color() == colours(study)["standard"]

    def test_shades_where_the_kernel_changes_but_where_it_is_not_asked_for(self):
        left, centre, right = drawn(reported(alone())).axes[:3]
        assert shades(left) == shades(centre) == [(10, 300)]
        assert shades(right) == []
        assert all(p.get_height() == 1 for p in left.patches)

    def test_colours_markers_by_a_third_quantity_with_a_bar(self):
        study = alone()
        figure = drawn(reported(study))
        found, values = markers(figure.axes[2]), values_at(study, "standard", 0)
        np.testing.assert_allclose(found.get_offsets(), np.column_stack([STEPS, values[ALIGNMENT]]))
        np.testing.assert_allclose(found.get_array(), values[NORM])
        assert figure.axes[3].get_ylabel() == NORM.replace("_", " ")
        assert found.get_clim() == (values[NORM].min(), values[NORM].max())

    def test_has_one_axis_of_steps_with_room_for_step_0(self):
        axes = drawn(reported(alone())).axes[:3]
        assert len({each.get_xlim() for each in axes}) == 1
        assert {each.get_xscale() for each in axes} == {"symlog"} and axes[0].get_xlim()[0] < 0
        assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["0", "1", "10", "100", "1,000"]
        assert "logarithmic from 1 on, and linear from 0 to there" in caption(reported(alone()))

    def test_has_a_logarithmic_axis_where_no_evaluation_is_at_step_0(self):
        study = alone()
        found = pictured(study)
        later = make_report(type(found)(study, found.trials, found.curves.query("steps > 0"), found.at))
        assert {each.get_xscale() for each in drawn(later).axes[:3]} == {"log"}
        assert "linear from 0" not in caption(later)

    def test_of_one_seed_says_so_and_has_no_legend(self):
        found = reported(alone())
        assert caption(found).startswith(f"Curves of one seed. On {ALIGNMENT} a marker’s colour is {NORM} at its step.")
        assert not drawn(found).legends
        assert not [
            each for axes in drawn(found).axes[:3] for each in axes.collections if isinstance(each, LineCollection)
        ]

    def test_tells_which_steps_are_shaded(self):
        found = reported(alone())
        assert found.tables["panels-region"].to_dict("records") == [
            {"cell": "standard", "metric": NTK, "share": 0.1, "from_steps": 10.0, "to_steps": 300.0}
        ]
        (table,) = (table for table in section(found).tables if table.name == "panels-region")
        assert [column.text for column in table.columns] == [("standard",), ("10 to 300",)]

    def test_tells_a_person_of_the_first_stretches_alone(self):
        # Up and down from evaluation to evaluation.
        study = alone(analyses=[FIGURE_2 | {"region": {"metric": "train_loss", "share": 0.9}}])
        found = pictured(study)
        wave = found.curves.assign(train_loss=np.array([0, 0, 1.1, 1.1, 2.2, 2.2, 3.3, 3.3]))
        report = make_report(type(found)(study, found.trials, wave, found.at))
        assert len(report.tables["panels-region"]) == 3
        text = panels._stretches([(1, 2), (3, 4), (5, 6), (7, 8), (9, 1000)])
        assert text == "1 to 2, 3 to 4, 5 to 6 and 2 more"

    def test_is_shaded_nowhere_if_the_metric_is_constant(self):
        study = alone(analyses=[FIGURE_2 | {"region": {"metric": "train_loss"}}])
        found = pictured(study)
        report = make_report(type(found)(study, found.trials, found.curves.assign(train_loss=1.0), found.at))
        assert [shades(axes) for axes in drawn(report).axes[:3]] == [[], [], []]
        assert report.tables["panels-region"].empty


class TestFigure3:
    """A row an arm, over seeds."""

    def test_gives_a_column_the_same_limits(self):
        axes = np.array(drawn(reported(pictured_study(analyses=[FIGURE_3]))).axes[:6]).reshape(2, 3)
        assert [each.get_ylabel() for each in axes[:, 0]] == ["standard", "jacobian"]
        for column in axes.T:
            assert len({each.get_ylim() for each in column}) == 1
        assert len({each.get_xlim() for each in axes.flat}) == 1

    def test_draws_means_and_bands_over_seeds(self):
        study = pictured_study(analyses=[FIGURE_3])
        axes = drawn(reported(study)).axes[3]
        values = np.array([values_at(study, "jacobian", seed)[NTK] for seed in range(3)])
        (mean,) = axes.lines
        assert list(mean.get_ydata()) == pytest.approx(values.mean(axis=0))
        (seeds,) = (each for each in axes.collections if isinstance(each, LineCollection))
        np.testing.assert_allclose([segment[:, 1] for segment in seeds.get_segments()], values)

    def test_shares_one_scale_of_colours_logarithmic_over_two_decades(self):
        study = pictured_study(analyses=[FIGURE_3])
        axes = drawn(reported(study)).axes
        above, below = markers(axes[2]), markers(axes[5])
        means = {arm: np.mean([values_at(study, arm, s)[NORM] for s in range(3)], axis=0) for arm in study.arms}
        assert isinstance(above.norm, LogNorm) and above.get_clim() == below.get_clim()
        assert above.get_clim() == pytest.approx((means["jacobian"].min(), means["standard"].max()))
        np.testing.assert_allclose(below.get_array(), means["jacobian"])

    def test_makes_no_mean_of_trials_that_diverged_and_marks_where_they_were_lost(self):
        study = pictured_study(analyses=[FIGURE_3])
        found = reported(study, {("standard", 1): (State.DIVERGED, 30), ("jacobian", 2): State.MISSING})
        axes = drawn(found).axes[0]
        cross, mean = axes.lines
        assert cross.get_marker() == "x" and cross.get_xydata().tolist() == [
            [30, values_at(study, "standard", 1)[NTK][STEPS.index(30)]]
        ]
        kept = [values_at(study, "standard", seed)[NTK] for seed in (0, 2)]
        assert list(mean.get_ydata()) == pytest.approx(np.mean(kept, axis=0))
        assert "standard 1 diverged; jacobian 1 missing: no mean is made of those that diverged" in caption(found)

    def test_ends_means_where_the_first_trial_does(self):
        found = reported(pictured_study(analyses=[FIGURE_3]), {("standard", 0): (State.STOPPED, 100)})
        assert list(drawn(found).axes[0].lines[0].get_xdata()) == [step for step in STEPS if step <= 100]
        assert list(drawn(found).axes[3].lines[0].get_xdata()) == list(STEPS)

    def test_tells_of_trials_that_are_censored(self):
        trial = pictured_study().trial | {"goal": {"metric": "test_accuracy", "above": 0.95}}
        found = reported(pictured_study(trial=trial, analyses=[FIGURE_3]), {("jacobian", 0): (State.CENSORED, 1000)})
        assert "Trials that did not simply come to the end: jacobian 1 censored." in caption(found)


class TestFigure5:
    """All arms in one row."""

    def test_draws_a_second_metric_dashed(self):
        study = pictured_study(analyses=[FIGURE_5])
        figure = drawn(reported(study))
        styles = [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines]
        assert styles == [(colours(study)[arm], dash) for arm in study.arms for dash in ("-", "--")]
        told = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        assert told == ["train accuracy", "test accuracy"]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == list(study.arms)

    def test_has_a_logarithmic_axis_for_what_spans_decades(self):
        axes = drawn(reported(pictured_study(analyses=[FIGURE_5]))).axes
        assert [each.get_yscale() for each in axes] == ["linear", "log", "linear"]

    def test_has_a_bar_a_cell_where_several_have_regions(self):
        study = pictured_study(analyses=[FIGURE_5 | {"region": {"metric": NTK, "share": 0.1}}])
        axes = drawn(reported(study)).axes[0]
        assert shades(axes) == [(10, 300)] * 2 and all(p.get_height() < 0.1 for p in axes.patches)
        assert "Bars along the bottom, one a cell in its colour" in caption(reported(study))

    @pytest.mark.parametrize("rows", ["together", "arms"])
    def test_fits_with_a_grid_and_four_panels(self, rows: str):
        panels = [*FIGURE_5["panels"], {"metrics": [INNER], "colour": NORM}]
        analysis = FIGURE_5 | {"panels": panels, "rows": rows, "region": {"metric": NTK}}
        study = pictured_study(arms={"a_long_name_of_an_arm": {"grid": GRID}, "other": {}}, analyses=[analysis])
        figure = drawn(reported(study))
        FigureCanvasAgg(figure).draw()
        legend = figure.legends[0].get_window_extent()
        assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1 and legend.y1 <= figure.bbox.y1
        panels_of = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
        assert all(axes.get_window_extent().y1 < legend.y0 for axes in panels_of)
        assert all(axes.get_window_extent().width > 90 for axes in panels_of)
        ticks = [tick.get_window_extent() for tick in panels_of[-1].get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in zip(ticks[:-1], ticks[1:], strict=True))


class TestSection:
    def test_has_the_means_for_programs(self):
        study = pictured_study(analyses=[FIGURE_3])
        found = pictured(study, {("standard", 1): (State.DIVERGED, 30)})
        table = make_report(found).tables["panels"]
        kept = found.curves[~((found.curves["cell"] == "standard") & (found.curves["seed"] == 1))]
        # Independently, by pandas.
        by_step = kept.groupby(["cell", "steps"])[[NTK, INNER, ALIGNMENT, NORM]].agg(["mean", "std", "count"])
        assert len(table) == 2 * 4 * len(STEPS)
        for _, row in table.iterrows():
            theirs = by_step.loc[(row["cell"], row["steps"]), row["metric"]]
            assert [row["mean"], row["sd"], row["n"]] == pytest.approx(list(theirs))
            if row["n"] > 2:
                ends = stats.t.interval(0.95, row["n"] - 1, theirs["mean"], theirs["std"] / np.sqrt(row["n"]))
                assert [row["low"], row["high"]] == pytest.approx(ends)

    def test_is_what_the_headline_tells_only_if_nothing_else_does(self):
        pictures = pictured_study(analyses=[FIGURE_5])
        assert reported(pictures).headline.startswith("At the end train_accuracy is: standard 1.00")
        assert "panels-ends" in reported(pictures).tables
        compared = [FIGURE_5, {"kind": "measurements", "metrics": [NTK], "baseline": "standard"}]
        told = reported(pictured_study(analyses=compared)).headline
        assert told.startswith(f"{NTK} at the end beside standard’s") and "train_accuracy" not in told

    def test_of_two_keep_their_tables_apart(self):
        found = reported(pictured_study(analyses=[FIGURE_2, FIGURE_5]))
        assert {"panels", "panels-2"} <= found.tables.keys()
        assert found.headline.count("At the end") == 1

    @pytest.mark.parametrize("outcome", [State.MISSING, (State.RUNNING, 0)])
    def test_of_a_study_that_has_hardly_begun_has_no_figure(self, outcome: Any):
        study = pictured_study(analyses=[FIGURE_2])
        found = reported(study, {(arm, seed): outcome for arm in study.arms for seed in range(3)})
        assert not section(found).figures and found.tables["panels"].empty

    def test_says_what_is_not_measured(self):
        study = alone(analyses=[{"kind": "panels", "panels": [{"metrics": [NTK]}, {"metrics": ["train_loss"]}]}])
        found = reported(study)
        assert "train_loss: no trial has measured it after a step, so the panels are without it." in found.notes
        assert len(drawn(found).axes) == 2

    def test_of_cells_that_all_diverged_draws_their_seeds(self):
        found = reported(alone(), {("standard", 0): (State.DIVERGED, 30)})
        axes = drawn(found).axes[0]
        (seeds,) = (each for each in axes.collections if isinstance(each, LineCollection))
        assert len(seeds.get_segments()) == 1 and isinstance(found.tables["panels"], pd.DataFrame)

    def test_belongs_in_a_page(self):
        text = html.render(reported(pictured_study(analyses=[FIGURE_3])))
        assert text.count("<svg") == 1 and "<image" not in text and "mathdefault" not in text
