"""Terminals that are closed while we write to them."""

import errno
import io
import os
import sys


class _Terminal(io.FileIO):
    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        # It is gone: nobody reads this any more, and nothing fails for it.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return super().write(data)  # type: ignore[arg-type]


def outlive_terminals() -> None:
    """From now on, what is printed to a terminal that was closed is lost, and does not raise."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream.isatty():
            raw = io.BufferedWriter(_Terminal(stream.fileno(), "w", closefd=False))
            replaced = io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=True)
            setattr(sys, name, replaced)
