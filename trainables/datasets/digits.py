"""scikit-learn's handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import PositiveInt
from trainables.datasets.base import Dataset

if TYPE_CHECKING:
    from trainables.data.arrays import Arrays
    from trainables.data.inspection import Inspection

_DIGEST = "sha256:1ce055a110bc2450adee82b27d03d46cc63571c890cebd5b15af01e0d95dd97b"


class Digits(Dataset):
    """scikit-learn's bundled 1,797 handwritten digits of 8 x 8 pixels: the first 1,000 train, the other 797 test.

    The first `num_train` and `num_test` of each, in file order; pixels scaled to [0, 1], then normalised with the
    mean and standard deviation of the first 1,000.
    """

    name: Literal["digits"] = "digits"
    num_train: Annotated[PositiveInt, Field(le=1000)] = 1000
    num_test: Annotated[PositiveInt, Field(le=797)] = 797

    @property
    def num_available(self) -> int:
        return 1000

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (8, 8), 10

    @property
    def content_digest(self) -> str:
        return _DIGEST

    @property
    def normalisation(self) -> tuple[float, float]:
        return 0.306966796875, 0.376395870642353

    @property
    def title(self) -> str:
        return "data digits"

    def require(self) -> None:
        _file()

    def read(self) -> Arrays:
        import numpy as np

        from trainables.data.read import same_digest

        table = np.loadtxt(_file(), delimiter=",")
        x, y = table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1].astype(np.int64)
        arrays: Arrays = {"x_train": x[:1000], "y_train": y[:1000], "x_test": x[1000:], "y_test": y[1000:]}
        same_digest(self, arrays)
        return arrays

    def inspect(self) -> Inspection | None:
        return None

    def fetch(self) -> Path:
        return _file().parent


def _file() -> Path:
    """Behind sklearn.datasets.load_digits. Importing scikit-learn would cost every worker seconds."""
    from importlib.util import find_spec

    from trainables.data.place import DataMissing

    installed = find_spec("sklearn")
    if installed is None or installed.submodule_search_locations is None:
        raise DataMissing("data digits: they come with scikit-learn, which is not installed")
    return Path(installed.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
