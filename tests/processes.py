"""Processes that a test has started, whoever started them in its place."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def end_all_with(variable: str, value: str) -> None:
    """Kills every process in whose environment the variable has the value: other tests and people work here, too."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{variable}={value}".encode() in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
