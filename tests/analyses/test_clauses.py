"""Each statistic of a clause: with what it agrees, differs and is open, of trials whose curves are given."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imagined_curves import ARMS, NORM, Curve, Curves, jump, of, results_with, study_with
from scipy import stats
from synthetic_results import Outcome

from grokgrid.analyses.clauses import Clause, judge
from grokgrid.results import State
from grokgrid.statistics import Verdict, WhyOpen
from search_spaces.analyses import Statement
from search_spaces.predicates import Agreement, Before, Change, Correlation, Difference, Level, Predicate, Sooner
from trainables.evaluations import Goal

AGREE, DIFFER, INCONCLUSIVE = Verdict.AGREE, Verdict.DIFFER, Verdict.INCONCLUSIVE
LOSS, ACCURACY = "test_loss", "test_accuracy"
LOW, HIGH, WIDE = [0.30, 0.35, 0.25, 0.40, 0.20], [0.50, 0.45, 0.55, 0.65, 0.35], [0.1, 0.9, 0.2, 0.8, 0.4]
EARLY, LATE, NEVER = [101, 91, 111, 71, 151], [501, 401, 601, 301, 701], [2000] * 5


def judged(predicate: Predicate, curves: Curves, *, arms: Mapping[str, Any] = ARMS, **more: Any) -> Clause:
    seeds = more.pop("seeds", 5)
    study = study_with([Statement(sentence="x", that=(predicate,))], arms=arms, seeds=seeds)
    return judge(results_with(study, curves, **more), predicate)


def jumps(one: Sequence[float], two: Sequence[float] = (), *, metric: str = ACCURACY) -> Curves:
    return of([jump(step) for step in one], [jump(step) for step in two], metric=metric)


class TestLevel:
    @pytest.mark.parametrize(
        ("values", "verdict", "why"),
        [
            (HIGH, AGREE, None),
            ([0.1, 0.12, 0.09, 0.11, 0.13], DIFFER, None),
            (LOW, INCONCLUSIVE, WhyOpen.THRESHOLD),
            ([0.5] * 5, INCONCLUSIVE, WhyOpen.NO_SPREAD),
        ],
    )
    def test_is_the_mean_beside_a_threshold(self, values: list[float], verdict: Verdict, why: WhyOpen | None):
        found = judged(Level(arm="one", metric=NORM, above=0.29), of(values))
        assert found.judged == (verdict, why)

    def test_is_students(self):
        found = judged(Level(arm="one", metric=NORM, below=1), of(HIGH))
        assert found.figure.interval == pytest.approx(stats.t.interval(0.95, 4, np.mean(HIGH), stats.sem(HIGH)))
        assert (found.figure.n, found.figure.estimate) == (5, pytest.approx(0.5))
        assert found.judged.verdict is AGREE

    def test_may_be_of_an_extreme(self):
        curves = of([lambda steps, top=top: np.where(steps == 501, top, 0.0) for top in HIGH])
        assert judged(Level(arm="one", metric=f"max/{NORM}", above=0.3), curves).judged.verdict is AGREE
        assert judged(Level(arm="one", metric=NORM, above=0.3), curves).figure.why is WhyOpen.NO_SPREAD

    @pytest.mark.parametrize(
        ("outcome", "why"),
        [
            ((State.DIVERGED, 301), WhyOpen.LEFT_OUT),
            ((State.RUNNING, 301), WhyOpen.NOT_OVER),
            ((State.STOPPED, 301), WhyOpen.NOT_OVER),
            (State.FAILED, WhyOpen.NOT_OVER),
            (State.MISSING, WhyOpen.NOT_OVER),
        ],
    )
    def test_is_open_without_all_trials(self, outcome: Outcome, why: WhyOpen):
        ended: list[Outcome] = [(State.FINISHED, 991)] * 4
        found = judged(Level(arm="one", metric=NORM, above=0.1), of(HIGH), outcomes={"one": [*ended, outcome]})
        assert found.judged == (INCONCLUSIVE, why)
        assert (found.figure.n, found.figure.interval) == (4, None)

    def test_is_open_where_an_end_is_no_number(self):
        found = judged(Level(arm="one", metric=NORM, above=0.1), of([*HIGH[:4], math.nan]))
        assert found.judged == (INCONCLUSIVE, WhyOpen.LEFT_OUT)

    @pytest.mark.parametrize(("seeds", "why"), [(1, WhyOpen.ONE_SEED), (2, WhyOpen.TWO_SEEDS)])
    def test_of_few_seeds_is_open(self, seeds: int, why: WhyOpen):
        found = judged(Level(arm="one", metric=NORM, above=0.1), of(HIGH[:seeds]), seeds=seeds)
        assert found.judged == (INCONCLUSIVE, why)

    def test_of_nothing_is_open(self):
        found = judged(Level(arm="one", metric=NORM, above=0.1), {}, outcomes={"one": [], "two": []})
        assert (found.judged.why, found.figure.n, found.figure.estimate) == (WhyOpen.NOT_OVER, 0, None)

    def test_of_what_an_arm_does_not_measure_is_open(self):
        arms = {"one": {"probes": []}, "two": {}}
        found = judged(Level(arm="one", metric=NORM, above=0.1), of(HIGH), arms=arms)
        assert found.judged == (INCONCLUSIVE, WhyOpen.NOT_MEASURED)

    def test_of_a_grid_is_of_the_cell_at_a_point(self):
        arms = {"one": {"grid": {"optimiser.lr": [0.001, 0.01]}}}
        curves = {"one lr=0.001": {NORM: LOW}, "one lr=0.01": {NORM: HIGH}}
        found = judged(Level(arm="one", at={"optimiser.lr": 0.01}, metric=NORM, above=0.1), curves, arms=arms)
        assert found.figure.estimate == pytest.approx(0.5)


class TestDifference:
    @pytest.mark.parametrize(
        ("one", "two", "verdict"), [(HIGH, LOW, AGREE), (LOW, HIGH, DIFFER), (WIDE, LOW, INCONCLUSIVE)]
    )
    def test_is_above_0_unless_told(self, one: list[float], two: list[float], verdict: Verdict):
        assert judged(Difference(arm="one", than="two", metric=NORM), of(one, two)).judged.verdict is verdict

    def test_is_the_paired_t_interval(self):
        found = judged(Difference(arm="one", than="two", metric=NORM, above=0.1), of(HIGH, LOW))
        test = stats.ttest_rel(HIGH, LOW)
        assert found.figure.interval == pytest.approx(test.confidence_interval(0.95))

    def test_is_open_if_one_side_diverged(self):
        outcomes: dict[str, list[Outcome]] = {"two": [(State.FINISHED, 991)] * 4 + [(State.DIVERGED, 301)]}
        found = judged(Difference(arm="one", than="two", metric=NORM), of(HIGH, LOW), outcomes=outcomes)
        assert found.judged == (INCONCLUSIVE, WhyOpen.LEFT_OUT)

    @given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=3, max_size=5))
    @settings(max_examples=25, deadline=None, derandomize=True)
    def test_swapping_the_arms_turns_the_verdict_round(self, pairs: list[tuple[int, int]]):
        one, two = zip(*pairs, strict=True)
        there = judged(Difference(arm="one", than="two", metric=NORM), of(one, two), seeds=len(pairs))
        back = judged(Difference(arm="two", than="one", metric=NORM), of(one, two), seeds=len(pairs))
        turned = {AGREE: DIFFER, DIFFER: AGREE, INCONCLUSIVE: INCONCLUSIVE}
        assert back.judged.verdict is turned[there.judged.verdict]


class TestSooner:
    @pytest.mark.parametrize(
        ("one", "two", "factor", "verdict"),
        [
            (EARLY, LATE, 1, AGREE),
            (EARLY, LATE, 3, AGREE),
            (EARLY, LATE, 20, DIFFER),
            (LATE, EARLY, 1, DIFFER),
            ([501, 201, 401, 101, 901], LATE, 1, INCONCLUSIVE),
            (EARLY, NEVER, 1, AGREE),
            (NEVER, EARLY, 1, DIFFER),
            (NEVER, NEVER, 1, INCONCLUSIVE),
        ],
    )
    def test_is_of_steps_to_a_value(self, one: list[int], two: list[int], factor: float, verdict: Verdict):
        predicate = Sooner(arm="one", than="two", metric=ACCURACY, above=0.5, factor=factor)
        assert judged(predicate, jumps(one, two)).judged.verdict is verdict

    def test_is_students_on_the_logarithms(self):
        found = judged(Sooner(arm="one", than="two", metric=ACCURACY, above=0.5), jumps(EARLY, LATE))
        logs = np.log(LATE) - np.log(EARLY)
        assert found.figure.estimate == pytest.approx(np.exp(logs.mean()))
        assert found.figure.interval == pytest.approx(np.exp(stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs))))

    def test_of_censored_trials_gives_a_bound_from_five_seeds_on(self):
        predicate = Sooner(arm="one", than="two", metric=ACCURACY, above=0.5)
        found = judged(predicate, jumps(EARLY, NEVER))
        assert found.figure.interval is not None and found.figure.interval.high == math.inf
        assert found.figure.reached == (0, 5)
        few = judged(predicate, jumps(EARLY[:4], NEVER[:4]), seeds=4)
        assert few.judged == (INCONCLUSIVE, WhyOpen.FEW_CENSORED)

    def test_takes_a_diverged_trial_for_one_that_never_gets_there(self):
        outcomes: dict[str, list[Outcome]] = {"two": [(State.DIVERGED, 291)] * 5}
        found = judged(Sooner(arm="one", than="two", metric=ACCURACY, above=0.5), jumps(EARLY, LATE), outcomes=outcomes)
        assert (found.judged.verdict, found.figure.reached) == (AGREE, (0, 5))

    def test_waits_for_trials_that_run(self):
        outcomes: dict[str, list[Outcome]] = {"two": [(State.FINISHED, 991)] * 4 + [(State.RUNNING, 901)]}
        found = judged(Sooner(arm="one", than="two", metric=ACCURACY, above=0.5), jumps(EARLY, LATE), outcomes=outcomes)
        assert found.judged == (INCONCLUSIVE, WhyOpen.NOT_OVER)

    def test_may_be_of_a_metric_that_falls(self):
        falls = of([(1.0, 0.0)] * 5, [(1.0, end) for end in (0.3, 0.31, 0.32, 0.33, 0.34)], metric=LOSS)
        assert judged(Sooner(arm="one", than="two", metric=LOSS, below=0.5), falls).judged.verdict is AGREE


class TestBefore:
    PREDICATE = Before(arm="one", first=Goal(metric=ACCURACY, above=0.5), then=Goal(metric=NORM, above=0.5))

    @pytest.mark.parametrize(
        ("first", "then", "verdict", "why"),
        [
            (EARLY, LATE, AGREE, None),
            (LATE, EARLY, DIFFER, None),
            ([501, 201, 401, 101, 901], LATE, INCONCLUSIVE, WhyOpen.THRESHOLD),
            (EARLY, EARLY, INCONCLUSIVE, WhyOpen.NO_SPREAD),
            (EARLY, NEVER, AGREE, None),
            (NEVER, NEVER, INCONCLUSIVE, WhyOpen.TOO_FEW_REACHED),
        ],
    )
    def test_is_of_the_order_of_events(self, first: list[int], then: list[int], verdict: Verdict, why: WhyOpen | None):
        curves = {"one": {ACCURACY: [jump(step) for step in first], NORM: [jump(step) for step in then]}}
        assert judged(self.PREDICATE, curves).judged == (verdict, why)


class TestChange:
    @pytest.mark.parametrize(
        ("ends", "verdict"),
        [(HIGH, AGREE), ([-each for each in HIGH], DIFFER), ([0.1, -0.1, 0.2, -0.2, 0], INCONCLUSIVE)],
    )
    def test_is_since_the_first_evaluation(self, ends: list[float], verdict: Verdict):
        curves = of([(1.0, 1.0 + end) for end in ends])
        found = judged(Change(arm="one", metric=NORM, above=0), curves)
        assert found.judged.verdict is verdict
        assert found.figure.estimate == pytest.approx(np.mean(ends))

    def test_may_be_a_ratio_of_positive_values(self):
        found = judged(Change(arm="one", metric=NORM, by="ratio", above=1.5), of([(1.0, 2.0 + x) for x in LOW]))
        logs = np.log(2 + np.array(LOW))
        assert found.figure.estimate == pytest.approx(np.exp(logs.mean()))
        assert found.figure.interval == pytest.approx(np.exp(stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs))))
        assert found.judged.verdict is AGREE

    def test_of_a_value_without_a_ratio_is_open(self):
        curves = of([(0.0, 2.0), *((1.0, 2.0 + x) for x in LOW[1:])])
        found = judged(Change(arm="one", metric=NORM, by="ratio", above=1.5), curves)
        assert found.judged == (INCONCLUSIVE, WhyOpen.LEFT_OUT)

    def test_may_be_since_the_largest_value(self):
        curves = of([lambda steps, x=x: np.where(steps < 500, 3.0 + x, 1.0) for x in LOW])
        found = judged(Change(arm="one", metric=NORM, since="max", by="ratio", below=0.9), curves)
        assert found.judged.verdict is AGREE
        assert found.figure.estimate == pytest.approx(1 / np.exp(np.log(3 + np.array(LOW)).mean()))

    @pytest.mark.parametrize("first", [math.nan, math.inf, -math.inf])
    def test_of_a_first_value_that_is_no_number_is_open(self, first: float):
        """No later one takes its place."""
        curves = of([lambda steps: np.where(steps == steps[0], first, 2.0), *((1.0, 2.0 + x) for x in LOW[1:])])
        for by in ("difference", "ratio"):
            found = judged(Change(arm="one", metric=NORM, by=by, above=0.1), curves)  # type: ignore[arg-type]
            assert found.judged == (INCONCLUSIVE, WhyOpen.LEFT_OUT) and found.figure.n == 4


class TestCorrelation:
    ARMS = {"one": {"grid": {"optimiser.lr": [0.001, 0.002, 0.004, 0.008]}}}
    PREDICATE = Correlation(metrics=(NORM, LOSS), below=0)

    def curves(self, of_seeds: Sequence[Sequence[float]]) -> Curves:
        """of_seeds: of each seed the loss in each cell, where the norms are 0, 1, 2, 3."""
        cells = ["one lr=0.001", "one lr=0.002", "one lr=0.004", "one lr=0.008"]
        return {
            cell: {NORM: [float(num)] * len(of_seeds), LOSS: [losses[num] for losses in of_seeds]}
            for num, cell in enumerate(cells)
        }

    @pytest.mark.parametrize(
        ("of_seeds", "verdict", "why"),
        [
            ([[3, 2, 1, 0], [3, 2, 0, 1], [2, 3, 1, 0], [3, 2, 1, 0], [3, 1, 2, 0]], AGREE, None),
            ([[0, 1, 2, 3], [0, 1, 3, 2], [1, 0, 2, 3], [0, 1, 2, 3], [0, 2, 1, 3]], DIFFER, None),
            ([[3, 2, 1, 0], [0, 1, 2, 3], [2, 3, 1, 0], [0, 2, 1, 3], [1, 3, 0, 2]], INCONCLUSIVE, WhyOpen.THRESHOLD),
            ([[3, 2, 1, 0]] * 5, INCONCLUSIVE, WhyOpen.NO_SPREAD),
            ([[1, 1, 1, 1], [3, 2, 0, 1], [2, 3, 1, 0], [3, 2, 1, 0], [3, 1, 2, 0]], INCONCLUSIVE, WhyOpen.LEFT_OUT),
        ],
    )
    def test_is_one_a_seed(self, of_seeds: list[list[float]], verdict: Verdict, why: WhyOpen | None):
        assert judged(self.PREDICATE, self.curves(of_seeds), arms=self.ARMS).judged == (verdict, why)

    def test_is_spearmans_and_its_interval_students(self):
        of_seeds = [[3, 2, 1, 0], [3, 2, 0, 1], [2, 3, 1, 0], [3, 2, 1, 0], [3, 1, 2, 0]]
        found = judged(self.PREDICATE, self.curves(of_seeds), arms=self.ARMS)
        # Pearson's of the ranks, which the losses are.
        rhos = [np.corrcoef(range(4), losses)[0, 1] for losses in of_seeds]
        low, high = stats.t.interval(0.95, 4, np.mean(rhos), stats.sem(rhos))
        assert found.figure.estimate == pytest.approx(np.mean(rhos))
        assert low < -0.9 and found.figure.interval == pytest.approx((max(low, -1), high))

    def test_may_be_of_some_arms(self):
        arms = self.ARMS | {"two": {}}
        of_seeds = [[3, 2, 1, 0], [3, 2, 0, 1], [2, 3, 1, 0], [3, 2, 1, 0], [3, 1, 2, 0]]
        curves = {**self.curves(of_seeds), "two": {NORM: [5.0] * 5, LOSS: [5.0] * 5}}
        some = judged(Correlation(metrics=(NORM, LOSS), below=0, arms=("one",)), curves, arms=arms)
        assert some.judged.verdict is AGREE
        assert judged(self.PREDICATE, curves, arms=arms).judged.verdict is INCONCLUSIVE


class TestAgreement:
    PREDICATE = Agreement(arm="one", metrics=(NORM, LOSS), from_step=100, below=0.01)

    def curves(self, deviations: Sequence[float], scale: float = 3.0) -> Curves:
        """Metrics that are apart by a share of the second's largest, at one evaluation; before step 100 by anything."""

        def apart(share: float) -> Curve:
            return lambda steps: np.where(steps < 100, 99.0, np.sin(steps) + np.where(steps == 501, share * scale, 0))

        def held_against(steps: np.ndarray) -> np.ndarray:
            return np.where(steps == 701, -scale, np.sin(steps))

        norms = [lambda steps, share=share: np.where(steps == 701, -scale, apart(share)(steps)) for share in deviations]
        return {"one": {NORM: norms, LOSS: [held_against] * len(deviations)}}

    @pytest.mark.parametrize(
        ("deviations", "verdict"),
        [
            ([0.001, 0.002, 0.003, 0.002, 0.001], AGREE),
            ([0.1, 0.2, 0.3, 0.2, 0.1], DIFFER),
            ([0.001, 0.02, 0.003, 0.02, 0.001], INCONCLUSIVE),
        ],
    )
    def test_is_the_largest_deviation_beside_the_largest_value(self, deviations: list[float], verdict: Verdict):
        found = judged(self.PREDICATE, self.curves(deviations))
        assert found.judged.verdict is verdict
        assert found.figure.estimate == pytest.approx(np.mean(deviations))

    def test_of_nothing_to_hold_it_against_is_open(self):
        curves = {"one": {NORM: HIGH, LOSS: [0.0] * 5}}
        assert judged(self.PREDICATE, curves).judged == (INCONCLUSIVE, WhyOpen.LEFT_OUT)

    def test_an_infinite_value_is_no_agreement(self):
        curves = self.curves([0.001, 0.002, 0.003, 0.002, 0.001])
        last = curves["one"][NORM][4]
        curves["one"][NORM][4] = lambda steps: np.where(steps == 301, np.inf, last(steps))  # type: ignore[index, operator]
        found = judged(self.PREDICATE, curves)
        assert found.judged == (INCONCLUSIVE, WhyOpen.LEFT_OUT) and found.figure.n == 4

    def test_reads_evaluations_that_have_both(self):
        curves = self.curves([0.001, 0.002, 0.003, 0.002, 0.001])
        sparse = [lambda steps, c=c: np.where(steps % 20 == 1, c(steps), np.nan) for c in curves["one"][LOSS]]  # type: ignore[operator]
        found = judged(self.PREDICATE, {"one": {NORM: curves["one"][NORM], LOSS: sparse}})
        assert found.figure.estimate == pytest.approx(np.mean([0.001, 0.002, 0.003, 0.002, 0.001]))
