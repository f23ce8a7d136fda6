"""Running one trial: train, evaluate, stop at the goal, the budget or divergence; leave snapshots on the way."""

import csv
import math
import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, final

import torch
from safetensors.torch import load_file, save_file

from trainables import checksums
from trainables.assessing import Assessing
from trainables.assessment_config import AssessmentConfig
from trainables.faults import Fault, fault_of, reason
from trainables.gradient_config import GradientConfig
from trainables.kept_networks import KeptNetworks
from trainables.plugins.loading import source_of
from trainables.procedure_config import ProcedureConfig
from trainables.procedure_training import ProcedureTraining
from trainables.records import End, Evaluation, Segment, Snapshot, Summary, Waiting, WorkFolder, ending, warn
from trainables.snapshot_requests import never
from trainables.tables import Columns, Tables
from trainables.training import Training
from trainables.work import Work

RETRIED_EVERY_S = 2.0


@dataclass(frozen=True)
class How:
    """share               of the device this trial has to itself; recorded, for times only compare where it is the same
    checkpoint_every_s  seconds between snapshots
    snapshot_asked      called at every evaluation; whether to save one out of turn
    say                 gets a sentence about each snapshot that is damaged, and does not count
    data_digest         what data that a function makes must have here as elsewhere, if that is known
    """

    device: str = "cpu"
    num_threads: int = 1
    share: float = 1.0
    checkpoint_every_s: float = 60.0
    snapshot_asked: Callable[[], bool] = never
    say: Callable[[str], None] = warn
    data_digest: str | None = None


@final
class WorkRun(Iterator[Evaluation | Waiting]):
    """Trains a trial from its latest snapshot, or from the start, and yields every evaluation.

    A snapshot that cannot be saved, because a disk is full, say, is tried again: meanwhile the trial trains on, and
    waits only at its end. Each try that fails yields a Waiting.

    Snapshots are saved now and then, at the end, and by `close`, which ends it early: what is then continued equals the
    uninterrupted trial, bit for bit on a CPU. A trial that is over already yields nothing.

    Raises, as it is iterated:
        DataError: the data is missing, or not what the configuration declares, or another one than elsewhere or before.
        ValidationErrors: a plugin is missing, is not what the configuration declares, or gives what it should not.
    """

    def __init__(self, work: Work, folder: WorkFolder, how: How | None = None) -> None:
        self._work, self._folder, self._how = work, folder, how or How()
        self._progress: _Progress | None = None
        self._yielded = self._run()

    def __next__(self) -> Evaluation | Waiting:
        try:
            return next(self._yielded)
        except BaseException:
            if self._progress is not None:
                self._progress.close()
            self._progress = None  # Over; or it has failed, and is not at an evaluation.
            raise

    def close(self) -> None:
        """Saves what was trained since the last snapshot."""
        self._yielded.close()
        if self._progress is not None:
            self._progress.save_what_is_new()
            self._progress.close()
            self._progress = None

    def _run(self) -> Generator[Evaluation | Waiting]:
        config, how = self._work.config, self._how
        self._folder.root.mkdir(parents=True, exist_ok=True)
        latest = self._folder.latest(how.say)
        before = latest.summary() if latest is not None else None
        if latest is not None and before is not None and (end := ending(config, before)) is not None:
            if before.end is None:
                # Over only for whoever asks now, with a smaller budget than the checkpoint was written under.
                ended = before.model_copy(update={"end": end})
                self._folder.write(before.steps, partial(_copy_with_summary, latest, ended))
            return
        self._progress = progress = _Progress(self._work, self._folder, how, latest)
        end = None
        while end is None:
            evaluation = progress.train_and_evaluate()
            end = ending(config, progress.now)
            if end is not None:
                yield from progress.finish(end)
            elif how.snapshot_asked() or progress.is_due:
                yield from progress.save()
            if evaluation is not None:
                yield evaluation


