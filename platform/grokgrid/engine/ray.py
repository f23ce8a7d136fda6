"""The engine on Ray Tune: one Tune trial a block, fed and drained while Tune runs.

Tune is made to be given a search space, to run it and to return. Here blocks come at any time and news goes out at any
time, so `tune.run` sits in a thread of its own for as long as the engine lives, and four small parts talk to it:

    _Feed     a Searcher. Tune asks it for the next configuration over and over, and it hands out blocks from a queue:
              None means "nothing now" (FINISHED would end Tune).
    _Worker   the Trainable, an actor: each step works on a block for a second and returns the events of that second.
    _Slots    a TrialScheduler: decides which Tune trial gets which actor (below).
    _Courier  a Callback: passes events on to the queue that poll() reads, each once, and sees to lost workers.

**Keeping actors.** An actor takes seconds to start (it imports torch), a short trial a tenth of one to run. So Tune can
give the actor of a trial that ended to one that waits, `reuse_actors=True`. But the trial that waits may have an actor
of its own that is just starting, whose start is then cancelled; and once nothing waits, all actors but one are stopped.
Short trials therefore run on one actor, however many slots there are (199 of 200, when tried). The way out is to end no
Tune trial before its actor is wanted elsewhere:

    a block is over          its Tune trial is left RUNNING, with nothing to do (the decision NOOP). To Tune the slot is
                             taken, so it neither stops the actor nor gives it away.
    a block is handed out    once fewer than `num_slots` are busy. If an actor is without work, its old Tune trial is
                             stopped and the new one named as the trial to run, in one go: Tune finds the actor just set
                             free and resets it for the new trial (10 ms). If none is, another actor starts.

**Lost workers.** Tune's own retries (`max_failures`) are off: that a worker without work has died shows when it is to
be reset, which Tune counts as two failures, the second of them final. Instead what is left of a block is handed out
again, as a new Tune trial, and continues from our own snapshots.
"""

import math
import os
import queue
import signal
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# ruff: noqa: E402 (Ray reads most of these when it is imported; what the user has set stays.)
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # Under `uv run`, Ray would run its workers in a copy of the working folder.
    "RAY_ENABLE_AUTO_CONNECT": "0",  # Else a call that comes too late starts a second Ray.
    # A worker that Ray kills for want of memory takes Tune along (its OutOfMemoryError is no RayActorError); the kernel
    # does the same job, workers first, and Tune takes it as the death of an actor that it is.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # The trials are the work itself: at Ray's 15 whatever else runs on a machine starves them.
    "RAY_worker_niceness": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # Relative paths in a study mean what they mean to the user.
    "RAY_AIR_NEW_OUTPUT": "0",  # The newer console output cannot be turned off altogether.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",  # Nobody restores a Tune experiment here, so none is saved.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "600",
}
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from grokgrid.bundle import of_code, write_code
from grokgrid.engine.interface import WANTS_TOKEN, Block, EngineError, EngineGone, Event, Lost, OutOfMemory, Started
from grokgrid.engine.ledger import Ledger
from grokgrid.engine.local_ray import LocalRay, init
from grokgrid.engine.own_folders import OwnFolder
from grokgrid.engine.work import work
from trainables.interrupts import deferred_interrupts, only_here

_TRAINABLE = "grokgrid"

MAX_LOST_WORKERS = 3
"""A block is tried again after each lost worker, up to so many; then what is left of it is Lost."""

SLICE_S = 1.0
"""How long a worker works between two reports; longer with many slots, for Tune takes in 50 to 100 reports a second."""

PATIENCE_S = 180.0
"""A Tune trial that waits longer than this for an actor of its own, as when nodes went away, takes any without work."""

MOST_CONNECTIONS = 3
"""How often it is tried to get one to a cluster's head."""


