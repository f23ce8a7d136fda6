"""Statements: the verdict that their clauses make together, and what a report says of it."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imagined_curves import ARMS, NORM, Curves, jump, of, results_with, study_with
from synthetic_results import Outcome

from grokgrid.analyses import Report, make_report
from grokgrid.results import State
from grokgrid.statistics import Interval, Verdict, of_all, threshold_verdict
from search_spaces import narrow
from search_spaces.analyses import Statement
from search_spaces.predicates import Difference, Level, Sooner

AGREE, DIFFER, INCONCLUSIVE = Verdict.AGREE, Verdict.DIFFER, Verdict.INCONCLUSIVE
ACCURACY = "test_accuracy"
LOW, HIGH = [0.30, 0.35, 0.25, 0.40, 0.20], [0.50, 0.45, 0.55, 0.65, 0.35]
EARLY, NEVER = [101, 91, 111, 71, 151], [2000] * 5


ENDS = st.floats(-10, 10, allow_nan=False)


@given(ENDS, ENDS, ENDS, ENDS, st.booleans())
def test_a_verdict_is_monotone_in_the_threshold_and_never_both(
    one: float, other: float, threshold: float, further: float, is_above: bool
):
    interval = Interval(min(one, other), max(one, other))
    order = [DIFFER, INCONCLUSIVE, AGREE]
    easier, harder = sorted([threshold, further], reverse=not is_above)
    verdicts = [threshold_verdict(interval, None, t, is_above=is_above).verdict for t in (easier, harder)]
    assert order.index(verdicts[0]) >= order.index(verdicts[1])
    turned = {AGREE: DIFFER, DIFFER: AGREE, INCONCLUSIVE: INCONCLUSIVE}
    assert threshold_verdict(interval, None, easier, is_above=not is_above).verdict is turned[verdicts[0]]


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([AGREE, AGREE], AGREE),
        ([AGREE, INCONCLUSIVE], INCONCLUSIVE),
        ([DIFFER, INCONCLUSIVE, AGREE], DIFFER),
    ],
)
def test_a_statement_agrees_if_all_clauses_do_and_differs_if_one_does(verdicts: list[Verdict], verdict: Verdict):
    assert of_all(verdicts) is verdict


# --- the report

TWO_CLAUSES = Statement(
    sentence="the norm is higher in one, and falls in neither.",
    source="Nobody 2025, Figure 1",
    that=(Difference(arm="one", than="two", metric=NORM), Level(arm="two", metric=NORM, above=0.2)),
)
ANOTHER = Statement(sentence="one gets there sooner", that=(Sooner(arm="one", than="two", metric=ACCURACY, above=0.5),))


def reported(*statements: Statement, curves: Curves, **more: Any) -> Report:
    changes = {name: more.pop(name) for name in ("seeds", "arms") if name in more}
    return make_report(results_with(study_with(statements, **{"arms": ARMS} | changes), curves, **more))


def texts(found: Report, name: str) -> dict[str, tuple[str, ...]]:
    (table,) = (table for section in found.sections for table in section.tables if table.name == name)
    return {column.label: column.text for column in table.columns}


class TestReport:
    CURVES = {
        "one": {NORM: HIGH, ACCURACY: [jump(step) for step in EARLY]},
        "two": {NORM: LOW, ACCURACY: [jump(step) for step in NEVER]},
    }

    def test_a_headline_has_the_sentence_the_verdict_and_the_figures(self):
        found = reported(TWO_CLAUSES, curves=self.CURVES)
        assert found.headline == (
            "The results agree with “the norm is higher in one, and falls in neither” (Nobody 2025, Figure 1): "
            f"{NORM} of one minus two’s is above 0 (0.200, 95% interval 0.102 to 0.298, 5/5 seeds); "
            f"{NORM} of two is above 0.2 (0.300, 95% interval 0.202 to 0.398, 5/5 seeds)."
        )

    def test_a_clause_that_differs_decides_alone(self):
        found = reported(TWO_CLAUSES, curves=of(LOW, HIGH))
        assert found.headline.startswith(
            "The results differ from “the norm is higher in one, and falls in neither” (Nobody 2025, Figure 1): "
            f"{NORM} of one minus two’s is not above 0 (-0.2"
        )
        assert "of two is above 0.2" not in found.headline

    def test_an_open_clause_says_why_and_who_is_missing(self):
        outcomes: dict[str, list[Outcome]] = {"two": [(State.FINISHED, 991)] * 4 + [(State.DIVERGED, 301)]}
        found = reported(TWO_CLAUSES, curves=self.CURVES, outcomes=outcomes)
        assert found.headline.startswith("The results are inconclusive on “the norm")
        assert (
            f"whether {NORM} of one minus two’s is above 0 is open because trials that diverged or ended without a "
            "number are left out (" in found.headline
        )
        assert "4/5 seeds, 1 diverged)" in found.headline
        assert texts(found, "statements-clauses")["the others"] == ("1 diverged", "1 diverged")
        assert any("two seed 4" in note for note in found.notes)

    def test_censored_trials_are_counted(self):
        found = reported(ANOTHER, curves=self.CURVES)
        assert "one reaches test_accuracy > 0.5 sooner than two (ratio of steps ≥ 9.73" in found.headline
        assert "reached by 5/5 and by 0/5)" in found.headline
        assert texts(found, "statements-clauses")["reached"] == ("5/5, 0/5",)

    def test_all_statements_are_one_section(self):
        found = reported(TWO_CLAUSES, ANOTHER, curves=self.CURVES)
        (section,) = (section for section in found.sections if section.title == "Statements")
        assert texts(found, "statements")["verdict"] == ("agree", "agree")
        assert texts(found, "statements-clauses")["clause"] == ("1.1", "1.2", "2.1")
        assert section.sentence.count("The results agree with") == 2

    def test_tables_and_mlflow_have_the_same_figures(self):
        found = reported(TWO_CLAUSES, ANOTHER, curves=self.CURVES)
        for row in found.tables["statements-clauses"].to_dict("records"):
            for figure in ("n", "estimate", "low", "high"):
                value = found.metrics.get(f"statements/{row['statement']}/{row['clause']}/{figure}")
                assert value == pytest.approx(row[figure]) or not math.isfinite(row[figure])
        assert [found.metrics[f"statements/{num}/verdict"] for num in (1, 2)] == [1, 1]
        differs = reported(TWO_CLAUSES, curves=of(LOW, HIGH))
        assert differs.metrics["statements/1/verdict"] == -1

    @given(
        st.lists(st.sampled_from([0.2, 0.25, 0.3, 0.6, 0.9]), min_size=5, max_size=5),
        st.lists(st.sampled_from([0.2, 0.25, 0.3, math.nan]), min_size=5, max_size=5),
        st.lists(st.sampled_from([(State.FINISHED, 991), (State.DIVERGED, 11), State.MISSING]), min_size=5, max_size=5),
    )
    @settings(max_examples=20, deadline=None, derandomize=True)
    def test_a_headline_says_what_the_table_says(self, one: list[float], two: list[float], outcomes: list[Outcome]):
        found = reported(TWO_CLAUSES, curves=of(one, two), outcomes={"one": outcomes})
        if found.headline.startswith("Nothing to tell yet"):
            return
        (verdict,), clauses = texts(found, "statements")["verdict"], texts(found, "statements-clauses")
        words = {"agree": "agree with", "differ": "differ from", "inconclusive": "are inconclusive on"}
        assert found.headline.startswith(f"The results {words[verdict]} ")
        for label in ("estimate", "95% interval", "n"):
            for text, mine in zip(clauses[label], clauses["verdict"], strict=True):
                assert mine != verdict or text in found.headline or text in ("–", "not trusted")

    def test_nothing_yet(self):
        found = reported(TWO_CLAUSES, curves={}, outcomes={"one": [], "two": []})
        assert found.headline == "Nothing to tell yet: of 10 trials none has begun."
        assert texts(found, "statements")["verdict"] == ("inconclusive",)

    def test_a_study_of_fewer_arms_keeps_what_is_of_them(self):
        study = narrow(
            study_with(
                [TWO_CLAUSES, ANOTHER.model_copy(update={"that": (Level(arm="one", metric=NORM, above=0),)})], arms=ARMS
            ),
            arms=["one"],
        )
        assert [analysis.that for analysis in study.analyses] == [(Level(arm="one", metric=NORM, above=0),)]  # type: ignore[attr-defined]
