"""What one machine has of all that trials need; looked up on this one, or on a cluster's nodes."""

import importlib.metadata
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grokgrid.provenance import provenance
from trainables.data.place import DataError
from trainables.datasets.base import Dataset

PACKAGES = ("grokgrid", "ray", "torch", "torchvision", "mlflow", "optuna")


@dataclass(frozen=True)
class Machine:
    """packages    versions, of those that are there; grokgrid with its commit
    num_gpus    that torch can use, of `num_gpu_devices` that the system has
    missing     data sets that are not there, and what to do about it
    """

    host: str
    packages: dict[str, str]
    num_gpus: int
    num_gpu_devices: int
    torch_cuda: str | None
    missing: tuple[str, ...]

    @classmethod
    def here(cls, data: Iterable[Dataset] = ()) -> "Machine":
        import torch

        return cls(
            host=socket.gethostname(),
            packages=_packages(),
            num_gpus=torch.cuda.device_count(),
            num_gpu_devices=len(list(Path("/proc/driver/nvidia/gpus").glob("*"))),
            torch_cuda=torch.version.cuda,
            missing=tuple(_missing(data)),
        )


@dataclass(frozen=True)
class Storage:
    """A folder as one machine finds it. seen: names of the marks that others left there."""

    error: str | None
    seen: frozenset[str]
    free_gb: float


def mark_storage(folder: Path, mark: str) -> Storage:
    """Leaves a mark in a folder, which is made if it is not there, and tells which marks it finds."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / mark).write_text(mark)
        return Storage(None, marks(folder), shutil.disk_usage(folder).free / 1e9)
    except OSError as error:
        return Storage(error.strerror or str(error), frozenset(), 0.0)


def marks(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir() if path.read_text() == path.name)


def remove_marks(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def is_writable(folder: Path) -> str | None:
    """None, or why it is not; the folder need not be there yet.

    A folder is made and removed, for rights do not say all: under /proc, on a disk that is mounted read-only or is
    full, nothing can be made whatever they are.
    """
    there = _nearest(folder)
    try:
        Path(tempfile.mkdtemp(prefix=".grokgrid-", dir=there)).rmdir()
    except OSError as error:
        return f"{there} cannot be written to: {error.strerror}"
    return None


def free_gb(folder: Path) -> float:
    return shutil.disk_usage(_nearest(folder)).free / 1e9


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.parents) if os.path.exists(each))


def _packages() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = provenance().get("grokgrid.commit")
    return found | ({"grokgrid": f"{found['grokgrid']} at {commit}"} if commit else {})


def _missing(data: Iterable[Dataset]) -> Iterable[str]:
    for config in data:
        try:
            config.require()
        except DataError as error:
            yield str(error)
