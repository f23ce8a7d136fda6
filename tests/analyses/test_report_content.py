"""Reports of studies whose outcomes are known beforehand."""

import functools
import math
import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.analyses import Report, make_report
from grokgrid.analyses.drawing import BASELINE, PALETTE, colours
from grokgrid.results import Results, State
from search_spaces.library.jacobians import figure9_mse, table2_ce
from search_spaces.library.table1 import table1_ce, table1_mse

BASE = [501, 401, 601, 301, 701]
FAST = [101, 91, 111, 71, 151]
COMPARED = {"kind": "acceleration", "baseline": "baseline"}
REFERENCE = {"arm": "jacobian", "measure": "steps", "value": 4.6, "error": 0.4, "source": "Nobody 2025"}


def reported(baseline: list[Outcome], jacobian: list[Outcome], **changes: object) -> Report:
    return make_report(synthetic_results(synthetic_study(**changes), {"baseline": baseline, "jacobian": jacobian}))


def row(found: Report, measure: str = "steps", table: str = "acceleration") -> pd.Series:
    rows = found.tables[table]
    (index,) = rows.index[rows["measure"] == measure]
    return rows.loc[index]


def shown(found: Report, name: str) -> dict[str, tuple[str, ...]]:
    (table,) = (table for section in found.sections for table in section.tables if table.name == name)
    return {column.label: column.text for column in table.columns}


