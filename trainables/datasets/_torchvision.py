"""Data whose files torchvision downloads, in its layout. A trial never downloads."""

from __future__ import annotations

import errno
import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from trainables.configuration import NOT_IN_KEY
from trainables.datasets.base import Dataset

if TYPE_CHECKING:
    from trainables.data.inspection import Inspection


class DownloadedDataset(Dataset):
    """root  torchvision's folder; by default GROKGRID_DATA, else the data folder under grokgrid's home"""

    root: Annotated[Path | None, NOT_IN_KEY] = None

    @property
    @abstractmethod
    def files(self) -> Mapping[str, str | None]:
        """Path below the root -> SHA-256; None where the content is verified when it is read, and not the file."""

    @abstractmethod
    def download(self, root: Path) -> None:
        """Has torchvision download what is not there."""

    @property
    def title(self) -> str:
        return f"data {self.name}"

    @property
    def again(self) -> str:
        """What to do about damaged files."""
        return f"Remove what is damaged, and `grokgrid data get {self.name}` downloads it anew."

    def require(self) -> None:
        from trainables.data.place import DataError, DataMissing, data_root, known_checksum

        root = data_root(self.root)
        if not all((root / file).exists() for file in self.files):
            layout = os.path.dirname(next(iter(self.files)))
            example = f"{layout}/…" if layout else ", ".join(self.files)
            raise DataMissing(
                f"{self.title}: not found under {root}. `grokgrid data get {self.name}` downloads it there;"
                f" GROKGRID_DATA or data.root points to another folder in torchvision's layout ({example})."
            ) from FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(root))
        wanted = {root / file: checksum for file, checksum in self.files.items() if checksum is not None}
        if damaged := [file for file, checksum in wanted.items() if known_checksum(file) != checksum]:
            raise DataError(
                f"{self.title}: not the file that the trial was defined on: {', '.join(map(str, damaged))}."
                f" {self.again}"
            )

    def inspect(self) -> Inspection | None:
        return None

    def fetch(self) -> Path:
        from trainables.data.place import DataError, data_root

        root = data_root(self.root)
        try:
            self.download(root)
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(f"{self.title}: cannot be downloaded to {root}: {error}") from None
        self.read()
        return root
