"""Plans: what would run, and how long that would take."""

import subprocess
import sys
from typing import Any

import pytest
from driver_records import record
from driver_studies import study

from grokgrid import api
from grokgrid.estimates import Pace
from grokgrid.planning import Need, Plan, make_plan, need_of
from grokgrid.tracking import WorkRecord, WorkStatus
from search_spaces import Study
from trainables.trial import Trial

LOW = {1: 0.1, 6: 0.1}

NEEDS: dict[str, tuple[dict[str, Any] | None, Need, Need]] = {
    "nothing is known": (None, Need.START, Need.START),
    "the goal was met": ({"accuracies": {1: 0.1, 6: 0.7}}, Need.NOTHING, Need.NOTHING),
    "the budget is spent": ({"accuracies": {1: 0.1, 56: 0.1}}, Need.NOTHING, Need.NOTHING),
    "it diverged": ({"accuracies": LOW, "diverged_at": 8}, Need.NOTHING, Need.NOTHING),
    "a part is done": ({"accuracies": LOW}, Need.CONTINUE, Need.CONTINUE),
    "a part is done, more failed": ({"accuracies": LOW, "failed_run": "f"}, Need.LEAVE, Need.CONTINUE),
    "all is done, more failed": ({"accuracies": {56: 0.1}, "failed_run": "f"}, Need.NOTHING, Need.NOTHING),
    "it failed": ({"status": WorkStatus.FAILED, "failed_run": "f"}, Need.LEAVE, Need.START),
    "it is being claimed": ({"status": WorkStatus.CLAIMING}, Need.ELSEWHERE, Need.ELSEWHERE),
    "it is running": ({"status": WorkStatus.RUNNING}, Need.ELSEWHERE, Need.ELSEWHERE),
}


@pytest.mark.parametrize(("told", "need", "retrying"), NEEDS.values(), ids=NEEDS)
def test_what_a_trial_needs(told: dict[str, Any] | None, need: Need, retrying: Need):
    trial = study().trials[0]
    known = record(trial, **told) if told is not None else None
    assert need_of(trial, known) is need
    assert need_of(trial, known, retry_failed=True) is retrying


class Known:
    """Tracking, as far as a plan goes."""

    def __init__(self, *records: WorkRecord) -> None:
        self._records = {record.key: record for record in records}

    def find(self, keys: list[str]) -> dict[str, WorkRecord]:
        return {key: self._records[key] for key in keys if key in self._records}


def plan(study: Study, *records: WorkRecord, **options: Any) -> Plan:
    return make_plan(study, Known(*records), **options)  # type: ignore[arg-type]