class TestAcceleration:
    logs = np.log(np.array(BASE) / np.array(FAST))

    def test_the_known_ratio_comes_out(self):
        found = reported(BASE, FAST)
        low, high = np.exp(stats.t.interval(0.95, 4, self.logs.mean(), stats.sem(self.logs)))
        ratio = np.exp(self.logs.mean())
        assert row(found)[["estimate", "low", "high"]].tolist() == pytest.approx([ratio, low, high])
        assert row(found)["estimator"] == "geometric mean"
        assert found.headline == (
            f"jacobian reaches test_accuracy > 0.85 in {ratio:.2f} times fewer steps than baseline "
            f"(95% interval {low:.2f} to {high:.2f}, geometric mean of 5 seeds), but p is 0.062 (least p 0.062)."
        )

    def test_its_metrics_are_found_by_name(self):
        metrics = reported(BASE, FAST).metrics
        prefix = "acceleration/jacobian/steps"
        assert metrics[f"{prefix}/geometric_mean"] == pytest.approx(np.exp(self.logs.mean()))
        assert metrics[f"{prefix}/mean"] == pytest.approx(np.exp(self.logs).mean())
        assert metrics[f"{prefix}/sd"] == pytest.approx(np.exp(self.logs).std(ddof=1))
        assert metrics[f"{prefix}/p"] == pytest.approx(0.0625)
        assert metrics[f"{prefix}/low"] < metrics[f"{prefix}/geometric_mean"] < metrics[f"{prefix}/high"]
        assert metrics[f"{prefix}/n"] == metrics["reached/baseline"] == metrics["reached/jacobian"] == 5
        assert metrics["trials/reached"] == 10

    def test_one_comparison_is_not_adjusted(self):
        found = reported(BASE, FAST)
        assert "Holm’s p" not in shown(found, "acceleration")
        assert row(found)["p_holm"] == row(found)["p"]
        assert found.metrics["acceleration/jacobian/steps/p_holm"] == pytest.approx(0.0625)

    def test_intervals_of_fewer_than_twenty_seeds_are_said_to_rest_on_their_shape(self):
        times = [501, 401, 601, 301, 701]
        for repeats, is_said in ((1, True), (3, True), (4, False)):
            found = reported(times * repeats, [101, 91, 111, 71, 151] * repeats, seeds=5 * repeats)
            (table,) = (t for section in found.sections for t in section.tables if t.name == "acceleration")
            assert ("two modes make them too narrow (docs/statistics.md)" in table.caption) is is_said

    def test_seconds_are_those_of_the_goal_and_the_phase_those_since_it_began(self):
        study = synthetic_study()
        results = synthetic_results(
            study, {"baseline": BASE, "jacobian": FAST}, seconds_per_step={"baseline": 0.01, "jacobian": 0.03}
        )
        found = make_report(results)
        assert row(found, "seconds")["estimate"] == pytest.approx(row(found)["estimate"] / 3)
        # Of 501 steps the phase takes those after 0.51 * 501 = 256, evaluated at 261: 240 steps at 0.01 s each.
        pairs = found.tables["acceleration-pairs"]
        phase = pairs[(pairs["measure"] == "phase_seconds") & (pairs["seed"] == 0)].iloc[0]
        assert phase["time_baseline"] == pytest.approx(2.40)

    def test_steps_of_a_budget_in_epochs(self):
        trial = synthetic_study().trial | {"budget": {"epochs": 1000}, "evaluate": {"every": 10}}
        study = synthetic_study(trial=trial)
        results = synthetic_results(
            study, {"baseline": [4 * t for t in BASE], "jacobian": [4 * t for t in FAST]}, steps_per_epoch=4
        )
        found = make_report(results)
        assert row(found)["estimate"] == pytest.approx(np.exp(self.logs.mean()))
        assert found.tables["reached"]["median"].tolist() == [501, 101]

    def test_of_an_arm_that_is_slower(self):
        found = reported(FAST, BASE)
        low, high = np.exp(stats.t.interval(0.95, 4, -self.logs.mean(), stats.sem(self.logs)))
        assert found.headline.startswith(
            "jacobian reaches test_accuracy > 0.85 later than baseline: acceleration "
            f"{np.exp(-self.logs.mean()):.3f} (95% interval {low:.3f} to {high:.3f}, "
        )
        assert row(found)["finding"] == "later, p above 0.05"

    def test_of_an_arm_that_makes_no_difference(self):
        found = reported(BASE, [491, 411, 591, 311, 701])
        assert "jacobian shows no clear difference from baseline" in found.headline

    def test_far_beyond_telling_is_not_told_in_digits(self):
        found = reported([501, 21, 501], [21, 491, 501], seeds=3)  # 24 times sooner, 23 times later, and alike.
        shown = {column.label: column.text for column in found.sections[0].tables[0].columns}
        assert shown["95% interval"][0] == "under 0.001 to over 1,000"
        assert "is open because the interval allows for no difference and for one of a factor of 2" in found.headline
        assert "95% interval under 0.001 to over 1,000" in found.headline

    def test_of_one_seed_has_no_interval(self):
        found = reported([501], [101], seeds=1)
        assert found.headline == (
            "On the way to test_accuracy > 0.85, whether jacobian is sooner than baseline is open because one seed "
            "shows no spread: acceleration 4.96 (geometric mean of 1 seed)."
        )
        assert "acceleration/jacobian/steps/low" not in found.metrics
        assert not row(found)["trusted"]

    def test_the_phase_is_left_out_where_there_is_none(self):
        loss = synthetic_study().trial | {"goal": {"metric": "test_loss", "below": 0.3}}
        high = [{"kind": "acceleration", "baseline": "baseline", "phase_from": 0.9}]
        for changes in ({"trial": loss}, {"analyses": high}):
            found = make_report(synthetic_results(synthetic_study(**changes), {}))
            assert set(found.tables["acceleration"]["measure"]) == {"steps", "seconds"}

    def test_without_another_arm_there_is_nothing_to_compare(self):
        found = make_report(synthetic_results(synthetic_study(arms={"baseline": {}}), {"baseline": BASE}))
        assert "There is no other arm to compare." in found.notes
        assert found.headline == "test_accuracy > 0.85 was reached: baseline 5/5 seeds."

    def test_two_baselines_keep_their_figures_apart(self):
        analyses = [{"kind": "acceleration", "baseline": arm} for arm in ("baseline", "jacobian")]
        found = reported(BASE, FAST, analyses=analyses)
        first, second = (
            found.metrics["acceleration/jacobian/steps/geometric_mean"],
            found.metrics["acceleration-2/baseline/steps/geometric_mean"],
        )
        assert first * second == pytest.approx(1)
        assert {"acceleration", "acceleration-2"} <= set(found.tables)