@final
class _Progress:
    """A trial that trains: its curves so far, and its snapshots."""

    def __init__(self, work: Work, folder: WorkFolder, how: How, latest: Snapshot | None) -> None:
        torch.set_num_threads(how.num_threads)
        self._work, self._folder, self._how = work, folder, how
        self._sources = [source_of(plugin) for _, plugin in work.config.plugins]
        self._training: Trainer = _trainer(work, folder, how)
        self._before = latest.summary() if latest is not None else None
        self._evaluations: list[Evaluation] = []
        keep = work.config.keep if isinstance(work.config, GradientConfig) else None
        self._kept = KeptNetworks(keep, work.config.budget)
        self._tables = Tables()
        self._low, self._high, self._last = (dict[str, float]() for _ in range(3))
        if latest is not None and self._before is not None:
            self._restore(latest, self._before)
        self._segment = _segment(self._training, num_threads=how.num_threads, share=how.share)
        self._started = self._saved = time.perf_counter()
        self._wait_s = how.checkpoint_every_s
        self.now = self.summary()
        self._saved_at = self._place

    def _restore(self, latest: Snapshot, before: Summary) -> None:
        self._training.check_data(before.data_digest, f"until step {before.steps:,} of this trial")
        state = load_file(latest.state_path, device=self._how.device)
        if not state:
            return  # It cannot be continued, and starts anew; what it has cost is not forgotten.
        self._training.restore(state, steps=before.steps, seconds=before.seconds, diverged_at=before.diverged_at)
        self._evaluations = _read_curves(latest)
        self._kept.restore(latest, self._evaluations)
        self._tables.read(latest.tables_path)
        self._low, self._high, self._last = dict(before.low), dict(before.high), dict(before.last)

    def train_and_evaluate(self) -> Evaluation | None:
        """The next evaluation; None if there is none: the trial has diverged, or is at its end."""
        training = self._training
        values = training.evaluate(len(self._evaluations))
        evaluation = None
        if values is not None:
            evaluation = Evaluation(training.steps, training.epochs, training.seconds, values)
            self._evaluations.append(evaluation)
            self._kept.note(self._evaluations, training.state)
            self._tables.add(training.tables, self._position)
            for name, value in evaluation.values.items():
                self._last[name] = value
                # What is measured before any training is no extreme of it, and meets no goal.
                if evaluation.steps and not math.isnan(value):
                    self._low[name] = min(value, self._low.get(name, value))
                    self._high[name] = max(value, self._high.get(name, value))
        self.now = self.summary()
        return evaluation

    def summary(self, end: End | None = None, final: dict[str, float] | None = None) -> Summary:
        work, training, before = self._work, self._training, self._before
        return Summary(
            key=work.key,
            seed=work.seed,
            steps=training.steps,
            epochs=training.epochs,
            seconds=training.seconds,
            wall_seconds=(before.wall_seconds if before else 0.0) + time.perf_counter() - self._started,
            end=end,
            goal=str(work.config.goal) if work.config.goal is not None else None,
            diverged_at=training.diverged_at,
            low=self._low,
            high=self._high,
            last=self._last,
            final=final or {},
            segments=(*(before.segments if before else ()), self._segment),
            data_digest=training.data_digest,
            next_evaluation=training.next_evaluation,
        )

    @property
    def _position(self) -> dict[str, float]:
        """What each row of a table begins with. Those of an assessment are of examples, and say which."""
        if isinstance(self._work.config, AssessmentConfig):
            return {}
        return {"steps": self._training.steps, "epochs": self._training.epochs}

    @property
    def _place(self) -> tuple[int, int]:
        """With the number of evaluations, for one may be at step 0."""
        return self._training.steps, len(self._evaluations)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a snapshot."""
        return self._kept.is_due or time.perf_counter() - self._saved >= self._wait_s

    def finish(self, end: End) -> Iterator[Waiting]:
        """Measures all that is measured at the end, and saves the last snapshot, however long that takes."""
        final: dict[str, float] | None = {}
        if self._training.diverged_at is None:
            final = self._training.at_end()
        self.now = self.summary(end, dict(self._last) if final is None else final)
        while (waiting := self._try_to_save()) is not None:
            yield waiting
            time.sleep(RETRIED_EVERY_S)

    def close(self) -> None:
        self._training.close()

    def save(self) -> Iterator[Waiting]:
        """Saves a snapshot, or yields why that is not possible now."""
        if self._training.state() is None:
            return
        waiting, self._saved = self._try_to_save(), time.perf_counter()
        self._wait_s = self._how.checkpoint_every_s if waiting is None else RETRIED_EVERY_S
        if waiting is not None:
            yield waiting

    def save_what_is_new(self) -> None:
        if self._saved_at == self._place:
            return
        if self.now.end is None and self._training.state() is None:
            self._forget()
        self._try_to_save()

    def _forget(self) -> None:
        """Leaves of what cannot be continued only what it has cost."""
        self._evaluations, self._low, self._high, self._last = [], {}, {}, {}
        nothing = {"steps": 0, "epochs": 0.0, "seconds": 0.0, "low": {}, "high": {}, "last": {}}
        self.now = self.now.model_copy(update=nothing)

    def _try_to_save(self) -> Waiting | None:
        try:
            os.stat(self._folder.root)  # A new folder where a mount is gone would be in the wrong place.
            self._folder.write(self.now.steps, self._fill)
        except Exception as error:
            users = [str(file) for source in self._sources for file in source.paths]
            if fault_of(error, users) is not Fault.ENVIRONMENT:
                raise
            return Waiting(reason(error, self._folder.root))
        self._saved_at = self._place
        self._kept.saved()
        return None

    def _fill(self, snapshot: Snapshot) -> None:
        snapshot.write_config(self._work)
        if self._sources:
            snapshot.write_plugins(self._sources)
        metrics = self._work.config.metrics or tuple(self._last)
        _write_curves(snapshot, metrics, self._evaluations)
        snapshot.write_summary(self.now)
        self._kept.fill(snapshot, self._folder.snapshots())
        self._tables.write(snapshot.tables_path)
        state = self._training.state()
        save_file({name: tensor.contiguous() for name, tensor in (state or {}).items()}, snapshot.state_path)


class Trainer(Protocol):
    """What trains one trial, from one evaluation to the next.

    steps, epochs    done so far
    seconds          of optimisation so far
    next_evaluation  the step of the next one where that is known although it is not reached; inf if there is none
    tables           that were measured at the latest evaluation
    """

    steps: int
    seconds: float
    diverged_at: int | None
    next_evaluation: float | None
    device: torch.device
    tables: Mapping[str, Columns]

    @property
    def epochs(self) -> float: ...

    @property
    def data_digest(self) -> str | None: ...

    def check_data(self, expected: str | None, where: str) -> None: ...

    def evaluate(self, number: int) -> dict[str, float] | None:
        """Trains to the next evaluation, so many having been made; None if there is none, or it has diverged."""

    def at_end(self) -> dict[str, float] | None:
        """Every metric, where training has ended; None if that is each as it was last measured."""

    def state(self) -> dict[str, torch.Tensor] | None:
        """All that the next step depends on; None if it cannot be continued."""

    def restore(self, state: dict[str, torch.Tensor], *, steps: int, seconds: float, diverged_at: int | None) -> None:
        """Continues from what `state` gave."""

    def close(self) -> None: ...


def _trainer(work: Work, folder: WorkFolder, how: How) -> Trainer:
    device = torch.device(how.device)
    if isinstance(work.config, AssessmentConfig):
        return Assessing(work, folder.networks_path, device, data_digest=how.data_digest)
    if isinstance(work.config, ProcedureConfig):
        return ProcedureTraining(work, device, data_digest=how.data_digest)
    return Training(work, device, data_digest=how.data_digest)


def _copy_with_summary(latest: Snapshot, summary: Summary, snapshot: Snapshot) -> None:
    shutil.copytree(latest.path, snapshot.path, dirs_exist_ok=True)
    checksums.check(snapshot.path)
    snapshot.write_summary(summary)


def _segment(training: Trainer, *, num_threads: int, share: float) -> Segment:
    device = training.device
    return Segment(
        from_steps=training.steps,
        host=socket.gethostname(),
        device=device.type,
        device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        num_threads=num_threads,
        share=share,
        torch_version=torch.__version__,
        python_version=platform.python_version(),
    )


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _write_curves(snapshot: Snapshot, metrics: tuple[str, ...], evaluations: list[Evaluation]) -> None:
    with snapshot.curves_path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["steps", "epochs", "seconds", *metrics])
        for evaluation in evaluations:
            values = (evaluation.values.get(metric) for metric in metrics)
            row = [evaluation.steps, repr(evaluation.epochs), repr(evaluation.seconds)]
            writer.writerow([*row, *("" if value is None else repr(value) for value in values)])


def _read_curves(snapshot: Snapshot) -> list[Evaluation]:
    with snapshot.curves_path.open(newline="") as file:
        return [
            Evaluation(
                steps=int(row.pop("steps")),
                epochs=float(row.pop("epochs")),
                seconds=float(row.pop("seconds")),
                values={metric: float(value) for metric, value in row.items() if value != ""},
            )
            for row in csv.DictReader(file)
        ]
