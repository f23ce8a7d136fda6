"""Loading: from files to normalised tensors in memory, on the device, once a process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.configuration import decisive
from trainables.data.arrays import Array, Arrays, digest, digests, never_changes, num_outputs
from trainables.data.place import DataError
from trainables.data.shared import shared
from trainables.datasets.base import Dataset
from trainables.randomness import Stream, generator
from trainables.tasks import Task

On = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Normalisation:
    """Takes the means away and divides by the standard deviations: of all values, or of each channel or coordinate."""

    means: tuple[float, ...] = (0.0,)
    stds: tuple[float, ...] = (1.0,)

    def __call__(self, x: Tensor) -> Tensor:
        """x: (examples, …)."""
        return (x - self._of(self.means, x)) / self._of(self.stds, x)

    def undone(self, x: Tensor) -> Tensor:
        """What was normalised."""
        return x * self._of(self.stds, x) + self._of(self.means, x)

    @staticmethod
    def _of(values: tuple[float, ...], x: Tensor) -> Tensor | float:
        if len(values) == 1:
            return values[0]
        each = torch.tensor(values, dtype=x.dtype, device=x.device)
        # Of images one a channel; else one a coordinate.
        return each.reshape(-1, *[1] * (x.ndim - 2)) if len(values) == x.shape[1] else each.reshape(x.shape[1:])


def _standardising(x: Array, scale: float = 1.0) -> Normalisation:
    """Of x / scale by the mean and standard deviation of each coordinate; one that never changes becomes 0."""
    flat = x.reshape(len(x), -1).astype(np.float64) / scale
    is_constant = never_changes(flat)
    means, stds = np.where(is_constant, flat[0], flat.mean(0)), np.where(is_constant, 1.0, flat.std(0))
    return Normalisation(tuple(means.tolist()), tuple(stds.tolist()))


@dataclass(frozen=True)
class Data:
    """x: (examples, …) floating point, normalised; y: (examples,) int64 labels, or (examples, targets) of a regression,
    normalised. None if nothing is held out for validation.

    has_pixels  whether inputs are pixels in [0, 1] where `normalisation` is undone
    digest      of the content of users' own data
    digests     array -> its own, where a function made it just now
    """

    task: Task
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    num_outputs: int
    has_pixels: bool
    normalisation: Normalisation
    x_validation: Tensor | None = None
    y_validation: Tensor | None = None
    digest: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)

    def part(self, on: On) -> tuple[Tensor, Tensor]:
        """x and y."""
        x, y = {
            "train": (self.x_train, self.y_train),
            "validation": (self.x_validation, self.y_validation),
            "test": (self.x_test, self.y_test),
        }[on]
        assert x is not None and y is not None
        return x, y


@lru_cache(maxsize=2)
def load(
    config: Dataset, dtype: torch.dtype, device: torch.device, expected: str | None = None, seed: int | None = None
) -> Data:
    """The configured part of a data set, normalised.

    seed      the trial's, where it draws which examples train; None elsewhere, so that one copy serves all trials
    expected  the digest that data of a function should have: with another one the function is called again

    Raises:
        DataError: the data is missing, or not what is declared.
    """
    found, each = config.content_digest, dict[str, str]()
    if found is None:
        # Its function may read what no name tells of.
        arrays = config.read()
        found, each = digest(arrays), digests(arrays)
        tensors = _tensors(config, arrays, dtype=dtype, seed=seed)
    else:
        content = [decisive(config), found, str(dtype)]
        # A draw is small, and there may be many.
        make = partial(_tensors, config, dtype=dtype, seed=seed)
        if config.is_drawn:
            assert seed is not None
            tensors = make(config.read_drawn(seed))
        else:
            tensors = shared(content, lambda: make(config.read()))
    about = {name: tensors.pop(name) for name in ("num_outputs", "has_pixels", "means", "stds")}
    on_device = {name: tensor.to(device) for name, tensor in tensors.items()}
    return Data(
        task=config.task,
        num_outputs=int(about["num_outputs"]),
        has_pixels=bool(about["has_pixels"]),
        normalisation=Normalisation(tuple(about["means"].tolist()), tuple(about["stds"].tolist())),
        **on_device,
        digest=found,
        digests=each,
    )


def made_digest(config: Dataset, data: Data) -> str | None:
    """Of data that a function made; other data's is part of a trial's key."""
    return data.digest if config.content_digest is None or config.plugin is not None else None


def same_data(config: Dataset, found: str | None, expected: str | None, where: str) -> None:
    """Raises:
    DataError: the function made other data here, of the digest `found`, than `where`, of that digest.
    """
    if expected is not None and found not in (None, expected):
        raise DataError(
            f"data {config.name} made other data here than {where}: its digest is {found}, there it was {expected}."
            " What it reads or draws must be the same everywhere"
        )


def of_trial(config: Dataset, dtype: torch.dtype, device: torch.device, expected: str | None, seed: int) -> Data:
    """The data of a trial with this seed; see `load`."""
    return load(config, dtype, device, expected, seed if config.is_drawn else None)


Rows = slice | NDArray[np.int64]


def _rows(config: Dataset, arrays: Arrays, seed: int | None) -> tuple[Rows, Rows]:
    """Of the arrays of the training set, those that train and those that are held out."""
    if config.is_drawn:
        assert seed is not None
        train, validation = config.draw(torch.from_numpy(arrays["y_train"]), generator(seed, Stream.DATA))
        return train.numpy(), validation.numpy()
    num_train = config.num_train
    return slice(num_train), slice(num_train, (num_train or 0) + config.num_validation)


def _tensors(config: Dataset, arrays: Arrays, *, dtype: torch.dtype, seed: int | None) -> dict[str, Tensor]:
    """Fields of Data, on the CPU."""
    train, validation = _rows(config, arrays, seed)
    are_bytes = arrays["x_train"].dtype == np.uint8
    normalise = Normalisation() if config.unit_norm else Normalisation(*config.normalisation)
    normalise_targets = Normalisation()
    if config.is_standardised:
        normalise = _standardising(arrays["x_train"][train], 255.0 if are_bytes else 1.0)
        normalise_targets = _standardising(arrays["y_train"][train])

    # Of large numbers that differ by little, float32 would keep nothing.
    precise = torch.float64 if config.is_standardised else dtype

    def inputs(part: str, examples: Rows) -> Tensor:
        x = torch.from_numpy(arrays[f"x_{part}"][examples]).to(precise)
        if config.shape is not None:
            x = x.reshape(-1, *config.shape[0])
        x = normalise(x / (255.0 if are_bytes else 1.0))
        return (_unit_norm(config, part, x) if config.unit_norm else x).to(dtype)

    def targets(part: str, examples: Rows) -> Tensor:
        y = torch.from_numpy(arrays[f"y_{part}"][examples])
        if config.task != "regression":
            return y.to(torch.int64)
        return normalise_targets(y.to(precise).reshape(len(y), -1)).to(dtype)

    pixels = are_bytes if config.has_pixels is None else config.has_pixels
    parts: dict[str, tuple[str, Rows]] = {"train": ("train", train), "test": ("test", slice(config.num_test))}
    if config.num_validation:
        parts["validation"] = ("train", validation)
    return {
        "num_outputs": torch.tensor(num_outputs(arrays, config.task)),
        "has_pixels": torch.tensor(pixels and not config.unit_norm),
        "means": torch.tensor(normalise.means, dtype=torch.float64),
        "stds": torch.tensor(normalise.stds, dtype=torch.float64),
        **{f"x_{name}": inputs(*part) for name, part in parts.items()},
        **{f"y_{name}": targets(*part) for name, part in parts.items()},
    }


def _unit_norm(config: Dataset, part: str, x: Tensor) -> Tensor:
    """x (examples, …), each divided by its norm.

    Raises:
        DataError: the norm of one is 0.
    """
    norms = x.flatten(1).norm(dim=1)
    if (zero := (norms == 0).nonzero()).numel():
        raise DataError(f"{config.title}: x_{part}[{int(zero[0])}] is 0 everywhere, and has no direction for unit_norm")
    return x / norms.view(-1, *[1] * (x.ndim - 1))
