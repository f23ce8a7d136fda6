"""Loading: from files to normalised tensors in memory, on the device, once a process."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.configuration import decisive
from trainables.data.config import DigitsConfig, MnistConfig, NpzConfig, OwnDataConfig
from trainables.data.place import DataError, check_present, data_root
from trainables.data.shared import shared
from trainables.own.loading import load_part, shown

On = Literal["train", "validation", "test"]

AnyConfig = DigitsConfig | MnistConfig | NpzConfig | OwnDataConfig

Arrays = dict[str, NDArray[np.generic]]
"""x_train, y_train, x_test, y_test, whole and as they lie in the files."""


@dataclass(frozen=True)
class Data:
    """x: (images, …) floating point; y: (images,) int64 classes; None if nothing is held out for validation."""

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    num_classes: int
    x_validation: torch.Tensor | None = None
    y_validation: torch.Tensor | None = None

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
def load(config: AnyConfig, dtype: torch.dtype, device: torch.device) -> Data:
    """The configured part of a data set, normalised.

    Raises:
        DataError: the data is missing, or not what is declared.
    """
    if config.digest is None:
        # Its function may read what no name tells of.
        tensors = _tensors(config, dtype)
    else:
        tensors = shared([decisive(config), config.digest, str(dtype)], lambda: _tensors(config, dtype))
    on_device = {name: tensor.to(device) for name, tensor in tensors.items()}
    return Data(num_classes=int(on_device.pop("num_classes")), **on_device)


def _tensors(config: AnyConfig, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The fields of Data, on the CPU."""
    arrays = read_checked(config)
    num_train, num_validation = config.num_train, config.num_validation
    mean, std = _NORMALISATION.get(type(config), (0.0, 1.0))

    def inputs(part: str, images: slice) -> torch.Tensor:
        x = torch.from_numpy(arrays[f"x_{part}"][images]).to(dtype)
        scale = 255.0 if arrays[f"x_{part}"].dtype == np.uint8 else 1.0
        return ((x / scale) - mean) / std

    def classes(part: str, images: slice) -> torch.Tensor:
        return torch.from_numpy(arrays[f"y_{part}"][images]).to(torch.int64)

    parts = {"train": ("train", slice(num_train)), "test": ("test", slice(config.num_test))}
    if num_validation:
        parts["validation"] = ("train", slice(num_train, (num_train or 0) + num_validation))
    return {
        "num_classes": torch.tensor(1 + int(max(arrays["y_train"].max(), arrays["y_test"].max()))),
        **{f"x_{name}": inputs(*part) for name, part in parts.items()},
        **{f"y_{name}": classes(*part) for name, part in parts.items()},
    }


def read_checked(config: AnyConfig) -> Arrays:
    """The whole arrays, of which there are as many images as are asked for.

    Raises:
        DataError: the data is missing, its digest is not the declared one, or there are fewer images.
    """
    arrays = _READERS[type(config)](config)
    if config.digest is not None and digest(arrays) != config.digest:
        raise DataError(
            f"data {config.name}: the content's digest is {digest(arrays)}, the configuration declares {config.digest}."
            " The files are not the data set that the trial was defined on."
        )
    for part, num in (("train", config.num_train), ("test", config.num_test)):
        if num is not None and num > len(arrays[f"x_{part}"]):
            raise DataError(f"data {config.name}: num_{part} is {num}, there are {len(arrays[f'x_{part}'])} images")
    num_trained, num_validation, there = config.num_train or 0, config.num_validation, len(arrays["x_train"])
    if num_validation and num_trained + num_validation > there:
        raise DataError(
            f"data {config.name}: num_validation is {num_validation}, of {there} images {num_trained} are trained on"
        )
    return arrays


def digest(arrays: Arrays) -> str:
    """The digest of the four arrays' names, types, shapes and content."""
    sha = hashlib.sha256()
    for name in ("x_train", "y_train", "x_test", "y_test"):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.data)
    return f"sha256:{sha.hexdigest()}"


