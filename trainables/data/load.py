"""Loading: from files to normalised tensors in memory, on the device, once a process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
import torch

from trainables.configuration import decisive
from trainables.data.arrays import Arrays, digest, digests
from trainables.data.shared import shared
from trainables.datasets.base import Dataset

On = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Data:
    """x: (examples, …) floating point; y: (examples,) int64 classes; None if nothing is held out for validation.

    digest   of the content of users' own data
    digests  array -> its own, where a function made it just now
    """

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    num_classes: int
    x_validation: torch.Tensor | None = None
    y_validation: torch.Tensor | None = None
    digest: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)

    def part(self, on: On) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y."""
        x, y = {
            "train": (self.x_train, self.y_train),
            "validation": (self.x_validation, self.y_validation),
            "test": (self.x_test, self.y_test),
        }[on]
        assert x is not None and y is not None
        return x, y


@lru_cache(maxsize=2)
def load(config: Dataset, dtype: torch.dtype, device: torch.device, expected: str | None = None) -> Data:
    """The configured part of a data set, normalised.

    expected  the digest that data of a function should have: with another one the function is called again

    Raises:
        DataError: the data is missing, or not what is declared.
    """
    found, each = config.content_digest, dict[str, str]()
    if found is None:
        # Its function may read what no name tells of.
        arrays = config.read()
        found, each = digest(arrays), digests(arrays)
        tensors = _tensors(config, arrays, dtype)
    else:
        content = [decisive(config), found, str(dtype)]
        tensors = shared(content, lambda: _tensors(config, config.read(), dtype))
    on_device = {name: tensor.to(device) for name, tensor in tensors.items()}
    return Data(num_classes=int(on_device.pop("num_classes")), **on_device, digest=found, digests=each)


def _tensors(config: Dataset, arrays: Arrays, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The fields of Data, on the CPU."""
    num_train, num_validation = config.num_train, config.num_validation
    mean, std = config.normalisation

    def inputs(part: str, examples: slice) -> torch.Tensor:
        x = torch.from_numpy(arrays[f"x_{part}"][examples]).to(dtype)
        scale = 255.0 if arrays[f"x_{part}"].dtype == np.uint8 else 1.0
        return ((x / scale) - mean) / std

    def classes(part: str, examples: slice) -> torch.Tensor:
        return torch.from_numpy(arrays[f"y_{part}"][examples]).to(torch.int64)

    parts = {"train": ("train", slice(num_train)), "test": ("test", slice(config.num_test))}
    if num_validation:
        parts["validation"] = ("train", slice(num_train, (num_train or 0) + num_validation))
    return {
        "num_classes": torch.tensor(1 + int(max(arrays["y_train"].max(), arrays["y_test"].max()))),
        **{f"x_{name}": inputs(*part) for name, part in parts.items()},
        **{f"y_{name}": classes(*part) for name, part in parts.items()},
    }
