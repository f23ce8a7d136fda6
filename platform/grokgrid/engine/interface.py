"""What an engine is given, what it hands back, and what it must do in between.

Events are news, for progress; the record is the trial's folder. An evaluation that was computed by a worker that then
died may never arrive as an event, although it is in the curves of the snapshot that the trial continues from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from trainables.plugins.source import SourceCode
from trainables.records import Evaluation
from trainables.work import Work


@dataclass(frozen=True, kw_only=True)
class Block:
    """Work that one worker does one item after the other, each failing alone: trials, and assessments of networks.

    id       names the block; unique within an engine
    storage  root of the folders of all work, reachable by every worker; that of an assessment has the networks that it
             needs
    device   "cpu" or "cuda"
    sources  of the plugins in it, for workers that do not see their files
    data_digests
             key -> digest of the data that its function made where the study was started
    share    of the device that an item has to itself, for the record; an engine that divides devices fills it in
    """

    id: str
    work: tuple[Work, ...]
    storage: Path
    device: str = "cpu"
    num_threads: int = 1
    share: float = 1.0
    checkpoint_every_s: float = 60.0
    sources: tuple[SourceCode, ...] = ()
    data_digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Started:
    """A worker has taken up the trial `key`, from its start or from its latest snapshot."""

    key: str


@dataclass(frozen=True)
class Evaluated:
    key: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Warned:
    """Something that a user should read: a snapshot of the trial is damaged, say. The trial goes on."""

    key: str
    text: str


@dataclass(frozen=True)
class Finished:
    """The trial met its goal, spent its budget or diverged: its latest snapshot says which."""

    key: str


@dataclass(frozen=True)
class Failed:
    """The trial raised; `log` is the traceback, which its folder holds too."""

    key: str
    log: str


@dataclass(frozen=True)
class OutOfMemory:
    """The trial ended for want of memory, of its machine or its GPU; `log` is the traceback, or what is known."""

    key: str
    log: str


@dataclass(frozen=True)
class Waits:
    """The trial waits for its environment, and tries again every few seconds: its disk is full, say. It has not ended.

    host: the machine where it waits
    """

    key: str
    reason: str
    host: str


@dataclass(frozen=True)
class Lost:
    """The infrastructure gave up on the trial, which itself may well be sound."""

    key: str
    reason: str


@dataclass(frozen=True)
class Restarted:
    """The engine has broken down and starts anew; trials go on from their snapshots. It is no trial's event."""

    reason: str
    key: str = ""


Event = Started | Evaluated | Warned | Waits | Finished | Failed | OutOfMemory | Lost | Restarted


WANTS_TOKEN = (
    "the cluster wants its token, or another one. Here too: RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN, or"
    " RAY_AUTH_TOKEN_PATH, a file that holds it"
)


class EngineError(ValueError):
    """The engine, or the device, that was asked for cannot be had; the message says why."""


class EngineGone(RuntimeError):
    """The engine broke down while trials ran, and does not start again; the message says why and what to do."""


class Engine(Protocol):
    """Runs blocks, `num_slots` of them at a time.

    Every trial of a block ends in exactly one of Finished, Failed, OutOfMemory and Lost, unless the engine is closed
    first. The evaluations of a trial arrive in order, each at most once.
    """

    num_slots: int

    def submit(self, block: Block) -> None:
        """Takes a block, at any time; returns at once."""

    def poll(self, timeout_s: float) -> list[Event]:
        """What has happened since the last call; waits up to `timeout_s` if that is nothing.

        Raises:
            EngineGone: the engine itself has broken down, as opposed to a trial or a worker.
        """

    def close(self) -> None:
        """Stops: running trials save a snapshot, from which another engine continues them. May be called again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
