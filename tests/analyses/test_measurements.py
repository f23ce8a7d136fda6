"""Metrics at the end of training, of trials whose final values are given."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from imagined_assessments import Pgd
from matplotlib.collections import LineCollection
from scipy import stats
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.analyses import Report, make_report
from grokgrid.analyses.drawing import BASELINE, colours
from grokgrid.analyses.measurement_rows import measure
from grokgrid.results import Results, State
from grokgrid.statistics import Evidence
from search_spaces import narrow
from search_spaces.analyses import Measurements
from search_spaces.library import LIBRARY

NORM = "train_jacobian_norm_mean"
LOW = [0.30, 0.35, 0.25, 0.40, 0.20]
HIGH = [0.50, 0.45, 0.55, 0.65, 0.35]
DONE: Outcome = (State.FINISHED, 991)
REFERENCE = {"arm": "jacobian", "metric": NORM, "value": 0.5, "error": 0.1, "source": "Nobody 2025"}


def measured(
    baseline: Sequence[float],
    jacobian: Sequence[float],
    *,
    outcomes: Mapping[str, Sequence[Outcome]] | None = None,
    results: bool = False,
    **changes: Any,
) -> Any:
    """The report, or the results, where the norm ends in these values; all trials finish unless told otherwise."""
    trial = {name: value for name, value in synthetic_study().trial.items() if name != "goal"}
    settings = {
        "trial": trial | {"probes": [{"name": "jacobian_norm"}]},
        "analyses": [{"kind": "measurements", "metrics": [NORM], "baseline": "baseline"}],
    }
    study = synthetic_study(**settings | changes)
    ended = {cell.name: [DONE] * 5 for cell in study.cells} | dict(outcomes or {})
    seen = synthetic_results(study, ended)
    values = [value for cell in study.cells for value in (baseline if cell.arm == "baseline" else jacobian)]
    trials = seen.trials.assign(**{f"final/{NORM}": np.array(values, float)})
    found = Results(study, trials, seen.curves, seen.at)
    return found if results else make_report(found)


def row(found: Report, cell: str = "jacobian", table: str = "measurements") -> pd.Series:
    rows = found.tables[table]
    (index,) = rows.index[rows["cell"] == cell]
    return rows.loc[index]


def shown(found: Report, name: str = "measurements") -> dict[str, tuple[str, ...]]:
    (table,) = (table for section in found.sections for table in section.tables if table.name == name)
    return {column.label: column.text for column in table.columns}


class TestMeans:
    def test_are_of_the_values_at_the_end(self):
        found = row(measured(LOW, HIGH), "baseline")
        ends = stats.t.interval(0.95, 4, np.mean(LOW), stats.sem(LOW))
        assert found[["n", "mean", "sd", "min", "max"]].tolist() == pytest.approx(
            [5, 0.3, np.std(LOW, ddof=1), 0.2, 0.4]
        )
        assert found[["low", "high"]].tolist() == pytest.approx(ends)

    def test_are_what_the_headline_tells(self):
        found = measured(LOW, HIGH, analyses=[{"kind": "curves"}, {"kind": "measurements", "metrics": [NORM]}])
        assert found.headline == (
            f"At the end {NORM} is: baseline 0.300 ± 0.079 (95% interval 0.202 to 0.398, 5/5 seeds); jacobian 0.50 ± "
            "0.11 (95% interval 0.36 to 0.64, 5/5 seeds); whether they differ is open because no analysis compares the "
            "arms."
        )

    def test_of_the_first_evaluation_are_said_to_be(self):
        found = measured(LOW, HIGH, analyses=[{"kind": "measurements", "metrics": ["first/test_accuracy"]}])
        # The curves begin at 0.1, whatever their trials come to.
        assert row(found, table="measurements")["mean"] == pytest.approx(0.1, abs=1e-6)
        assert found.headline.startswith("At the first evaluation test_accuracy is: baseline 0.100")
        (caption,) = (t.caption for s in found.sections for t in s.tables if t.name == "measurements")
        assert "What begins with first/ is of the first evaluation" in caption
        assert not any("is best (or worst)" in note for note in found.notes)

    def test_of_the_first_evaluation_differ_from_the_baseline(self):
        analysis = {"kind": "measurements", "metrics": ["first/test_accuracy"], "baseline": "baseline"}
        told = measured(LOW, HIGH, analyses=[analysis]).headline
        assert told.startswith("test_accuracy at the first evaluation beside baseline’s: ")

    def test_are_found_in_mlflow_by_name(self):
        metrics = measured(LOW, HIGH).metrics
        prefix = f"measurements/jacobian/{NORM}"
        assert metrics[f"{prefix}/mean"] == pytest.approx(0.5)
        assert metrics[f"{prefix}/low"] < 0.5 < metrics[f"{prefix}/high"]
        assert metrics[f"{prefix}/n"] == 5
        assert metrics[f"{prefix}/difference"] == pytest.approx(0.2)
        assert f"measurements/baseline/{NORM}/difference" not in metrics

    def test_of_a_grid_keep_their_names_apart(self):
        grid = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": [0.01, 0.1]}}
        found = measured(LOW, HIGH, arms={"baseline": {}, "jacobian": grid})
        assert f"measurements/jacobian/strength/0.1/{NORM}/mean" in found.metrics
        assert found.tables["measurements"]["regulariser.strength"].tolist()[1:] == [0.01, 0.1]

    def test_of_one_seed_have_no_interval(self):
        found = measured([0.3], [0.5], seeds=1)
        assert shown(found)["95% interval"] == ("–", "–")
        assert f"measurements/jacobian/{NORM}/low" not in found.metrics

    def test_of_few_seeds_say_so(self):
        assert any(
            note.startswith("n = 3: with fewer than 5 seeds") for note in measured([1, 2, 3], LOW[:3], seeds=3).notes
        )
        assert not measured(LOW, [*HIGH[:4], 0.2], analyses=[{"kind": "measurements", "metrics": [NORM]}]).notes

    def test_of_a_goal_are_where_it_was_reached(self):
        trial = synthetic_study().trial | {"probes": [{"name": "jacobian_norm"}]}
        outcomes = {"baseline": [501, 401, 601, (State.CENSORED, 991), 701], "jacobian": [101, 91, 111, 71, 151]}
        found = measured(LOW, HIGH, trial=trial, outcomes=outcomes)
        assert row(found, "baseline")["n"] == 5
        (caption,) = (t.caption for s in found.sections for t in s.tables if t.name == "measurements")
        assert "A trial ends when it reaches test_accuracy > 0.85" in caption


class TestWhoEnters:
    @pytest.mark.parametrize("state", [State.DIVERGED, State.RUNNING, State.STOPPED, State.FAILED])
    def test_who_did_not_come_to_the_end_is_left_out_and_named(self, state: State):
        found = measured(LOW, [*HIGH[:4], 99.0], outcomes={"jacobian": [DONE] * 4 + [(state, 301)]})
        assert row(found)[["n", "max"]].tolist() == pytest.approx([4, 0.65])
        assert shown(found)["the others"] == ("–", f"1 {state}")
        (note,) = (note for note in found.notes if "jacobian seed 4" in note)
        assert "left out" in note
        assert f"4 pairs, 1 {state}" in found.headline
        # Of trials that diverged, those that are left flatter.
        assert ("is open because trials that diverged" in found.headline) is (state is State.DIVERGED)

    def test_who_is_missing_is_left_out_and_named(self):
        found = measured(LOW, [*HIGH[:4], math.nan], outcomes={"jacobian": [DONE] * 4 + [State.MISSING]})
        assert shown(found)["n"] == ("5/5", "4/5")
        assert "1 trial missing: left out (jacobian seed 4)." in found.notes

    def test_an_end_without_a_number_is_told(self):
        found = measured(LOW, [math.nan, *HIGH[1:]])
        assert row(found)[["n", "pairs"]].tolist() == [4, 4]
        assert f"{NORM} is no number at the end of trials that ended, which are left out: 1 of 5 of jacobian." in (
            found.notes
        )

    def test_where_all_diverged_there_is_no_mean(self):
        found = measured(LOW, HIGH, outcomes=dict.fromkeys(("baseline", "jacobian"), [(State.DIVERGED, 301)] * 5))
        assert found.headline == (
            f"{NORM} at the end beside baseline’s: whether jacobian differs is open because trials that diverged or "
            "ended without a number are left out (0/5 seeds, 5 diverged). 10 trials diverged."
        )
        assert shown(found)["mean ± sd"] == ("–", "–")

    def test_nothing_yet(self):
        found = measured([math.nan] * 5, [math.nan] * 5, outcomes={"baseline": [], "jacobian": []})
        assert shown(found)["mean ± sd"] == ("–", "–")
        assert row(found)["n"] == 0
        assert found.headline == "Nothing to tell yet: of 10 trials none has begun."


class TestDifference:
    def test_is_paired_by_seed(self):
        apart = np.array(HIGH) - LOW
        found = row(measured(LOW, HIGH))
        ends = stats.t.interval(0.95, 4, apart.mean(), stats.sem(apart))
        assert found[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(
            [apart.mean(), *ends]
        )
        assert found[["p", "p_floor", "pairs"]].tolist() == pytest.approx([0.0625, 0.0625, 5])

    def test_leaves_out_a_seed_that_one_side_has_not(self):
        found = measured(
            [99.0, *LOW[1:]], [*HIGH[:4], math.nan], outcomes={"baseline": [(State.DIVERGED, 301)] + [DONE] * 4}
        )
        apart = (np.array(HIGH) - LOW)[1:4]
        assert row(found)[["pairs", "difference"]].tolist() == pytest.approx([3, apart.mean()])

    def test_of_several_cells_allows_for_so_many_tests_by_each_metric(self):
        grid = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": [0.01, 0.1]}}
        analysis = {"kind": "measurements", "metrics": [NORM, "test_accuracy"], "baseline": "baseline"}
        found = measured(LOW, HIGH, arms={"baseline": {}, "jacobian": grid}, analyses=[analysis])
        assert found.tables["measurements"].query("metric == @NORM")["p_holm"].tolist()[1:] == [2 * 0.0625] * 2
        assert shown(found)["p"][:3] == ("–", "0.062", "0.062")
        assert shown(found)["Holm’s p"][:3] == ("–", "0.12", "0.12")
        (caption,) = (t.caption for s in found.sections for t in s.tables if t.name == "measurements")
        assert "By each metric 2 cells are compared with baseline" in caption
        assert found.metrics[f"measurements/jacobian/strength/0.1/{NORM}/p_holm"] == 0.125
        assert "Holm’s p" not in shown(measured(LOW, HIGH))

    def test_says_what_so_many_pairs_can_give(self):
        assert "With 5 pairs the Wilcoxon signed-rank test cannot give a p below 0.0625." in measured(LOW, HIGH).notes

    def test_is_of_a_baseline_that_is_named(self):
        found = measured(LOW, HIGH, analyses=[{"kind": "measurements", "metrics": [NORM]}])
        assert not [label for label in shown(found) if "minus" in label or label == "p"]
        assert math.isnan(pd.to_numeric(row(found)["difference"]))

    def test_draws_the_baseline_in_its_own_colour(self):
        analysis = {"kind": "measurements", "metrics": [NORM], "baseline": "jacobian"}
        assert colours(measured(LOW, HIGH, analyses=[analysis], results=True).study)["jacobian"] == BASELINE


class TestPublished:
    def judged(self, **changes: Any) -> pd.Series:
        return row(measured(LOW, HIGH, reference=[REFERENCE | changes]), table="measurements-published")

    def test_ours_stands_beside_it(self):
        found = self.judged()
        assert found[["published", "ours", "ours_sd", "ours_n"]].tolist() == pytest.approx(
            [0.5, 0.5, np.std(HIGH, ddof=1), 5]
        )
        assert found["verdict"] == "agree"
        assert self.judged(value=0.9)["verdict"] == "differ"

    def test_without_an_error_it_is_shown_and_not_judged(self):
        found = self.judged(error=None, num_seeds=None)
        assert found["verdict"] == "not comparable"
        assert found["reason"].startswith("published without an error")
        assert found["ours"] == pytest.approx(0.5)
        assert math.isnan(found["published_n"])

    def test_what_is_told_not_to_compare_does_not(self):
        assert self.judged(not_comparable="of other examples")["reason"] == "of other examples"

    def test_before_anything_has_ended_it_is_shown_too(self):
        found = measured(
            [math.nan] * 5, [math.nan] * 5, reference=[REFERENCE], outcomes={"baseline": [], "jacobian": []}
        )
        assert shown(found, "measurements-published")["ours"] == ("–",)

    def test_stands_with_the_analysis_of_its_metric_and_apart_from_ratios(self):
        trial = synthetic_study().trial | {"probes": [{"name": "jacobian_norm"}]}
        ratio = {"arm": "jacobian", "measure": "steps", "value": 4.6, "error": 0.4, "source": "Nobody 2025"}
        analyses = [
            {"kind": "acceleration", "baseline": "baseline"},
            {"kind": "measurements", "metrics": ["test_accuracy"]},
            {"kind": "measurements", "metrics": [NORM]},
        ]
        outcomes = {"baseline": [501, 401, 601, 301, 701], "jacobian": [101, 91, 111, 71, 151]}
        found = measured(
            LOW, HIGH, trial=trial, analyses=analyses, reference=[ratio, REFERENCE], outcomes=outcomes
        ).tables
        assert found["acceleration-published"]["measure"].tolist() == ["steps"]
        assert found["measurements-2-published"]["metric"].tolist() == [NORM]
        assert "measurements-published" not in found

    @pytest.mark.parametrize("name", ["table2-ce", "table2-mse"])
    def test_every_figure_of_table_2_is_there(self, name: str):
        study = LIBRARY[name]()
        found = make_report(synthetic_results(study, {})).tables["measurements-published"]
        assert len(found) == len(study.reference) == 15
        assert (found["verdict"] == "not comparable").all()


class TestSparseCurves:
    """Figure 9: probes are due at every twentieth evaluation; between, there is nothing."""

    METRIC = "train_jacobian_explained_variance_mean"

    def seen(self) -> Results:
        study = narrow(LIBRARY["figure9-ce"](), seeds=3, settings=["trial.budget.epochs=2001"])
        seen = synthetic_results(study, {arm: [(State.FINISHED, 8004)] * 3 for arm in study.arms}, steps_per_epoch=4)
        curves = seen.curves
        due = (curves["epochs"] - 1) % 200 == 0
        # Linear in the epochs, so that interpolation could do no harm, and one apart from seed to seed.
        values = (curves["epochs"] / 2001 + curves["seed"]).where(due)
        return Results(study, seen.trials, curves.assign(**{self.METRIC: values}), seen.at)

    def test_are_averaged_where_they_were_measured(self):
        means = make_report(self.seen()).tables["curves"]
        mine = means[(means["metric"] == self.METRIC) & (means["cell"] == "jacobian")]
        assert (mine["steps"] / 4).tolist() == list(range(1, 2002, 200))
        assert mine["mean"].tolist() == pytest.approx([epochs / 2001 + 1 for epochs in range(1, 2002, 200)])
        assert set(mine["n"]) == {3} and mine["sd"].tolist() == pytest.approx([1.0] * 11)

    def test_are_drawn_without_gaps(self):
        (figure,) = (
            f for s in make_report(self.seen()).sections for f in s.figures if f.name == f"curves-{self.METRIC}"
        )
        axes = figure.draw().axes[0]
        means = [np.asarray(line.get_ydata(), float) for line in axes.lines]
        of_seeds = [lines.get_segments() for lines in axes.collections if isinstance(lines, LineCollection)]
        assert all(np.isfinite(line).all() for line in [*means, *sum(of_seeds, [])])
        assert sum(len(mean) == 11 for mean in means) == 2
        assert [[len(line) for line in lines] for lines in of_seeds] == [[11] * 2 * 3]


class TestANetworkBesideAProcedure:
    """Arms that do not measure the same."""

    ARMS: ClassVar[dict[str, Any]] = {
        "baseline": {},
        "jacobian": {
            "procedure": {"name": "ridge", "strength": 0.1},
            **dict.fromkeys(("model", "loss", "optimiser", "probes", "evaluate")),
        },
    }

    def test_says_what_is_not_measured_there(self):
        found = measured(LOW, [math.nan] * 5, arms=self.ARMS)
        assert shown(found)["finding"][1] == "open" and "it is not measured there" in shown(found)["why"][1]
        assert not [note for section in found.sections for note in section.notes if "no number" in note]

    def test_compares_no_steps(self):
        goal = {"goal": {"metric": "test_accuracy", "above": 0.5}}
        analyses = [{"kind": "acceleration", "baseline": "baseline"}]
        outcomes = {"baseline": [501, 401, 601, 301, 701], "jacobian": [1, 1, 1, 1, 1]}
        study = synthetic_study(trial=synthetic_study().trial | goal, arms=self.ARMS, analyses=analyses)
        headline = make_report(synthetic_results(study, outcomes)).headline
        assert "times fewer steps" not in headline
        assert "steps of a procedure and of an optimiser" in headline


class TestTable:
    """As papers print it: arms down, the values of one setting across."""

    GRID = {"grid": {"regulariser.strength": [0.1, 1.0]}}
    ARMS = {
        "baseline": {},
        "jacobian": {"regulariser": {"name": "jacobian"}} | GRID,
        "mean_square": {"regulariser": {"name": "jacobian", "norm": "half_mean_square"}} | GRID,
    }
    ANALYSES = [
        {"kind": "table", "metric": NORM, "setting": "regulariser.strength"},
        {"kind": "measurements", "metrics": [NORM]},
    ]

    def found(self, **changes: Any) -> Report:
        return measured(LOW, HIGH, arms=self.ARMS, analyses=self.ANALYSES, **changes)

    def test_has_means_and_half_of_their_intervals(self):
        half = stats.t.ppf(0.975, 4) * np.std(HIGH, ddof=1) / math.sqrt(5)
        assert shown(self.found(), "table") == {
            "arm": ("jacobian", "mean_square"),
            "0.1": (f"{np.mean(HIGH):.2f} ± {half:.2f}",) * 2,
            "1.0": (f"{np.mean(HIGH):.2f} ± {half:.2f}",) * 2,
        }
        rows = self.found().tables["table"]
        assert rows["half_interval"].tolist() == pytest.approx([half] * 4) and rows["n"].tolist() == [5] * 4

    def test_says_how_many_seeds_there_are_where_some_are_missing(self):
        few = {"jacobian strength=0.1": [DONE, DONE, DONE, (State.DIVERGED, 31), State.MISSING]}
        text = shown(self.found(outcomes=few), "table")["0.1"][0]
        assert text.endswith(" (3)")

    def beside(self, *, of: Mapping[str, Sequence[float]] | None = None, **changes: Any) -> Report:
        """mean_square beside jacobian, at either strength. of: cell -> its values in the place of HIGH."""
        table = self.ANALYSES[0] | {"baseline": "jacobian"} | changes
        found = measured(LOW, HIGH, arms=self.ARMS, analyses=[table, self.ANALYSES[1]], results=True)
        trials = found.trials.copy()
        for cell, values in (of or {}).items():
            trials.loc[trials["cell"] == cell, f"final/{NORM}"] = values
        return make_report(Results(found.study, trials, found.curves, found.at))

    def test_is_compared_with_the_baseline_at_the_same_value(self):
        weak, strong = ([value + more for value, more in zip(HIGH, by, strict=True)] for by in ([0.1] * 5, LOW))
        found = self.beside(of={"jacobian strength=1.0": weak, "mean_square strength=1.0": strong})
        rows = found.tables["table-differences"].set_index("cell")
        assert rows.index.tolist() == ["mean_square strength=0.1", "mean_square strength=1.0"]
        apart = np.array(LOW) - 0.1
        ends = stats.t.interval(0.95, 4, apart.mean(), stats.sem(apart))
        assert rows.loc["mean_square strength=1.0", "difference"] == pytest.approx(0.2)
        assert rows.loc["mean_square strength=1.0", ["difference_low", "difference_high"]].tolist() == (
            pytest.approx(ends)
        )
        assert rows.loc["mean_square strength=0.1", "difference"] == 0
        assert found.metrics[f"table/mean_square/strength/1.0/{NORM}/difference"] == pytest.approx(0.2)
        assert f"table/jacobian/strength/1.0/{NORM}/difference" not in found.metrics

    def test_the_differences_allow_for_one_another(self):
        """Of five pairs that all have one sign Wilcoxon's exact p is 2 / 2^5; Holm's of two such is twice that."""
        up = [value + more for value, more in zip(HIGH, LOW, strict=True)]
        found = self.beside(of={"mean_square strength=0.1": up, "mean_square strength=1.0": up})
        rows = found.tables["table-differences"]
        assert rows["p"].tolist() == pytest.approx([0.0625] * 2)
        assert rows["p_holm"].tolist() == pytest.approx([0.125] * 2)
        assert "With 5 pairs the Wilcoxon" in " ".join(found.notes)
        seen = shown(found, "table-differences")
        assert seen["finding"] == ("higher, p above 0.05",) * 2 and seen["Holm’s p"] == ("0.12",) * 2
        assert seen["regulariser.strength"] == ("0.1", "1.0")

    def test_the_headline_says_how_the_arms_compare(self):
        up = [value + more for value, more in zip(HIGH, LOW, strict=True)]
        found = self.beside(of={"mean_square strength=0.1": up, "mean_square strength=1.0": HIGH[::-1]})
        assert found.headline == (
            f"{NORM} at the end beside jacobian’s: of mean_square’s 2 cells 1 “higher, p above 0.05” and 1 “no clear "
            f"difference” (the table “{NORM} minus jacobian’s”)."
        )

    def test_a_null_has_the_name_that_it_is_given(self):
        arms = {"baseline": {}, "some": {"grid": {"batch_size": [100, None]}}}
        table = {"kind": "table", "metric": NORM, "setting": "batch_size"}
        for name, more in (("null", {}), ("all", {"null_as": "all"})):
            found = measured(LOW, HIGH, arms=arms, analyses=[table | more])
            assert list(shown(found, "table")) == ["arm", "100", name]
            assert found.tables["table"]["value"].isna().tolist() == [False, True]

    @pytest.mark.parametrize(
        ("baseline", "said"),
        [("jacobain", "did you mean 'jacobian'?"), ("baseline", "'baseline' is no arm of the table, which has reg")],
    )
    def test_a_baseline_outside_the_table_is_refused(self, baseline: str, said: str):
        with pytest.raises(ValueError, match=re.escape(said)):
            self.beside(baseline=baseline)

    def test_a_published_figure_stands_beside_its_own_cell(self):
        reference = REFERENCE | {"at": {"regulariser.strength": 0.1}, "error_is": "ci95", "num_seeds": 10}
        rows = self.found(reference=[reference]).tables["measurements-published"]
        assert rows["cell"].tolist() == ["jacobian strength=0.1"]
        assert rows["published_sd"].tolist() == pytest.approx([0.1 * math.sqrt(10) / stats.t.ppf(0.975, 9)])
        published = shown(self.found(reference=[reference]), "measurements-published")["published"]
        assert published == ("0.5 ± 0.1 (95% interval)",)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            (
                {"setting": "regulariser.strenght"},
                "is on no arm's grid by itself; did you mean 'regulariser.strength'?",
            ),
            ({"metric": "train_norm"}, "'train_norm' is not measured"),
        ],
    )
    def test_what_is_not_there_is_refused(self, changes: dict[str, str], said: str):
        with pytest.raises(ValueError, match=re.escape(said)):
            measured(LOW, HIGH, arms=self.ARMS, analyses=[self.ANALYSES[0] | changes])

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"at": {"regulariser.strength": 0.2}}, "at: 'jacobian' has no such cell. Allowed: jacobian strength=0.1;"),
            ({"error_is": "ci95", "num_seeds": None}, "num_seeds: is needed, at least 2"),
        ],
    )
    def test_a_figure_of_no_cell_or_no_known_error_is_refused(self, changes: dict[str, Any], said: str):
        with pytest.raises(ValueError, match=re.escape(said)):
            self.found(reference=[REFERENCE | changes])


class TestAssessments:
    def test_are_measured_in_every_arm_though_no_trial_measures_them(self):
        metric = "pgd_accuracy_at_0.1"
        seen = measured(LOW, HIGH, results=True, assessments=[Pgd(sizes=(0.1,))])
        trials = seen.trials.rename(columns={f"final/{NORM}": f"final/{metric}"})
        analysis = Measurements(metrics=(metric,), baseline="baseline")
        found = measure(Results(seen.study, trials, seen.curves, seen.at), analysis)
        assert [m.finding.evidence if m.finding else None for m in found] == [None, Evidence.ABOVE]
