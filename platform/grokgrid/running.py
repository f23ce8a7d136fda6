"""Running work: claim what is missing, hand it to an engine, bring what comes back into MLflow.

Work is trials, and assessments of the networks that they leave.

One loop, one thread, and every step of it can be repeated: claims say whose a trial is, folders on storage hold what
workers have done, MLflow holds what is settled. Whoever dies at any point leaves these three in a state from which the
same loop goes on.

    to look up ──not done──> waiting ──claim──> with the engine ──over──> to be recorded ──> settled
         ^                      └── another driver's: looked up again some seconds later ──┘

While MLflow is away the engine works on, at what was claimed before. Each step below asks MLflow first and takes note
afterwards, so that a step that could not reach it has changed nothing and is simply taken again.

Which work, a source says: a study all of its trials at once and assessments as their trials end, a search a few trials
at a time, given what has become of others.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path

from grokgrid.data_digests import DataDigests
from grokgrid.engine.interface import Block, Engine, Event, Failed, Finished, Lost, OutOfMemory, Waits
from grokgrid.patience import AwayForGood, Patience, StallWatch, is_for_good
from grokgrid.planning import Need, need_of
from grokgrid.progress import Progress
from grokgrid.provenance import provenance
from grokgrid.sources import Outcome, Source
from grokgrid.tracking import Claim, Label, ReportRun, Tracking, TrackingAway, TrackingRefused, WorkRecord
from grokgrid.tracking.records import WITHOUT_CHECKPOINT
from trainables.checksums import Damaged
from trainables.interrupts import deferred_interrupts
from trainables.laid_networks import are_whole, write_networks
from trainables.plugins.loading import source_of
from trainables.plugins.source import SourceCode
from trainables.records import Snapshot, WorkFolder, ending
from trainables.work import Work

_ELSEWHERE_CHECKED_EVERY_S = 5.0
_IDLE_S = 0.5
_BLOCK_S = 2.0
"""Trials that are shorter than this share blocks of about this length."""
MAX_BLOCK = 50
OUT_OF_MEMORY_ALONE = 2
"""A trial that was out of memory so many times while no other one ran has failed."""
_AHEAD_S = 6.0
_DAMAGED_AT_MOST = 3


@dataclass(frozen=True, kw_only=True)
class How:
    """How trials are run, which decides nothing about their results but times.

    storage           root of the folders of trials in flight; on a cluster a folder that every node sees
    keep_checkpoints  whether what ended is recorded with its last checkpoint
    not_enough        key -> run of a finished trial that is trained once more, for its networks were not kept
    data_digests      of what functions of data make, by `PluginDataset.function`, as far as it is known
    """

    storage: Path
    device: str = "cpu"
    num_threads: int = 1
    checkpoint_every_s: float = 60.0
    retry_failed: bool = False
    keep_checkpoints: bool = True
    not_enough: Mapping[str, str] = field(default_factory=dict)
    data_digests: Mapping[str, str] = field(default_factory=dict)


def remove_abandoned(storage: Path, days: float) -> int:
    """Removes the folders of trials that no worker has written to for so many days; returns how many there were."""
    until = time.time() - days * 24 * 3600
    removed = 0
    for path in storage.iterdir() if storage.is_dir() else ():
        folder = WorkFolder(storage, path.name)
        with suppress(FileNotFoundError):
            if path.is_dir() and folder.last_written() < until:
                folder.remove()
                removed += 1
    return removed


def _in_hand(num_slots: int) -> int:
    """Trials to have from a source that may give them one by one: what comes next is better decided late, but none of
    several slots should wait for it.
    """
    return num_slots + num_slots // 2


class Driver:
    """The loop, for one source and one engine. `report` is the MLflow run whose lease says that this driver lives."""

    def __init__(
        self, source: Source, engine: Engine, tracking: Tracking, report: ReportRun, progress: Progress, how: How
    ) -> None:
        self._source, self._engine, self._tracking, self._report = source, engine, tracking, report
        self._progress, self._how = progress, how
        self._work: dict[str, Work] = {}
        self._labels: dict[str, Label] = {}
        self._sources: dict[str | None, SourceCode] = {}
        self._is_over = False
        self._data_digests = DataDigests(how.data_digests)
        self._to_look_up: list[str] = []
        self._waiting: deque[str] = deque()
        self._claims: dict[str, Claim] = {}
        self._with_engine: set[str] = set()
        self._to_record: dict[str, Callable[[], None]] = {}
        self._outcome = Outcome()
        self._num_damaged: Counter[str] = Counter()
        self._block_numbers = count()
        self._durations_s: deque[float] = deque(maxlen=20)
        self._look_up_at = 0.0
        self._needs_tracking = Patience("MLflow", "MLflow", progress)
        self._needs_storage = Patience("storage", how.storage, progress)
        self._stalls = StallWatch(how.storage, progress.tell)
        self._to_submit: list[str] = []
        self._size = 1
        self._to_read: list[str] = []
        self._waits: dict[str, str] = {}
        self._went_on_at = time.monotonic()
        self._to_run_alone: deque[str] = deque()
        self._runs_alone: str | None = None
        self._num_alone: Counter[str] = Counter()

    def run(self) -> Outcome:
        """Until every trial is finished, failed or lost.

        Raises:
            KeyboardInterrupt: upon SIGINT, SIGTERM or SIGHUP; running trials have saved snapshots and no claim is
                left.
        """
        with deferred_interrupts() as interrupted:
            self._stalls.start()
            try:
                while not self._is_over and not interrupted():
                    is_idle = not self._with_engine
                    self._needs_tracking.attempt(self._reach_tracking, is_all_that_is_left=is_idle)
                    self._needs_storage.attempt(self._reach_storage, is_all_that_is_left=is_idle)
                    self._note(self._engine.poll(0.2 if self._with_engine else 0.0))
                    self._end_if_all_wait()
                    is_away = self._needs_tracking.is_waiting or self._needs_storage.is_waiting
                    if not self._with_engine and (self._to_look_up or is_away):
                        time.sleep(_IDLE_S)
                if interrupted():
                    self._progress.stopping()
            finally:
                self._stalls.stop()
                self._engine.close()
                self._give_back()
            if interrupted():
                raise KeyboardInterrupt
        return self._outcome

    def _reach_tracking(self) -> None:
        """All that needs MLflow. While it is away this is put off, and what was not done stays to be done."""
        self._report.keep_alive()
        self._record()
        self._ask_for_more()
        if self._to_look_up and time.monotonic() >= self._look_up_at:
            self._look_up()
            self._look_up_at = time.monotonic() + _ELSEWHERE_CHECKED_EVERY_S
        self._take_on()

    def _reach_storage(self) -> None:
        """All that needs the folders of trials alone, likewise."""
        for key in list(self._to_read):
            self._finished(key)
            self._to_read.remove(key)
        self._hand_over()

    def _end_if_all_wait(self) -> None:
        """Raises:
        AwayForGood: for an hour, no trial has gone on.
        """
        why = next(iter(self._waits.values()), None)
        if self._with_engine and self._stalls.stalled_s:
            why = f"{self._how.storage} does not answer"
        if why is not None and is_for_good(self._went_on_at):
            raise AwayForGood(why)

    def _ask_for_more(self) -> None:
        in_hand = len(self._to_look_up) + len(self._waiting) + len(self._claims)
        more = self._source.more(self._outcome, max(0, _in_hand(self._engine.num_slots) - in_hand))
        new = {key: asked for asked in more if (key := asked.work.key) not in self._work}
        self._progress.expect({key: (asked.label.name, asked.work) for key, asked in new.items()})
        self._work |= {key: asked.work for key, asked in new.items()}
        self._labels |= {key: asked.label for key, asked in new.items()}
        for asked in new.values():
            # Now: files may be edited while their study runs.
            self._sources |= {
                plugin.source: source_of(plugin)
                for _, plugin in asked.work.config.plugins
                if plugin.source not in self._sources
            }
        if new:
            self._to_look_up += new
            self._look_up_at = 0.0
        self._is_over = not in_hand and not new

    def _look_up(self) -> None:
        """What there is of trials of which we do not know, or which others had in hand when we wanted them."""
        records = self._tracking.find(self._to_look_up)
        self._data_digests.check(self._work, records)
        for key in self._to_look_up:
            if not self._is_settled(key, records.get(key)):
                self._waiting.append(key)
        self._to_look_up.clear()

    def _take_on(self) -> None:
        """Claims as many waiting trials as keep the engine busy for a while, and hands them over in blocks."""
        size, num_slots = self._block_size(), self._engine.num_slots
        most = self._blocks_ahead() * num_slots * size
        room = most - len(self._with_engine) - len(self._to_submit)
        if self._runs_alone in self._with_engine:
            return
        # By halves: each step below asks MLflow as much for one trial as for many.
        if not self._waiting or room < max(size, most // 2 - num_slots * size):
            return
        keys = list(islice(self._waiting, room))
        records = self._tracking.find(keys)
        wanted = [key for key in keys if key not in records or not self._is_enough(records[key])]
        claims = self._tracking.claim(self._report, wanted, self._is_enough, self._labels)
        for key in claims.won:
            if key in records and records[key].summary is not None and key not in self._how.not_enough:
                self._tracking.restore(records[key], self._folder(key))
        without = {key: why for key in claims.won if (why := self._lay_networks(key)) is not None}
        for key in keys:
            self._waiting.popleft()
            if key not in claims.won and key not in claims.taken:
                self._is_settled(key, claims.settled.get(key) or records[key])
        self._to_look_up += claims.taken
        self._claims |= claims.won
        self._to_submit += [key for key in claims.won if key not in without]
        for key, why in without.items():
            self._progress.note(Lost(key, why))
            self._lost(key, why)
        self._size = size

    def _lay_networks(self, key: str) -> str | None:
        """Brings the networks that it needs from MLflow to where a worker finds them; returns why that cannot be."""
        needs, folder = self._work[key].needs, self._folder(key)
        if not needs or are_whole(folder.networks_path):
            return None
        records = self._tracking.find(need.key for need in needs)

        def fill(path: Path) -> None:
            for need in needs:
                if (record := records.get(need.key)) is None or record.summary is None:
                    raise Damaged(f"trial {need.key} is not recorded any more")
                self._tracking.copy_network(record, need.step, path / need.file_name)

        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            write_networks(folder.networks_path, fill)
        except Damaged as error:
            return f"{error}: the network would have to be trained again (--train-again)"
        return None

    def _hand_over(self) -> None:
        """Gives the engine what is claimed, and what needs the engine for itself when it has nothing else."""
        over = {key for key in self._to_submit if self._is_over_on_storage(key)}
        to_run = [key for key in self._to_submit if key not in over]
        self._to_submit.clear()
        self._to_read += over
        for start in range(0, len(to_run), self._size):
            self._submit(to_run[start : start + self._size])
        if self._to_run_alone and not self._with_engine and not self._waiting:
            self._runs_alone = self._to_run_alone.popleft()
            self._submit([self._runs_alone])

    def _submit(self, keys: Sequence[str]) -> None:
        self._with_engine |= set(keys)
        plugins = {plugin.source for key in keys for _, plugin in self._work[key].config.plugins}
        self._engine.submit(
            Block(
                id=f"block-{next(self._block_numbers)}",
                work=tuple(self._work[key] for key in keys),
                storage=self._how.storage,
                device=self._how.device,
                num_threads=self._how.num_threads,
                checkpoint_every_s=self._how.checkpoint_every_s,
                data_digests={key: digest for key in keys if (digest := self._data_digests.of(self._work[key]))},
                sources=tuple(source for digest, source in self._sources.items() if digest in plugins),
            )
        )

    def _block_size(self) -> int:
        """Trials a block: one, unless trials are so short that starting each by itself would cost."""
        if not self._durations_s:
            return 1
        mean_s = sum(self._durations_s) / len(self._durations_s)
        fair_share = -(-len(self._waiting) // (2 * self._engine.num_slots))
        return max(1, min(int(_BLOCK_S / max(mean_s, 1e-3)), fair_share, MAX_BLOCK))

    def _blocks_ahead(self) -> int:
        """Blocks a slot to have in hand: two, so that none waits, and of short ones as many as last some seconds. What
        is in our hands nobody else can run.
        """
        if not self._durations_s:
            return 2
        mean_s = sum(self._durations_s) / len(self._durations_s) * self._block_size()
        return max(2, min(8, int(_AHEAD_S / max(mean_s, 1e-3))))

    def _is_enough(self, record: WorkRecord) -> bool:
        if record.run_id == self._how.not_enough.get(record.key):
            return False
        need = need_of(self._work[record.key], record, retry_failed=self._how.retry_failed)
        return need in (Need.NOTHING, Need.LEAVE)

    def _is_settled(self, key: str, record: WorkRecord | None) -> bool:
        """Whether there is nothing to run, now that MLflow says so; noted if so."""
        if record is None or not self._is_enough(record):
            return False
        end = ending(self._work[key].config, record.summary) if record.summary is not None else None
        if end is not None:
            self._outcome.finished.add(key)
        else:
            self._outcome.failed[key] = record.reason or "no reason is recorded"
        self._progress.found(key, end)
        return True

    def _is_over_on_storage(self, key: str) -> bool:
        """Whether a worker of an earlier driver finished this trial, so that only its recording is missing."""
        snapshot = self._folder(key).latest(self._progress.tell)
        if snapshot is None:
            return False
        summary = snapshot.summary()
        # Without an end of its own it was stopped; that it is over all the same is for a worker to write down.
        return summary.end is not None and ending(self._work[key].config, summary) is not None

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            self._progress.note(event)
            if isinstance(event, Waits):
                self._waits[event.key] = event.reason
                continue
            self._waits.pop(event.key, None)
            self._went_on_at = time.monotonic()
            match event:
                case Finished(key):
                    self._to_read.append(key)
                case Failed(key, log):
                    self._failed(key, log)
                case OutOfMemory(key, log):
                    self._out_of_memory(key, log)
                case Lost(key, reason):
                    self._lost(key, reason)
                case _:
                    continue
            self._with_engine.discard(key)

    def _failed(self, key: str, log: str) -> None:
        self._outcome.failed[key] = log.strip().splitlines()[-1]
        self._to_record[key] = partial(self._fail, key, log)

    def _out_of_memory(self, key: str, log: str) -> None:
        """With others beside it, any trial can be the one for which no memory is left."""
        self._num_alone[key] += key == self._runs_alone or self._engine.num_slots == 1
        if self._num_alone[key] < OUT_OF_MEMORY_ALONE:
            self._to_run_alone.append(key)
            self._progress.tell("It is tried again alone, when no other trial is left to run.")
        else:
            self._progress.note(Failed(key, log))
            self._failed(key, log)

    def _finished(self, key: str) -> None:
        damaged: list[str] = []
        snapshot = self._folder(key).latest(damaged.append)
        if damaged:
            self._run_again(key, damaged[-1])
            return
        if snapshot is None:
            os.stat(self._how.storage)  # Of a mount that is gone there is nothing to be read.
            reason = f"it finished, but left nothing under {self._how.storage}: do its node and this one share it?"
            self._progress.note(Lost(key, reason))
            self._lost(key, reason)
            return
        summary = snapshot.summary()
        if (wrong := self._data_digests.contradiction(self._work[key], summary)) is not None:
            self._progress.note(Failed(key, wrong))
            self._outcome.failed[key] = wrong
            self._to_record[key] = partial(self._fail, key, wrong)
            self._folder(key).remove()
            return
        self._durations_s.append(summary.wall_seconds)
        self._progress.ended(key, ending(self._work[key].config, summary), summary.wall_seconds)
        self._to_record[key] = partial(self._ingest, key, snapshot)

    def _run_again(self, key: str, damage: str) -> None:
        """A trial of which the last snapshot turned out to be damaged goes on from the one before it."""
        self._progress.tell(damage)
        self._num_damaged[key] += 1
        if self._num_damaged[key] > _DAMAGED_AT_MOST:
            reason = f"its last snapshot was damaged {self._num_damaged[key]} times: is the disk of {self._how.storage}"
            self._progress.note(Lost(key, f"{reason} sound?"))
            self._lost(key, f"{reason} sound?")
        else:
            self._to_record[key] = partial(self._give_up_and_look_up, key)

    def _give_up_and_look_up(self, key: str) -> None:
        self._withdraw(key)
        self._to_look_up.append(key)

    def _lost(self, key: str, reason: str) -> None:
        self._outcome.lost[key] = reason
        self._to_record[key] = partial(self._withdraw, key)

    def _record(self) -> None:
        for key in list(self._to_record):
            self._to_record[key]()
            del self._to_record[key], self._claims[key]

    def _ingest(self, key: str, snapshot: Snapshot) -> None:
        tags = provenance() if self._how.keep_checkpoints else provenance() | {WITHOUT_CHECKPOINT: "true"}
        try:
            recorded = self._tracking.ingest(self._claims[key], snapshot, tags)
        except Damaged as error:
            self._progress.tell(f"{snapshot.path}: the snapshot is damaged: {error}. The trial is run again")
            self._give_up_and_look_up(key)
            return
        if recorded is None:
            # We were taken for dead, and whoever took the trial over is at it now, perhaps in this very folder.
            self._to_look_up.append(key)
            return
        self._outcome.finished.add(key)
        self._folder(key).remove()

    def _fail(self, key: str, log: str) -> None:
        self._tracking.fail(self._claims[key], self._work[key], log, provenance())

    def _withdraw(self, key: str) -> None:
        self._tracking.withdraw([self._claims[key]])

    def _give_back(self) -> None:
        """Records what is done and leaves nothing open behind, neither of ours nor of drivers that died meanwhile. If
        MLflow is away it cannot: then the lease lapses, and whoever runs the study next records what lies on storage.
        """
        with suppress(TrackingAway, TrackingRefused, OSError):
            self._record()
            self._tracking.withdraw(self._claims.values())
            self._tracking.clean_up()

    def _folder(self, key: str) -> WorkFolder:
        return WorkFolder(self._how.storage, key)