class RayEngine:
    """Runs blocks on Ray, `num_slots` at a time, each in a process of its own.

    num_cpus_per_trial, num_gpus_per_trial
        what a slot takes; a fraction of a GPU shares it
    address
        None: the Ray to which this process is connected already, else a new one on this machine, which close() ends.
        "auto" or "host:port": a running cluster, from one of its machines; from elsewhere see AttachedEngine
    num_slots
        how many blocks at a time; by default as many as there is room for
    """

    def __init__(
        self,
        *,
        num_cpus_per_trial: float = 1,
        num_gpus_per_trial: float = 0,
        address: str | None = None,
        num_slots: int | None = None,
    ) -> None:
        self._resources = {"cpu": num_cpus_per_trial, "gpu": num_gpus_per_trial}
        self._owns_ray = not ray.is_initialized()
        self._local: LocalRay | None = None
        if not self._owns_ray and address not in (None, "auto"):
            raise EngineError(
                f"address {address!r}: this process is connected to a Ray already; give no address to use it"
            )
        if self._owns_ray:
            # Interrupted half way Ray would be left behind, or fail in ways of its own.
            with deferred_interrupts() as interrupted:
                if address is None:
                    num_cpus = math.ceil(num_slots * num_cpus_per_trial) if num_slots else None
                    self._local = LocalRay(num_cpus=num_cpus, settings=_SETTINGS)
                else:
                    connect(address)
            if interrupted():
                self._leave_ray()
                raise KeyboardInterrupt
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        try:
            # A cluster may yet grow to what it is asked for.
            room = (
                num_slots if address and num_slots else count_slots(resources, num_cpus_per_trial, num_gpus_per_trial)
            )
        except EngineError:
            self._leave_ray()
            raise
        self.num_slots = num_slots or room
        # Here and not in the thread: Tune's registry is not made for threads, and another engine may be starting.
        tune.register_trainable(_TRAINABLE, _Worker)
        self._open: dict[str, Ledger] = {}
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run_tune, name="tune", daemon=True)
        self._thread.start()

    def submit(self, block: Block) -> None:
        if block.id in self._open:
            raise ValueError(f"a block {block.id!r} is running already")
        if block.device.startswith("cuda"):
            if not self._resources["gpu"]:
                raise ValueError(f"device {block.device!r}: the engine gives its trials no GPU, nor a part of one")
            block = replace(block, share=min(1.0, self._resources["gpu"]))
        self._open[block.id] = Ledger(block)
        self._waiting.put(block.id)

    def poll(self, timeout_s: float) -> list[Event]:
        events: list[Event] = []
        while True:
            try:
                news = self._news.get(timeout=0 if events else timeout_s)
            except queue.Empty:
                return events
            if isinstance(news, BaseException):
                self._news.put(news)  # For the next call, and every one after.
                if events:
                    return events
                raise EngineGone(f"Ray Tune broke down: {news}") from news
            events.append(news)

    def close(self) -> None:
        """Waits until the workers have saved: up to a slice, and at most the 15 seconds that Tune gives its actors."""
        self._closing.set()
        self._thread.join(timeout=30)
        self._leave_ray()

    @property
    def local_ray(self) -> LocalRay | None:
        """The Ray that this engine has started, if it has."""
        return self._local

    def _leave_ray(self) -> None:
        if self._local is not None:
            self._local.stop()
        elif self._owns_ray:
            ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run_tune(self) -> None:
        slots = _Slots(self._closing)
        feed = _Feed(slots, self._open, self._waiting, self.num_slots)
        # So many actors may start at a time; by default they would start one after the other.
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(self.num_slots)
        folder = OwnFolder("grokgrid-tune-")
        try:
            # Not tune.Tuner: to be restorable it pickles all parts, and ours hold queues.
            tune.run(
                _TRAINABLE,
                resources_per_trial=self._resources,
                search_alg=feed,
                scheduler=slots,
                callbacks=[_Courier(self._open, self._news, feed.hand_in_again)],
                num_samples=-1,
                reuse_actors=True,
                storage_path=str(folder.path),
                name="blocks",
                trial_name_creator=_tune_name,
                trial_dirname_creator=_tune_name,
                verbose=0,
            )
        except _Closing:
            pass
        except BaseException as error:
            self._news.put(error)
        finally:
            folder.close()


