"""What is known of a data set without holding it: digest, shapes, and what `check_content` says.

An .npz file is read once for it. What was found lies in a small file under grokgrid's home, under the data's path, and
holds as long as size, times and inode of the data stay what they were. A kept file that is damaged, or that another
version of the checks has written, is made anew; where none can be written, none is.
"""

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydantic import ValidationError

from trainables.configuration import Config
from trainables.data.arrays import Arrays, digest, num_outputs
from trainables.data.content import Findings, Used, check_content
from trainables.data.label_checks import num_runs, num_runs_mixed
from trainables.data.npz import read_arrays
from trainables.data.place import cache_folder, code_digest, opened
from trainables.tasks import Task

_SETTLED_S = 2.0
"""File systems keep times no finer than that, so a younger file may change without their showing it."""

_FEWER_RUNS = 4
"""Examples whose classes change so many times less often than in a random order are sorted."""

_KEPT_S = 60 * 24 * 3600

Stamp = tuple[int, int, int, int]
"""Of a file: size, times of its last change in nanoseconds (of content, of anything), inode."""

_digests: dict[tuple[str, Stamp], str] = {}
"""What this process knows already: a study makes one configuration a cell, all of one file."""


class Inspection(Config):
    """num_train, num_test, num_outputs: of the whole arrays; the rest is about the part that a trial uses.

    has_pixels      whether they are bytes, which become pixels in [0, 1]
    num_used        training examples
    num_runs        stretches of training examples of one class, one behind the other; 1 of a regression
    num_runs_mixed  about how many there would be in a random order; the same
    """

    digest: str
    num_train: int
    num_test: int
    example_shape: tuple[int, ...]
    num_outputs: int
    has_pixels: bool
    num_used: int
    num_runs: int
    num_runs_mixed: int
    findings: Findings

    def warnings(self, *, batch_size: int | None, shuffle: bool) -> tuple[str, ...]:
        """What is suspicious, for a trial with such batches."""
        unmixed = self._unmixed(batch_size) if not shuffle and batch_size is not None else None
        return (*self.findings.warnings, *([unmixed] if unmixed else []))

    def _unmixed(self, batch_size: int) -> str | None:
        """Batches hold examples of few classes where the examples lie class by class."""
        if batch_size >= self.num_used or self.num_runs_mixed <= 1 or _FEWER_RUNS * self.num_runs > self.num_runs_mixed:
            return None
        return (
            f"training examples are sorted by class, in {self.num_runs:,} stretches of one class where a random order"
            f" has about {self.num_runs_mixed:,}, and shuffle is false: batches of {batch_size:,} hold few classes."
            " Give shuffle: true"
        )


class _Kept(Config):
    """inspections: by the part that is used."""

    path: str
    stamp: Stamp
    checks: str
    digest: str
    inspections: dict[str, Inspection]


def inspect_arrays(arrays: Arrays, used: Used, *, known_digest: str | None = None) -> Inspection:
    """The inspection of arrays of the right form; known_digest: theirs, if it is known."""
    labels = arrays["y_train"][: used.num_train]
    if used.task == "regression":
        labels = labels[:1]
    return Inspection(
        digest=known_digest or digest(arrays),
        num_train=len(arrays["x_train"]),
        num_test=len(arrays["x_test"]),
        example_shape=arrays["x_train"].shape[1:],
        num_outputs=num_outputs(arrays, used.task),
        has_pixels=arrays["x_train"].dtype == np.uint8,
        num_used=len(arrays["x_train"][: used.num_train]),
        num_runs=num_runs(labels),
        num_runs_mixed=num_runs_mixed(labels),
        findings=check_content(arrays, used),
    )


def inspect_npz(path: Path, used: Used) -> Inspection:
    """From what is kept, else by reading the file.

    Raises:
        DataError: the file cannot be read, or its arrays have the wrong form.
    """
    with opened(path) as file:
        if (kept := _kept(path, _stamp(file))) and (found := kept.inspections.get(str(used))):
            return found
        return _read(path, used, file)


def npz_digest(path: Path, task: Task) -> str:
    """Of the arrays in the file, for that task: what is known of it, else from reading it.

    Raises:
        DataError: the file cannot be read, or its arrays have the wrong form.
    """
    with opened(path) as file:
        stamp = _stamp(file)
        known = (str(path.resolve()), stamp)
        if known not in _digests:
            kept = _kept(path, stamp)
            found = kept.digest if kept else _read(path, Used(task=task), file).digest
            if not _is_settled(stamp):
                return found
            _digests[known] = found
        return _digests[known]


def read_npz_and_digest(path: Path, task: Task) -> tuple[Arrays, str]:
    """The arrays, and their digest, which is computed unless it is kept.

    Raises:
        DataError: the file cannot be read, or its arrays have the wrong form.
    """
    with opened(path) as file:
        kept = _kept(path, _stamp(file))
        arrays = read_arrays(file, path, task)
    return arrays, kept.digest if kept else digest(arrays)


def _read(path: Path, used: Used, file: BinaryIO) -> Inspection:
    stamp = _stamp(file)
    kept = _kept(path, stamp)
    found = inspect_arrays(read_arrays(file, path, used.task), used, known_digest=kept.digest if kept else None)
    if _stamp(file) == stamp and _is_settled(stamp):
        inspections = {**(kept.inspections if kept else {}), str(used): found}
        _keep(
            _Kept(
                path=str(path.resolve()),
                stamp=stamp,
                checks=code_digest(),
                digest=found.digest,
                inspections=inspections,
            )
        )
    return found


def _stamp(file: BinaryIO) -> Stamp:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _is_settled(stamp: Stamp) -> bool:
    return time.time() - max(stamp[1], stamp[2]) / 1e9 > _SETTLED_S


def _file(path: str) -> Path | None:
    try:
        return cache_folder() / f"{hashlib.sha256(path.encode(errors='surrogateescape')).hexdigest()[:32]}.json"
    except ImportError:  # One trial by itself, on a machine without platformdirs.
        return None


def _kept(path: Path, stamp: Stamp) -> _Kept | None:
    resolved = str(path.resolve())
    file = _file(resolved)
    try:
        checksum, _, text = file.read_text().partition("\n") if file is not None else ("", "", "")
        kept = _Kept.model_validate_json(text) if hashlib.sha256(text.encode()).hexdigest() == checksum else None
    except (OSError, ValueError, ValidationError):
        return None
    return kept if kept and (kept.path, kept.stamp, kept.checks) == (resolved, stamp, code_digest()) else None


def _keep(kept: _Kept) -> None:
    file = _file(kept.path)
    if file is None:
        return
    text = kept.model_dump_json()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_old(file.parent)
        handle, name = tempfile.mkstemp(dir=file.parent, suffix=".writing")
        try:
            with os.fdopen(handle, "w") as writing:
                writing.write(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
            os.replace(name, file)
        except OSError:
            Path(name).unlink(missing_ok=True)


def _remove_old(folder: Path) -> None:
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < time.time() - _KEPT_S:
                file.unlink()
