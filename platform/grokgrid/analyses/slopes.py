"""Power laws: how the logarithm of a metric falls or grows with that of a setting."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from grokgrid.statistics.times import Floats
from search_spaces import Cell


def positions(cells: Sequence[Cell]) -> Floats:
    """The values of the one setting on the grid of these cells, (cells,)."""
    return np.array([value for cell in cells for _, value in cell.point], float)


def log_slopes(x: Floats, values: "Sequence[pd.Series[float]]") -> "pd.Series[float]":
    """By seed: the slope by least squares of log y against log x. x: (cells,), positive; values: of each cell, by seed.
    A seed without a positive value in each cell has none.
    """
    table = pd.concat(values, axis=1, join="inner")
    table = table[(table > 0).all(axis=1)]
    away = np.log(x) - np.log(x).mean()
    slopes = np.log(table.to_numpy(float)) @ away / (away @ away)
    return pd.Series(slopes, index=table.index, dtype=float)
