"""Large data sets once a node: what one process has read and normalised lies in a file that the others map into memory.

Workers on a node then hold one copy between them, and of a dozen that start at once one reads. Each lies in a folder of
its own, with its checksum, below one of the user's own under the node's temporary folder; it is named by what decides
its content, the code that made it included. Those that nobody has opened for a week are removed; one that is damaged
is made anew.

Where a tensor begins in memory can change the last digits of a matrix product. All processes therefore see such data at
multiples of 64 bytes: torch puts new tensors there, and an .npy file its array.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from trainables import checksums
from trainables.checksums import Damaged
from trainables.data.place import code_digest
from trainables.records import warn

LARGE_BYTES = 1_000_000
"""Smaller ones are read as quickly as they are found."""

_KEPT_S = 7 * 24 * 3600
_ALIGNMENT = 64

Tensors = dict[str, torch.Tensor]

_checked: set[frozenset[tuple[int, int, int]]] = set()
"""What this process has checked, by inode, size and time of files: a checksum takes a second or two of a gigabyte."""


def shared(content: object, make: Callable[[], Tensors]) -> Tensors:
    """The tensors that `make` makes, made by one process of a node; content: plain values that decide them."""
    root = _root()
    if root is None:
        return _aligned(make())
    decides = json.dumps([code_digest(), content], sort_keys=True)
    folder = root / hashlib.sha256(decides.encode()).hexdigest()[:32]
    with FileLock(root / f"{folder.name}.lock"):
        if not folder.exists():
            return _made(folder, make)
    try:
        # Without the lock, for workers that start at once would check one after the other.
        return _read(folder)
    except Damaged as error:
        warn(f"{folder}: the data that this node shares is damaged: {error}. It is made anew")
    with FileLock(root / f"{folder.name}.lock"):
        try:
            return _read(folder)  # Another process may have made it anew meanwhile.
        except Damaged:
            shutil.rmtree(folder, ignore_errors=True)
            return _made(folder, make)


def _made(folder: Path, make: Callable[[], Tensors]) -> Tensors:
    tensors = make()
    if _are_large(tensors):
        _remove_old(folder.parent)
        checksums.write_folder(folder.parent, [folder.name], lambda writing: _write(tensors, writing))
    return _aligned(tensors)


def _write(tensors: Tensors, folder: Path) -> None:
    for name, tensor in tensors.items():
        np.save(folder / f"{name}.npy", tensor.numpy(), allow_pickle=False)


def _aligned(tensors: Tensors) -> Tensors:
    """Large ones as `_read` gives them."""
    if not _are_large(tensors):
        return tensors
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    return {name: each.clone() if each.data_ptr() % _ALIGNMENT else each for name, each in contiguous.items()}


def _are_large(tensors: Tensors) -> bool:
    return sum(tensor.nbytes for tensor in tensors.values()) >= LARGE_BYTES


def _read(folder: Path) -> Tensors:
    """Raises:
    Damaged: it is not as it was written, or not there.
    """
    try:
        found = {file: file.stat() for file in folder.glob("*.npy")}
        files = frozenset((each.st_ino, each.st_size, each.st_mtime_ns) for each in found.values())
        if not files or files not in _checked:
            checksums.check(folder)
            _checked.add(files)
        os.utime(folder)
        # "c": what is written to a tensor stays in this process.
        return {file.stem: torch.from_numpy(np.load(file, mmap_mode="c", allow_pickle=False)) for file in found}
    except (FileNotFoundError, NotADirectoryError):
        raise Damaged("it is missing") from None


def _root() -> Path | None:
    """None where it is not ours alone: others could then put into it what they like."""
    folder = Path(tempfile.gettempdir()) / f"grokgrid-data-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_ours = found.st_uid == os.getuid() and not found.st_mode & 0o077 and not folder.is_symlink()
    return folder if is_ours else None


def _remove_old(root: Path) -> None:
    for path in root.iterdir():
        try:
            if path.stat().st_mtime < time.time() - _KEPT_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except FileNotFoundError:
            pass
