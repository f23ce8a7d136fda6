"""Files that outlive a process: folders that are whole or absent, with checksums that show what was damaged since.

A folder's SHA256SUMS has a line for every file in it, as `sha256sum` writes them and `sha256sum --check` reads them.
Its first line, which `sha256sum` skips, is a checksum of the lines below, so that a list which was cut is noticed too:

    # d4c9…  (of the lines below)
    08f2…  config.yaml
    91b4…  state.safetensors

After a power cut a file may be there without its content, and a folder without its files. So everything is flushed to
the disk before the folder gets its name, and the name is flushed as well.
"""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NAME = "SHA256SUMS"


class Damaged(Exception):
    """A file is not what was written; the message names it and says what is wrong."""


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_text(sums: Mapping[str, str]) -> str:
    """The content of a SHA256SUMS, from the files' names and checksums."""
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return f"# {_of_text(lines)}  (of the lines below)\n{lines}"


def from_text(text: str) -> dict[str, str]:
    """What `to_text` was given.

    Raises:
        Damaged: the text is another one.
    """
    first, _, lines = text.partition("\n")
    if first != f"# {_of_text(lines)}  (of the lines below)":
        raise Damaged(f"{NAME} is damaged")
    pairs = [line.partition("  ") for line in lines.split("\n")[:-1]]
    return {name: value for value, _, name in pairs}


def read(folder: Path) -> dict[str, str]:
    """Raises:
    Damaged: the folder has no SHA256SUMS, or it is not as it was written.
    """
    try:
        return from_text((folder / NAME).read_bytes().decode(errors="replace"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Damaged(f"{NAME} is missing") from None


def write(folder: Path) -> None:
    """Lists every file in the folder, and in those below it, in its SHA256SUMS."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files.pop(NAME, None)
    (folder / NAME).write_text(to_text({name: checksum(path) for name, path in files.items()}), encoding="utf-8")


def check(folder: Path, *, may_lack: Collection[str] = ()) -> None:
    """Raises:
    Damaged: a file that the folder's SHA256SUMS lists is missing or has changed.
    """
    for name, wanted in read(folder).items():
        if name not in may_lack or (folder / name).exists():
            check_file(folder / name, wanted, name)


def check_file(path: Path, wanted: str, name: str) -> None:
    """Raises:
    Damaged: there is no such file, or its checksum is another one.
    """
    try:
        is_whole = checksum(path) == wanted
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Damaged(f"{name} is missing") from None
    if not is_whole:
        raise Damaged(f"{name} does not match its checksum")


def write_folder(parent: Path, names: Iterable[str], fill: Callable[[Path], None]) -> Path:
    """Has `fill` write files into a new folder, adds SHA256SUMS, and gives it the first of the names that is free. Once
    this returns, a power cut cannot undo it.
    """
    # Not tempfile's, which nobody but its owner may read: storage is shared.
    temporary = parent / f".writing-{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        fill(temporary)
        write(temporary)
        # At once: a file system that keeps a journal then writes it once, which took a fifth of the time.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(sync, temporary.rglob("*")))
        sync(temporary)
        for name in names:
            try:
                # Fails where the name is taken, for a folder of ours is never empty.
                os.rename(temporary, parent / name)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                sync(parent)
                return parent / name
        raise FileExistsError(errno.EEXIST, "every name is taken", str(parent))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        # Some network file systems do not flush folders, and need not.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(opened)


def _of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