class TestCensoring:
    def test_one_censored_seed_turns_the_estimator(self):
        found = reported([*BASE[:4], (State.CENSORED, 991)], FAST)
        assert row(found)["estimator"] == "censored log-normal fit"
        assert "acceleration/jacobian/steps/censored_fit" in found.metrics
        assert "acceleration/jacobian/steps/mean" not in found.metrics
        assert "by 4/5 of baseline’s" in found.headline
        assert shown(found, "acceleration")["mean ± sd"][0] == "–"
        assert shown(found, "reached")["the others"] == ("1 censored", "–")

    def test_all_of_the_baseline_censored_leaves_a_bound(self):
        found = reported([(State.CENSORED, 991)] * 5, FAST)
        bound = np.exp(np.log(991 / np.array(FAST)).mean())
        assert row(found)["estimate"] == pytest.approx(bound)
        assert math.isinf(row(found)["high"])
        assert "acceleration/jacobian/steps/high" not in found.metrics
        assert shown(found, "acceleration")["acceleration"][0] == f"≥ {bound:.2f}"
        assert f"at least {bound:.2f} times fewer steps" in found.headline

    def test_all_of_the_arm_censored_leaves_a_bound_the_other_way(self):
        found = reported(FAST, [(State.CENSORED, 991)] * 5)
        bound = np.exp(np.log(991 / np.array(FAST)).mean())
        assert f"later than baseline: acceleration ≤ {1 / bound:.3f} (95% interval at most " in found.headline
        assert "reached by 0/5 seeds, by 5/5 of baseline’s" in found.headline
        assert found.headline.endswith("and how much later is open because only a bound is known.")

    def test_an_interval_that_would_not_cover_is_not_printed(self):
        # Three exact ratios of seven, and bounds both ways.
        baseline: list[Outcome] = [501, 401, 601, (State.CENSORED, 991), (State.CENSORED, 991), 701, 801]
        arm: list[Outcome] = [101, 91, 111, 71, 151, (State.CENSORED, 991), (State.CENSORED, 991)]
        found = reported(baseline, arm, seeds=7)
        assert shown(found, "acceleration")["95% interval"][0] == "not trusted"
        assert row(found)["estimate"] > 1 and not row(found)["trusted"] and pd.isna(row(found)["low"])
        assert not {"acceleration/jacobian/steps/low", "acceleration/jacobian/steps/high"} & set(found.metrics)
        assert any("No interval is trusted: fewer than 3 seeds, or fewer than half" in note for note in found.notes)
        assert found.headline == (
            "On the way to test_accuracy > 0.85, whether jacobian is sooner than baseline is open because fewer than 3 "
            f"seeds, or fewer than half, are exact: acceleration {row(found)['estimate']:.2f} (censored log-normal "
            "fit, reached by 5/7 seeds, by 5/7 of baseline’s, 2 censored)."
        )

    def test_a_bound_of_some_pairs_is_not_one_of_all(self):
        found = reported([(State.CENSORED, 991)] * 5, [*FAST[:3], (State.CENSORED, 991), (State.CENSORED, 991)])
        assert shown(found, "acceleration")["95% interval"][0] == "not trusted"
        assert "is open because the bound is of the seeds that give one, and the others may lie" in found.headline
        assert "acceleration ≥ 9.84 (reached by 3/5 seeds" in found.headline

    def test_most_of_a_side_censored_leaves_a_bound_and_its_interval(self):
        found = reported([501, 401, *[(State.CENSORED, 991)] * 3], FAST)
        assert row(found)["estimator"] == "lower bound" and row(found)["trusted"]
        assert shown(found, "acceleration")["95% interval"][0].startswith("at least ")

    def test_a_note_names_the_rows_of_which_it_is_true(self):
        # The baseline runs still, at step 301 after 301 s: near took more steps, far more seconds.
        arms = {"baseline": {}} | {n: {"optimiser": {"lr": lr}} for n, lr in (("near", 0.1), ("far", 0.2))}
        study = synthetic_study(arms=arms, seeds=1, analyses=[{**COMPARED, "phase_from": None}])
        outcomes = {"baseline": [(State.RUNNING, 301)], "near": [401], "far": [201]}
        pace = {"baseline": 1.0, "near": 0.1, "far": 10.0}
        found = make_report(synthetic_results(study, outcomes, seconds_per_step=pace))
        (note,) = (note for note in found.notes if "Open which side" in note)
        assert note.startswith("near, steps; far, seconds: Open which side is sooner, counted for neither: seed 0")
        assert shown(found, "acceleration")["sooner"] == ("–", "1/1", "1/1", "–")

    def test_a_bound_that_points_at_one_leaves_it_open(self):
        # Still running, jacobian has overtaken nobody yet; its baseline has not arrived either.
        found = reported([501, (State.RUNNING, 11)], [(State.CENSORED, 991), 991], seeds=2)
        assert "is open because too few trials reached the goal for an estimate" in found.headline
        found = reported([(State.RUNNING, 11)] * 5, [991, 981, 971, 961, 951])
        assert "whether jacobian is sooner than baseline is open because only a bound is known" in found.headline

    def test_a_diverged_trial_never_reaches_the_goal(self):
        found = reported(BASE, [*FAST[:4], (State.DIVERGED, 11)])
        pairs = found.tables["acceleration-pairs"].query("measure == 'steps'")
        assert pairs["kind"].tolist() == ["exact"] * 4 + ["at most"]
        assert pairs["ratio"].iloc[-1] == pytest.approx(701 / 991)
        assert "1 trial diverged: counted as never reaching a goal (jacobian seed 4)." in found.notes
        assert found.headline.endswith("1 trial diverged.")
        assert shown(found, "acceleration")["the others"][0] == "1 diverged"

    def test_a_trial_that_diverged_before_its_first_evaluation_counts_too(self):
        results = synthetic_results(synthetic_study(), {"baseline": BASE, "jacobian": [*FAST[:4], (State.DIVERGED, 1)]})
        key = results.trials["key"].iloc[-1]
        found = make_report(
            Results(results.study, results.trials, results.curves[results.curves["key"] != key], results.at)
        )
        assert row(found)[["exact", "at_most"]].tolist() == [4, 1]

    @pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED, State.FAILED])
    def test_who_is_not_over_is_censored_where_last_seen(self, state: State):
        found = reported([*BASE[:4], (state, 301)], FAST)
        pairs = found.tables["acceleration-pairs"].query("measure == 'steps'")
        assert pairs["kind"].tolist() == ["exact"] * 4 + ["at least"]
        assert pairs["ratio"].iloc[-1] == pytest.approx(301 / 151)
        assert found.headline.endswith(f"Not complete: of 10 trials 1 {state}.")
        assert any(note.startswith("1 trial ") and "(baseline seed 4)" in note for note in found.notes)

    def test_a_missing_trial_is_left_out_and_named(self):
        found = reported([*BASE[:4], State.MISSING], FAST)
        assert row(found)["pairs"] == 4 and row(found)["seeds"] == 5
        assert "1 trial missing: left out (baseline seed 4)." in found.notes
        assert found.headline.endswith("Not complete: of 10 trials 1 missing.")
        assert shown(found, "reached")["reached"] == ("4/5", "5/5")


