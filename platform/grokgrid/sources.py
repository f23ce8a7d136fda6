"""Where a driver's work comes from: a study's trials, and the assessments of their networks as they end.

A search is a source too, see `search/searching.py`.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from grokgrid.assessments import may_run, wanted
from grokgrid.results import results_of
from grokgrid.tracking import Label, Tracking
from search_spaces import Cell, Study
from trainables.work import Work

_ASSESSMENTS_EVERY_S = 10.0


@dataclass
class Outcome:
    """What became of work, by key; of what failed or was lost, why."""

    finished: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Work that somebody wants, and what people call it."""

    work: Work
    label: Label


class Source(Protocol):
    """Where work comes from."""

    def more(self, outcome: Outcome, room: int) -> Sequence[Asked]:
        """Further work: about `room` items, given what has become of those before. None, while none is under way, is
        the end. Asked again and again, also for what it could not say when MLflow was away.
        """


class WholeStudy:
    """All trials of a study at once, and the assessments of their networks as they end."""

    def __init__(self, study: Study, tracking: Tracking, again: Mapping[str, tuple[Work, str]] | None = None) -> None:
        """again: key -> how a finished trial is trained once more, see `assessments.without_networks`"""
        self._study, self._tracking = study, tracking
        work = study.trials_by_key | {key: item for key, (item, _) in (again or {}).items()}
        self._left = [
            Asked(work[cell.key_of(seed)], label_of(study, cell, seed))
            # One that is stopped early has all arms for the first seeds.
            for seed in study.seed_list
            for cell in study.cells
        ]
        self._settled: set[str] = set()
        self._given: set[str] = set()
        self._not_before = -math.inf

    def more(self, outcome: Outcome, room: int) -> Sequence[Asked]:
        given, self._left = self._left, []
        if given or not self._study.assessments:
            return given
        start = time.monotonic()
        if not room and start < self._not_before:
            return []
        found = self._assessments(outcome)
        # While there is enough to do, finding out more takes a tenth of the time at most.
        self._not_before = time.monotonic() + max(_ASSESSMENTS_EVERY_S, 10 * (time.monotonic() - start))
        return found

    def _assessments(self, outcome: Outcome) -> Sequence[Asked]:
        """Those that can be made now and could not before."""
        settled = outcome.finished | outcome.failed.keys() | outcome.lost.keys()
        trials = settled & self._study.trials_by_key.keys()
        if trials == self._settled:
            return []
        known = self._tracking.read(trials & outcome.finished)
        found = results_of(self._study, known.records, known.curves)
        wants = wanted(self._study, found.trials, known.records, self._tracking.networks, settled=trials)
        new = {key: each for key, each in may_run(wants).items() if key not in self._given}
        # Only now: if MLflow was away, all of this is done again.
        self._settled = set(trials)
        self._given |= new.keys()
        return [Asked(work, label_of(self._study, each.cell, each.seed, each.title)) for each, work in new.values()]


def label_of(study: Study, cell: Cell, seed: int, work: str = "trial") -> Label:
    """What a study calls its work."""
    return Label(study.name, cell.arm, cell.name, seed, work)


class FoundFirst:
    """A source of which the first work has been asked for already."""

    def __init__(self, first: Sequence[Asked], source: Source) -> None:
        self._first, self._source = first, source

    def more(self, outcome: Outcome, room: int) -> Sequence[Asked]:
        given, self._first = self._first, []
        return given or self._source.more(outcome, room)
