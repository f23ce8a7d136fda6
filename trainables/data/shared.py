"""Large data sets once a node: what one process has read and normalised lies in a file that the others map into memory.

Workers on a node then hold one copy between them, and of a dozen that start at once one reads. Files lie in a folder of
the user's own under the node's temporary folder, named by what decides their content; those that nobody has opened for
a week are removed.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import save_file

LARGE_BYTES = 1_000_000
"""Smaller ones are read as quickly as they are found."""

_KEPT_S = 7 * 24 * 3600

Tensors = dict[str, torch.Tensor]


def shared(content: object, make: Callable[[], Tensors]) -> Tensors:
    """The tensors that `make` makes, made by one process of a node; content: plain values that decide them."""
    folder = _folder()
    if folder is None:
        return make()
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
    file = folder / f"{name}.safetensors"
    with FileLock(folder / f"{name}.lock"):
        if file.exists():
            os.utime(file)
            with safe_open(file, framework="pt") as opened:
                return {each: opened.get_tensor(each) for each in opened.keys()}  # noqa: SIM118 (it is no dict)
        tensors = make()
        if sum(tensor.nbytes for tensor in tensors.values()) >= LARGE_BYTES:
            _remove_old(folder)
            writing = file.with_suffix(".writing")
            save_file({each: tensor.contiguous() for each, tensor in tensors.items()}, writing)
            os.replace(writing, file)
    return tensors


def _folder() -> Path | None:
    """None where it is not ours alone: others could then put into it what they like."""
    folder = Path(tempfile.gettempdir()) / f"grokgrid-data-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_ours = found.st_uid == os.getuid() and not found.st_mode & 0o077 and not folder.is_symlink()
    return folder if is_ours else None


def _remove_old(folder: Path) -> None:
    for file in folder.iterdir():
        try:
            if file.stat().st_mtime < time.time() - _KEPT_S:
                file.unlink()
        except FileNotFoundError:
            pass
