"""The part of a data set that a trial uses, piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.data.arrays import Array

_CHUNK_BYTES = 2**22


@dataclass(frozen=True)
class Part:
    """A part that a trial uses. x and y begin at row `first` of the arrays x_NAME and y_NAME."""

    examples: str
    name: str
    first: int
    x: Array
    y: Array

    def place(self, row: int) -> str:
        return f"x_{self.name}[{self.first + row}]"

    def value(self, row: int, column: int) -> str:
        """One value, with its place in the array; column: of the flattened example."""
        index = (self.first + row, *map(int, np.unravel_index(column, self.x.shape[1:])))
        return f"x_{self.name}[{', '.join(map(str, index))}] = {self.x[row].reshape(-1)[column]}"


def chunks(x: Array) -> Iterator[tuple[int, NDArray[np.generic]]]:
    """(first row, rows flattened) of no more than some MB, so that a large array costs little beside itself."""
    rows = max(1, _CHUNK_BYTES // max(1, x[0].nbytes))
    for start in range(0, len(x), rows):
        chunk = x[start : start + rows]
        yield start, chunk.reshape(len(chunk), -1)


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