def read_npz(path: Path) -> Arrays:
    """Reads the four arrays of an .npz file, checked for shape and type.

    Raises:
        DataError: the file or an array is missing, or an array has the wrong shape or type.
    """
    if not path.exists():
        raise DataError(f"data npz: {path} is not there")
    if not zipfile.is_zipfile(path):
        raise DataError(f"data npz: {path} is no .npz file, as numpy.savez writes it, or is cut short")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _NAMES}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"data npz: {path}: {error.args[0]}; it must hold {', '.join(_NAMES)}") from None
    _check_arrays(arrays, f"data npz: {path}")
    return arrays


_NAMES = ("x_train", "y_train", "x_test", "y_test")


def _check_arrays(arrays: Arrays, what: str) -> None:
    """Raises:
    DataError: an array has the wrong shape or type; `what` begins the sentence.
    """
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.ndim < 2 or x.size == 0:
            raise DataError(f"{what}: x_{part} must be (images, …), is {x.shape}")
        if x.dtype not in (np.uint8, np.float16, np.float32, np.float64):
            raise DataError(f"{what}: x_{part} must be uint8 or float16, 32 or 64, is {x.dtype}")
        if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
            raise DataError(f"{what}: y_{part} must be ({len(x)},) integer classes from 0, is {y.dtype} {y.shape}")
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        shapes = f"{arrays['x_train'].shape[1:]} and {arrays['x_test'].shape[1:]}"
        raise DataError(f"{what}: images of x_train and x_test differ in shape: {shapes}")


def _read_own(config: OwnDataConfig) -> Arrays:
    given, what = load_part(config)(), f"data {config.name}"
    missing = [name for name in _NAMES if name not in given] if isinstance(given, dict) else list(_NAMES)
    if missing:
        found = f"is without {', '.join(missing)}" if isinstance(given, dict) else f"is {shown(given)}"
        raise DataError(f"{what}: what it returned {found}; it must be a dict of the arrays {', '.join(_NAMES)}")
    arrays = {name: np.asarray(given[name]) for name in _NAMES}
    _check_arrays(arrays, what)
    return arrays


def _read_npz(config: NpzConfig) -> Arrays:
    check_present(config)
    return read_npz(config.path)


def _read_digits(config: DigitsConfig) -> Arrays:
    # The file behind sklearn.datasets.load_digits. Importing scikit-learn takes seconds, which every worker would pay.
    installed = find_spec("sklearn")
    if installed is None or installed.submodule_search_locations is None:
        raise DataError("data digits: they come with scikit-learn, which is not installed")
    file = Path(installed.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",")
    x, y = table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1].astype(np.int64)
    return {"x_train": x[:1000], "y_train": y[:1000], "x_test": x[1000:], "y_test": y[1000:]}


def _read_mnist(config: MnistConfig) -> Arrays:
    from torchvision.datasets import MNIST

    root = data_root(config.root)
    check_present(config)
    try:
        train, test = MNIST(root, train=True, download=False), MNIST(root, train=False, download=False)
    except (RuntimeError, ValueError, AssertionError):
        folder = root / "MNIST" / "raw"
        raise DataError(
            f"data mnist: the files in {folder} are cut short or broken. Remove them, and `grokgrid data get mnist`"
            " downloads them anew."
        ) from None
    return {
        "x_train": train.data.numpy(),
        "y_train": train.targets.numpy(),
        "x_test": test.data.numpy(),
        "y_test": test.targets.numpy(),
    }


_READERS: dict[type, Callable[[Any], Arrays]] = {
    DigitsConfig: _read_digits,
    MnistConfig: _read_mnist,
    NpzConfig: _read_npz,
    OwnDataConfig: _read_own,
}
_NORMALISATION = {DigitsConfig: (0.306966796875, 0.376395870642353), MnistConfig: (0.1307, 0.3081)}
