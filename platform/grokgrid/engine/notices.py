"""Snapshots before a machine goes: `python -m grokgrid.engine.notices` on each node, beside Ray.

A cloud that takes a spot machine back says so two minutes before. From then on every worker on this machine is asked
for a snapshot, again and again, for trials go on for as long as there is a machine: what is lost in the end is what
came after the last of them. With --now workers are asked once, at once, for whoever knows by himself (a batch system's
signal, a container's preStop hook).

Asked are the processes that Ray calls our workers' and that are known to wait for the signal, for it ends all others.
"""

import argparse
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

METADATA = "http://169.254.169.254"
"""Where AWS tells a machine about itself."""

_WORKER = "ray::_Worker"
_CHECKED_EVERY_S = 5.0
_ASKED_EVERY_S = 20.0
_TOKEN_S = 21_600


def ask_for_snapshots() -> list[int]:
    """Asks every worker on this machine that a signal of ours reaches; returns their process ids."""
    asked = []
    for pid in _workers():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGUSR1)
            asked.append(pid)
    return asked


def is_going(metadata: str, token: str) -> bool:
    """Whether this machine is to be taken back.

    Raises:
        OSError: the metadata service cannot be reached, or no longer takes the token.
    """
    request = urllib.request.Request(
        f"{metadata}/latest/meta-data/spot/instance-action", headers={"X-aws-ec2-metadata-token": token}
    )
    try:
        with urllib.request.urlopen(request, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise


def new_token(metadata: str) -> str:
    request = urllib.request.Request(
        f"{metadata}/latest/api/token",
        method="PUT",
        headers={"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_S)},
    )
    with urllib.request.urlopen(request, timeout=2) as answer:
        return str(answer.read().decode())


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m grokgrid.engine.notices", description="Has trials saved before this spot machine goes."
    )
    parser.add_argument("--now", action="store_true", help="ask this machine's workers once, and return")
    parser.add_argument("--metadata", default=METADATA, metavar="URL", help=f"default: {METADATA}")
    arguments = parser.parse_args()
    if arguments.now:
        _tell(ask_for_snapshots())
        return 0
    _wait_for_notice(arguments.metadata)
    print("this machine will be taken back", file=sys.stderr, flush=True)
    while True:
        _tell(ask_for_snapshots())
        time.sleep(_ASKED_EVERY_S)


def _wait_for_notice(metadata: str) -> None:
    token = None
    while True:
        try:
            token = token or new_token(metadata)
            if is_going(metadata, token):
                return
        except OSError as error:
            # It has its hiccups, and tokens lapse: a new one, and again.
            token = None
            print(f"{metadata}: {error}", file=sys.stderr, flush=True)
        time.sleep(_CHECKED_EVERY_S)


def _tell(asked: list[int]) -> None:
    print(f"asked {len(asked)} workers for a snapshot", file=sys.stderr, flush=True)


def _workers() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title, status = (process / "cmdline").read_text(), (process / "status").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if title.startswith(_WORKER) and _catches(status, signal.SIGUSR1):
            yield int(process.name)


def _catches(status: str, number: signal.Signals) -> bool:
    """Whether a process, by its /proc/PID/status, has a handler for the signal."""
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


if __name__ == "__main__":
    sys.exit(main())
