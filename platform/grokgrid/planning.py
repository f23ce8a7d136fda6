"""A plan: which of a study's trials are done, which would run, and about how long that takes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean
from typing import TYPE_CHECKING

from grokgrid.data_digests import DataDigests
from grokgrid.estimates import Estimates, Pace, TrialSeconds
from search_spaces import Study
from trainables.records import ending
from trainables.work import Work

if TYPE_CHECKING:
    from grokgrid.tracking import Tracking, WorkRecord


class Need(StrEnum):
    """What a study would do with a trial."""

    NOTHING = "done"
    START = "to run"
    CONTINUE = "to continue"
    LEAVE = "failed"
    ELSEWHERE = "running elsewhere"


def need_of(work: Work, record: "WorkRecord | None", *, retry_failed: bool = False) -> Need:
    """What must still be done for a trial or an assessment, from its record in MLflow."""
    from grokgrid.tracking import WorkStatus

    if record is None:
        return Need.START
    if record.summary is not None and ending(work.config, record.summary) is not None:
        return Need.NOTHING
    if record.failed_run is not None and not retry_failed:
        return Need.LEAVE
    if record.summary is not None:
        return Need.CONTINUE if record.can_continue else Need.START
    return Need.START if record.status is WorkStatus.FAILED else Need.ELSEWHERE


@dataclass(frozen=True)
class Plan:
    """What running a study would do.

    cells      cell -> how many of its trials need what; two cells may share trials
    needs      the same over the whole study, each trial counted once
    at_most_s  seconds of one slot until all is done, should no trial reach its goal early; None if nothing is known of
               how fast the missing trials are
    paces      how that is known -> of how many cells
    warnings   about the study's plugins and data
    assess_s   seconds of one slot for the missing assessments; None if nothing is known of how long they take
    assessments  title -> how many of them are at which stage
    not_yet    what must still be put right where the study runs: data that is missing here, a device
    """

    study: Study
    cells: Mapping[str, Mapping[Need, int]]
    needs: Mapping[Need, int]
    at_most_s: float | None
    paces: Mapping[Pace, int]
    warnings: tuple[str, ...] = ()
    not_yet: tuple[str, ...] = ()
    assessments: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    assess_s: float | None = 0.0


def make_plan(
    study: Study,
    tracking: "Tracking",
    *,
    retry_failed: bool = False,
    data_digests: Mapping[str, str] | None = None,
    trial_s: TrialSeconds | None = None,
) -> Plan:
    """What `run` would do now; nothing starts.

    trial_s: how long a trial takes that is like none that has been run; asked once for all that are alike
    data_digests: of what functions of data make; if they are given, the trials must have been trained on that

    Raises:
        ValidationErrors: a trial was trained on other data.
    """
    records = tracking.find(study.trials_by_key)
    needs: dict[str, Need] = {}
    cells: dict[str, Counter[Need]] = {}
    paces: dict[str, float] = {}
    for cell in study.cells:
        trials = {key: study.trials_by_key[key] for key in map(cell.key_of, study.seed_list)}
        needs |= {key: need_of(trial, records.get(key), retry_failed=retry_failed) for key, trial in trials.items()}
        cells[cell.name] = Counter(needs[key] for key in trials)
        known = [pace for key, trial in trials.items() if (pace := _pace_s(trial, records.get(key))) is not None]
        if known:
            paces[cell.name] = fmean(known)
    left_s: dict[str, float | None] = {}
    how = dict[str, Pace]()
    estimate = Estimates(study, paces, trial_s)
    for cell in study.cells:
        missing = [key for key in map(cell.key_of, study.seed_list) if needs[key] in (Need.START, Need.CONTINUE)]
        if not missing:
            continue
        found = (paces[cell.name], Pace.OWN) if cell.name in paces else estimate(cell)
        if found is not None:
            how[cell.name] = found[1]
        for key in missing:
            left = _left(study.trials_by_key[key], records.get(key))
            left_s[key] = found[0] * left if found is not None else None
    if data_digests is not None and set(needs.values()) - {Need.NOTHING, Need.LEAVE}:
        DataDigests(data_digests).check(study.trials_by_key, records)
    seconds = [each for each in left_s.values() if each is not None]
    at_most_s = sum(seconds) if len(seconds) == len(left_s) else None
    return Plan(study, cells, Counter(needs.values()), at_most_s, Counter(how.values()))


def _pace_s(work: Work, record: "WorkRecord | None") -> float | None:
    """Wall time an epoch or step, whichever the budget counts, of a trial that has been run."""
    done = _done(work, record)
    return record.summary.wall_seconds / done if record is not None and record.summary is not None and done else None


def _left(work: Work, record: "WorkRecord | None") -> float:
    done = _done(work, record) if record is not None and record.can_continue else 0.0
    return max(0.0, work.config.last_evaluation - done)


def _done(work: Work, record: "WorkRecord | None") -> float:
    if record is None or record.summary is None:
        return 0.0
    return work.config.budget.position(steps=record.summary.steps, epochs=record.summary.epochs)
