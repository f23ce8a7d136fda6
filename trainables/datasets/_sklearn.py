"""Data that comes with scikit-learn. Importing that would cost every worker seconds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.place import DataMissing
from trainables.datasets.base import Dataset

if TYPE_CHECKING:
    from trainables.data.inspection import Inspection


class BundledDataset(Dataset):
    """A file in a folder of scikit-learn's."""

    @property
    def title(self) -> str:
        return f"data {self.name}"

    @property
    def folder(self) -> Path:
        """Raises:
        DataMissing: scikit-learn is not installed.
        """
        installed = find_spec("sklearn")
        if installed is None or installed.submodule_search_locations is None:
            raise DataMissing(f"{self.title}: it comes with scikit-learn, which is not installed")
        return Path(installed.submodule_search_locations[0]) / "datasets" / "data"

    def require(self) -> None:
        _ = self.folder

    def inspect(self) -> Inspection | None:
        return None

    def fetch(self) -> Path:
        return self.folder
