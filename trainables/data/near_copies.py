"""Examples that are training examples but for rounding, after other arithmetic or through a text of few digits.

Two examples are near copies if no value differs by more than `TOLERANCE` of the range of the one. Then their
projections on any direction are near each other, too, so that sorted projections leave few pairs to compare.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trainables.data.arrays import Array
from trainables.data.parts import chunks

TOLERANCE = 1e-5

_NUM_DIRECTIONS = 4
_PAIRS_AT_A_TIME, _MOST_PAIRS = 500_000, 4_000_000
"""The check must not take minutes: where so many pairs have the same projections, as of bits, the rest is left out."""

Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]


def near_copies(train: Array, rows: Rows, other: Array, other_rows: Rows) -> list[tuple[int, int]]:
    """(row of `other`, row of `train`), of the given rows of both; at most one pair for each row of `other`."""
    some = train[:: max(1, len(train) // 100)].reshape(-1, train[0].size).astype(np.float64)
    # Not the mean, which a single value may shift.
    middle = np.median(some, 0)
    directions = np.random.default_rng(0).choice([-1.0, 1.0], (len(middle), _NUM_DIRECTIONS))
    # One coordinate may be much larger than all others.
    directions[:, -1] = np.arange(len(middle)) == int(some.std(0).argmax())
    ours, _ = _projected(train, middle, directions)
    theirs, ranges = _projected(other, middle, directions)
    # Each value may differ by so much; a little more for rounding.
    reach = TOLERANCE * ranges[other_rows, None] * np.abs(directions).sum(0) * 1.001
    found: dict[int, int] = {}
    for place, candidate in _candidates(ours[rows], theirs[other_rows], reach):
        row, original = int(other_rows[place]), int(rows[candidate])
        if row not in found:
            differences = np.abs(other[row].astype(np.float64) - train[original].astype(np.float64))
            if float(differences.max()) <= TOLERANCE * ranges[row]:
                found[row] = original
    return sorted(found.items())


def _projected(x: Array, middle: Doubles, directions: Doubles) -> tuple[Doubles, Doubles]:
    """The projections of each example, and the range of its values about the middle."""
    projections, ranges = [], []
    for _, chunk in chunks(x):
        doubles = chunk.astype(np.float64) - middle
        projections.append(doubles @ directions)
        ranges.append(doubles.max(1) - doubles.min(1))
    return np.concatenate(projections), np.concatenate(ranges)


def _candidates(ours: Doubles, theirs: Doubles, reach: Doubles) -> Iterator[tuple[int, int]]:
    """Pairs of rows whose projections are within reach."""
    bounds = [_bounds(ours[:, each], theirs[:, each], reach[:, each]) for each in range(_NUM_DIRECTIONS)]
    # The direction that tells examples apart best.
    order, first, last = min(bounds, key=lambda found: int((found[2] - found[1]).sum()))
    num = last - first
    batches = np.cumsum(num) // _PAIRS_AT_A_TIME
    for batch in range(min(int(batches[-1]) + 1, _MOST_PAIRS // _PAIRS_AT_A_TIME)):
        rows = np.flatnonzero((batches == batch) & (num > 0))
        others = np.repeat(rows, num[rows])
        steps = np.arange(len(others)) - np.repeat(np.cumsum(num[rows]) - num[rows], num[rows])
        candidates = order[first[others] + steps]
        for each in range(_NUM_DIRECTIONS):
            near = np.abs(ours[candidates, each] - theirs[others, each]) <= reach[others, each]
            others, candidates = others[near], candidates[near]
        yield from zip(others.tolist(), candidates.tolist(), strict=True)


def _bounds(ours: Doubles, theirs: Doubles, reach: Doubles) -> tuple[Rows, Rows, Rows]:
    """The order of ours, and between which places in it those within reach of each of theirs are."""
    order = ours.argsort()
    sorted_ = ours[order]
    return order, sorted_.searchsorted(theirs - reach), sorted_.searchsorted(theirs + reach, side="right")
