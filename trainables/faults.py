"""Whose fault an exception is: the trial's, the environment's, or a lack of memory.

A trial has failed only if its own code or settings are the cause. A full disk, a lost mount or a limit on open files
may go away, and the trial is then tried again. The error and the place decide: an error on a file that code of users
opens is theirs. On our paths (snapshots, data files, temporary folders) it is the environment's.
"""

import errno
import os
import re
import traceback
from collections.abc import Collection, Iterator
from enum import Enum


class Fault(Enum):
    TRIAL = "trial"
    ENVIRONMENT = "environment"
    MEMORY = "memory"


_NAMES = (
    *("ENOSPC", "EDQUOT", "EFBIG"),
    *("EMFILE", "ENFILE", "ENOBUFS", "ENOLCK"),
    *("EACCES", "EPERM", "EROFS"),
    *("EIO", "EREMOTEIO", "ENXIO", "ENODEV", "ENOMEDIUM", "EBUSY", "EAGAIN", "ESTALE", "ENOENT", "ENOTDIR"),
    *("ENOTCONN", "ESHUTDOWN", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
    *("ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE"),
)
ENVIRONMENT = frozenset(number for name in _NAMES if (number := getattr(errno, name, None)) is not None)
"""Numbers of system errors that say nothing about a trial. ENOENT: a mount that went away leaves an empty folder."""

_NUMBER = re.compile(r"\(os error (\d+)\)|\[?errno:? (\d+)\]?", re.IGNORECASE)
"""Libraries in Rust and C++ keep the number in the text alone: safetensors, pyarrow."""

# Where even the number is missing. Messages that are as likely to come from elsewhere are not among them.
_TEXTS = {
    os.strerror(number).lower(): number
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EIO, errno.ESTALE)
}
_CLASSES = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EACCES, ConnectionError: errno.ECONNRESET}
_MEMORY_TEXT = re.compile(
    r"can't allocate memory|cannot allocate memory|not enough memory|out of memory|std::bad_alloc"
    r"|STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED",
    re.IGNORECASE,
)
_NATIVE = (RuntimeError, ImportError, OSError)
"""What errors of libraries in other languages are, unless they have a class of their own."""


def fault_of(error: BaseException, users_files: Collection[str] = ()) -> Fault:
    """users_files: paths of the Python files of users' code that the trial consists of"""
    links = list(_chain(error))
    if any(_is_memory(link) for link in links):
        return Fault.MEMORY
    files = {os.path.abspath(file) for file in users_files}
    if any(_epochs_through(link, files) for link in links):
        return Fault.TRIAL
    return Fault.ENVIRONMENT if any(_number(link) in ENVIRONMENT for link in links) else Fault.TRIAL


def is_environments(error: BaseException) -> bool:
    return fault_of(error) is Fault.ENVIRONMENT


def reason(error: BaseException, place: object) -> str:
    """In a few words, with the path, which is `place` where the error names none."""
    for link in _chain(error):
        number = _number(link)
        if number in ENVIRONMENT:
            file = getattr(link, "filename", None)
            return f"{os.fsdecode(file) if isinstance(file, str | bytes) else place}: {os.strerror(number)}"
    lines = str(error).strip().splitlines()
    return f"{place}: {lines[0] if lines else type(error).__name__}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those it came from, also where `from None` hides them."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _number(error: BaseException) -> int:
    """Of the system error that an exception stands for; 0 if it stands for none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if not (isinstance(error, _NATIVE) or type(error).__module__.startswith(("safetensors", "pyarrow"))):
        return 0
    for kind, number in _CLASSES.items():
        if isinstance(error, kind):
            return number
    text = str(error)
    if found := _NUMBER.search(text):
        return int(found[1] or found[2])
    return next((number for words, number in _TEXTS.items() if words in text.lower()), 0)


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM
    return isinstance(error, _NATIVE) and bool(_MEMORY_TEXT.search(str(error)))


def _epochs_through(error: BaseException, files: Collection[str]) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return bool(files) and any(os.path.abspath(frame.f_code.co_filename) in files for frame, _ in frames)
