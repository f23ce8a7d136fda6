"""The process that keeps a local Ray: it starts Ray, and ends all of it when the driver ends, however that happens.

`local_ray` runs this file by its path, for packages of ours would cost a second to import. The keeper has a session of
its own, so what a terminal or a shell sends to the driver's group (Ctrl-C, a hangup, `kill -- -GROUP`) reaches neither
the keeper nor Ray, and the driver can have its trials saved first. On Linux the keeper adopts every process below it
that loses its parent: daemons that a plugin starts are its descendants, too, and end with the rest.

The driver's end is noticed by the change of parent and not by the closed pipe alone, of which forked children of the
driver hold the other end.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

_CHECKED_EVERY_S = 0.2
_KILLED_WITHIN_S = 8.0
_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: dict[str, Any]) -> None:
    """Arguments: driver, a process id; folder and lock, a file descriptor, which go away with Ray; num_cpus and
    object_store_memory.
    """
    stop, answer = _own_streams()
    os.set_inheritable(arguments["lock"], False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _wait_for_the_driver)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        try:
            processes = _start(arguments)
        except Exception as error:
            _print(answer, {"error": str(error).strip() or type(error).__name__})
            raise
        _print(answer, {"address": processes.address})
        while os.getppid() == arguments["driver"] and processes.all_alive() and not _is_ready(stop):
            pass
    finally:
        _kill_all_below()
        shutil.rmtree(arguments["folder"], ignore_errors=True)


class _Processes:
    """Those of a Ray that was started."""

    def __init__(self, node: Any) -> None:
        self.address: str = node.address
        self._started = [info.process for infos in node.all_processes.values() for info in infos]

    def all_alive(self) -> bool:
        own = {process.pid for process in self._started}
        for pid in _ended():
            if pid in own:
                return False
            os.waitpid(pid, 0)
        return True


def _start(arguments: dict[str, Any]) -> _Processes:
    """Of Ray's processes the GCS, the raylet and its two agents; of the agents' listeners one. No dashboard, no log
    monitor, no autoscaler and no metrics: nothing here reads them, and each takes seconds to start, or listens.
    """
    from ray._private import services, utils
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    # As if the dashboard had not started, which Ray puts up with; and as if its packages were not installed.
    services.start_api_server = lambda *_, **__: ("", None)
    utils.get_dashboard_dependency_error = lambda: ImportError("not wanted")
    ensure_token_if_auth_enabled({}, create_token_if_missing=False)
    folder = os.path.join(arguments["folder"], "ray")
    node = Node(
        RayParams(
            num_cpus=arguments["num_cpus"],
            object_store_memory=arguments["object_store_memory"],
            temp_dir=folder,
            session_name="session",
            include_dashboard=False,
            include_log_monitor=False,  # type: ignore[arg-type]
            no_monitor=True,
        ),
        head=True,
        shutdown_at_exit=False,
        ray_init_cluster=True,
    )
    return _Processes(node)


def _own_streams() -> tuple[int, int]:
    """The pipes from and to the driver, out of reach of Ray's processes, which inherit the standard streams."""
    stop, answer = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return stop, answer


def _print(answer: int, content: dict[str, str]) -> None:
    with suppress(BrokenPipeError):
        os.write(answer, json.dumps(content).encode() + b"\n")


def _is_ready(stop: int) -> bool:
    """Whether the driver has asked for the end, or has closed the pipe; waits a moment for it."""
    return bool(select.select([stop], [], [], _CHECKED_EVERY_S)[0])


def _ended() -> Iterator[int]:
    """Children that have ended. The first one comes again until it is waited for."""
    with suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            yield found.si_pid


def _kill_all_below() -> None:
    """Again and again, for a process may fork before it is reached."""
    import psutil
    import ray  # noqa: F401 (It brings psutil.)

    until = time.monotonic() + _KILLED_WITHIN_S
    while (below := psutil.Process().children(recursive=True)) and time.monotonic() < until:
        for process in below:
            with suppress(psutil.Error):
                process.kill()
        for pid in _ended():
            os.waitpid(pid, 0)
        time.sleep(0.01)


def _wait_for_the_driver(number: int, frame: FrameType | None) -> None:
    """The driver gets the same signal, and ends Ray when it has saved."""


def _exit() -> NoReturn:
    # Ray registers what it does at exit; all of it is over.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except Exception:
        import traceback

        traceback.print_exc()
    _exit()
