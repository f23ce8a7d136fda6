"""Running a study: claim what is missing, hand it to an engine, bring what comes back into MLflow.

One loop, one thread, and every step of it can be repeated: claims say whose a trial is, folders on storage hold what
workers have done, MLflow holds what is settled. Whoever dies at any point leaves these three in a state from which the
same loop goes on.

    waiting ──claim──> with the engine ──finished──> to be ingested ──> settled
       ^  └─ another driver's ─> elsewhere ─┐
       └────────── theirs has died ─────────┘

While MLflow is away the engine works on, at what was claimed before; claims and ingestion are tried again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path

from grokgrid.engine.interface import Block, Engine, Event, Failed, Finished, Lost
from grokgrid.planning import Need, need_of
from grokgrid.progress import Progress
from grokgrid.tracking import AnswerRun, Claim, Tracking, TrackingAway, TrialRecord
from search_spaces import Study
from trainables.records import Snapshot, TrialFolder, ending

_ELSEWHERE_CHECKED_EVERY_S = 5.0
_AWAY_RETRIED_EVERY_S = 2.0
_AWAY_FOR_GOOD_S = 3600.0
_BLOCK_S = 2.0
"""Trials that are shorter than this share blocks of about this length."""
_MAX_BLOCK = 50


@dataclass(frozen=True, kw_only=True)
class How:
    """How trials are run, which decides nothing about their results but times.

    storage  root of the folders of trials in flight; on a cluster a folder that every node sees
    """

    storage: Path
    device: str = "cpu"
    num_threads: int = 1
    checkpoint_every_s: float = 60.0
    retry_failed: bool = False


@dataclass
class Outcome:
    """What became of a study's trials, by key; of the failed and lost ones, why."""

    finished: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