class TestPublished:
    def judged(self, **changes: object) -> pd.Series:
        return row(reported(BASE, FAST, reference=[REFERENCE | changes]), table="acceleration-published")

    def test_the_same_estimator_stands_beside_it(self):
        ratios = np.array(BASE) / np.array(FAST)
        found = self.judged()
        assert found[["ours", "ours_sd", "ours_n"]].tolist() == pytest.approx([ratios.mean(), ratios.std(ddof=1), 5])
        assert found["verdict"] == "agree"

    def test_in_the_published_direction(self):
        ratios = np.array(FAST) / np.array(BASE)
        found = self.judged(direction="more", value=0.5, error=0.1)
        assert found["ours"] == pytest.approx(ratios.mean())
        assert found["verdict"] == "differ"

    def test_what_cannot_be_compared_says_why_and_is_shown_all_the_same(self):
        found = self.judged(not_comparable="they counted otherwise")
        assert (found["verdict"], found["reason"]) == ("not comparable", "they counted otherwise")
        assert found["ours"] > 4

    def test_few_seeds_are_inconclusive(self):
        found = reported(BASE[:3], FAST[:3], seeds=3, reference=[REFERENCE])
        assert row(found, table="acceleration-published")["verdict"] == "inconclusive"

    def test_a_figure_that_is_not_computed_is_not_dropped(self):
        analyses = [{"kind": "acceleration", "baseline": "baseline", "phase_from": None}]
        reference = [REFERENCE | {"measure": "phase_seconds"}]
        found = reported(BASE, FAST, analyses=analyses, reference=reference)
        assert row(found, "phase_seconds", "acceleration-published")["verdict"] == "not comparable"

    @pytest.mark.parametrize("study", [table1_ce(), table1_mse()], ids=lambda study: study.name)
    def test_every_figure_of_table_1_is_there(self, study):
        found = make_report(synthetic_results(study, {}))
        assert len(found.tables["acceleration-published"]) == len(study.reference)