def connect(address: str) -> None:
    """Connects this process to a cluster.

    Raises:
        EngineError: it cannot be reached, or refuses.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    try:
        if colon and port.isdecimal():
            # Ray itself would try for many minutes, and fill the screen with it.
            socket.create_connection((host, int(port)), timeout=10).close()
        if address.startswith("ray://"):
            # To a cluster that has another grokgrid, or none.
            with tempfile.TemporaryDirectory(prefix="grokgrid-bundle-") as folder:
                write_code(Path(folder))
                _init_client(address, runtime_env={"working_dir": folder, "env_vars": of_code()})
        else:
            init(address)
    except ray.exceptions.AuthenticationError as error:
        raise EngineError(f"address {address!r}: {WANTS_TOKEN}") from error
    except (ValueError, OSError, RuntimeError) as error:
        raise EngineError(f"address {address!r}: no Ray is to be had there: {error}") from error


def _init_client(address: str, **settings: Any) -> None:
    """Connects to a cluster's head, which starts a server process for each connection. Now and then that dies as it is
    forked (Ray's issue 63202), and a second one does not.
    """
    for _ in range(MOST_CONNECTIONS - 1):
        with suppress(ConnectionAbortedError):
            return init(address, **settings)
    init(address, **settings)


def count_slots(resources: dict[str, float], num_cpus: float, num_gpus: float) -> int:
    """How many trials of so many CPUs and GPUs each fit into a cluster's resources.

    Raises:
        EngineError: not even one does.
    """

    def fit(part: float, whole: float) -> int:
        return int(whole / part + 1e-9)

    has_cpus, has_gpus = resources.get("CPU", 0), resources.get("GPU", 0)
    slots = [fit(num_cpus, has_cpus)] if num_cpus else []
    if num_gpus:
        # A part of a GPU lies on one GPU: at 0.3 each holds three, and what is left on several adds up to nothing.
        slots.append(int(has_gpus) * fit(num_gpus, 1) if num_gpus < 1 else fit(num_gpus, has_gpus))
    if min(slots) < 1:
        raise EngineError(
            f"no room for a trial: it is to have {num_cpus:g} CPUs and {num_gpus:g} GPUs,"
            f" Ray has {has_cpus:g} and {has_gpus:g}"
        )
    return min(slots)


class _Closing(Exception):
    """Ends tune.run: Tune stops its actors, and writes none of the summaries that it writes after a regular end."""


class _Worker(tune.Trainable):
    """The actor: works on one block after the other, a slice of time at each step."""

    def setup(self, config: dict[str, Any]) -> None:
        # Ray's: it handles SIGTERM and blocks SIGINT.
        only_here(signal.SIGTERM, signal.SIGINT)
        self._events = work(config["block"])
        self._slice_s: float = config["slice_s"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """The events of one slice, which ends early when a trial starts: its first evaluation may take long."""
        until = time.monotonic() + self._slice_s
        events: list[Event] = []
        for event in self._events:
            events.append(event)
            if isinstance(event, Started) or time.monotonic() >= until:
                return {"events": events, "over": False}
        return {"events": events, "over": True}

    def cleanup(self) -> None:
        self._events.close()


class _Slots(FIFOScheduler):
    """Which Tune trial gets which actor. All is called in Tune's thread.

    newcomer      the Tune trial that was added last, in this round of Tune's loop
    without_work  Tune trials whose block is over, each keeping its actor
    """

    def __init__(self, closing: threading.Event) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._closing = closing
        self._num_live = 0
        self._waiting_since: dict[TuneTrial, float] = {}
        self.newcomer: TuneTrial | None = None
        self.without_work: deque[TuneTrial] = deque()

    @property
    def num_busy(self) -> int:
        return self._num_live - len(self.without_work)

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._num_live += 1
        self._waiting_since[trial] = time.monotonic()
        self.newcomer = trial

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        self._waiting_since.pop(trial, None)
        if not result["over"]:
            return TrialScheduler.CONTINUE
        self.without_work.append(trial)
        return TrialScheduler.NOOP

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        self.raise_if_closing()
        chosen, self.newcomer = self._impatient() or self.newcomer, None
        if chosen is not None and self.without_work:
            tune_controller.stop_trial(self.without_work.popleft())
        return chosen

    def _impatient(self) -> TuneTrial | None:
        trial, since = next(iter(self._waiting_since.items()), (None, 0.0))
        if trial is None or not self.without_work or trial.status != TuneTrial.PENDING:
            return None
        return trial if time.monotonic() - since > PATIENCE_S else None

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        self._gone(trial)

    def on_trial_remove(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._gone(trial)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._gone(trial)

    def _gone(self, trial: TuneTrial) -> None:
        self._num_live -= 1
        self._waiting_since.pop(trial, None)

    def raise_if_closing(self) -> None:
        if self._closing.is_set():
            raise _Closing


class _Feed(Searcher):
    """Hands out blocks, as many as there are slots, one at a time to actors without work."""

    def __init__(
        self, slots: _Slots, blocks: dict[str, Ledger], waiting: queue.SimpleQueue[str], num_slots: int
    ) -> None:
        super().__init__()
        self._slots = slots
        self._blocks = blocks
        self._waiting = waiting
        self._again: deque[str] = deque()
        self._num_slots = num_slots
        self._slice_s = max(SLICE_S, num_slots / 50)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        self._slots.raise_if_closing()
        if self._slots.num_busy >= self._num_slots or (self._slots.newcomer and self._slots.without_work):
            return None
        try:
            if self._again:
                id = self._again.popleft()
            else:
                # With nothing at work Tune has nothing to wait for, and would spin.
                id = self._waiting.get(timeout=0 if self._slots.num_busy else 0.1)
        except queue.Empty:
            return None
        return {"block": self._blocks[id].rest(), "slice_s": self._slice_s}

    def hand_in_again(self, block_id: str) -> None:
        self._again.append(block_id)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass


class _Courier(tune.Callback):
    """Epochs on the events of all workers, each once, and hands in again what a lost worker leaves undone."""

    def __init__(
        self,
        blocks: dict[str, Ledger],
        news: queue.SimpleQueue[Event | BaseException],
        hand_in_again: Callable[[str], None],
    ) -> None:
        self._blocks = blocks
        self._news = news
        self._hand_in_again = hand_in_again
        self._num_killed = num_killed_for_memory()

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        ledger = self._blocks[trial.config["block"].id]
        if result["over"]:
            del self._blocks[ledger.block.id]  # Before the news is out, to which the caller may hand in the same id.
        for event in result["events"]:
            if ledger.is_new(event):
                self._news.put(event)

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        ledger = self._blocks[trial.config["block"].id]
        if self._was_out_of_memory(trial):
            running = next(iter(ledger.unfinished))
            ledger.is_new(event := OutOfMemory(running, "the system killed its worker, for want of memory"))
            self._news.put(event)
            if ledger.unfinished:
                self._hand_in_again(ledger.block.id)
            else:
                del self._blocks[ledger.block.id]
            return
        ledger.num_lost_workers += 1
        if ledger.num_lost_workers <= MAX_LOST_WORKERS:
            self._hand_in_again(ledger.block.id)
            return
        reason = Path(trial.error_file).read_text()
        del self._blocks[ledger.block.id]
        for key in ledger.unfinished:
            self._news.put(Lost(key, reason))

    def _was_out_of_memory(self, trial: TuneTrial) -> bool:
        """Whether the kernel has killed a process of this machine since it was asked last, and the worker was here."""
        before, self._num_killed = self._num_killed, num_killed_for_memory()
        here = socket.gethostname()
        return self._num_killed > before and (trial.last_result or {}).get("hostname", here) == here


def num_killed_for_memory() -> int:
    """Processes of this machine that the kernel has killed for want of memory since it started; 0 if unknown."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("oom_kill ")))
    return 0


def _tune_name(trial: TuneTrial) -> str:
    return str(trial.trial_id)
