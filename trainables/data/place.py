"""Where data lies, and whether it is there: asked before a study starts, without loading anything."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from trainables.checksums import checksum
from trainables.data.config import DigitsConfig, MnistConfig, NpzConfig, PluginDataConfig


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


_MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Unpacked, as torchvision leaves them and insists on; and their SHA-256."""


def check_present(config: DigitsConfig | MnistConfig | NpzConfig | PluginDataConfig) -> None:
    """Raises:
    DataError: the data's files are not there, or those of MNIST are not as they were published.
    """
    if isinstance(config, NpzConfig):
        with opened(config.path):
            pass
    if isinstance(config, MnistConfig):
        root = data_root(config.root)
        raw = root / "MNIST" / "raw"
        if not all((raw / name).exists() for name in _MNIST_FILES):
            raise DataMissing(
                f"data mnist: not found under {root}. `grokgrid data get mnist` downloads it there;"
                " GROKGRID_DATA or data.root points to another folder in torchvision's layout (MNIST/raw/…)."
            ) from FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(root))
        found = {raw / name: wanted for name, wanted in _MNIST_FILES.items()}
        if damaged := [path for path, wanted in found.items() if _checksum(path, _stamp(path)) != wanted]:
            raise DataError(
                f"data mnist: not the file that the trial was defined on: {', '.join(map(str, damaged))}. Remove what"
                " is damaged, and `grokgrid data get mnist` downloads it anew."
            )


@lru_cache
def _checksum(path: Path, stamp: tuple[int, int, int]) -> str:
    """Once a process, unless the file changes."""
    return checksum(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
