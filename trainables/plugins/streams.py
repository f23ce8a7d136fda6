"""sys.stdout and sys.stderr while plugins run: theirs to print to, and ours afterwards.

What they print reaches a terminal without control characters, which would colour, move or erase what stands there.
What they write past sys.stdout (to file descriptors, in processes of their own) stays as it is.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from trainables.validation import printable

_NAMES = ("stdout", "stderr")


class StreamClosed(Exception):
    """A plugin has closed a stream that others print to."""

    def __init__(self, name: str) -> None:
        super().__init__(f"closes sys.{name}, which grokgrid prints to: leave it open")


class _Guarded:
    """A stream for plugins; all but what is below is the stream's own."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name, self.stream = name, stream

    def write(self, text: str) -> int:
        if text.isprintable():
            return self.stream.write(text)
        # Progress bars return to the beginning of their line.
        parts = text.split("\r")
        self.stream.write("\r".join("\t".join(map(printable, part.split("\t"))) for part in parts))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """So that libraries do not colour what they print."""
        return False

    def close(self) -> None:
        raise StreamClosed(self._name)

    detach = close

    def __enter__(self) -> "_Guarded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


_guards: dict[str, _Guarded] = {}
_lent: dict[str, TextIO] = {}
"""Ours that plugins print to at the moment."""


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Inside, plugins may print. Afterwards both streams are as before, whatever a plugin has put in their place.

    Raises:
        StreamClosed: as `check_streams`.
    """
    streams = {name: stream for name in _NAMES if (stream := getattr(sys, name)) is not None and _is_open(stream)}
    for name, stream in streams.items():
        # What a plugin keeps, a handler of logging say, must lead to where others print by then.
        guard = _guards.setdefault(name, _Guarded(name, stream))
        if stream is not guard:
            guard.stream = stream
            _lent[name] = stream
        setattr(sys, name, guard)
    try:
        yield
    finally:
        for name, stream in streams.items():
            setattr(sys, name, stream)
    check_streams()


def check_streams() -> None:
    """Raises:
    StreamClosed: a plugin has closed the stream behind the one that it was given.
    """
    for name, stream in list(_lent.items()):
        if not _is_open(stream):
            del _lent[name]
            raise StreamClosed(name)


def _is_open(stream: TextIO) -> bool:
    if stream.closed:
        return False
    try:
        os.fstat(stream.fileno())
    except OSError as error:  # Streams in memory have no descriptor, and raise without a number.
        return error.errno is None
    except (AttributeError, ValueError):
        return True
    return True
