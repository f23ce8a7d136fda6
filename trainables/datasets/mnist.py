"""MNIST."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import NOT_IN_KEY, PositiveInt
from trainables.datasets.base import Dataset

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays
    from trainables.data.inspection import Inspection

_DIGEST = "sha256:d3bba0ce073901b7c0c5264630a1d97b21d250061900b89e8cafc17b2d4840de"
_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Unpacked, as torchvision leaves them and insists on; and their SHA-256."""


class Mnist(Dataset):
    """MNIST: the first `num_train` and `num_test` examples in file order, pixels scaled to [0, 1], then normalised with
    mean 0.1307 and standard deviation 0.3081.

    `root` is torchvision's folder; by default GROKGRID_DATA, else the data folder under grokgrid's home.
    """

    name: Literal["mnist"] = "mnist"
    task: Literal["classification"] = "classification"
    num_train: Annotated[PositiveInt, Field(le=60000)] = 60000
    num_test: Annotated[PositiveInt, Field(le=10000)] = 10000
    root: Annotated[Path | None, NOT_IN_KEY] = None

    @property
    def num_available(self) -> int:
        return 60000

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (1, 28, 28), 10

    @property
    def has_pixels(self) -> bool:
        return True

    @property
    def content_digest(self) -> str:
        return _DIGEST

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.1307,), (0.3081,)

    @property
    def title(self) -> str:
        return "data mnist"

    def require(self) -> None:
        from trainables.data.place import DataError, DataMissing, data_root, known_checksum

        root = data_root(self.root)
        raw = root / "MNIST" / "raw"
        if not all((raw / name).exists() for name in _FILES):
            raise DataMissing(
                f"data mnist: not found under {root}. `grokgrid data get mnist` downloads it there;"
                " GROKGRID_DATA or data.root points to another folder in torchvision's layout (MNIST/raw/…)."
            ) from FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(root))
        if damaged := [raw / name for name, wanted in _FILES.items() if known_checksum(raw / name) != wanted]:
            raise DataError(
                f"data mnist: not the file that the trial was defined on: {', '.join(map(str, damaged))}. Remove what"
                " is damaged, and `grokgrid data get mnist` downloads it anew."
            )

    def read(self) -> Arrays:
        from torchvision.datasets import MNIST

        from trainables.data.place import data_root
        from trainables.data.read import same_digest

        root = data_root(self.root)
        self.require()
        train, test = MNIST(root, train=True, download=False), MNIST(root, train=False, download=False)
        arrays = {
            "x_train": train.data.numpy(),
            "y_train": train.targets.numpy(),
            "x_test": test.data.numpy(),
            "y_test": test.targets.numpy(),
        }
        same_digest(self, arrays)
        return arrays

    def inspect(self) -> Inspection | None:
        return None

    def fetch(self) -> Path:
        from torchvision.datasets import MNIST

        from trainables.data.place import DataError, data_root

        folder = data_root(self.root)
        try:
            MNIST(folder, download=True)
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(f"data mnist: cannot be downloaded to {folder}: {error}") from None
        self.read()
        return folder
