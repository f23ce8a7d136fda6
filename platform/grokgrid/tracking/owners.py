"""Who is at work, and whether they still are.

An owner is one `grokgrid run`. It opens an MLflow run for the report it works towards, and that run carries its lease:

    grokgrid.lease_until        unix seconds; renewed every RENEW_EVERY_S, each time for LEASE_S
    grokgrid.host, .pid         for people
    grokgrid.boot               which start of which kernel, and which container on it: pids mean something only there
    grokgrid.process_started    tells a process from a later one with the same pid

An owner is dead once its run is no longer running or its lease has lapsed; and, for those who look from the same
machine, at once when its process is gone. Leases compare clocks of different machines: they have to agree to within a
minute, as they do wherever time is kept from the network.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from grokgrid.tracking.client import Client, Run, RunGone, RunState

LEASE_S = 120.0
RENEW_EVERY_S = 20.0

LEASE_UNTIL = "grokgrid.lease_until"
_HOST, _PID, _BOOT, _PROCESS_STARTED = (f"grokgrid.{name}" for name in ("host", "pid", "boot", "process_started"))


def lease_tag(lease_s: float) -> dict[str, str]:
    return {LEASE_UNTIL: f"{time.time() + lease_s:.3f}"}


def owner_tags(lease_s: float) -> dict[str, str]:
    """What this process puts on its report run to be recognised as its owner."""
    pid = os.getpid()
    return lease_tag(lease_s) | {
        _HOST: socket.gethostname(),
        _PID: str(pid),
        _BOOT: _boot(),
        _PROCESS_STARTED: _process_started(pid) or "",
    }


class Owners:
    """Verdicts about owners, each asked for once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._alive: dict[str, bool] = {}

    def is_alive(self, owner: str) -> bool:
        if owner not in self._alive:
            try:
                self._alive[owner] = is_alive(self._client.run(owner)) if owner else False
            except RunGone:
                self._alive[owner] = False
        return self._alive[owner]


def is_alive(run: Run) -> bool:
    """Whether the owner behind a report run is still at work."""
    if not run.live or run.state is not RunState.RUNNING:
        return False
    if time.time() > float(run.tags.get(LEASE_UNTIL, 0)):
        return False
    return not _is_gone(run.tags)


def _is_gone(tags: Mapping[str, str]) -> bool:
    """Whether the process is known to be gone. Not known is no."""
    if not _boot() or tags.get(_BOOT) != _boot():
        return False
    pid = int(tags[_PID])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    started = _process_started(pid)
    return started is not None and started != tags[_PROCESS_STARTED]


@cache
def _boot() -> str:
    """Names this start of this machine, and this container on it; "" where neither Linux nor macOS."""
    if sys.platform == "linux":
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "kern.bootsessionuuid")
    return ""


def _process_started(pid: int) -> str | None:
    """When a process started, in whatever form the system tells it; "gone" for one that has ended; None if unknown."""
    if sys.platform == "linux":
        try:
            # The second field is a command name, which may hold spaces and brackets itself.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        state, started = fields[0], fields[19]
        return "gone" if state in "ZX" else started
    if sys.platform == "darwin":
        return _output("ps", "-o", "lstart=", "-p", str(pid)) or None
    return None


def _output(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=5, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip()
