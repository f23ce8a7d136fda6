"""MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from trainables.configuration import PositiveInt
from trainables.datasets._torchvision import DownloadedDataset
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.data.arrays import Arrays

_DIGEST = "sha256:d3bba0ce073901b7c0c5264630a1d97b21d250061900b89e8cafc17b2d4840de"
_FILES = {
    "MNIST/raw/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "MNIST/raw/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "MNIST/raw/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "MNIST/raw/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Unpacked, as torchvision leaves them and insists on; and their SHA-256."""


class Mnist(DownloadedDataset):
    """MNIST: the first `num_train` and `num_test` examples in file order, pixels scaled to [0, 1], then normalised with
    mean 0.1307 and standard deviation 0.3081.

    per_class  so many training examples of each class, drawn from all by the trial's seed, in the place of the first
               `num_train`: all arms have the same ones for the same seed. Those held out are drawn from the rest
    """

    name: Literal["mnist"] = "mnist"
    task: Literal["classification"] = "classification"
    num_train: Annotated[PositiveInt, Field(le=60000)] = 60000
    num_test: Annotated[PositiveInt, Field(le=10000)] = 10000
    per_class: Annotated[PositiveInt, Field(le=5000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _count_what_is_drawn(cls, value: Any) -> Any:
        per_class = value.get("per_class") if isinstance(value, Mapping) else None
        if not isinstance(per_class, int) or isinstance(per_class, bool):
            return value
        num_train = value.get("num_train", 10 * per_class)
        if num_train != 10 * per_class:
            wrong = f"{num_train} is not allowed beside per_class: {per_class} of ten classes are {10 * per_class}"
            raise ValidationErrors("mnist", [Problem(("num_train",), f"{wrong}; leave it out")])
        return {**value, "num_train": num_train}

    @property
    def num_available(self) -> int:
        return 60000

    @property
    def is_drawn(self) -> bool:
        return self.per_class is not None

    def draw(self, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        import torch

        assert self.per_class is not None
        order = torch.randperm(len(labels), generator=generator)
        of_class = [order[labels[order] == label][: self.per_class] for label in range(10)]
        train = torch.cat(of_class).sort().values
        rest = order[~torch.isin(order, train)]
        return train, rest[: self.num_validation].sort().values

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
    def files(self) -> Mapping[str, str]:
        return _FILES

    def download(self, root: Path) -> None:
        from torchvision.datasets import MNIST

        MNIST(root, download=True)

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
