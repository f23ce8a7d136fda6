"""Temporary folders that belong to a process: whatever ends it, the next process that makes one removes its folder.

A lock on the folder says that its process lives. The kernel releases it with the process, so neither age nor process
ids, which are used again, have to be guessed at.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import final


@final
class OwnFolder:
    """A new folder, for this user alone, until close(). Removes those of the same prefix whose processes are dead.

    longest_path    the folder lies in /tmp if its path would be longer elsewhere
    lock            the file descriptor of the lock: a process that inherits it owns the folder, too
    """

    def __init__(self, prefix: str, *, longest_path: int | None = None) -> None:
        parent = Path(tempfile.gettempdir())
        if longest_path is not None and len(f"{parent}/{prefix}12345678") > longest_path:
            parent = Path("/tmp")
        for left in _left_behind(parent, prefix):
            shutil.rmtree(left, ignore_errors=True)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            # Another process may take it for one left behind, until it is locked.
            with suppress(FileNotFoundError):
                self.lock = os.open(self.path, os.O_RDONLY)
                fcntl.flock(self.lock, fcntl.LOCK_EX)
                if self.path.exists():
                    return
                os.close(self.lock)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self.lock)


def _left_behind(parent: Path, prefix: str) -> Iterator[Path]:
    """Folders of dead processes of this user, each locked until the next one is asked for."""
    for path in parent.glob(f"{prefix}*"):
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(folder).st_uid == os.getuid():
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path
        except OSError:
            continue
        finally:
            os.close(folder)
