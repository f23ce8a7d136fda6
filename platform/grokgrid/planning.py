"""A plan: which of a study's trials are done, which would run, and about how long that takes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from search_spaces import Study
from trainables.records import ending
from trainables.trial import Trial

if TYPE_CHECKING:
    from grokgrid.tracking import Tracking, TrialRecord


class Need(StrEnum):
    """What a study would do with a trial."""

    NOTHING = "done"
    START = "to run"
    CONTINUE = "to continue"
    LEAVE = "failed"
    ELSEWHERE = "running elsewhere"


def need_of(trial: Trial, record: "TrialRecord | None", *, retry_failed: bool = False) -> Need:
    """What is to be done for a trial, given what MLflow has of it."""
    from grokgrid.tracking import TrialStatus

    if record is None:
        return Need.START
    if record.summary is not None and ending(trial.config, record.summary) is not None:
        return Need.NOTHING
    if record.failed_run is not None and not retry_failed:
        return Need.LEAVE
    if record.summary is not None:
        return Need.CONTINUE
    return Need.START if record.status is TrialStatus.FAILED else Need.ELSEWHERE


@dataclass(frozen=True)
class Plan:
    """What running a study would do.

    needs          cell -> how many of its trials need what
    at_most_s      seconds of one slot until all is done, should no trial reach its goal early; None if nothing is
                   known of how fast the missing trials are
    """

    study: Study
    needs: Mapping[str, Mapping[Need, int]]
    at_most_s: float | None

    def num(self, need: Need) -> int:
        """Over the whole study, trials that two cells share counted once a cell."""
        return sum(counts.get(need, 0) for counts in self.needs.values())


def make_plan(study: Study, tracking: "Tracking") -> Plan:
    """What `run` would do now; nothing starts."""
    records = tracking.find([trial.key for trial in study.trials])
    needs: dict[str, Counter[Need]] = {}
    at_most_s: float | None = 0.0
    for cell in study.cells:
        trials = [study.trial_of(cell, seed) for seed in study.seed_list]
        needs[cell.name] = Counter(need_of(trial, records.get(trial.key)) for trial in trials)
        missing = needs[cell.name][Need.START] + needs[cell.name][Need.CONTINUE]
        longest = [_whole_budget_s(trial, records.get(trial.key)) for trial in trials]
        known = [seconds for seconds in longest if seconds is not None]
        if missing and at_most_s is not None:
            at_most_s = at_most_s + missing * sum(known) / len(known) if known else None
    return Plan(study, needs, at_most_s)


def _whole_budget_s(trial: Trial, record: "TrialRecord | None") -> float | None:
    """The wall time that the whole budget takes at the pace of a trial that has been run."""
    if record is None or record.summary is None or not record.summary.updates:
        return None
    budget, summary = trial.config.budget, record.summary
    done = budget.position(updates=summary.updates, passes=summary.passes)
    return summary.wall_seconds / done * budget.last_look
