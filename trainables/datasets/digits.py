"""scikit-learn's handwritten digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import PositiveInt
from trainables.datasets._sklearn import BundledDataset

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays

_DIGEST = "sha256:1ce055a110bc2450adee82b27d03d46cc63571c890cebd5b15af01e0d95dd97b"


class Digits(BundledDataset):
    """scikit-learn's bundled 1,797 handwritten digits of 8 x 8 pixels: the first 1,000 train, the other 797 test.

    The first `num_train` and `num_test` of each, in file order; pixels scaled to [0, 1], then normalised with the
    mean and standard deviation of the first 1,000.
    """

    name: Literal["digits"] = "digits"
    task: Literal["classification"] = "classification"
    num_train: Annotated[PositiveInt, Field(le=1000)] = 1000
    num_test: Annotated[PositiveInt, Field(le=797)] = 797

    @property
    def num_available(self) -> int:
        return 1000

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (1, 8, 8), 10

    @property
    def has_pixels(self) -> bool:
        return not self.unit_norm

    @property
    def content_digest(self) -> str:
        return _DIGEST

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.306966796875,), (0.376395870642353,)

    def read(self) -> Arrays:
        import numpy as np

        from trainables.data.read import same_digest

        table = np.loadtxt(self.folder / "digits.csv.gz", delimiter=",")
        x, y = table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1].astype(np.int64)
        arrays: Arrays = {"x_train": x[:1000], "y_train": y[:1000], "x_test": x[1000:], "y_test": y[1000:]}
        same_digest(self, arrays)
        return arrays
