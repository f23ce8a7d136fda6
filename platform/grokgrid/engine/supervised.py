"""Ray in a process of its own, which a breakdown of Ray cannot take along: see supervised_process.

A process that has used a Ray whose control service dies is ended by Ray's own code a minute later, with pages of text.
A call that waits for such a Ray may never return. So this process does not use Ray: a child does, in a session of its
own, where no signal of a terminal reaches it. After a breakdown the child is killed, and when the keeper of its Ray has
ended all workers, a new child starts and takes what is left of the blocks.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from types import TracebackType
from typing import Any, Self, final

from grokgrid.engine.interface import Block, Engine, EngineError, EngineGone, Event, Restarted
from grokgrid.engine.ledger import Ledger
from grokgrid.engine.supervised_process import RayBroken, Start, Up

MOST_RESTARTS = 3
RESTARTS_COUNT_S = 3600.0
"""A local Ray is started again up to so many times within so long."""

_MAIN = "from grokgrid.engine.supervised_process import main; main()"
_START_S = 180.0
_CLOSE_S = 45.0
_KEEPER_S = 15.0

UNHEARD_S = 30.0
"""Ray has broken down if it, or the process that uses it, does not answer for so long."""


def ray_engine(*, address: str | None = None, **room: Any) -> Engine:
    """A RayEngine with these settings: in this process if it is connected to a Ray already, else supervised."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        from grokgrid.engine.ray import RayEngine

        return RayEngine(address=address, **room)
    return SupervisedRay(address=address, **room)


@final
class SupervisedRay:
    """A RayEngine in a child process. A local Ray that breaks down is started again; its trials go on from their
    snapshots.

    Raises:
        EngineError: as RayEngine does.
        EngineGone: by poll(): the cluster, or a local Ray once too often, has broken down.
    """

    def __init__(self, *, address: str | None = None, **room: Any) -> None:
        self._address, self._settings = address, {"address": address, **room}
        self._open: dict[str, Ledger] = {}
        self._restarts: deque[float] = deque(maxlen=MOST_RESTARTS)
        self._child: _Child | None = _Child(self._settings)
        self.num_slots = self._child.num_slots
        self._is_closed = False

    def submit(self, block: Block) -> None:
        ledger = Ledger(block)
        self._open |= dict.fromkeys(ledger.unfinished, ledger)
        if self._child is not None:
            self._child.send(block)

    def poll(self, timeout_s: float) -> list[Event]:
        try:
            if self._child is None:
                self._child = self._start_again()
            return [event for event in self._child.receive(timeout_s) if self._is_new(event)]
        except _Broken as broken:
            if self._child is not None:
                self._child.kill()
            self._child = None
            return [self._restarted(str(broken))]

    def close(self) -> None:
        """As RayEngine.close(); after it no process of this engine is left."""
        self._is_closed, child, self._child = True, self._child, None
        if child is not None:
            child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_new(self, event: Event) -> bool:
        ledger = self._open.get(event.key)
        if ledger is None or not ledger.is_new(event):
            return False
        if event.key not in ledger.unfinished:
            del self._open[event.key]
        return True

    def _restarted(self, reason: str) -> Restarted:
        """The news, which is out before the new start: that takes seconds.

        Raises:
            EngineGone: it is not started again.
        """
        if self._address is not None:
            raise EngineGone(
                f"The cluster at {self._address} has broken down: {reason}. What was done is saved: once the cluster"
                " is back, run the command again to continue."
            )
        now = time.monotonic()
        if len(self._restarts) == MOST_RESTARTS and now - self._restarts[0] < RESTARTS_COUNT_S:
            raise EngineGone(
                f"Ray has broken down {MOST_RESTARTS + 1} times within an hour, the last time because {reason}."
                " What was done is saved: run the command again to continue. Too little memory is the usual cause:"
                " lower --slots. `grokgrid doctor` examines this machine, and --engine inline needs no Ray."
            )
        self._restarts.append(now)
        return Restarted(reason)

    def _start_again(self) -> "_Child":
        try:
            child = _Child(self._settings)
        except EngineError as error:
            raise _Broken(str(error)) from error
        # A block is there once for each of its trials.
        for ledger in {id(ledger): ledger for ledger in self._open.values()}.values():
            child.send(ledger.rest())
        return child


class _Broken(Exception):
    pass


class _Child:
    """The process and the connection to it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        ours, theirs = socketpair()
        with theirs, tempfile.TemporaryFile() as unread:
            # What Ray writes by itself is for developers of Ray.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _MAIN, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=unread,
                stderr=unread,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        self._heard = time.monotonic()
        self._keeper: int | None = None
        try:
            up = self._start(settings)
        except BaseException:
            self.kill()
            raise
        self.num_slots, self._keeper = up.num_slots, up.keeper

    def _start(self, settings: dict[str, Any]) -> Up:
        try:
            self._connection.send(Start(path=sys.path, argv=sys.argv, unheard_s=UNHEARD_S, settings=settings))
            if not self._connection.poll(_START_S):
                raise EngineError(f"Ray does not start within {_START_S:g} seconds")
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise EngineError("Ray does not start: the process that uses it has died") from error
        if isinstance(answer, EngineError):
            raise answer
        assert isinstance(answer, Up)
        return answer

    def send(self, block: Block) -> None:
        try:
            self._connection.send(block)
        except OSError:
            pass  # receive() notices, and the block is not forgotten.

    def receive(self, timeout_s: float) -> list[Event]:
        events: list[Event] = []
        try:
            while self._connection.poll(0 if events else timeout_s):
                message = self._connection.recv()
                self._heard = time.monotonic()
                if isinstance(message, RayBroken):
                    raise _Broken(message.reason)
                if not message:
                    break
                events += message
        except (EOFError, OSError) as error:
            raise _Broken("the process that uses it has died") from error
        if not events and time.monotonic() - self._heard > UNHEARD_S:
            raise _Broken(f"the process that uses it has not answered for {UNHEARD_S:.0f} seconds")
        return events

    def close(self) -> None:
        """Has the running trials saved."""
        until = time.monotonic() + _CLOSE_S
        try:
            self._connection.send(None)
            while self._connection.poll(max(0.0, until - time.monotonic())):
                self._connection.recv()
        except (EOFError, OSError):
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """Returns when no worker is left that could write to a trial's folder."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
        until = time.monotonic() + _KEEPER_S
        while self._keeper is not None and _is_running(self._keeper) and time.monotonic() < until:
            time.sleep(0.02)


def _is_running(pid: int) -> bool:
    """A process that has ended and that nobody waits for, as in a container without an init, does not run."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()
    except ProcessLookupError:
        return False
