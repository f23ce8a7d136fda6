"""What a trial leaves on storage: snapshots, each a folder that is complete or not there.

    <root>/<key>/at-000010324/
        config.yaml         the resolved configuration and the seed: `python -m trainables config.yaml` runs it again
        plugins.yaml          the source of plugins, if there are any
        curves.csv          steps, epochs, seconds and every measurement, one row an evaluation, blank where none was
                            due
        summary.json        a Summary
        state.safetensors   all that the next step depends on
        kept/               networks that were kept on the way, if any: 000000100.safetensors is that after 100 steps
        tables/             NAME.parquet, the rows of all evaluations, of each table that probes measure, if any
        SHA256SUMS          the checksums of these files
    <root>/<key>/networks/              of an assessment, those that it needs: KEY-STEPS.safetensors, and SHA256SUMS
    <root>/<key>/failure.log            the traceback, if the last attempt failed
    <root>/<key>/damaged-at-000010324/  a snapshot that did not match its checksums

The largest number of steps is the latest snapshot; a second one after the same step is `at-000010324-2`. A snapshot
is written under a temporary name, flushed to the disk and moved, and never changed after that; then those older than
the one before it are removed. So a process that is killed, or a machine that loses power, leaves a latest snapshot to
continue from or none; and should the disk damage that one, the one before it is still there.
"""

import itertools
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from trainables import checksums
from trainables.checksums import Damaged
from trainables.plugins.source import SourceCode
from trainables.work import Work, WorkConfig


class End(StrEnum):
    """Why a trial ended."""

    GOAL = "goal"
    BUDGET = "budget"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class Evaluation:
    """One evaluation during training.

    steps, epochs   done so far
    seconds           of optimisation so far: CPU time on a CPU, wall time on a GPU, over all resumptions, without
                      evaluations
    values            metric -> value, of the probes that were due
    """

    steps: int
    epochs: float
    seconds: float
    values: dict[str, float]


@dataclass(frozen=True)
class Waiting:
    """A snapshot could not be saved, by no fault of the trial. The next try is a few seconds away."""

    reason: str


class Segment(BaseModel):
    """One uninterrupted stretch of a trial, and where it ran. Reports say so when trials that ran differently mix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_steps: int
    host: str
    device: str
    device_name: str
    num_threads: int
    share: float
    torch_version: str
    python_version: str


class Summary(BaseModel):
    """How far a trial is.

    wall_seconds      of everything, evaluations included: what a plan's estimates rest on
    end               None while it has budget left
    goal              the goal it ran towards, as text
    diverged_at       the step at which the loss was first not finite
    low, high, last   each metric's extremes over all evaluations from the first step on, and its latest value
    final             every metric, measured once more where the trial ended, whatever the probes' schedules
    data_digest       of data that a function made; other data's digest is part of the key
    next_evaluation   the step of the one after the last, where a procedure has told it; inf if it has no more
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    key: str
    seed: int
    steps: int
    epochs: float
    seconds: float
    wall_seconds: float
    end: End | None
    goal: str | None
    diverged_at: int | None
    low: dict[str, float]
    high: dict[str, float]
    last: dict[str, float]
    final: dict[str, float]
    segments: tuple[Segment, ...]
    data_digest: str | None = None
    next_evaluation: float | None = None


def ending(config: WorkConfig, progress: Summary) -> End | None:
    """Whether `progress` answers what `config` asks, and how; None if there is more to train.

    It is asked anew of every study: a trial that ended at one goal or budget may have more to do for another. None
    ends before its first step: no goal is met there, and every budget has an evaluation after it.
    """
    goal = config.goal
    if goal is not None and goal.metric in progress.high:
        if goal.met_by(low=progress.low[goal.metric], high=progress.high[goal.metric]):
            return End.GOAL
    if progress.diverged_at is not None:
        return End.DIVERGED
    following = progress.next_evaluation
    if following is None:
        following = config.next_evaluation(steps=progress.steps, epochs=progress.epochs)
    return End.BUDGET if following > config.budget.extent else None


