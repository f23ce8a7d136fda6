"""scikit-learn's diabetes data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import PositiveInt
from trainables.datasets._sklearn import BundledDataset

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays

_DIGEST = "sha256:0114ad0081c2e9d38894384ffee4ab950f2c60dfc10f02295f2177c610e79d80"


class Diabetes(BundledDataset):
    """scikit-learn's bundled diabetes data (Efron et al. 2004): ten measurements of 442 patients, and how far the
    disease had come a year later. The first 342 train, the other 100 test.

    The first `num_train` and `num_test` of each, in file order; inputs and target standardised by the training examples
    that are used.
    """

    name: Literal["diabetes"] = "diabetes"
    task: Literal["regression"] = "regression"
    num_train: Annotated[PositiveInt, Field(le=342)] = 342
    num_test: Annotated[PositiveInt, Field(le=100)] = 100

    @property
    def num_available(self) -> int:
        return 342

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (10,), 1

    @property
    def content_digest(self) -> str:
        return _DIGEST

    @property
    def is_standardised(self) -> bool:
        return True

    def read(self) -> Arrays:
        import numpy as np

        from trainables.data.read import same_digest

        folder = self.folder
        x, y = np.loadtxt(folder / "diabetes_data_raw.csv.gz"), np.loadtxt(folder / "diabetes_target.csv.gz")
        train, test = slice(342), slice(342, None)
        arrays: Arrays = {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}
        same_digest(self, arrays)
        return arrays
