"""Many comparisons at once: among twenty arms that change nothing, one gives p < 0.05 by luck alone."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from grokgrid.statistics.times import Floats


def holm(p: ArrayLike) -> Floats:
    """Holm's adjusted p values (m,), in the order of `p` (m,).

    The i-th smallest becomes the largest of (m - j + 1) p_(j) over j <= i, at most 1. Calling a difference where it is
    at most 0.05 errs anywhere in the family no more than 5% of the time, however the tests depend on each other (Holm
    1979, Scandinavian Journal of Statistics 6, 65-70, section 3).
    """
    values = np.array(p, float)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p: {values.tolist()}; a list of numbers from 0 to 1 is allowed")
    order = np.argsort(values)
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(np.minimum(values[order] * np.arange(values.size, 0, -1), 1.0))
    return adjusted


def holm_within(families: Sequence[Hashable], p: Sequence[float | None]) -> tuple[float | None, ...]:
    """Holm's adjusted p value of each comparison, each family by itself; None where no test was made."""
    adjusted: dict[int, float] = {}
    for family in set(families):
        tested = [(i, value) for i, value in enumerate(p) if families[i] == family and value is not None]
        adjusted |= zip((i for i, _ in tested), holm([value for _, value in tested]).tolist(), strict=True)
    return tuple(map(adjusted.get, range(len(p))))
