"""Large data sets once a node: what one process has read and normalised lies in a file that the others map into memory.

Workers on a node then hold one copy between them, and of a dozen that start at once one reads. Each lies in a folder of
its own, with its checksum, below one of the user's own under the node's temporary folder; it is named by what decides
its content. Those that nobody has opened for a week are removed; one that is damaged is made anew.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import save_file

from trainables import checksums
from trainables.checksums import Damaged
from trainables.records import warn

LARGE_BYTES = 1_000_000
"""Smaller ones are read as quickly as they are found."""

_KEPT_S = 7 * 24 * 3600
_FILE = "data.safetensors"

Tensors = dict[str, torch.Tensor]

_checked: set[tuple[int, int, int]] = set()
"""Files that this process has checked: a checksum takes a second or two of a gigabyte."""


def shared(content: object, make: Callable[[], Tensors]) -> Tensors:
    """The tensors that `make` makes, made by one process of a node; content: plain values that decide them."""
    root = _root()
    if root is None:
        return make()
    folder = root / hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
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
    if sum(tensor.nbytes for tensor in tensors.values()) >= LARGE_BYTES:
        _remove_old(folder.parent)
        contiguous = {each: tensor.contiguous() for each, tensor in tensors.items()}
        checksums.write_folder(folder.parent, [folder.name], lambda writing: save_file(contiguous, writing / _FILE))
    return tensors


def _read(folder: Path) -> Tensors:
    """Raises:
    Damaged: it is not as it was written, or not there.
    """
    file = folder / _FILE
    try:
        found = file.stat()
        is_checked = (found.st_ino, found.st_size, found.st_mtime_ns) in _checked
        if not is_checked:
            checksums.check(folder)
            _checked.add((found.st_ino, found.st_size, found.st_mtime_ns))
        os.utime(folder)
        with safe_open(file, framework="pt") as opened:
            return {each: opened.get_tensor(each) for each in opened.keys()}  # noqa: SIM118 (it is no dict)
    except (FileNotFoundError, NotADirectoryError):
        raise Damaged(f"{_FILE} is missing") from None


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
