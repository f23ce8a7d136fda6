"""MNIST."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainables.configuration import Bool, Int, PositiveInt
from trainables.datasets._torchvision import DownloadedDataset
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
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


_NUM_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_NUM_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"""Examples of each digit."""

_Digit = Annotated[Int, Field(ge=0, le=9)]


class Mnist(DownloadedDataset):
    """MNIST: the first `num_train` and `num_test` examples in file order, pixels scaled to [0, 1], then normalised with
    mean 0.1307 and standard deviation 0.3081.

    classes    the digits that there are, all by default; a digit's label is its place among them. Of two,
               `task: binary` gives a network one output in the place of two
    balanced   as many examples of each class: the first ones of each, in file order together
    per_class  so many training examples of each class, drawn from all by the trial's seed, in the place of the first
               `num_train`: all arms have the same ones for the same seed. Those held out are drawn from the rest
    """

    name: Literal["mnist"] = "mnist"
    task: Literal["classification", "binary"] = "classification"
    classes: Annotated[tuple[_Digit, ...], Field(min_length=2)] | None = None
    balanced: Bool = False
    num_train: Annotated[PositiveInt, Field(le=60000)] = 60000
    num_test: Annotated[PositiveInt, Field(le=10000)] = 10000
    per_class: Annotated[PositiveInt, Field(le=5000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _count_what_there_is(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        value, classes, per_class = dict(value), _classes(value), value.get("per_class")
        if isinstance(per_class, int) and not isinstance(per_class, bool):
            drawn = len(classes) * per_class
            if value.setdefault("num_train", drawn) != drawn:
                several = "ten" if len(classes) == 10 else len(classes)
                wrong = f"{value['num_train']} is not allowed beside per_class: {per_class} of {several} classes are"
                raise ValidationErrors("mnist", [Problem(("num_train",), f"{wrong} {drawn}; leave it out")])
        if len(classes) < 10 or value.get("balanced") is True:
            for name, num in (("num_train", _NUM_TRAIN), ("num_test", _NUM_TEST)):
                value.setdefault(name, _num(classes, num, balanced=value.get("balanced") is True))
        return value

    @field_validator("classes")
    @classmethod
    def _in_order(cls, classes: tuple[int, ...] | None) -> tuple[int, ...] | None:
        for before, after in pairwise(classes or ()):
            if before >= after:
                raise ValueError(f"{after} comes after {before}: each should be larger than the one before it")
        # As by default: the same trial.
        return None if classes == tuple(range(10)) else classes

    @model_validator(mode="after")
    def _fit_the_classes(self) -> Self:
        problems = []
        if self.task == "binary" and len(self.digits) != 2:
            problems.append(Problem(("task",), "'binary' is not allowed: it is of two classes. Add classes: [0, 1]"))
        if self.balanced and self.per_class is not None:
            problems.append(Problem(("balanced",), "true is not allowed beside per_class, which is balanced"))
        sizes = {"num_train": self.num_train, "num_validation": self.num_validation, "num_test": self.num_test}
        for name, num in sizes.items() if self.balanced and self.per_class is None else ():
            if num % len(self.digits):
                wrong = f"{num:,} is not allowed: {len(self.digits)} classes have equal shares of it"
                problems.append(Problem((name,), wrong))
        there = _num(self.digits, _NUM_TEST, balanced=self.balanced)
        if self.num_test > there:
            problems.append(Problem(("num_test",), f"{self.num_test:,} is not allowed: there are {there:,}"))
        if problems:
            raise ValidationErrors("mnist", problems)
        return self

    @property
    def digits(self) -> tuple[int, ...]:
        """The classes, by label."""
        return self.classes or tuple(range(10))

    @property
    def num_available(self) -> int:
        return _num(self.digits, _NUM_TRAIN, balanced=self.balanced)

    @property
    def is_drawn(self) -> bool:
        return self.per_class is not None

    def draw(self, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        import torch

        assert self.per_class is not None
        order = torch.randperm(len(labels), generator=generator)
        of_class = [order[labels[order] == label][: self.per_class] for label in range(len(self.digits))]
        train = torch.cat(of_class).sort().values
        rest = order[~torch.isin(order, train)]
        return train, rest[: self.num_validation].sort().values

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (1, 28, 28), 1 if self.task == "binary" else len(self.digits)

    @property
    def has_pixels(self) -> bool:
        return not self.unit_norm

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
        return arrays if self.classes is None and not self.balanced else self._of_classes(arrays)

    def _of_classes(self, arrays: Arrays) -> Arrays:
        """Of the classes alone: labels are places among them, and if they are balanced, as many of each come first."""
        import numpy as np

        parts = {"train": (self.num_train, self.num_validation), "test": (self.num_test,)}
        for part, sizes in parts.items():
            digits = arrays[f"y_{part}"]
            rows = np.flatnonzero(np.isin(digits, self.digits))
            if self.balanced:
                rows = np.concatenate([*_shares([rows[digits[rows] == each] for each in self.digits], sizes)])
            arrays[f"x_{part}"] = arrays[f"x_{part}"][rows]
            arrays[f"y_{part}"] = np.searchsorted(self.digits, digits[rows])
        return arrays


def _classes(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Those of settings that may be wrong; then all."""
    given = settings.get("classes")
    are_digits = isinstance(given, list | tuple) and all(type(each) is int and each in range(10) for each in given)
    return tuple(given) if are_digits and given else tuple(range(10))


def _num(classes: tuple[int, ...], num_of: tuple[int, ...], *, balanced: bool) -> int:
    """How many examples of these classes there are."""
    each = [num_of[digit] for digit in classes]
    return min(each) * len(each) if balanced else sum(each)


def _shares(of_class: Sequence[NDArray[np.int64]], sizes: tuple[int, ...]) -> Iterator[NDArray[np.int64]]:
    """For each size in turn as many of each class, in file order. of_class: the rows of each class, in file order."""
    import numpy as np

    start = 0
    for size in sizes:
        stop = start + size // len(of_class)
        yield np.sort(np.concatenate([rows[start:stop] for rows in of_class]))
        start = stop