class TestPlaces:
    def found(self, **place: object) -> Report:
        study = synthetic_study(reference=[REFERENCE, REFERENCE | {"measure": "seconds"}])
        results = synthetic_results(study, {"baseline": BASE, "jacobian": FAST}, places={("jacobian", 2): place})
        return make_report(results)

    @pytest.mark.parametrize("place", [{"device": "cuda:0"}, {"num_threads": 4}, {"share": 0.5}], ids=str)
    def test_seconds_of_trials_that_ran_differently_do_not_compare(self, place: dict[str, object]):
        found = self.found(**place)
        assert math.isnan(row(found, "seconds")["estimate"]) and math.isnan(row(found, "phase_seconds")["estimate"])
        assert row(found)["estimate"] > 4
        assert "the trials ran differently: 9 on cpu with 1 thread and 1 on" in row(found, "seconds")["not_comparable"]
        assert not [name for name in found.metrics if "seconds" in name and not name.endswith("/n")]
        judged = found.tables["acceleration-published"].set_index("measure")
        assert judged["verdict"].to_dict() == {"steps": "agree", "seconds": "not comparable"}
        assert math.isnan(judged["ours"]["seconds"])
        assert any(note.startswith("seconds and phase: Not comparable") for note in found.notes)

    def test_another_make_of_the_same_kind_is_told(self):
        found = self.found(device_name="Another CPU")
        assert row(found, "seconds")["estimate"] > 4
        assert "The seconds are of different devices: Another CPU and Imagined CPU." in found.notes

    def test_versions_of_torch_are_told(self):
        found = self.found(torch_version="2.13.0")
        assert "The trials ran on different versions of torch: 2.13.0 and 2.15.0." in found.notes

    def test_one_gpu_of_a_machine_is_as_good_as_another(self):
        study = synthetic_study()
        places = {(arm, seed): {"device": f"cuda:{seed % 2}"} for arm in study.arms for seed in range(5)}
        found = make_report(synthetic_results(study, {"baseline": BASE, "jacobian": FAST}, places=places))
        assert row(found, "seconds")["estimate"] > 4


class TestReaching:
    def test_the_fraction_steps_where_a_trial_gets_there(self):
        found = reported(BASE, [*FAST[:4], (State.CENSORED, 991)]).tables["reached-fraction"]
        jacobian = found[found["cell"] == "jacobian"]
        assert jacobian["steps"].tolist() == [71, 91, 101, 111, 991]
        assert jacobian["fraction"].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])

    def test_without_an_analysis_it_is_the_report(self):
        found = reported([*BASE[:3], (State.CENSORED, 991), State.MISSING], FAST, analyses=[])
        assert found.headline == (
            "test_accuracy > 0.85 was reached: baseline 3/5 seeds; jacobian 5/5 seeds; whether they differ is "
            "open because no analysis compares the arms. Not complete: of 10 trials 1 missing."
        )
        assert shown(found, "reached")["last at"] == ("–", "151")

    def test_without_a_goal_there_is_none(self):
        trial = {name: value for name, value in synthetic_study().trial.items() if name != "goal"}
        ended: list[Outcome] = [(State.FINISHED, 991)] * 5
        found = reported(ended, ended, trial=trial, analyses=[{"kind": "curves"}])
        assert "reached" not in found.tables
        assert found.headline.startswith("At the end test_accuracy is: baseline 0.19")


