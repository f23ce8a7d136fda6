"""Networks that a driver lays beside an assessment, for a worker to find: complete or not there, with checksums."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainables import checksums
from trainables.checksums import Damaged
from trainables.data.place import DataError
from trainables.work import NetworkAt

if TYPE_CHECKING:
    from torch import Tensor


def read_network(folder: Path, need: NetworkAt) -> "Mapping[str, Tensor]":
    """What `write_networks` laid there.

    Raises:
        DataError: it is damaged; or is not seen from here, which may pass, and is the fault of no work.
    """
    from safetensors.torch import load_file

    try:
        checksums.check(folder)
        return load_file(folder / need.file_name)
    except (Damaged, FileNotFoundError) as error:
        wrong = f"the network of trial {need.key} after step {need.step:,} is not at {folder}: {error}"
        raise DataError(wrong) from None


def are_whole(folder: Path) -> bool:
    """Whether networks lie there, complete; what is damaged is removed."""
    try:
        checksums.check(folder)
        return True
    except Damaged:
        shutil.rmtree(folder, ignore_errors=True)
        return False


def write_networks(folder: Path, fill: Callable[[Path], None]) -> None:
    """Lays networks into a new folder, complete or not at all. fill: writes files named `NetworkAt.file_name`."""
    checksums.write_folder(folder.parent, iter([folder.name]), fill)
