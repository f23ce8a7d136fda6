"""Whose fault an exception is. The errors are real ones wherever a test can cause them."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import load_file, save_file

from trainables.data.place import DataError
from trainables.faults import Fault, fault_of, reason


@contextmanager
def limit(kind: int, most: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def error_of(cause: Callable[[], object]) -> BaseException:
    try:
        cause()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def raising(error: BaseException) -> Callable[[], object]:
    def cause() -> None:
        raise error

    return cause


def hidden() -> None:
    """As our reading of data does it."""
    try:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/data/x.npz")
    except OSError:
        raise DataError("data npz: /data/x.npz: 5") from None


def without_files(folder: Path) -> None:
    with limit(resource.RLIMIT_NOFILE, 3):
        (folder / "one").open("w")


def too_large(write: Callable[[Path], object], folder: Path) -> None:
    """The kernel refuses to write on, as it does when a disk is full, without a disk that has to be full."""
    with limit(resource.RLIMIT_FSIZE, 1000):
        write(folder / "large")


TENSORS = {"x": torch.zeros(1000)}
TABLE = pyarrow.table({"a": np.random.default_rng(0).normal(size=1000)})

ENVIRONMENTS = {
    "Python, no space": lambda folder: Path("/dev/full").write_text("x"),
    "Python, too large": lambda folder: too_large(lambda file: file.write_text("x" * 2000), folder),
    "NumPy, too large": lambda folder: too_large(lambda file: np.savez(file, np.zeros(1000)), folder),
    "pyarrow, too large": lambda folder: too_large(lambda file: pyarrow.parquet.write_table(TABLE, file), folder),
    "safetensors, too large": lambda folder: too_large(lambda file: save_file(TENSORS, file), folder),
    "safetensors, no folder": lambda folder: save_file(TENSORS, folder / "gone" / "x"),
    "safetensors, no file": lambda folder: load_file(folder / "gone"),
    "no file handles": without_files,
    "hidden by another": lambda folder: hidden(),
    **{
        f"errno {name}": lambda folder, name=name: raising(OSError(getattr(errno, name), "words", "/p"))()
        for name in ("EACCES", "EROFS", "EDQUOT", "EIO", "ESTALE", "ENOTCONN", "ENODEV", "ETIMEDOUT", "ENOENT")
    },
    "a library's text": lambda folder: raising(RuntimeError("unable to open file: Too many open files"))(),
}
MEMORY = {
    "torch": lambda: torch.empty(2**60),
    "NumPy": lambda: np.zeros(2**55),
    "Python": lambda: bytearray(2**62),
    "CUDA": raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")),
    "cuBLAS": raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    "the system": raising(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))),
    "C++": raising(RuntimeError("std::bad_alloc")),
}
TRIALS = {
    "its values": raising(ValueError("No space left on device")),
    "its data": raising(DataError("data npz: /x is no .npz file, or is cut short")),
    "its shapes": raising(RuntimeError("mat1 and mat2 shapes cannot be multiplied (50x64 and 8x8)")),
    "a system error that is none of the environment's": raising(OSError(errno.EINVAL, "Invalid argument")),
    "no number": raising(OSError("not a gzipped file")),
    "words that only look like an error number": raising(RuntimeError("errno 9999")),
}


@pytest.mark.parametrize("cause", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_environments(cause: Callable[[Path], object], tmp_path: Path):
    assert fault_of(error_of(lambda: cause(tmp_path))) is Fault.ENVIRONMENT


@pytest.mark.parametrize("cause", MEMORY.values(), ids=MEMORY)
def test_a_lack_of_memory(cause: Callable[[], object]):
    assert fault_of(error_of(cause)) is Fault.MEMORY
    assert fault_of(error_of(cause), [__file__]) is Fault.MEMORY, "also in code of users"


@pytest.mark.parametrize("cause", TRIALS.values(), ids=TRIALS)
def test_the_trials(cause: Callable[[], object]):
    assert fault_of(error_of(cause)) is Fault.TRIAL


@pytest.mark.parametrize("cause", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_what_code_of_users_opens_is_its_own_affair(cause: Callable[[Path], object], tmp_path: Path):
    assert fault_of(error_of(lambda: cause(tmp_path)), [__file__]) is Fault.TRIAL
    assert fault_of(error_of(lambda: cause(tmp_path)), ["/elsewhere/part.py"]) is Fault.ENVIRONMENT


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (lambda: Path("/dev/null/x").open("w"), "/dev/null/x: Not a directory"),
        (lambda: Path("/dev/full").write_text("x"), "/storage: No space left on device"),
        (hidden, "/data/x.npz: Input/output error"),
        (raising(RuntimeError("I/O error: Stale file handle (os error 116)")), "/storage: Stale file handle"),
    ],
)
def test_a_reason_names_the_path_and_the_error(cause: Callable[[], object], words: str):
    assert reason(error_of(cause), "/storage") == words