class TestCurves:
    def test_the_mean_is_that_of_the_seeds(self):
        study = synthetic_study()
        results = synthetic_results(study, {"baseline": BASE, "jacobian": FAST})
        means = make_report(results).tables["curves"]
        here = means.query("cell == 'jacobian' and metric == 'test_accuracy' and steps == 51").iloc[0]
        evaluations = results.curves.query("cell == 'jacobian' and steps == 51")["test_accuracy"]
        assert here[["mean", "sd", "n"]].tolist() == pytest.approx([evaluations.mean(), evaluations.std(), 5])

    def test_long_curves_are_thinned_to_what_can_be_seen(self):
        trial = synthetic_study().trial | {"budget": {"steps": 100_000}, "evaluate": {"every": 5}}
        study = synthetic_study(trial=trial, arms={"baseline": {}}, seeds=2)
        means = make_report(synthetic_results(study, {"baseline": [(State.CENSORED, 99_996)] * 2})).tables["curves"]
        one = means[means["metric"] == "test_accuracy"]
        assert 150 < len(one) <= 302
        assert one["steps"].iloc[[0, -1]].tolist() == [1, 99_996]

    def test_a_metric_that_was_never_due_draws_nothing(self):
        probes = [{"name": "jacobian_norm", "every": 100}]
        study = synthetic_study(
            trial=synthetic_study().trial | {"probes": probes},
            analyses=[{"kind": "curves", "metrics": ["train_jacobian_norm_mean"]}],
        )
        results = synthetic_results(study, {"baseline": BASE})
        found = make_report(
            Results(study, results.trials, results.curves.assign(train_jacobian_norm_mean=np.nan), results.at)
        )
        assert not [figure for section in found.sections for figure in section.figures if "norm" in figure.name]


@functools.cache
def a_grid() -> Results:
    spacing = {"logspace": {"from": 1e-5, "to": 0.1, "num": 9}}
    jacobian = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": spacing}}
    study = synthetic_study(arms={"baseline": {}, "jacobian": jacobian})
    times = {cell.name: [t + 10 * index for t in FAST] for index, cell in enumerate(study.cells)}
    return synthetic_results(study, times | {"baseline": BASE})


class TestGrid:
    grid = staticmethod(functools.cache(lambda: make_report(a_grid())))

    def test_the_best_of_many_is_said_to_be_that(self):
        assert self.grid().headline.startswith("jacobian strength=1e-05, the best of 9 cells on these seeds, rea")

    def test_p_values_of_many_cells_are_adjusted(self):
        # All nine tests of five pairs give 2 / 2^5: the smallest times nine, and by its rank no other is less.
        found = self.grid()
        table = found.tables["acceleration"]
        assert table["p"].tolist() == pytest.approx([2 / 32] * 27)
        assert table["p_holm"].tolist() == pytest.approx([9 * 2 / 32] * 27)
        assert set(shown(found, "acceleration")["Holm’s p"]) == {"0.56"}
        assert found.metrics["acceleration/jacobian/strength/0.1/steps/p_holm"] == pytest.approx(9 * 2 / 32)
        (table,) = (t for section in found.sections for t in section.tables if t.name == "acceleration")
        assert "By each measure 9 cells are compared with baseline: Holm’s p allows" in table.caption

    def test_a_family_is_a_measures_tests(self):
        # Seconds do not compare for the first cell, whose p enters no family.
        results = a_grid()
        cell = results.study.cells[1].name
        places = {(cell, seed): {"device": "cuda:0"} for seed in range(5)}
        times = {c.name: [t + 10 * index for t in FAST] for index, c in enumerate(results.study.cells)}
        table = make_report(synthetic_results(results.study, times | {"baseline": BASE}, places=places)).tables[
            "acceleration"
        ]
        adjusted = table.groupby("measure", sort=False)["p_holm"].agg(["max", "count"])
        assert adjusted["count"].tolist() == [9, 8, 8]
        assert adjusted["max"].tolist() == pytest.approx([9 / 16, 8 / 16, 8 / 16])

    def test_where_no_cell_got_anywhere_none_is_the_best(self):
        results = a_grid()
        found = make_report(
            synthetic_results(results.study, {cell.name: [(State.CENSORED, 991)] * 5 for cell in results.study.cells})
        )
        assert found.headline == (
            "On the way to test_accuracy > 0.85, whether any of the 9 cells of jacobian is sooner than baseline is "
            "open because too few trials reached the goal for an estimate: no acceleration (reached by 0/5 seeds, by "
            "0/5 of baseline’s, 5 censored)."
        )

    def test_names_take_few_digits_and_metrics_all(self):
        found = self.grid()
        assert "jacobian strength=0.003162" in shown(found, "reached")["cell"]
        assert "acceleration/jacobian/strength/0.00316227766017/steps/geometric_mean" in found.metrics
        assert found.tables["acceleration"]["regulariser.strength"].nunique() == 9

    def test_notes_do_not_list_every_cell(self):
        found = self.grid()
        assert max(map(len, found.notes)) < 200

    def test_an_arm_keeps_its_hue(self):
        found = colours(a_grid().study)
        assert found["baseline"] == BASELINE
        assert len(set(found.values())) == 10
        single = colours(synthetic_study())
        assert single == {"baseline": BASELINE, "jacobian": PALETTE[0]}


