"""Points on a sphere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, PositiveInt
from trainables.datasets._drawn import DrawnDataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainables.data.arrays import Arrays

_PARTS = {"train": 0, "test": 1}
_BITS = 2.0**-53


class Sphere(DrawnDataset):
    """x uniform on the unit sphere of `dimension` coordinates; the target is d x_1 x_2, which has mean 0 and is near 1
    in size. For `task: binary` the label is whether it is above 0.

    angle  in radians: the examples come in pairs that lie so far from each other; None: all are independent
    seed   draws the examples of all trials; None: each trial's own does, and all arms have the same ones for the same
           seed
    """

    name: Literal["sphere"] = "sphere"
    task: Literal["regression", "binary"] = "regression"
    num_train: Annotated[PositiveInt, Field(le=100_000)] = 16
    num_test: Annotated[PositiveInt, Field(le=100_000)] = 16
    dimension: Annotated[PositiveInt, Field(ge=2, le=100_000)] = 4
    angle: Annotated[Float, Field(gt=0, le=math.pi)] | None = None

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        return (self.dimension,), 1

    def read_drawn(self, seed: int) -> Arrays:
        sizes = {"train": self.num_train + self.num_validation, "test": self.num_test}
        arrays: Arrays = {}
        for part, number in _PARTS.items():
            x = self._points(sizes[part], seed, number)
            y = self.dimension * x[:, 0] * x[:, 1]
            arrays[f"x_{part}"] = x
            arrays[f"y_{part}"] = (y > 0).astype("int64") if self.task == "binary" else y
        return arrays

    def _points(self, num: int, seed: int, part: int) -> NDArray[np.float64]:
        import numpy as np

        if self.angle is None:
            return _directions(num, self.dimension, seed, part)
        half = -(-num // 2)
        both = _directions(2 * half, self.dimension, seed, part)
        one, other = both[:half], both[half:]
        across = other - (one * other).sum(1, keepdims=True) * one
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        near = math.cos(self.angle) * one + math.sin(self.angle) * across
        return np.stack([one, near], axis=1).reshape(2 * half, -1)[:num]


def _directions(num: int, dimension: int, seed: int, part: int) -> NDArray[np.float64]:
    """Uniform, (num, dimension): normal numbers (Box and Muller 1958), of the generator's bits themselves, which NumPy
    promises never to change.
    """
    import numpy as np

    half = -(-num * dimension // 2)
    words = np.random.PCG64(np.random.SeedSequence((seed, part))).random_raw(2 * half)
    uniform = ((words >> np.uint64(11)) + 0.5) * _BITS
    radius, turn = np.sqrt(-2 * np.log(uniform[:half])), 2 * np.pi * uniform[half:]
    normal = np.concatenate([radius * np.cos(turn), radius * np.sin(turn)])[: num * dimension].reshape(num, dimension)
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)
