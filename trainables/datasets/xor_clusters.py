"""XOR clusters in high dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import PositiveFloat, PositiveInt
from trainables.datasets._drawn import DrawnDataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainables.data.arrays import Arrays

_PARTS = {"train": 0, "test": 1}


class XorClusters(DrawnDataset):
    """XOR clusters (Xu et al. 2025; Walker et al. 2025, Appendix B): x = (x1, x2, noise), x1 and x2 uniform on {-1, 1},
    the other coordinates uniform on {-epsilon, epsilon}. The label is 1 where x1 x2 = 1 and 0 where x1 x2 = -1; squared
    error takes these for the targets 1 and -1.

    dimension  of x
    epsilon    the size of the noise
    seed       draws the examples of all trials; None: each trial's own does, and all arms have the same ones for the
               same seed
    """

    name: Literal["xor_clusters"] = "xor_clusters"
    task: Literal["binary", "classification"] = "binary"
    num_train: Annotated[PositiveInt, Field(le=100_000)] = 400
    num_test: Annotated[PositiveInt, Field(le=100_000)] = 400
    dimension: Annotated[PositiveInt, Field(ge=2, le=1_000_000)] = 40_000
    epsilon: PositiveFloat = 0.05

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (self.dimension,), 1 if self.task == "binary" else 2

    def read_drawn(self, seed: int) -> Arrays:
        sizes = {"train": self.num_train + self.num_validation, "test": self.num_test}
        arrays: Arrays = {}
        for part, number in _PARTS.items():
            signs = _signs((sizes[part], self.dimension), seed, number)
            arrays[f"y_{part}"] = (signs[:, 0] == signs[:, 1]).astype("int64")
            x = arrays[f"x_{part}"] = signs.astype("float64")
            x[:, 2:] *= self.epsilon
        return arrays


def _signs(shape: tuple[int, int], seed: int, part: int) -> NDArray[np.int8]:
    """Uniform on {-1, 1}, of the generator's bits themselves: NumPy promises that these never change."""
    import numpy as np

    num = shape[0] * shape[1]
    words = np.random.PCG64(np.random.SeedSequence((seed, part))).random_raw(-(-num // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=num, bitorder="little")
    return bits.reshape(shape).astype(np.int8) * 2 - 1