class TestPlans:
    """Trials of 56 steps at most, the last evaluation within a budget of 60."""

    def test_count_by_cell_and_over_all(self):
        small = study(seeds=2)
        baseline, slow, wild = (small.trial_of(cell, 0) for cell in small.cells)
        made = plan(
            small,
            record(baseline, {6: 0.7}),
            record(slow, LOW),
            record(wild, status=WorkStatus.FAILED, failed_run="f"),
            record(small.trial_of(small.cells[2], 1), status=WorkStatus.RUNNING),
        )
        assert made.cells == {
            "baseline": {Need.NOTHING: 1, Need.START: 1},
            "slow": {Need.CONTINUE: 1, Need.START: 1},
            "wild": {Need.LEAVE: 1, Need.ELSEWHERE: 1},
        }
        assert made.needs == {Need.NOTHING: 1, Need.START: 2, Need.CONTINUE: 1, Need.LEAVE: 1, Need.ELSEWHERE: 1}

    def test_count_a_shared_trial_once(self):
        twins = study(arms={"baseline": {}, "twin": {}})
        done = record(twins.trials[0], {56: 0.1}, wall_seconds=56.0)
        made = plan(twins, done)
        assert made.cells["baseline"] == made.cells["twin"] == {Need.NOTHING: 1, Need.START: 1}
        assert made.needs == {Need.NOTHING: 1, Need.START: 1}
        assert made.at_most_s == pytest.approx(56.0)

    def test_estimate_what_is_left_at_the_pace_of_the_same_cell(self):
        small = study(seeds=3, arms={"baseline": {}, "slow": study().arms["slow"]})
        baseline, slow = small.cells
        made = plan(
            small,
            record(small.trial_of(baseline, 0), {28: 0.7}, wall_seconds=28.0),
            record(small.trial_of(baseline, 1), {56: 0.1}, wall_seconds=168.0),
            record(small.trial_of(slow, 0), {16: 0.1}, wall_seconds=160.0),
        )
        # Baseline takes 1 s and 3 s a step, on average 2 s, and slow 10 s, of which one trial has done 16 steps.
        assert made.at_most_s == pytest.approx(2 * 56 + 10 * (56 + 56 + 40))

    def test_know_no_time_before_a_trial_of_each_missing_cell_has_run(self):
        small = study(seeds=1)
        assert plan(small).at_most_s is None
        baseline, slow, wild = (small.trial_of(cell, 0) for cell in small.cells)
        # Another learning rate makes no difference, another optimiser may.
        assert plan(small, record(baseline, {56: 0.1})).at_most_s is None
        assert plan(small, *(record(trial, {56: 0.1}) for trial in (baseline, slow, wild))).at_most_s == 0

    def test_estimate_cells_by_those_that_differ_in_numbers_alone(self):
        strengths = {"grid": {"regulariser.strength": [0.1, 0.2, 0.4]}}
        arms = {
            "jacobian": {"regulariser": {"name": "jacobian"}} | strengths,
            "exact": {"regulariser": {"name": "jacobian", "projections": "exact"}} | strengths,
        }
        small = study(seeds=1, arms=arms)
        done = [record(small.trial_of(small.cells[i], 0), {56: 0.1}, wall_seconds=56.0 * (i + 1)) for i in (0, 1, 3)]
        made = plan(small, *done)
        # 1 s and 2 s a step, on average 1.5 s; exact projections 4 s, and two trials of those are missing.
        assert made.at_most_s == pytest.approx(1.5 * 56 + 2 * 4 * 56)
        assert made.paces == {Pace.ALIKE: 3}
        assert plan(small, *done[:2]).at_most_s is None

    def test_ask_how_long_a_trial_takes_once_for_all_that_are_alike(self):
        small, asked = study(seeds=3), list[Trial]()

        def trial_s(trial: Trial) -> float:
            asked.append(trial)
            return 100.0 if "sgd" in str(trial.config) else 28.0

        made = plan(small, trial_s=trial_s)
        assert made.at_most_s == pytest.approx(3 * (28 + 28 + 100)) and made.paces == {Pace.TIMED: 3}
        assert [trial.seed for trial in asked] == [0, 0] and len({trial.key for trial in asked}) == 2
        # What has run is not asked for, nor what nothing is left of.
        baseline, slow, wild = (small.trial_of(cell, 0) for cell in small.cells)
        made = plan(small, record(baseline, {56: 0.1}, wall_seconds=56.0), trial_s=trial_s)
        assert made.paces == {Pace.OWN: 1, Pace.ALIKE: 1, Pace.TIMED: 1} and len(asked) == 3
        assert made.at_most_s == pytest.approx(2 * 56 + 3 * 56 + 3 * 100)
        assert plan(small, trial_s=lambda trial: None).at_most_s is None

    def test_do_not_count_the_time_of_what_is_left_alone(self):
        small = study(seeds=2, arms={"baseline": {}})
        failed = record(small.trials[1], status=WorkStatus.FAILED, failed_run="f")
        records = record(small.trials[0], {56: 0.1}, wall_seconds=56.0), failed
        assert plan(small, *records).at_most_s == 0
        assert plan(small, *records, retry_failed=True).at_most_s == pytest.approx(56.0)


def test_planning_in_an_empty_home_creates_nothing(home):
    made = api.plan("demo")
    assert made.needs == {Need.START: 20}
    assert not home.exists()
    code = "import sys, grokgrid; grokgrid.plan('demo'); print('mlflow' in sys.modules, 'numpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout == "False False\n"
    assert not home.exists()
