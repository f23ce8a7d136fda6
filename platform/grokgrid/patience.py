"""Waiting for what is away: MLflow, or the storage of trials in flight.

A step that could not be taken has changed nothing, and is taken again some seconds later, for up to an hour.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, final

from grokgrid.progress import Progress
from grokgrid.tracking import TrackingAway, TrackingRefused
from trainables.faults import is_environments, reason

AWAY_RETRIED_EVERY_S = 2.0
AWAY_FOR_GOOD_S = 3600.0

STALLED_AFTER_S = 60.0
_TRIED_EVERY_S = 15.0


class AwayForGood(Exception):
    """Disks, mounts or limits of this machine have stopped a run for an hour."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why}. This has lasted for {AWAY_FOR_GOOD_S / 60:.0f} minutes. What was done is saved: put it right, and"
            " run the command again to continue."
        )


def why_away(error: Exception, place: object) -> str | None:
    """What is away, or in trouble, by an exception; None if it says nothing of the kind. place: what was in use"""
    if isinstance(error, TrackingAway | TrackingRefused):
        return str(error)
    return reason(error, place) if is_environments(error) else None


def is_for_good(since: float) -> bool:
    return time.monotonic() - since > AWAY_FOR_GOOD_S


def give_up(error: Exception, why: str) -> NoReturn:
    if isinstance(error, TrackingAway | TrackingRefused):
        raise error
    raise AwayForGood(why) from error


@final
class Patience:
    """Takes steps that need one thing, `what`, which may be away for a while."""

    def __init__(self, what: str, place: object, progress: Progress) -> None:
        self._what, self._place, self._progress = what, place, progress
        self._retry_at = 0.0
        self._away_since: float | None = None

    @property
    def is_waiting(self) -> bool:
        return self._away_since is not None

    def attempt(self, step: Callable[[], None], *, is_all_that_is_left: bool) -> None:
        """is_all_that_is_left: nothing else goes on, so that after an hour it raises

        Raises:
            TrackingAway, TrackingRefused, AwayForGood: it was away for an hour.
        """
        now = time.monotonic()
        if now < self._retry_at:
            return
        try:
            step()
        except Exception as error:
            if (why := why_away(error, self._place)) is None:
                raise
            self._away_since = self._away_since or now
            if is_all_that_is_left and is_for_good(self._away_since):
                give_up(error, why)
            self._retry_at = time.monotonic() + AWAY_RETRIED_EVERY_S
            self._progress.away(self._what, why)
        else:
            if self.is_waiting:
                self._progress.back(self._what)
            self._away_since = None


@final
class StallWatch:
    """Says when storage stalls: then a call into it raises nothing and does not return, here or in a worker.

    A thread writes a small file now and then, and another one looks whether it gets an answer.
    """

    def __init__(self, storage: Path, say: Callable[[str], None]) -> None:
        self._file = storage.parent / f".alive-{uuid.uuid4().hex}"
        self._storage, self._say = storage, say
        self._asked_at: float | None = None
        self._is_over = threading.Event()

    @property
    def stalled_s(self) -> float:
        """For how long there has been no answer; 0 unless that is long."""
        asked_at = self._asked_at
        silent_s = time.monotonic() - asked_at if asked_at is not None else 0.0
        return silent_s if silent_s > STALLED_AFTER_S else 0.0

    def start(self) -> None:
        for run in (self._ask, self._look):
            threading.Thread(target=run, daemon=True).start()

    def stop(self) -> None:
        self._is_over.set()

    def _ask(self) -> None:
        while not self._is_over.wait(_TRIED_EVERY_S):
            self._asked_at = time.monotonic()
            with suppress(OSError):  # Who needs storage says what is wrong with it.
                _write(self._file)
            self._asked_at = None

    def _look(self) -> None:
        is_stalled = False
        while not self._is_over.wait(1.0):
            if self.stalled_s and not is_stalled:
                self._say(f"{self._storage} has not answered for {self.stalled_s:.0f} seconds: trials wait for it")
            elif is_stalled and not self.stalled_s:
                self._say(f"{self._storage} answers again")
            is_stalled = bool(self.stalled_s)


def _write(file: Path) -> None:
    try:
        with file.open("w") as opened:
            opened.write("alive")
            opened.flush()
            os.fsync(opened.fileno())
    finally:
        file.unlink(missing_ok=True)
