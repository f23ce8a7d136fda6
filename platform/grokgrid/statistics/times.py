"""Times to a goal, by seed, and the mean of them that censoring leaves known.

A trial that ends before its goal has a time that is known only to be larger than the time at which it was last seen:
it is censored there, never dropped. A trial that diverged would not have reached the goal at any time, so it is
censored at the budget and not where it diverged: an unstable arm gains nothing by failing early.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Times:
    """Times to the goal of n trials of one cell, in any one unit (steps, epochs, seconds).

    `value` (n,): the time at which the goal was reached or, where `reached` is False, the time up to which it is known
    not to have been. Finite, not negative: 0 is a phase that began and ended at the same evaluation, or, censored, one
    that was not seen to begin.
    `reached` (n,), `seeds` (n,): distinct whole numbers, in any order.
    """

    value: Floats
    reached: Bools
    seeds: Ints

    def __init__(self, value: ArrayLike, reached: ArrayLike, seeds: ArrayLike) -> None:
        arrays = {"value": np.array(value, float), "reached": np.array(reached), "seeds": np.array(seeds)}
        if not arrays["value"].size:
            arrays = {"value": np.empty(0), "reached": np.empty(0, bool), "seeds": np.empty(0, np.int64)}
        _check(**arrays)
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def of(cls, table: pd.DataFrame, *, budget: float | None = None) -> Self:
        """From a table with one row a trial, such as `time_to_goal` gives, and columns seed, time, reached, diverged.

        `budget` is the study's, in the unit of `time`; without it the table has a column `budget`. A trial that
        diverged before the goal is censored at the budget, wherever it diverged. One that reached the goal only after
        the budget (another study let it train for longer) is censored at the budget too. One that was last seen before
        the budget without having diverged (it still runs) is censored where it was last seen.
        """
        wanted = ["seed", "time", "reached", "diverged"] + (["budget"] if budget is None else [])
        if missing := [name for name in wanted if name not in table.columns]:
            raise ValueError(f"table: no column {', '.join(missing)}; needed are {', '.join(wanted)}")
        limits = np.asarray(table["budget"] if budget is None else np.full(len(table), budget), float)
        if not (np.isfinite(limits) & (limits >= 0)).all():
            raise ValueError(f"budget: {limits.tolist()}; finite and not negative are allowed")
        seen = np.asarray(table["time"], float)
        reached = np.asarray(table["reached"], bool) & (seen <= limits)
        fails = np.asarray(table["diverged"], bool) & ~reached
        return cls(np.where(fails, limits, np.minimum(seen, limits)), reached, table["seed"])

    @property
    def n(self) -> int:
        return len(self.value)

    @property
    def first_censored(self) -> float | None:
        """The smallest censored time: up to it everything is known. None if every trial reached the goal."""
        return None if self.reached.all() else float(self.value[~self.reached].min())

    def at(self, seeds: ArrayLike) -> Self:
        """The trials of these seeds, in their order."""
        rows = {int(seed): row for row, seed in enumerate(self.seeds)}
        chosen = [rows[int(seed)] for seed in np.asarray(seeds, np.int64)]
        return type(self)(self.value[chosen], self.reached[chosen], self.seeds[chosen])


def restricted_mean(times: Times, budget: float) -> float:
    """The mean of min(time, budget): how long a trial takes if one gives up at `budget`. NaN without trials.

    With a common budget it is known in spite of censoring, which the mean itself is not (Royston & Parmar 2013,
    https://doi.org/10.1186/1471-2288-13-152, there from survival curves). ValueError if a trial was censored before
    `budget`, for then its min(time, budget) is not known.
    """
    first = times.first_censored
    if first is not None and first < budget:
        raise ValueError(f"budget: {budget:g}; at most {first:g} is allowed, where a trial was last seen unfinished")
    return float(np.minimum(times.value, budget).mean()) if times.n else float("nan")


def _check(value: Floats, reached: Bools, seeds: Ints) -> None:
    problems = []
    if len({array.shape for array in (value, reached, seeds)}) > 1 or value.ndim != 1:
        shapes = ", ".join(str(array.shape) for array in (value, reached, seeds))
        problems.append(f"value, reached, seeds: shapes {shapes}; one common length is allowed")
    if not (np.isfinite(value) & (value >= 0)).all():
        wrong = value[~(np.isfinite(value) & (value >= 0))]
        problems.append(f"value: {wrong.tolist()}; finite times that are not negative are allowed")
    if reached.dtype != bool:
        problems.append(f"reached: dtype {reached.dtype}; booleans are allowed")
    if seeds.dtype.kind not in "iu":
        problems.append(f"seeds: dtype {seeds.dtype}; whole numbers are allowed")
    elif len(np.unique(seeds)) < seeds.size:
        twice, counts = np.unique(seeds, return_counts=True)
        problems.append(f"seeds: {twice[counts > 1].tolist()} more than once; one trial a seed is allowed")
    if problems:
        raise ValueError("\n".join(problems))
