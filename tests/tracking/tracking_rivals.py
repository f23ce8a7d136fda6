"""What other processes do in these tests: drivers that claim trials, and some that die over it."""

import os
import signal
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from grokgrid.tracking import Tracking
from grokgrid.tracking.client import Client
from trainables.records import Snapshot
from trainables.trial import Trial


def never(_: object) -> bool:
    return False


def claim_all(uri: str, study: str, keys: list[str], start: Barrier, won: "Queue[set[str]]", done: Event) -> None:
    """Claims what it can get, tells, and holds it until everybody has told."""
    tracking = Tracking(uri)
    report = tracking.open_report(study, "digest")
    start.wait()
    won.put(set(tracking.claim(report, keys, never).won))
    done.wait()
    report.abandon()


def claim_and_hang(uri: str, study: str, keys: list[str], told: "Queue[str]") -> None:
    """Claims, and is then to be killed."""
    tracking = Tracking(uri)
    report = tracking.open_report(study, "digest")
    claims = tracking.claim(report, keys, never)
    assert set(claims.won) == set(keys)
    told.put(report.run_id)
    time.sleep(600)


def die_while_ingesting(uri: str, study: str, trial: Trial, snapshot: Path, calls: int) -> None:
    """Claims, starts to ingest, and is killed when it is about to change MLflow for the given time."""
    tracking = Tracking(uri)
    report = tracking.open_report(study, "digest")
    held = tracking.claim(report, [trial.key], never).won[trial.key]
    left = calls

    def counted(call):  # type: ignore[no-untyped-def]
        def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return call(*args, **kwargs)

        return wrapper

    for name in ("upload", "log", "set_state", "delete"):
        setattr(Client, name, counted(getattr(Client, name)))
    tracking.ingest(held, Snapshot(snapshot))
    report.abandon()


def connect(uri: str) -> None:
    Tracking(uri).connect()
