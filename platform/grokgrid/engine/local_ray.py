"""A Ray on this machine for this process alone.

It is not reachable from elsewhere: it listens on the loopback interface only, asks for a token that is made for it, and
its sockets and files lie in a folder that only its user may enter. All of it ends with this process; the keeper, a
process of its own, sees to that. docs/design.md says what listens.
"""

import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import ray
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from grokgrid.engine.interface import EngineError
from grokgrid.engine.own_folders import OwnFolder
from grokgrid.environment import cleaned

_STOPPED_WITHIN_S = 15.0
_LONGEST_PATH = 70
"""Of its folder, for a path of Ray's sockets may have 107 characters."""

_SETTINGS = {
    # To Ray, this machine's address is 127.0.0.1 then, as it is on a Mac, and its servers bind to that.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Agents notice at once that the raylet is dead, and not within a minute.
    "RAY_enable_pipe_based_agent_to_parent_health_check": "1",
    "RAY_enable_metrics_collection": "0",
    "RAY_AUTH_MODE": "token",
}


def init(address: str, **settings: Any) -> None:
    """Connects this process to a Ray, leaving SIGTERM to the handler that it has: Ray would have it end the process."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **settings)
    if is_main and before is not None:
        signal.signal(signal.SIGTERM, before)


@final
class LocalRay:
    """Starts a Ray, and connects this process to it; stop() ends it, and so does the end of this process.

    num_cpus    by default all of the machine's
    settings    Ray's, as environment variables. No other RAY_… variable of this process reaches the Ray.

    Raises:
        EngineError: Ray does not start; the message says why.
    """

    def __init__(self, *, num_cpus: int | None, settings: Mapping[str, str]) -> None:
        self._folder = OwnFolder("grokgrid-ray-", longest_path=_LONGEST_PATH)
        token = self._folder.path / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        own = _SETTINGS | {"RAY_AUTH_TOKEN_PATH": str(token)}
        others = {name: value for name, value in cleaned(os.environ).items() if not name.startswith("RAY_")}
        self._keeper = self._start_keeper(num_cpus, {**others, **settings, **own})
        try:
            address = self._read_address()
            with _settings_of_this_process(own):
                init(address)
        except BaseException:
            self.stop()
            raise

    @property
    def keeper(self) -> int:
        """Its process id. All of Ray's processes have ended when the keeper has."""
        return self._keeper.pid

    def is_alive(self) -> bool:
        """Whether all of its processes are there; the keeper ends what is left as soon as one of them has ended."""
        return self._keeper.poll() is None

    def stop(self) -> None:
        """Returns when none of its processes is left. May be called again."""
        ray.shutdown()
        _read_settings_again()
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        self._keeper.stdin.close()
        try:
            self._keeper.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        self._keeper.stdout.close()
        self._folder.close()

    def _start_keeper(self, num_cpus: int | None, environment: dict[str, str]) -> "subprocess.Popen[str]":
        arguments = {
            "driver": os.getpid(),
            "folder": str(self._folder.path),
            "lock": self._folder.lock,
            "num_cpus": num_cpus,
            # Nothing but events passes through it; the default is 30% of memory.
            "object_store_memory": 200_000_000,
        }
        with (self._folder.path / "keeper.log").open("w") as log:
            return subprocess.Popen(
                # By its path, and without its folder on Python's path, where our ray.py would hide Ray.
                [sys.executable, "-P", str(Path(__file__).with_name("keeper.py")), json.dumps(arguments)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=[self._folder.lock],
                start_new_session=True,
            )

    def _read_address(self) -> str:
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        answer = json.loads(line) if line else {"error": "its keeper has ended"}
        if "error" in answer:
            raise EngineError(f"Ray does not start on this machine: {answer['error']}")
        return str(answer["address"])


@contextmanager
def _settings_of_this_process(settings: Mapping[str, str]) -> Iterator[None]:
    """While it connects: what it starts later has no use for them, and clusters have a token of the user's."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("RAY_AUTH_")}
    os.environ.update({name: value for name, value in settings.items() if name.startswith("RAY_AUTH_")})
    # Read when Ray was imported, and else Ray would look for itself at this machine's address in its network.
    may_be_cluster, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    _read_settings_again()
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = may_be_cluster
        for name in settings:
            if name.startswith("RAY_AUTH_"):
                os.environ.pop(name, None)
        os.environ.update(before)


def _read_settings_again() -> None:
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