def everything_at_once() -> Results:
    baseline: list[Outcome] = [501, (State.CENSORED, 991), 701, (State.RUNNING, 301), State.MISSING, 601]
    jacobian: list[Outcome] = [101, 91, (State.DIVERGED, 51), 81, State.FAILED, (State.FAILED, 21)]
    return synthetic_results(
        synthetic_study(seeds=6, reference=[REFERENCE]), {"baseline": baseline, "jacobian": jacobian}
    )


RESULTS: dict[str, Callable[[], Results]] = {
    "complete": lambda: synthetic_results(synthetic_study(), {"baseline": BASE, "jacobian": FAST}),
    "not begun": lambda: synthetic_results(synthetic_study(), {}),
    "all failed": lambda: synthetic_results(
        synthetic_study(), {"baseline": [State.FAILED] * 5, "jacobian": [State.FAILED] * 5}
    ),
    "just begun": lambda: synthetic_results(synthetic_study(), {"baseline": [(State.RUNNING, 1)]}),
    "everything at once": everything_at_once,
    "a grid": a_grid,
    "no analyses": lambda: synthetic_results(synthetic_study(analyses=[]), {"baseline": BASE}),
    "table 1": lambda: synthetic_results(table1_ce(), {}),
    "table 2": lambda: synthetic_results(
        table2_ce(), {"baseline": [(State.RUNNING, 41)], "jacobian": [(State.FAILED, 1)]}
    ),
    "figure 9": lambda: synthetic_results(figure9_mse(), {}),
}


@functools.cache
def reported_once(name: str) -> tuple[Results, Report]:
    results = RESULTS[name]()
    return results, make_report(results)


@pytest.mark.parametrize("name", RESULTS)
class TestEveryReport:
    def test_counts_every_trial(self, name: str):
        seen, found = reported_once(name)
        assert found.tables["states"][[state.value for state in State]].to_numpy().sum() == len(seen.trials)
        assert sum(value for name, value in found.metrics.items() if name.startswith("trials/")) == len(seen.trials)
        assert len(found.tables["trials"]) == len(seen.trials)
        assert found.headline and found.headline[-1] == "."

    def test_names_metrics_as_mlflow_takes_them(self, name: str):
        for metric, value in reported_once(name)[1].metrics.items():
            assert re.fullmatch(r"[A-Za-z0-9_\-. :]+(/[A-Za-z0-9_\-. :]+)*", metric)
            assert math.isfinite(value)

    def test_draws_its_figures(self, name: str):
        for section in reported_once(name)[1].sections:
            for figure in section.figures:
                assert figure.draw().axes


def test_a_report_that_has_not_begun_says_so():
    assert make_report(RESULTS["not begun"]()).headline == "Nothing to tell yet: of 10 trials none has begun."
    assert make_report(RESULTS["all failed"]()).headline == "Nothing to tell yet: of 10 trials 10 failed."


def test_nothing_heavy_is_imported():
    code = """
import importlib, sys
from search_spaces.analyses import Analysis
for kind in Analysis.kinds():
    importlib.import_module(f"grokgrid.analyses.{kind}")
print([name for name in ("torch", "ray", "mlflow", "matplotlib", "jinja2") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert found.stdout == "[]\n"