@dataclass(frozen=True)
class Snapshot:
    """A complete snapshot folder."""

    path: Path

    @property
    def config_path(self) -> Path:
        return self.path / "config.yaml"

    @property
    def curves_path(self) -> Path:
        return self.path / "curves.csv"

    @property
    def state_path(self) -> Path:
        return self.path / "state.safetensors"

    @property
    def kept_path(self) -> Path:
        return self.path / "kept"

    @property
    def tables_path(self) -> Path:
        return self.path / "tables"

    @property
    def summary_path(self) -> Path:
        return self.path / "summary.json"

    def write_config(self, work: Work) -> None:
        config = {"seed": work.seed, **work.config.model_dump(mode="json")}
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False))

    def write_plugins(self, sources: Iterable[SourceCode]) -> None:
        plugins = {source.digest: {"object": source.object, "files": dict(source.files)} for source in sources}
        (self.path / "plugins.yaml").write_text(yaml.safe_dump(plugins, sort_keys=False, allow_unicode=True))

    def summary(self) -> Summary:
        return Summary.model_validate_json(self.summary_path.read_text())

    def write_summary(self, summary: Summary) -> None:
        self.summary_path.write_text(summary.model_dump_json(indent=1))

    def check(self, key: str, *, may_lack: Collection[str] = ()) -> None:
        """Raises:
        Damaged: a file is missing or has changed since it was written, or this is a snapshot of another trial.
        """
        checksums.check(self.path, may_lack=may_lack)
        try:
            summary = self.summary()
        except (FileNotFoundError, UnicodeDecodeError, ValidationError):
            raise Damaged("summary.json is not one of this version of grokgrid") from None
        if summary.key != key or summary.steps != self.steps:
            raise Damaged(f"it is of trial {summary.key} after step {summary.steps:,}")

    @property
    def place(self) -> tuple[int, int]:
        """The number of steps, and the number of the snapshot among those after the same step, from 1."""
        steps, _, number = self.path.name.removeprefix("at-").partition("-")
        return int(steps), int(number or 1)

    @property
    def steps(self) -> int:
        return self.place[0]


def warn(sentence: str) -> None:
    logging.getLogger("grokgrid").warning(sentence)


@dataclass(frozen=True)
class WorkFolder:
    """All paths of one trial on storage."""

    root: Path
    key: str

    @property
    def path(self) -> Path:
        return self.root / self.key

    @property
    def networks_path(self) -> Path:
        """The networks that an assessment needs, laid there before it begins."""
        return self.path / "networks"

    @property
    def _failure_path(self) -> Path:
        return self.path / "failure.log"

    def latest(self, say: Callable[[str], None] = warn) -> Snapshot | None:
        """The latest snapshot that is whole. One that does not match its checksums is set aside, and the one before it
        counts; `say` gets a sentence about each.
        """
        damaged: list[str] = []
        while found := self.snapshots():
            try:
                found[-1].check(self.key)
                break
            except Damaged as error:
                # Unless it was just removed by a worker that has written newer ones.
                if self.snapshots()[-1:] == found[-1:]:
                    damaged.append(f"{error}; it is set aside as {self._set_aside(found[-1])}")
        after = f"goes on after step {found[-1].steps:,}" if found else "starts anew"
        for what in damaged:
            say(f"{self.path}: a snapshot is damaged: {what}. The trial {after}")
        return found[-1] if found else None

    def snapshots(self) -> list[Snapshot]:
        """Whole or damaged, the latest last."""
        found = [path for path in self.path.glob("at-*") if re.fullmatch(r"at-[0-9]+(-[0-9]+)?", path.name)]
        return sorted(map(Snapshot, found), key=lambda snapshot: snapshot.place)

    def write(self, steps: int, fill: Callable[[Snapshot], None]) -> Snapshot:
        """Has `fill` write a snapshot's files, and makes them the latest snapshot."""
        is_first = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        here = [snapshot.place[1] for snapshot in self.snapshots() if snapshot.steps == steps]
        numbers = itertools.count(max(here, default=0) + 1)
        names = (f"at-{steps:09d}" + (f"-{number}" if number > 1 else "") for number in numbers)
        written = Snapshot(checksums.write_folder(self.path, names, lambda folder: fill(Snapshot(folder))))
        if is_first:
            checksums.sync(self.root)
        # The one before this one stays, for the disk may damage this one.
        for older in self.snapshots()[:-2]:
            shutil.rmtree(older.path, ignore_errors=True)
        for left in self.path.glob(".writing-*/"):
            # By a killed writer, unless a second one is at it just now.
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - 24 * 3600:
                    shutil.rmtree(left, ignore_errors=True)
        return written

    def _set_aside(self, snapshot: Snapshot) -> str:
        """Returns its new name. Another reader may do the same just now."""
        for number in itertools.count(1):
            name = f"damaged-{snapshot.path.name}" + (f".{number}" if number > 1 else "")
            if not (self.path / name).exists():
                break
        with suppress(FileNotFoundError):
            os.rename(snapshot.path, self.path / name)
        return name

    def last_written(self) -> float:
        """When a worker last wrote into it, in seconds since the epoch."""
        return max(path.stat().st_mtime for path in (self.path, *self.path.iterdir()))

    def failure(self) -> str | None:
        """The log of the last attempt if it failed."""
        return self._failure_path.read_text(errors="replace") if self._failure_path.exists() else None

    def write_failure(self, log: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / ".writing-failure"
        temporary.write_text(log)
        os.replace(temporary, self._failure_path)

    def clear_failure(self) -> None:
        self._failure_path.unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
