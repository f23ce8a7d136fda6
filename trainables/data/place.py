"""Where data lies, and whether it is there: asked before a study starts, without loading anything."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO

from trainables.checksums import checksum


class DataError(Exception):
    """Data that is missing or is not what the configuration declares; the message says what to do."""


class DataMissing(DataError):
    """Data that is not there yet."""


def data_error(what: str, sentences: Iterable[str]) -> DataError:
    """All that is wrong with one data set at once; `what` names it."""
    listed = tuple(sentences)
    if len(listed) == 1:
        return DataError(f"{what}: {listed[0]}")
    return DataError("\n  ".join([f"{what}: {len(listed)} problems", *listed]))


@cache
def code_digest() -> str:
    """Of the code in this folder: what it has kept on a disk is for no other code to read."""
    sha = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sha.update(path.read_bytes())
    return sha.hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, once it is known to be one: opening a named pipe would wait for ever.

    Raises:
        DataError: it cannot be read.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise DataMissing(f"data npz: {path} is not there") from error
    except IsADirectoryError as error:
        raise DataError(f"data npz: {path} is no .npz file, but a folder") from error
    except OSError as error:
        raise DataError(f"data npz: {path} cannot be read: {error.strerror or error}") from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise DataError(f"data npz: {path} is no .npz file, but a named pipe or a device")
        yield file


def data_root(root: Path | None = None) -> Path:
    """Where data sets lie: `root`, else GROKGRID_DATA, else `data` under grokgrid's home."""
    if root is not None:
        return root
    if os.environ.get("GROKGRID_DATA"):
        return _named("GROKGRID_DATA")
    return _home() / "data"


def cache_folder() -> Path:
    """Where `inspection.py` keeps what it found."""
    return _home() / "cache" / "data"


def _home() -> Path:
    if os.environ.get("GROKGRID_HOME"):
        return _named("GROKGRID_HOME")
    # Only here: one trial by itself runs without it where it is told where things are.
    import platformdirs

    return platformdirs.user_data_path("grokgrid", appauthor=False)


def _named(variable: str) -> Path:
    try:
        return Path(os.environ[variable]).expanduser().absolute()
    except RuntimeError:
        raise DataError(f"{variable}: {os.environ[variable]!r} is not allowed: there is no such user") from None


def known_checksum(path: Path) -> str:
    """The file's SHA-256, computed once a process unless the file changes."""
    return _checksum(path, _stamp(path))


@lru_cache
def _checksum(path: Path, stamp: tuple[int, int, int]) -> str:
    return checksum(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
