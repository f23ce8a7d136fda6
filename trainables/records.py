"""What a trial leaves on storage: snapshots, each a folder that is complete or not there.

    <root>/<key>/at-000010324/
        config.yaml         the resolved configuration and the seed: `python -m trainables config.yaml` runs it again
        parts.yaml          the source of parts of one's own, if there are any
        curves.csv          updates, passes, seconds and every measurement, one row a look, blank where none was due
        summary.json        a Summary
        state.safetensors   all that the next update depends on
    <root>/<key>/failure.log    the traceback, if the last attempt failed

The largest number of updates is the latest snapshot. It is written under a temporary name and moved, then older ones
are removed; so whoever is killed, whenever, leaves a latest snapshot to continue from or none.
"""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from trainables.own.source import SourceCode
from trainables.trial import Trial, TrialConfig


class End(StrEnum):
    """Why a trial ended."""

    GOAL = "goal"
    BUDGET = "budget"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class Look:
    """One evaluation during training.

    updates, passes   done so far
    seconds           of optimisation so far: CPU time on a CPU, wall time on a GPU, over all resumptions, without looks
    values            metric -> value, of the probes that were due
    """

    updates: int
    passes: float
    seconds: float
    values: dict[str, float]


@dataclass(frozen=True)
class Waiting:
    """A snapshot could not be saved, by no fault of the trial. The next try is a few seconds away."""

    reason: str


class Segment(BaseModel):
    """One uninterrupted stretch of a trial, and where it ran. Reports say so when trials that ran differently mix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_updates: int
    host: str
    device: str
    device_name: str
    num_threads: int
    share: float
    torch_version: str
    python_version: str


class Summary(BaseModel):
    """How far a trial is.

    wall_seconds      of everything, looks included: what a plan's estimates rest on
    end               None while it has budget left
    goal              the goal it ran towards, as text
    diverged_at       the update at which the loss was first not finite
    low, high, last   each metric's extremes over all looks, and its latest value
    final             every metric, measured once more where the trial ended, whatever the probes' schedules
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    key: str
    seed: int
    updates: int
    passes: float
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


def ending(config: TrialConfig, progress: Summary) -> End | None:
    """Whether `progress` answers what `config` asks, and how; None if there is more to train.

    It is asked anew of every study: a trial that ended at one goal or budget may have more to do for another.
    """
    goal, budget = config.goal, config.budget
    if goal is not None and goal.metric in progress.high:
        if goal.met_by(low=progress.low[goal.metric], high=progress.high[goal.metric]):
            return End.GOAL
    if progress.diverged_at is not None:
        return End.DIVERGED
    if budget.ends_after(budget.position(updates=progress.updates, passes=progress.passes)):
        return End.BUDGET
    return None


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
    def summary_path(self) -> Path:
        return self.path / "summary.json"

    def write_config(self, trial: Trial) -> None:
        config = {"seed": trial.seed, **trial.config.model_dump(mode="json")}
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False))

    def write_parts(self, sources: Iterable[SourceCode]) -> None:
        parts = {source.digest: {"object": source.object, "files": dict(source.files)} for source in sources}
        (self.path / "parts.yaml").write_text(yaml.safe_dump(parts, sort_keys=False, allow_unicode=True))

    def summary(self) -> Summary:
        return Summary.model_validate_json(self.summary_path.read_text())

    def write_summary(self, summary: Summary) -> None:
        temporary = self.path / ".summary.json"
        temporary.write_text(summary.model_dump_json(indent=1))
        os.replace(temporary, self.summary_path)


@dataclass(frozen=True)
class TrialFolder:
    """All paths of one trial on storage."""

    root: Path
    key: str

    @property
    def path(self) -> Path:
        return self.root / self.key

    @property
    def _failure_path(self) -> Path:
        return self.path / "failure.log"

    def latest(self) -> Snapshot | None:
        found = sorted(self.path.glob("at-*"))
        return Snapshot(found[-1]) if found else None

    def write(self, updates: int, fill: Callable[[Snapshot], None]) -> Snapshot:
        """Has `fill` write a snapshot's files, and makes them the latest snapshot.

        A second snapshot after the same update differs from the first in its summary alone (whether the trial ended
        there depends on who asks), so the summary alone is replaced.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        snapshot = Snapshot(self.path / f"at-{updates:09d}")
        # Not tempfile's, which nobody but its owner may read: storage is shared.
        temporary = self.path / f".writing-{uuid.uuid4().hex}"
        temporary.mkdir()
        try:
            fill(Snapshot(temporary))
            if snapshot.path.exists():
                os.replace(Snapshot(temporary).summary_path, snapshot.summary_path)
            else:
                os.replace(temporary, snapshot.path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        for older in self.path.glob("at-*"):
            if older.name < snapshot.path.name:
                shutil.rmtree(older, ignore_errors=True)
        for left in self.path.glob(".writing-*/"):
            # By a killed writer, unless a second one is at it just now.
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - 24 * 3600:
                    shutil.rmtree(left, ignore_errors=True)
        return snapshot

    def last_written(self) -> float:
        """When a worker last wrote into it, in seconds since the epoch."""
        return max(path.stat().st_mtime for path in (self.path, *self.path.iterdir()))

    def failure(self) -> str | None:
        """The log of the last attempt if it failed."""
        return self._failure_path.read_text() if self._failure_path.exists() else None

    def write_failure(self, log: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / ".writing-failure"
        temporary.write_text(log)
        os.replace(temporary, self._failure_path)

    def clear_failure(self) -> None:
        self._failure_path.unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
