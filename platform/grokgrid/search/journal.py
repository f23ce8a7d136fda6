"""Optuna's journal file, mended where a crash has torn it.

It has a line a change, appended under a lock. A process that dies within a line, or a machine that loses power, leaves
the beginning of it, or zeros; the next process appends to that same line, and from then on Optuna can read neither the
line nor those below. So what is left of a torn line is set aside before anything is appended, and what was appended to
one is taken apart again. Damage of any other kind ends the journal there, since lines are understood by those before
them: candidates below it are forgotten, though not their trials, which are found again when they are proposed again.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileSymlinkLock

from grokgrid.tracking import TrackingError
from trainables.checksums import sync
from trainables.records import warn

MOVE = "Move it away to have searches begin a new one: trials that were run for it are found again"
_BEGINNING = b'{"op_code":'


class Journal(BaseJournalBackend):
    """A journal file, which is made if it is not there.

    Raises:
        TrackingError: the file is no journal of Optuna's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        mend(path)
        self._file = JournalFileBackend(str(path))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        number = log_number_from
        try:
            for log in self._file.read_logs(number):
                yield log
                number += 1
        except ValueError:
            # Torn by another process while this one runs.
            if not mend(self._path):
                raise
            yield from self._file.read_logs(number)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if not _ends_with_a_line(self._path):
            mend(self._path)
        self._file.append_logs(logs)


def mend(path: Path) -> bool:
    """Has every line hold one record, and sets aside what is damaged; returns whether anything changed.

    Raises:
        TrackingError: it is no journal of Optuna's.
    """
    if not path.exists():
        return False
    with _locked(path):
        content = path.read_bytes()
        told = content.lstrip(b"\0")
        if not told.startswith(_BEGINNING[: len(told)]):
            raise TrackingError(f"Optuna cannot use {path}: it is no journal of Optuna’s. {MOVE}")
        kept, damaged = _taken_apart(content)
        if kept == content:
            return False
        if damaged:
            aside = next(name for number in count(1) if not (name := Path(f"{path}.damaged-{number}")).exists())
            aside.write_bytes(damaged)
            warn(f"{path}: {len(damaged):,} bytes of {len(content):,} are damaged. They are set aside as {aside.name}")
        writing = Path(f"{path}.writing")
        writing.write_bytes(kept)
        sync(writing)
        os.replace(writing, path)
        sync(path.parent)
    return True


def _taken_apart(content: bytes) -> tuple[bytes, bytes]:
    """What Optuna can read, and the rest."""
    kept: list[bytes] = []
    damaged: list[bytes] = []
    *lines, last = content.split(b"\n")
    for index, line in enumerate(lines):
        records, torn, rest = _records(line)
        if rest or not records:
            damaged.append(b"\n".join([*lines[index:], last]))
            return _joined(kept), b"\n".join(damaged)
        kept += records
        damaged += torn
    records, torn, rest = _records(last)
    kept += records
    damaged += [*torn, rest] if rest else torn
    return _joined(kept), b"\n".join(damaged)


def _joined(records: list[bytes]) -> bytes:
    return b"".join(record + b"\n" for record in records)


def _records(line: bytes) -> tuple[list[bytes], list[bytes], bytes]:
    """The records in a line, what is torn before each, and what is left behind the last."""
    records: list[bytes] = []
    torn: list[bytes] = []
    end, start = 0, line.find(_BEGINNING)
    text = line.decode("latin-1")  # A character a byte.
    while start >= 0:
        try:
            _, stop = json.JSONDecoder().raw_decode(text, start)
            json.loads(line[start:stop])
        except ValueError:
            start = line.find(_BEGINNING, start + 1)
            continue
        records.append(line[start:stop])
        torn += [line[end:start]] if start > end else []
        end, start = stop, line.find(_BEGINNING, stop)
    return records, torn, line[end:]


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
