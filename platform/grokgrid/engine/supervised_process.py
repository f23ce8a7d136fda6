"""The process that a SupervisedRay starts: a RayEngine, and a watch over the Ray under it.

It talks to its parent over the connection whose file descriptor it is given. In come a Start, then blocks, then None.
Out goes an Up, then lists of events, an empty one at least every second. A RayBroken is the last message:
then this process ends at once and asks nothing more of Ray, which may never answer. It also ends, with all that it has
started, when the parent dies.
"""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn

from grokgrid.engine.interface import EngineError

if TYPE_CHECKING:
    from grokgrid.engine.local_ray import LocalRay

_POLL_S = 0.2
_HEARTBEAT_S = 1.0
_ASKED_EVERY_S = 2.0
_ORPHAN_S = 6.0
"""How long running trials have to save a snapshot after the parent was killed."""


_LARGE = bytes(500_000)
"""An object that does not fit into a message: Ray's node manager (raylet) stores it."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """path, argv  of the parent's interpreter: Ray's workers import from where the parent does
    unheard_s      Ray has broken down if it does not answer for so long
    settings       of the RayEngine
    """

    path: list[str]
    argv: list[str]
    unheard_s: float
    settings: dict[str, Any]


@dataclass(frozen=True)
class Up:
    """keeper: the process whose end is the end of all of a local Ray's."""

    num_slots: int
    keeper: int | None


@dataclass(frozen=True)
class RayBroken:
    reason: str


class _Parent:
    """The connection, for several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()
        self.is_closing = threading.Event()

    def send(self, message: object) -> None:
        with self._lock:
            try:
                self._connection.send(message)
            except OSError:
                self.is_closing.set()

    def receive(self, blocks: list[Any]) -> None:
        """Blocks, until the parent is dead."""
        while True:
            try:
                block = self._connection.recv()
            except (EOFError, OSError):
                break
            if block is None:
                self.is_closing.set()
            else:
                blocks.append(block)
        self.is_closing.set()
        time.sleep(_ORPHAN_S)
        os._exit(1)  # And Ray's keeper ends Ray.

    def broken(self, reason: str) -> NoReturn:
        self.send(RayBroken(reason))
        os._exit(1)


def main() -> None:
    # A handler that does nothing, not SIG_IGN: processes that this one starts would inherit that. The parent decides.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    os.set_inheritable(descriptor := int(sys.argv[1]), False)
    connection = Connection(descriptor)
    start: Start = connection.recv()
    sys.path[:], sys.argv[:] = start.path, start.argv
    parent = _Parent(connection)
    blocks: list[Any] = []
    threading.Thread(target=parent.receive, args=(blocks,), daemon=True).start()
    from grokgrid.engine.ray import RayEngine

    try:
        engine = RayEngine(**start.settings)
    except EngineError as error:
        return parent.send(error)
    except Exception as error:
        return parent.send(EngineError(f"Ray does not start: {_last_line(error)}"))
    local = engine.local_ray
    parent.send(Up(engine.num_slots, local.keeper if local is not None else None))
    threading.Thread(target=_watch, args=(local, start.unheard_s, parent), daemon=True).start()
    with engine:
        _pass_on(engine, blocks, parent)


def _pass_on(engine: Any, blocks: list[Any], parent: _Parent) -> None:
    """Blocks to the engine, its events to the parent, until it is closing."""
    sent = time.monotonic()
    while not parent.is_closing.is_set():
        try:
            while blocks:
                engine.submit(blocks.pop(0))
            events = engine.poll(_POLL_S)
        except Exception as error:
            parent.broken(_last_line(error))
        if events or time.monotonic() - sent > _HEARTBEAT_S:
            parent.send(events)
            sent = time.monotonic()


def _watch(local: "LocalRay | None", unheard_s: float, parent: _Parent) -> None:
    """Ends this process when Ray has broken down: Ray itself may notice after minutes, or never."""
    heard = [time.monotonic()]
    threading.Thread(target=_ask, args=(heard, parent), daemon=True).start()
    while not parent.is_closing.wait(1.0):
        if local is not None and not local.is_alive():
            parent.broken("one of its processes has died")
        if time.monotonic() - heard[0] > unheard_s:
            parent.broken(f"it has not answered for {unheard_s:.0f} seconds")


def _ask(heard: list[float], parent: _Parent) -> None:
    """Asks the control service (GCS) and this machine's raylet again and again, in a thread of its own: a call may
    never return.
    """
    import ray

    node = ray.get_runtime_context().get_node_id()
    while not parent.is_closing.wait(_ASKED_EVERY_S):
        try:
            nodes = ray.nodes()  # type: ignore[no-untyped-call]
            ray.get(ray.put(_LARGE))
        except Exception:
            continue
        heard[0] = time.monotonic()
        if not any(each["NodeID"] == node and each["Alive"] for each in nodes):
            parent.broken("it has lost this machine's node")


def _last_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
