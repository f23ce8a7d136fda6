"""A headline says what its tables say: every number and verdict is in them, and what has no interval to trust is open.

The first half holds this over imagined studies of every kind and state; the second has examples.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.analyses import Report, Table, make_report
from grokgrid.results import Results, State
from grokgrid.statistics import WhyOpen
from search_spaces import Study

BASE: list[Outcome] = [501, 401, 601, 301, 701]
FAST: list[Outcome] = [101, 91, 111, 71, 151]
SLOW: list[Outcome] = [401, 351, 501, 251, 601]
CENSORED: Outcome = (State.CENSORED, 991)
COMPARED = {"kind": "acceleration", "baseline": "baseline"}
MEASURED = {"kind": "measurements", "metrics": ["test_accuracy", "train_accuracy"], "baseline": "baseline"}
CURVE = {"kind": "lambda_curve", "arm": "jacobian", "baseline": "baseline", "metrics": ["steps", "test_accuracy"]}
GRID = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": [0.001, 0.01, 0.1]}}
NO_GOAL = {name: value for name, value in synthetic_study().trial.items() if name != "goal"}


def many_arms(num: int) -> dict[str, Any]:
    names = ["quick", "slow", "near", "far", "mild", "wild", "calm", "bold", "shy"][:num]
    return {"baseline": {}} | {name: {"optimiser": {"lr": (index + 1) / 100}} for index, name in enumerate(names)}


STATED: dict[str, Any] = {
    "kind": "statement",
    "sentence": "jacobian is sooner, and as accurate",
    "that": [
        {"statistic": "sooner", "arm": "jacobian", "than": "baseline", "metric": "test_accuracy", "above": 0.5},
        {"statistic": "difference", "arm": "jacobian", "than": "baseline", "metric": "test_accuracy", "above": -0.01},
        {"statistic": "level", "arm": "jacobian", "metric": "max/test_accuracy", "above": 0.5},
        {"statistic": "change", "arm": "jacobian", "metric": "train_accuracy", "by": "ratio", "above": 2},
        {"statistic": "agreement", "arm": "jacobian", "metrics": ["train_accuracy", "test_accuracy"], "below": 0.5},
    ],
}

STUDIES: dict[str, dict[str, Any]] = {
    "one arm": {"analyses": [COMPARED, {"kind": "curves"}]},
    "one arm, measured": {"analyses": [COMPARED, MEASURED]},
    "two baselines": {"analyses": [COMPARED, COMPARED | {"baseline": "jacobian"}]},
    "three arms": {"arms": many_arms(3), "analyses": [COMPARED, MEASURED]},
    "nine arms": {"arms": many_arms(9), "analyses": [COMPARED, MEASURED]},
    "a grid": {"arms": {"baseline": {}, "jacobian": GRID}, "analyses": [COMPARED, MEASURED]},
    "against lambda": {"arms": {"baseline": {}, "jacobian": GRID}, "analyses": [CURVE, COMPARED, MEASURED]},
    "by accuracy": {
        "arms": {"baseline": {}, "jacobian": GRID},
        "analyses": [CURVE | {"metrics": ["test_accuracy"]}],
        "trial": NO_GOAL,
    },
    "a table": {
        "arms": {"baseline": {}, "jacobian": GRID, "twice": {"optimiser": {"lr": 0.002}} | GRID},
        "analyses": [
            {"kind": "table", "metric": "test_accuracy", "setting": "regulariser.strength", "baseline": "jacobian"},
            MEASURED | {"baseline": None},
        ],
    },
    "statements": {"analyses": [STATED, STATED | {"that": STATED["that"][:1]}, COMPARED]},
    "statements alone": {"analyses": [STATED | {"that": STATED["that"][1:]}], "trial": NO_GOAL},
    "curves alone": {"analyses": [{"kind": "curves"}], "trial": NO_GOAL},
    "means alone": {"arms": many_arms(8), "analyses": [MEASURED | {"baseline": None}], "trial": NO_GOAL},
    "a goal alone": {"arms": many_arms(8), "analyses": []},
    "nothing": {"analyses": [], "trial": NO_GOAL},
}

EVALUATIONS = [1, 11, 21, 101, 111, 121, 301, 501, 511, 901, 991]
OUTCOMES = st.one_of(
    st.sampled_from(EVALUATIONS),
    st.sampled_from([(state, at) for state in (State.CENSORED, State.DIVERGED, State.FAILED) for at in (11, 991)]),
    st.sampled_from([(State.RUNNING, 11), (State.STOPPED, 501), State.MISSING, State.FAILED]),
)
SEEDS = st.sampled_from([1, 2, 3, 5, 8])


@st.composite
def all_results(draw: st.DrawFn) -> Results:
    changes = STUDIES[draw(st.sampled_from(list(STUDIES)))]
    study = synthetic_study(seeds=draw(SEEDS), **changes)
    num, reached = len(study.seed_list), study.goal is not None
    everything = st.lists(OUTCOMES, min_size=num, max_size=num)
    # Most cells all alike: that all trials reach the goal is else too rare.
    alike = st.lists(st.sampled_from(EVALUATIONS), min_size=num, max_size=num)
    outcomes = {cell.name: draw(alike | everything) for cell in study.cells}
    if not reached:
        outcomes = {name: [_without_goal(outcome) for outcome in those] for name, those in outcomes.items()}
    results = synthetic_results(study, outcomes)
    if "final/test_accuracy" not in results.trials:
        return results
    values = st.sampled_from([0.25, 0.5, 0.625, 0.875, np.nan])
    ends = {
        f"final/{metric}": [draw(values) for _ in range(len(results.trials))]
        for metric in ("test_accuracy", "train_accuracy")
    }
    return Results(study, results.trials.assign(**ends), results.curves, results.at)


def _without_goal(outcome: Outcome) -> Outcome:
    if isinstance(outcome, int):
        return (State.FINISHED, 991)
    return (State.FINISHED, 991) if isinstance(outcome, tuple) and outcome[0] is State.CENSORED else outcome


NUMBER = re.compile(r"\d(?:[\d,]*\d)?(?:\.\d+)?")


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def printed(found: Report) -> Iterator[Table]:
    return (table for section in found.sections for table in section.tables if table.num_rows)


def in_tables(found: Report) -> set[str]:
    """Every number that a reader finds in a table, its title or its caption, or in a note."""
    texts = []
    for table in printed(found):
        texts += [table.title, table.caption, *(text for column in table.columns for text in column.text)]
        texts += [column.label for column in table.columns]
    texts += list(found.notes)
    return numbers(" ".join(texts))


def names_left_out(study: Study, text: str) -> str:
    """Without the names of cells and the goal, whose numbers are names."""
    for name in sorted([str(study.goal), *(cell.name for cell in study.cells)], key=len, reverse=True):
        text = text.replace(name, "")
    return text


def columns(table: Table) -> dict[str, tuple[str, ...]]:
    return {column.label: column.text for column in table.columns}


def every_number_of_the_headline_is_in_a_table(results: Results, found: Report) -> None:
    counted = {
        str(num) for num in range(1, 10)
    }  # how many arms, cells or metrics there are: rows, which a reader counts
    told = numbers(names_left_out(results.study, found.headline))
    assert told - in_tables(found) - counted == set(), found.headline


def what_has_no_interval_to_trust_is_open_and_says_why(results: Results, found: Report) -> None:
    for table in printed(found):
        told = columns(table)
        if "finding" not in told:
            continue
        data = found.tables[table.name]
        has_interval = data["low" if table.name.startswith("acceleration") else "difference_low"].notna() | np.isinf(
            data["high" if table.name.startswith("acceleration") else "difference_high"].astype(float)
        )
        for finding, is_given in zip(told["finding"], has_interval, strict=True):
            assert is_given or finding in ("open", "–"), (table.name, finding)
        reasons = set(data["open_because"].dropna())
        assert reasons <= set(WhyOpen)
        open_rows = data["finding"] == "open"
        assert data.loc[open_rows, "open_because"].notna().all()


def a_clause_says_of_an_arm_what_its_row_says(results: Results, found: Report) -> None:
    """Of arms of one cell: the clause that names it has the numbers of its row and of no other, and its verdict."""
    for section in found.sections:
        table = section.tables[0]
        told = columns(table)
        if "finding" not in told or len(results.study.cells) > len(results.study.arms) or not section.sentence:
            continue
        label = "arm"
        first = told["measure" if "measure" in told else "metric"]
        rows = [row for row in range(table.num_rows) if first[row] == first[0] and told["finding"][row] != "–"]
        clauses = section.sentence.split("; ")
        for row, clause in zip(rows[:6], clauses, strict=False):
            name, finding = told[label][row], told["finding"][row]
            assert re.search(rf"\b{name}\b", clause), clause
            assert ("is open because" in clause) is (finding == "open" or "how much" in clause)
            assert ("no clear difference" in clause) is (finding == "no clear difference")
            assert ("but p is" in clause or "but Holm’s p is" in clause) is finding.endswith("p above 0.05")
            mine = numbers(" ".join([*(texts[row] for texts in told.values()), "95", "0.85"]))
            assert numbers(clause) <= mine, clause
        num = len(rows) - 6
        others = f"{num} other arm{'s' if num > 1 else ''} {'are' if num > 1 else 'is'} in the table “{table.title}”"
        assert (others in section.sentence) is (num > 0)


def mlflow_and_the_tidy_tables_have_the_same_numbers(results: Results, found: Report) -> None:
    """Every metric of an analysis is a figure of its tidy table, in the row of its cell."""
    for name, value in found.metrics.items():
        table, _, rest = name.partition("/")
        if table.startswith("acceleration"):
            cell, measure, figure = re.fullmatch(r"(.+)/(\w+)/(\w+)", rest).groups()  # type: ignore[union-attr]
            data = found.tables[table].query("measure == @measure")
            figure = {"n": "pairs", "mean": "mean_fewer", "sd": "sd_fewer"}.get(figure, figure)
            column = figure if figure in data else "estimate"
        elif table.startswith("measurements"):
            cell, metric, column = re.fullmatch(r"(.+?)/(\w+)/(\w+)", rest).groups()  # type: ignore[union-attr]
            data = found.tables[table].query("metric == @metric")
        elif table.startswith("lambda_curve") and "/" in rest:
            cell, metric, column = re.fullmatch(r"(.+)/(\w+)/(\w+)", rest).groups()  # type: ignore[union-attr]
            data = found.tables[f"{table}-{metric}"]
        else:
            continue
        arm, *point = cell.split("/")
        rows = data[data["arm"] == arm]
        if point:
            at = "strength" if "strength" in rows else "regulariser.strength"
            rows = rows[rows[at] == float(point[-1])]
        (row,) = rows.to_dict("records")
        assert row[column] == pytest.approx(value), name


def check(results: Results) -> None:
    found = make_report(results)
    every_number_of_the_headline_is_in_a_table(results, found)
    what_has_no_interval_to_trust_is_open_and_says_why(results, found)
    a_clause_says_of_an_arm_what_its_row_says(results, found)
    mlflow_and_the_tidy_tables_have_the_same_numbers(results, found)


@pytest.mark.parametrize("name", STUDIES)
def test_a_headline_says_what_its_tables_say(name: str):
    """Of a study of each kind whose arms are sooner, later, alike, censored, gone and of few seeds."""
    study = synthetic_study(**STUDIES[name])
    kinds = [BASE, FAST, [901, 911, 801, 901, 991], [501, 391, 611, 301, 701], [*FAST[:3], CENSORED, CENSORED]]
    kinds += [[CENSORED] * 5, [State.FAILED] * 5, FAST[:1], [101] * 5, [(State.DIVERGED, 11), *FAST[1:]]]
    outcomes = {cell.name: mine for cell, mine in zip(study.cells, kinds, strict=False)}
    if study.goal is None:
        outcomes = {cell: [_without_goal(outcome) for outcome in mine] for cell, mine in outcomes.items()}
    check(synthetic_results(study, outcomes))


@given(all_results())
@settings(max_examples=6, deadline=None, derandomize=True)
def test_a_headline_says_what_its_tables_say_whatever_becomes_of_the_trials(results: Results):
    check(results)


@pytest.mark.slow
@given(all_results())
@settings(max_examples=150, deadline=None)
def test_a_headline_says_what_its_tables_say_in_many_studies(results: Results):
    check(results)


# --- examples


def said(outcomes: Mapping[str, Sequence[Outcome]] | Sequence[Sequence[Outcome]], **changes: Any) -> str:
    study = synthetic_study(**changes)
    if not isinstance(outcomes, Mapping):
        outcomes = dict(zip((cell.name for cell in study.cells), outcomes, strict=False))
    return make_report(synthetic_results(study, outcomes)).headline


ON_THE_WAY = "On the way to test_accuracy > 0.85, whether jacobian is sooner than baseline is open because "


class TestNoEvidence:
    @pytest.mark.parametrize(
        ("baseline", "arm", "why"),
        [
            ([501], [71], "one seed shows no spread: acceleration 7.06 (geometric mean of 1 seed)."),
            ([501, 401], [101, 91], "two seeds hardly show a spread: acceleration 4.68 (geometric mean of 2 seeds)."),
            ([501] * 5, [101] * 5, "all seeds give the same figure, which shows no spread: acceleration 4.96 ("),
            ([CENSORED] * 5, [CENSORED] * 5, "too few trials reached the goal for an estimate: no acceleration ("),
            ([501, 401, CENSORED], [101, 91, 81], "of fewer than 5 seeds, not every one is exact: acceleration "),
            (
                BASE,
                [State.FAILED] * 5,
                "no seed has a figure on both sides: no acceleration (reached by 0/5 seeds, by ",
            ),
            (BASE, [101], "one seed shows no spread: acceleration 4.96 (geometric mean of 1 seed, 4 missing)."),
            (BASE, [91, 811, 51, 311, 701], "the interval allows for no difference and for one of a factor of 2: "),
        ],
        ids=["one seed", "two seeds", "no spread", "none reached", "censored", "failed", "missing", "wide"],
    )
    def test_is_open_and_says_why(self, baseline: list[Outcome], arm: list[Outcome], why: str):
        assert said([baseline, arm], seeds=len(baseline)).startswith(ON_THE_WAY + why)

    def test_a_side_without_a_size_says_so(self):
        found = said([[501, 991, 601, 301, 701], [101, 11, 111, 1, 31]])
        assert found.startswith("jacobian reaches test_accuracy > 0.85 in 27.8 times fewer steps than baseline (")
        assert "and how much sooner is open because the ends of the interval are more than a factor of 10" in found

    def test_counts_who_reached_the_goal_and_claims_no_difference(self):
        found = said([[*BASE[:3], CENSORED, CENSORED], FAST], analyses=[])
        assert found == (
            "test_accuracy > 0.85 was reached: baseline 3/5 seeds; jacobian 5/5 seeds; whether they differ is "
            "open because no analysis compares the arms."
        )

    def test_a_metric_of_one_seed_is_open(self):
        ended = [[(State.FINISHED, 991)]] * 2
        assert "jacobian differs is open because one seed shows no spread (difference 0.00, 1 pair)" in said(
            ended, seeds=1, trial=NO_GOAL, analyses=[MEASURED]
        )
        assert "baseline 0.194 (its interval is open because one seed shows no spread, 1/1 seeds)" in said(
            ended, seeds=1, trial=NO_GOAL, analyses=[MEASURED | {"baseline": None}]
        )


class TestLambda:
    """A choice silences no other analysis, and is open unless the best is told apart from all the others."""

    changes = {"arms": {"baseline": {}, "jacobian": GRID}, "analyses": [CURVE, COMPARED, MEASURED]}

    def test_three_of_five_seeds_at_the_goal_choose_nothing(self):
        late = [CENSORED] * 5
        found = said([late, late, late, [11, 101, CENSORED, 21, CENSORED]], **self.changes)
        choice, times, *_ = found.split(". ")
        assert choice.startswith(
            "Which strength of jacobian has the least steps to test_accuracy > 0.85 is open because the ends of the "
            "interval are more than a factor of 10 apart: of 4 values, on 5 seeds, it is 0.1, "
        )
        assert "3/5 seeds reached it" in choice
        assert "is open because the bound is of the seeds that give one" in times
        assert "test_accuracy at the end beside baseline’s" in found

    def test_three_of_five_seeds_alike_choose_nothing_either(self):
        """Their interval is narrow, but a sign test on the three seeds that tell gives no p below 1 / 8."""
        late = [CENSORED] * 5
        found = said([late, late, late, [801, 901, CENSORED, 701, CENSORED]], **self.changes)
        assert "has the least steps to test_accuracy > 0.85 is open because another candidate may be as good" in found

    def test_few_seeds_choose_nothing_and_are_not_resampled(self):
        for num in (1, 2, 3, 4):
            found = said([BASE[:num], SLOW[:num], FAST[:num], SLOW[:num]], seeds=num, **self.changes)
            assert found.startswith("Which strength of jacobian has the least steps to test_accuracy > 0.85 is open")
            assert "best in" not in found

    def test_a_clear_choice_says_that_it_is_one_of_many(self):
        found = said([BASE, SLOW, FAST, SLOW], **self.changes)
        assert found.startswith("jacobian at strength 0.01 has the least steps to test_accuracy > 0.85 of 4 values, ")
        assert "the best of several is so partly by luck. jacobian strength=0.01, the best of 3 cells on these" in found

    def test_a_seed_that_is_missing_somewhere_leaves_it_open(self):
        found = said([BASE, SLOW, FAST], **self.changes)
        assert (
            "is open because no seed is over, with a number, at every candidate. jacobian strength=0.01, the" in found
        )


class TestManyArms:
    @pytest.mark.parametrize("num", [6, 7, 9])
    def test_six_are_named_and_the_others_counted(self, num: int):
        arms = many_arms(num)
        found = said({arm: BASE if arm == "baseline" else FAST for arm in arms}, arms=arms, analyses=[COMPARED])
        named = [arm for arm in list(arms)[1:] if re.search(rf"\b{arm} reaches", found)]
        assert named == list(arms)[1:7]
        where = "in the table “How many times sooner” under “Acceleration over baseline”."
        assert found.endswith(where) is (num > 6)
        assert (f"; {num - 6} other arm" in found) is (num > 6)

    def test_a_side_that_holms_p_does_not_confirm_says_so(self):
        arms = many_arms(3)
        found = said({arm: BASE if arm == "baseline" else FAST for arm in arms}, arms=arms, analyses=[COMPARED])
        assert found.count("geometric mean of 5 seeds), but Holm’s p is 0.19 (least p 0.062)") == 3
        # Ten seeds are enough for three arms: 3 x 2 / 2^10.
        twice = {arm: (BASE if arm == "baseline" else FAST) * 2 for arm in arms}
        assert "p is" not in said(twice, arms=arms, analyses=[COMPARED], seeds=10)

    def test_an_open_one_hides_no_other(self):
        arms = many_arms(2)
        found = said({"baseline": BASE, "quick": [101], "slow": FAST}, arms=arms, analyses=[COMPARED])
        assert found.startswith("On the way to test_accuracy > 0.85, whether quick is sooner than baseline is open ")
        assert "; slow reaches it in 4.71 times fewer steps (95% interval 4.18 to 5.32, " in found

    def test_a_cell_with_an_interval_goes_before_a_lucky_one_without(self):
        found = said([BASE, FAST, [11], SLOW], arms={"baseline": {}, "jacobian": GRID}, analyses=[COMPARED])
        assert found.startswith(
            "jacobian strength=0.001, the best of the 2 of 3 cells that are not open on these seeds,"
        )