class Driver:
    """The loop, for one study and one engine. `answer` is the MLflow run whose lease says that this driver lives."""

    def __init__(
        self, study: Study, engine: Engine, tracking: Tracking, answer: AnswerRun, progress: Progress, how: How
    ) -> None:
        self._engine, self._tracking, self._answer = engine, tracking, answer
        self._progress, self._how = progress, how
        self._trials = {trial.key: trial for trial in study.trials}
        self._waiting: deque[str] = deque(self._trials)
        self._elsewhere: set[str] = set()
        self._claims: dict[str, Claim] = {}
        self._with_engine: set[str] = set()
        self._to_record: dict[str, Callable[[], None]] = {}
        self._outcome = Outcome()
        self._block_numbers = count()
        self._durations_s: deque[float] = deque(maxlen=20)
        self._check_elsewhere_at = self._retry_at = 0.0
        self._away_since: float | None = None

    def run(self) -> Outcome:
        """Until every trial is finished, failed or lost. Interrupted, it leaves snapshots and no claims."""
        try:
            while self._waiting or self._elsewhere or self._claims:
                self._reach_tracking()
                self._note(self._engine.poll(0.2 if self._with_engine else 0.0))
                if not self._with_engine and (self._elsewhere or self._away_since is not None):
                    time.sleep(0.5)
        finally:
            self._engine.close()
            self._give_back()
        return self._outcome

    def _reach_tracking(self) -> None:
        """All that needs MLflow. While it is away this is put off, and what was not done stays to be done."""
        now = time.monotonic()
        if now < self._retry_at:
            return
        try:
            self._answer.keep_alive()
            self._record()
            self._take_on()
            if self._elsewhere and now >= self._check_elsewhere_at:
                self._look_elsewhere()
                self._check_elsewhere_at = time.monotonic() + _ELSEWHERE_CHECKED_EVERY_S
        except TrackingAway as error:
            self._away_since = self._away_since or now
            if now - self._away_since > _AWAY_FOR_GOOD_S and not self._with_engine:
                raise
            self._retry_at = time.monotonic() + _AWAY_RETRIED_EVERY_S
            self._progress.away(str(error))
        else:
            if self._away_since is not None:
                self._progress.back()
            self._away_since = None

    def _take_on(self) -> None:
        """Claims as many waiting trials as keep the engine busy for a while, and hands them over in blocks."""
        size = self._block_size()
        room = 2 * self._engine.num_slots * size - len(self._with_engine)
        if not self._waiting or room < size:
            return
        keys = list(islice(self._waiting, room))
        records = self._tracking.find(keys)
        wanted = [key for key in keys if not self._is_settled(key, records.get(key))]
        claims = self._tracking.claim(self._answer, wanted, self._is_enough)
        for key, record in claims.settled.items():
            self._is_settled(key, record)
        self._elsewhere |= set(claims.taken)
        for key, claim in claims.won.items():
            self._claims[key] = claim
        for _ in keys:
            self._waiting.popleft()
        to_run = [key for key in claims.won if not self._is_on_storage(key, records.get(key))]
        for start in range(0, len(to_run), size):
            part = to_run[start : start + size]
            self._engine.submit(
                Block(
                    id=f"block-{next(self._block_numbers)}",
                    trials=tuple(self._trials[key] for key in part),
                    storage=self._how.storage,
                    device=self._how.device,
                    num_threads=self._how.num_threads,
                    checkpoint_every_s=self._how.checkpoint_every_s,
                )
            )
            self._with_engine |= set(part)

    def _block_size(self) -> int:
        """Trials a block: one, unless trials are so short that starting each by itself would cost."""
        if not self._durations_s:
            return 1
        mean_s = sum(self._durations_s) / len(self._durations_s)
        fair_share = -(-len(self._waiting) // (2 * self._engine.num_slots))
        return max(1, min(int(_BLOCK_S / max(mean_s, 1e-3)), fair_share, _MAX_BLOCK))

    def _is_settled(self, key: str, record: TrialRecord | None) -> bool:
        """Whether there is nothing to run, now that MLflow says so; noted if so."""
        need = need_of(self._trials[key], record, retry_failed=self._how.retry_failed)
        if need is Need.NOTHING:
            assert record is not None and record.summary is not None
            self._outcome.finished.add(key)
            self._progress.found(key, ending(self._trials[key].config, record.summary))
        elif need is Need.LEAVE:
            assert record is not None
            self._outcome.failed[key] = record.reason or "no reason is recorded"
            self._progress.found(key, None)
        elif need is Need.ELSEWHERE:
            self._elsewhere.add(key)
        else:
            return False
        return True

    def _is_enough(self, record: TrialRecord) -> bool:
        need = need_of(self._trials[record.key], record, retry_failed=self._how.retry_failed)
        return need in (Need.NOTHING, Need.LEAVE)

    def _is_on_storage(self, key: str, record: TrialRecord | None) -> bool:
        """Whether a worker of an earlier driver finished this trial, so that only its recording is missing. Else its
        folder is made ready to be continued from what MLflow has, unless it holds more already.
        """
        trial, folder = self._trials[key], self._folder(key)
        snapshot = folder.latest()
        if snapshot is not None and ending(trial.config, snapshot.summary()) is not None:
            self._finish(key)
            return True
        if snapshot is None and record is not None and record.summary is not None:
            self._tracking.restore(record, folder)
        return False

    def _look_elsewhere(self) -> None:
        """What other drivers had in hand: done by now, still at it, or given up, and then ours to claim."""
        self._tracking.clean_up()
        records = self._tracking.find(sorted(self._elsewhere))
        keys, self._elsewhere = self._elsewhere, set()
        for key in keys:
            if not self._is_settled(key, records.get(key)):
                self._waiting.append(key)

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            self._progress.note(event)
            if not isinstance(event, Finished | Failed | Lost):
                continue
            key = event.key
            self._with_engine.discard(key)
            match event:
                case Finished():
                    self._finish(key)
                case Failed(log=log):
                    self._outcome.failed[key] = log.strip().splitlines()[-1]
                    self._to_record[key] = partial(self._fail, key, log)
                case Lost(reason=reason):
                    self._outcome.lost[key] = reason
                    self._to_record[key] = partial(self._withdraw, key)

    def _finish(self, key: str) -> None:
        snapshot = self._folder(key).latest()
        assert snapshot is not None
        summary = snapshot.summary()
        self._durations_s.append(summary.wall_seconds)
        self._progress.ended(key, ending(self._trials[key].config, summary), summary.wall_seconds)

        self._outcome.finished.add(key)
        self._to_record[key] = partial(self._ingest, key, snapshot)

    def _ingest(self, key: str, snapshot: Snapshot) -> None:
        self._tracking.ingest(self._claims[key], snapshot)
        self._folder(key).remove()

    def _fail(self, key: str, log: str) -> None:
        self._tracking.fail(self._claims[key], self._trials[key], log)

    def _withdraw(self, key: str) -> None:
        self._tracking.withdraw([self._claims[key]])

    def _record(self) -> None:
        for key in list(self._to_record):
            self._to_record[key]()
            del self._to_record[key], self._claims[key]

    def _give_back(self) -> None:
        """Records what is done and leaves no claim behind. If MLflow is away it cannot: then the lease lapses, and what
        lies on storage is recorded by whoever runs the study next.
        """
        with suppress(TrackingAway):
            self._record()
            self._tracking.withdraw(self._claims.values())

    def _folder(self, key: str) -> TrialFolder:
        return TrialFolder(self._how.storage, key)
