"""scikit-learn's breast cancer data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import PositiveInt
from trainables.datasets._sklearn import BundledDataset

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays

_DIGEST = "sha256:521de823620cf91555ecfda37e15b783710f7d4653074602b7f5919a2ce38760"


class BreastCancer(BundledDataset):
    """scikit-learn's bundled Wisconsin breast cancer data (Street et al. 1993): thirty measurements of the cell nuclei
    of 569 tumours, benign (1) or malignant (0). The first 400 train, the other 169 test.

    The first `num_train` and `num_test` of each, in file order; inputs standardised by the training examples that are
    used. `task: classification` gives a network two outputs in the place of one.
    """

    name: Literal["breast_cancer"] = "breast_cancer"
    task: Literal["binary", "classification"] = "binary"
    num_train: Annotated[PositiveInt, Field(le=400)] = 400
    num_test: Annotated[PositiveInt, Field(le=169)] = 169

    @property
    def num_available(self) -> int:
        return 400

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (30,), 1 if self.task == "binary" else 2

    @property
    def content_digest(self) -> str:
        return _DIGEST

    @property
    def is_standardised(self) -> bool:
        return True

    def read(self) -> Arrays:
        import numpy as np

        from trainables.data.read import same_digest

        table = np.loadtxt(self.folder / "breast_cancer.csv", delimiter=",", skiprows=1)
        x, y = table[:, :-1], table[:, -1].astype(np.int64)
        train, test = slice(400), slice(400, None)
        arrays: Arrays = {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}
        same_digest(self, arrays)
        return arrays
