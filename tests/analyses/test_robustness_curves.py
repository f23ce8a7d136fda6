"""Accuracy against the size of a perturbation, of imagined trials whose accuracies are given."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from imagined_assessments import Fgsm, Pgd, Transfer, WhiteNoise
from scipy import integrate, stats
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.analyses import Report, make_report
from grokgrid.analyses.drawing import BASELINE, colours
from grokgrid.results import Results, State
from search_spaces import Study, narrow
from trainables.assessments.base import Assessment

SIZES = (0.1, 0.3)
DONE: Outcome = (State.FINISHED, 991)
NONE = {0: [0.90, 0.92, 0.91, 0.93, 0.89], 0.1: [0.50, 0.48, 0.52, 0.49, 0.51], 0.3: [0.10, 0.12, 0.08, 0.11, 0.09]}
"""Accuracies by size, seed by seed: mean over sizes by hand, of seed 0, (0.7 * 0.1 + 0.3 * 0.2) / 0.3 = 0.4333."""
BETTER = {0: [0.88, 0.91, 0.90, 0.90, 0.88], 0.1: [0.70, 0.69, 0.71, 0.73, 0.67], 0.3: [0.30, 0.33, 0.27, 0.31, 0.29]}
NOISE = {0: NONE[0], 0.1: [0.85] * 5, 0.3: [0.60, 0.62, 0.61, 0.59, 0.60]}

Curve = Mapping[float, Sequence[float]]


def robust_study(**changes: Any) -> Study:
    settings = {
        "trial": {name: value for name, value in synthetic_study().trial.items() if name != "goal"},
        "assessments": [Pgd(sizes=SIZES)],
        "analyses": [{"kind": "robustness_curve", "baseline": "baseline"}],
    }
    return synthetic_study(**settings | changes)


def results(
    study: Study, values: Mapping[tuple[str, str], Curve], outcomes: Mapping[str, Sequence[Outcome]] | None = None
) -> Results:
    """values: (cell, "pgd_") -> accuracies by size; "pgd_late_" are those of the last step."""
    ended = {cell.name: [DONE] * len(study.seed_list) for cell in study.cells} | dict(outcomes or {})
    seen = synthetic_results(study, ended)
    trials = seen.trials.copy()
    for (cell, start), curve in values.items():
        for size, those in curve.items():
            rows = trials["cell"] == cell
            trials.loc[rows, f"final/{start}accuracy_at_{size:.4g}"] = np.array(those, float)[: rows.sum()]
    return Results(study, trials, seen.curves, seen.at)


def reported(
    baseline: Curve = NONE,
    jacobian: Curve = BETTER,
    *,
    outcomes: Mapping[str, Sequence[Outcome]] | None = None,
    more: Mapping[tuple[str, str], Curve] | None = None,
    **changes: Any,
) -> Report:
    study = robust_study(**changes)
    pgd = {(c.name, "pgd_"): baseline if c.arm == "baseline" else jacobian for c in study.cells}
    return make_report(results(study, pgd | dict(more or {}), outcomes))


def row(found: Report, metric: str, cell: str = "jacobian", table: str = "robustness_curve-pgd") -> Any:
    (it,) = found.tables[table].query("metric == @metric and cell == @cell").to_dict("records")
    return it


def shown(found: Report, name: str = "robustness_curve-pgd") -> dict[str, tuple[str, ...]]:
    (table,) = (table for section in found.sections for table in section.tables if table.name == name)
    return {column.label: column.text for column in table.columns}


def areas(curve: Curve) -> np.ndarray:
    sizes = list(curve)
    return integrate.trapezoid(np.array(list(curve.values())), sizes, axis=0) / sizes[-1]


class TestCurve:
    def test_has_the_mean_of_each_size_with_students_interval(self):
        found = row(reported(), "pgd_accuracy_at_0.1")
        low, high = stats.t.interval(0.95, 4, np.mean(BETTER[0.1]), stats.sem(BETTER[0.1]))
        assert [found[k] for k in ("n", "mean", "low", "high", "size")] == pytest.approx([5, 0.7, low, high, 0.1])

    def test_has_the_area_over_the_range(self):
        found = reported()
        assert row(found, "pgd_mean_over_sizes", "baseline")["mean"] == pytest.approx(areas(NONE).mean())
        assert areas(NONE)[0] == pytest.approx(0.4333, abs=1e-4)
        assert shown(found)["size in linf (pixels in [0, 1])"] == (
            "0", "0", "0.1", "0.1", "0.3", "0.3", "mean over sizes", "mean over sizes",
        )  # fmt: skip

    def test_differences_are_paired_by_seed(self):
        found = row(reported(), "pgd_mean_over_sizes")
        apart = areas(BETTER) - areas(NONE)
        low, high = stats.t.interval(0.95, 4, apart.mean(), stats.sem(apart))
        told = [found[k] for k in ("difference", "difference_low", "difference_high", "pairs", "p")]
        assert told == pytest.approx([apart.mean(), low, high, 5, stats.wilcoxon(apart).pvalue])

    def test_p_allows_for_all_sizes_and_cells_and_that_of_the_area_for_all_cells(self):
        grid = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": [0.01, 0.1]}}
        found = reported(arms={"baseline": {}, "jacobian": grid})
        # Both cells have the same: five pairs that point one way give 1/16, at two sizes beyond 0.
        at_size = row(found, "pgd_accuracy_at_0.1", "jacobian strength=0.1")
        assert (at_size["p"], at_size["p_holm"]) == (0.0625, 6 * 0.0625)
        area = row(found, "pgd_mean_over_sizes", "jacobian strength=0.1")
        assert (area["p"], area["p_holm"]) == (0.0625, 2 * 0.0625)
        (caption,) = (t.caption for s in found.sections for t in s.tables if t.name == "robustness_curve-pgd")
        assert "At all sizes together 6 differences are tested; of the mean over sizes it is 2" in caption

    def test_sizes_that_people_write_as_fractions_are_shown_as_such(self):
        sizes = (8 / 255, 0.3)
        renamed = [{0: c[0], sizes[0]: c[0.1], 0.3: c[0.3]} for c in (NONE, BETTER)]
        found = reported(*renamed, assessments=[Pgd(sizes=sizes, norm="l2")])
        assert shown(found)["size in l2 (pixels in [0, 1])"][2] == "0.03137 (8/255)"

    def test_figures_are_in_mlflow_by_name(self):
        metrics = reported().metrics
        assert metrics["robustness_curve/jacobian/pgd_accuracy_at_0.1/mean"] == pytest.approx(0.7)
        assert metrics["robustness_curve/jacobian/pgd_mean_over_sizes/difference"] == pytest.approx(
            (areas(BETTER) - areas(NONE)).mean()
        )
        assert metrics["robustness_curve/jacobian/pgd/front/is_on_front"] == 1


class TestSummary:
    def test_has_every_cell_under_every_assessment(self):
        assessments = [Pgd(sizes=SIZES), WhiteNoise(sizes=SIZES)]
        more = {("baseline", "white_noise_"): NOISE, ("jacobian", "white_noise_"): BETTER}
        report = reported(assessments=assessments, more=more)
        section = next(section for section in report.sections if section.title == "Robustness")
        first = section.tables[0]
        assert [column.label for column in first.columns] == ["arm", "pgd", "white_noise"]
        by_hand = {"baseline": NONE, "jacobian": BETTER}
        for arm, curve in by_hand.items():
            area = integrate.trapezoid(np.array([curve[size] for size in (0, *SIZES)]), [0, *SIZES], axis=0) / SIZES[-1]
            (row,) = first.data[(first.data["cell"] == arm) & (first.data["assessment"] == "pgd")].to_dict("records")
            assert (row["mean"], row["n"]) == (pytest.approx(area.mean()), 5)

    def test_is_left_out_of_one_assessment(self):
        assert "robustness_curve-summary" not in reported().tables


class TestHeadline:
    def test_compares_the_mean_over_sizes(self):
        # By hand: over sizes baseline has 0.4333, 0.4333, 0.4383, 0.4367, 0.4333, jacobian 0.5967, 0.6067, 0.5950,
        # 0.6183, 0.5783; their differences have the sd 0.0143, and t with 4 degrees of freedom is 2.776.
        assert reported().headline == (
            "Under pgd accuracy over sizes up to 0.3 beside baseline’s: jacobian stays more accurate (0.599 ± 0.015 "
            "against 0.4350 ± 0.0024, difference 0.164 ± 0.014, 95% interval 0.146 to 0.182, 5 pairs), but p is 0.062 "
            "(least p 0.062)."
        )

    def test_says_less_where_it_is_less(self):
        assert "jacobian stays less accurate (" in reported(BETTER, NONE).headline

    def test_is_open_where_trials_diverged(self):
        found = reported(outcomes={"jacobian": [DONE] * 4 + [(State.DIVERGED, 301)]})
        assert (
            "whether jacobian differs is open because trials that diverged or ended without a number are left out"
            in (found.headline)
        )
        assert "4 pairs, 1 diverged" in found.headline
        assert shown(found)["the others"][1] == "1 diverged"
        assert "1 trial diverged: left out, which flatters the method (jacobian seed 4)." in found.notes

    def test_is_open_where_an_assessment_is_missing_and_says_of_whom(self):
        found = reported(jacobian=BETTER | {0.3: [0.3, 0.3, 0.3, 0.3, math.nan]})
        assert "is open because trials that diverged or ended without a number are left out" in found.headline
        assert (
            "pgd has no number at every size of trials that ended, which are left out: 1 of 5 of jacobian."
            in found.notes
        )
        assert row(found, "pgd_accuracy_at_0.1")["n"] == 5
        assert row(found, "pgd_mean_over_sizes")["n"] == 4

    def test_without_a_baseline_says_each_and_that_nothing_is_compared(self):
        headline = reported(analyses=[{"kind": "robustness_curve"}]).headline
        assert headline.startswith("Under pgd accuracy over sizes up to 0.3 is: baseline 0.")
        assert "; jacobian 0.59" in headline
        assert headline.endswith("; whether they differ is open because no analysis compares the arms.")

    def test_of_a_grid_counts_findings(self):
        grid = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": [0.01, 0.1]}}
        headline = reported(arms={"baseline": {}, "jacobian": grid, "last": {"batch_size": 10}}).headline
        assert "of jacobian’s 2 cells 2 “higher, p above 0.05” (the table “Accuracy under pgd by size”)" in headline
        assert "; last stays more accurate (" in headline

    def test_is_of_the_first_that_is_named_or_else_of_the_first_attack_by_gradients(self):
        given = {"assessments": [WhiteNoise(sizes=SIZES), Pgd(sizes=SIZES)]}
        more = {(cell, "white_noise_"): NOISE for cell in ("baseline", "jacobian")}
        assert reported(**given, more=more).headline.startswith("Under pgd accuracy")
        named = [{"kind": "robustness_curve", "baseline": "baseline", "assessments": ["white_noise", "pgd"]}]
        headline = reported(**given, more=more, analyses=named).headline
        assert headline.startswith(
            "Under white_noise accuracy over sizes up to 0.3 beside baseline’s: whether jacobian"
        )
        assert headline.endswith("; 1 other assessment is in the section “Robustness”.")

    def test_before_anything_has_ended(self):
        nothing = {"baseline": [], "jacobian": []}
        found = reported({}, {}, outcomes=nothing)
        assert found.headline == "Nothing to tell yet: of 10 trials none has begun."
        assert set(shown(found)["mean ± sd"]) == {"–"}
        assert shown(found, "robustness_curve-pgd-front")["front"] == ("–", "–")
        assert not [figure for section in found.sections for figure in section.figures if "robust" in figure.name]

    def test_of_one_seed_is_open(self):
        headline = reported(seeds=1).headline
        assert "whether jacobian differs is open because one seed shows no spread" in headline


class TestFront:
    NAME = "robustness_curve-pgd-front"

    def test_is_of_the_means(self):
        # `last` is as accurate as jacobian at each size, and less on clean examples than both.
        last = BETTER | {0: [0.5] * 5}
        arms = {"baseline": {}, "jacobian": {"batch_size": 10}, "last": {"batch_size": 20}}
        found = reported(arms=arms, more={("last", "pgd_"): last})
        assert shown(found, self.NAME)["front"] == ("yes", "yes", "no")
        assert shown(found, self.NAME)["front in"] == ("5/5", "5/5", "0/5")

    def test_says_in_how_many_seeds_the_baseline_is_dominated_with_an_exact_interval(self):
        # Better under attack on all five seeds; clean better on seeds 0 and 1, the same on seed 2.
        found = reported(jacobian=BETTER | {0: [0.95, 0.95, 0.91, 0.80, 0.80]})
        (it,) = found.tables[self.NAME].query("cell == 'jacobian'").to_dict("records")
        exact = stats.binomtest(3, 5).proportion_ci(0.95, method="exact")
        told = [it[k] for k in ("dominates", "dominates_low", "dominates_high", "is_dominated", "pairs")]
        assert told == pytest.approx([0.6, exact.low, exact.high, 0, 5])
        assert shown(found, self.NAME)["dominates baseline"] == ("–", "3/5")
        assert shown(found, self.NAME)["its interval"] == ("–", f"{exact.low:.0%} to {exact.high:.0%}")

    def test_says_in_how_many_seeds_the_baseline_dominates(self):
        found = shown(reported(BETTER, NONE | {0: [0.80, 0.80, 0.80, 0.95, 0.95]}), self.NAME)
        assert (found["dominates baseline"][1], found["is dominated"][1]) == ("0/5", "3/5")

    def test_of_other_seeds_is_said_to_be(self):
        found = reported(outcomes={"jacobian": [DONE] * 4 + [(State.DIVERGED, 301)]})
        (caption,) = (t.caption for s in found.sections for t in s.tables if t.name == self.NAME)
        assert "The means are not all of the same seeds" in caption
        assert shown(found, self.NAME)["the others"] == ("–", "1 diverged")

    def test_without_a_baseline_nobody_is_dominated(self):
        assert "is dominated" not in shown(reported(analyses=[{"kind": "robustness_curve"}]), self.NAME)

    def test_where_nothing_has_ended_a_cell_is_open(self):
        found = reported(outcomes={"jacobian": [(State.DIVERGED, 301)] * 5})
        assert shown(found, self.NAME)["front"] == ("yes", "–")
        assert shown(found, self.NAME)["why"][1] == "open because no trial has ended with a number"


class TestMasking:
    ALL = (Pgd(sizes=SIZES), WhiteNoise(sizes=SIZES), Fgsm(sizes=SIZES), Transfer(sizes=SIZES))
    WEAK = {size: np.minimum(np.array(those) + 0.1, 1) for size, those in NONE.items()}
    """What fools fewer than pgd does of the baseline."""

    def found(
        self, *, assessments: Sequence[Any] = ALL, seeds: int = 5, jacobian: Curve = NONE, **beside: Curve
    ) -> Report:
        """beside: what stands beside pgd in the arm jacobian, `late` or `white_noise`; all else fools fewer."""
        more = {}
        for cell in ("baseline", "jacobian"):
            kinds = dict.fromkeys(("white_noise", "fgsm", "transfer", "pgd_early"), self.WEAK) | {"pgd_late": NONE}
            mine = kinds | (beside if cell == "jacobian" else {})
            more |= {(cell, f"{kind}_"): curve for kind, curve in mine.items()}
        return reported(NONE, jacobian, more=more, assessments=list(assessments), seeds=seeds)

    def look(self, found: Report, sign: str, size: float, cell: str = "jacobian") -> Any:
        table = found.tables["robustness_curve-masking"]
        (it,) = table[(table["sign"] == sign) & (table["size"] == size) & (table["cell"] == cell)].to_dict("records")
        return it

    def test_that_is_nowhere_is_said_to_have_been_looked_for(self):
        found = self.found()
        assert (
            "Signs of masked gradients that were looked for under pgd and not seen in baseline and jacobian (5 seeds): "
            "noise of its size or less that fools more, a last step that fools fewer than an early one, examples made "
            "on another seed’s network that fool more and a single step that fools more."
        ) in found.notes
        assert not [note for note in found.notes if "may be masked" in note or "could not" in note]
        assert set(shown(found, "robustness_curve-masking")["seen"]) == {"not seen"}

    @pytest.mark.parametrize(
        ("sign", "kind", "told"),
        [
            ("noise", "white_noise", "pgd fools fewer than white_noise of the same size does at 0.1"),
            ("late", "pgd_early", "pgd fools fewer at its last step than after a quarter of its steps at 0.1"),
            ("transfer", "transfer", "pgd fools fewer than transfer, made on another seed’s network, does at 0.1"),
            ("one_step", "fgsm", "pgd fools fewer than fgsm, a single step, does at 0.1"),
        ],
    )
    def test_is_seen_where_what_should_be_weaker_is_not(self, sign: str, kind: str, told: str):
        # Lower by about 0.2 at 0.1 and not at 0.3.
        strong = dict(self.WEAK) | {0.1: [0.30, 0.27, 0.33, 0.31, 0.28]}
        found = self.found(**{kind: strong})
        apart = np.array(NONE[0.1]) - strong[0.1]
        low, high = stats.t.interval(0.95, 4, apart.mean(), stats.sem(apart))
        look = self.look(found, sign, 0.1)
        assert [look[k] for k in ("difference", "difference_low", "difference_high")] == pytest.approx(
            [apart.mean(), low, high]
        )
        assert (look["seen"], look["weaker_in"], look["n"]) == ("beyond chance, p above 0.05", 5, 5)
        # Of two sizes of two cells, only this one points that way: Holm's is four times 1/16.
        assert (look["p"], look["p_holm"]) == (0.0625, 0.25)
        assert self.look(found, sign, 0.3)["seen"] == self.look(found, sign, 0.1, "baseline")["seen"] == "not seen"
        (note,) = (note for note in found.notes if "may be masked" in note)
        assert note == (
            f"jacobian: {told} (accuracy 0.500 against {np.mean(strong[0.1]):.3f}, 5 of 5 seeds, beyond chance, p "
            "above 0.05): its gradients may be masked, so its robustness may not be real."
        )
        assert "and its gradients may be masked" in found.headline
        assert found.metrics[f"robustness_curve/jacobian/pgd/{sign}/beyond_chance"] == 1

    def test_looks_that_point_the_other_way_do_not_make_p_smaller(self):
        # Four pairs say so and the closest does not: p is 4 / 2^5. The three other looks count as 1.
        found = self.found(fgsm=dict(self.WEAK) | {0.1: [0.30, 0.27, 0.33, 0.31, 0.52]})
        assert (self.look(found, "one_step", 0.1)["p"], self.look(found, "one_step", 0.1)["p_holm"]) == (0.125, 0.5)

    def test_within_chance_is_said_to_be_and_is_no_warning(self):
        found = self.found(fgsm=dict(self.WEAK) | {0.1: [0.40, 0.58, 0.42, 0.58, 0.51]})
        assert self.look(found, "one_step", 0.1)["seen"] == "within chance"
        assert not [note for note in found.notes if "may be masked" in note]
        assert "may be masked" not in found.headline
        (note,) = (note for note in found.notes if "within chance" in note)
        assert note.startswith("Signs of masked gradients within chance: jacobian: pgd fools fewer than fgsm, a single")
        assert "(accuracy 0.500 against 0.498, 2 of 5 seeds)." in note

    def test_of_one_seed_is_a_warning_that_is_open(self):
        found = self.found(seeds=1, fgsm=dict(self.WEAK) | {0.1: [0.3]})
        (note,) = (note for note in found.notes if "may be masked" in note)
        assert "1 of 1 seed, open because one seed shows no spread)" in note
        assert any("not seen in baseline (1 seed, too few to be sure: under 5)" in note for note in found.notes)

    def test_of_the_baseline_is_in_the_headline_too(self):
        more = {("baseline", "fgsm_"): {size: np.array(those) / 3 for size, those in NONE.items()}}
        found = reported(assessments=[Pgd(sizes=SIZES), Fgsm(sizes=SIZES)], more=more)
        assert "; baseline’s gradients may be masked;" in found.headline

    def test_noise_is_the_largest_that_is_not_larger_than_the_attack(self):
        noise = WhiteNoise(sizes=(0.05, 0.2, 0.5))
        found = self.found(assessments=[Pgd(sizes=SIZES), noise])
        assert self.look(found, "noise", 0.1)["beside_size"] == 0.05
        assert self.look(found, "noise", 0.3)["beside_size"] == 0.2

    def test_noise_beside_an_attack_in_l2_is_of_the_same_norm(self):
        # Digits have 64 pixels: noise of 0.0125 has the norm 0.1, of 0.0375 the norm 0.3.
        noise = WhiteNoise(sizes=(0.0125, 0.03, 0.3))
        found = self.found(assessments=[Pgd(sizes=SIZES, norm="l2"), noise])
        assert self.look(found, "noise", 0.1)["beside_size"] == 0.0125
        assert self.look(found, "noise", 0.3)["beside_size"] == 0.03

    def test_noise_is_not_larger_than_what_an_attack_may_change_of_a_pixel(self):
        found = self.found(assessments=[Pgd(sizes=SIZES, saturation=0.2), WhiteNoise(sizes=(0.1, 0.2, 0.3))])
        assert self.look(found, "noise", 0.3)["beside_size"] == 0.2

    @pytest.mark.parametrize(
        ("others", "told"),
        [
            ([], "noise of its size or less that fools more (no white_noise is assessed)"),
            ([], "examples made on another seed’s network that fool more (no transfer is assessed)"),
            ([WhiteNoise(sizes=(0.5,))], "(no noise of the size of one of its perturbations, or of a smaller one, is"),
            ([WhiteNoise(sizes=SIZES, on="train")], "(white_noise is assessed on other examples or networks)"),
            ([Fgsm(sizes=(0.2,))], "that fools more (no fgsm of the same norm and one of its sizes is assessed)"),
            (
                [Transfer(sizes=SIZES, saturation=0.05)],
                "(no transfer of the same norm and one of its sizes is assessed)",
            ),
            ([Transfer(sizes=SIZES, norm="l2")], "(no transfer of the same norm and one of its sizes is assessed)"),
        ],
    )
    def test_what_could_not_be_looked_for_is_said(self, others: list[Any], told: str):
        (note,) = (note for note in self.found(assessments=[Pgd(sizes=SIZES), *others]).notes if "could not be" in note)
        assert note.startswith("Signs of masked gradients that could not be looked for under pgd: ")
        assert told in note

    def test_seeds_without_both_are_said_to_leave_it_open(self):
        found = self.found(transfer=dict.fromkeys(NONE, [math.nan] * 5))
        assert (
            "Signs of masked gradients under pgd that are open in jacobian, at some size at least, because no seed has "
            "a figure on both sides: examples made on another seed’s network that fool more."
        ) in found.notes

    def test_without_an_attack_by_gradients_nothing_is_looked_for(self):
        given = {"assessments": [WhiteNoise(sizes=SIZES)]}
        found = reported(**given, more={(cell, "white_noise_"): NOISE for cell in ("baseline", "jacobian")})
        assert any(note.startswith("Signs of masked gradients were not looked for") for note in found.notes)
        assert "robustness_curve-masking" not in found.tables


class TestFigures:
    def figures(self, found: Report) -> dict[str, Any]:
        return {figure.name: figure.draw() for section in found.sections for figure in section.figures}

    def test_have_a_panel_an_assessment(self):
        more = {(cell, "white_noise_"): NOISE for cell in ("baseline", "jacobian")}
        found = reported(assessments=[Pgd(sizes=SIZES), WhiteNoise(sizes=SIZES)], more=more)
        drawn = self.figures(found)["robustness_curve"]
        assert [axes.get_title("left") for axes in drawn.axes] == ["pgd", "white_noise"]
        assert [axes.get_xlabel() for axes in drawn.axes] == [
            "size in linf (pixels in [0, 1])",
            "standard deviation (pixels in [0, 1])",
        ]
        means = drawn.axes[0].lines[1]
        assert means.get_xdata().tolist() == [0, *SIZES]
        assert means.get_ydata().tolist() == pytest.approx([np.mean(BETTER[size]) for size in (0, *SIZES)])
        assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["baseline", "jacobian"]
        assert len(self.figures(found)["robustness_curve-front"].axes) == 2

    def test_fill_the_diamonds_of_the_front(self):
        arms = {"baseline": {}, "jacobian": {"batch_size": 10}, "last": {"batch_size": 20}}
        found = reported(arms=arms, more={("last", "pgd_"): BETTER | {0: [0.5] * 5}})
        (axes,) = self.figures(found)["robustness_curve-front"].axes
        diamonds = [line for line in axes.lines if line.get_marker() == "D"]
        assert [line.get_markerfacecolor() == "white" for line in diamonds] == [False, False, True]
        x, y = diamonds[1].get_xdata()[0], diamonds[1].get_ydata()[0]
        assert (x, y) == pytest.approx((np.mean(BETTER[0]), areas(BETTER).mean()))

    def test_draw_the_baseline_in_its_own_colour(self):
        study = robust_study(analyses=[{"kind": "robustness_curve", "baseline": "jacobian"}])
        assert colours(study)["jacobian"] == BASELINE


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"assessments": ["pgdd"]}, "analyses.0.assessments.0: 'pgdd' is not assessed; did you mean 'pgd'?"),
            (
                {"assessments": ["accuracy"]},
                "'accuracy' has no sizes, and the curve is accuracy against size. Allowed: pgd",
            ),
            (
                {"assessments": ["kept"]},
                "'kept' is of networks that were kept on the way, and the curve is of the last",
            ),
            ({"assessments": ["pgd", "pgd"]}, "analyses.0.assessments.1: 'pgd' is there twice"),
            ({"assessments": []}, "analyses.0.assessments: "),
            ({"baseline": "jacobean"}, "analyses.0.baseline: 'jacobean' is no arm; did you mean 'jacobian'?"),
            ({"assessment": ["pgd"]}, "analyses.0.assessment"),
        ],
    )
    def test_problems_are_told(self, changes: dict[str, Any], told: str):
        with pytest.raises(ValueError) as caught:
            robust_study(
                assessments=[Pgd(sizes=SIZES), {"name": "accuracy"}, Pgd(label="kept", network="kept")],
                analyses=[{"kind": "robustness_curve"} | changes],
            )
        assert told in str(caught.value)

    def test_all_are_told_at_once(self):
        wrong = {"kind": "robustness_curve", "assessments": ["pgdd", "fgms"], "baseline": "nobody"}
        with pytest.raises(ValueError) as caught:
            robust_study(assessments=[Pgd(sizes=SIZES), Fgsm(sizes=SIZES)], analyses=[wrong])
        assert all(each in str(caught.value) for each in ("did you mean 'pgd'?", "did you mean 'fgsm'?", "'nobody' is"))

    @pytest.mark.parametrize("assessments", [[], [{"name": "accuracy"}], [Pgd(network="kept")]])
    def test_needs_sizes(self, assessments: list[Any]):
        with pytest.raises(ValueError, match="robustness_curve needs an assessment of the last networks"):
            robust_study(assessments=assessments)

    def test_of_fewer_arms_loses_its_baseline(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(Assessment, "names", classmethod(lambda cls: ("pgd",)))
        monkeypatch.setattr(Assessment, "named", classmethod(lambda cls, name: Pgd))
        study = narrow(robust_study(), arms=["jacobian"])
        assert study.analyses[0].model_dump() == {"kind": "robustness_curve", "baseline": None, "assessments": None}

    def test_two_of_a_kind_keep_their_tables_apart(self):
        analysis = {"kind": "robustness_curve", "baseline": "baseline"}
        found = reported(analyses=[analysis, analysis | {"baseline": "jacobian"}])
        assert {"robustness_curve-pgd", "robustness_curve-2-pgd"} <= found.tables.keys()
