"""USPS, to test on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainables.configuration import Bool, PositiveInt
from trainables.datasets._torchvision import DownloadedDataset

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays

_DIGEST = "sha256:ca01e39f48c644c18f70c7179fb27198c3ab8c0c72fcc619c6e000edfaf47f00"
"""Of the images of 16 x 16 bytes that torchvision makes of the file, before they are resized."""


class Usps(DownloadedDataset):
    """The first `num_test` of the 2,007 test digits of USPS (Hull 1994): pixels scaled to [0, 1] and resized from
    16 x 16 to MNIST's 28 x 28, bilinearly (Hoffman et al. 2019, section 3.1). Nothing trains on it: networks that were
    trained on MNIST are tested on it, and normalise it as they normalise MNIST.

    align_corners  whether the corner pixels of both sizes lie on each other, as in torch's `interpolate`. The paper
                   does not say; it moves the accuracy of networks trained on MNIST by some two points
    """

    test_only: ClassVar[bool] = True

    name: Literal["usps"] = "usps"
    task: Literal["classification"] = "classification"
    num_train: None = None
    num_validation: Literal[0] = 0
    num_test: Annotated[PositiveInt, Field(le=2007)] = 2007
    align_corners: Bool = False

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (1, 28, 28), 10

    @property
    def has_pixels(self) -> bool:
        return not self.unit_norm

    @property
    def content_digest(self) -> str:
        return _DIGEST

    @property
    def files(self) -> Mapping[str, str | None]:
        # The same digits are about in files that are packed differently.
        return {"usps.t.bz2": None}

    def download(self, root: Path) -> None:
        from torchvision.datasets import USPS

        root.mkdir(parents=True, exist_ok=True)
        USPS(root, train=False, download=True)

    def read(self) -> Arrays:
        import numpy as np
        import torch
        from torch.nn import functional as F
        from torchvision.datasets import USPS

        from trainables.data.place import DataError, data_root
        from trainables.data.read import same_digest

        self.require()
        root = data_root(self.root)
        try:
            found = USPS(root, train=False, download=False)
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise DataError(f"{self.title}: {root / 'usps.t.bz2'} cannot be read: {error}. {self.again}") from None
        arrays: Arrays = {
            "x_train": np.zeros((0, 16, 16), np.uint8),
            "y_train": np.zeros(0, np.int64),
            "x_test": found.data,
            "y_test": np.array(found.targets, np.int64),
        }
        same_digest(self, arrays)
        pixels = torch.from_numpy(found.data)[:, None].double() / 255
        resized = F.interpolate(pixels, size=(28, 28), mode="bilinear", align_corners=self.align_corners)
        # Weights that sum to 1 but for rounding.
        return arrays | {"x_train": np.zeros((0, 28, 28)), "x_test": resized[:, 0].clamp(0, 1).numpy()}
