"""The acceleration of an arm over the baseline: ratios t_baseline / t_arm, paired by seed; above 1 the arm is faster.

A pair is exact where both trials reached the goal. With one side censored the ratio is a bound, with both it is
unknown; none is dropped in silence. How the typical ratio is estimated is in typical.py; `warnings` says in plain words
what a reader must know beside it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd

from grokgrid.plurals import plural
from grokgrid.statistics.estimates import Bound, CensoredFit, GeometricMean
from grokgrid.statistics.pairs import (
    Improvement,
    PairedTest,
    PairedTestKind,
    RatioKind,
    improvement,
    paired_ratios,
    paired_test,
)
from grokgrid.statistics.times import Times, restricted_mean
from grokgrid.statistics.typical import FEW_SEEDS, Typical, typical


class Direction(StrEnum):
    """How a published acceleration reads: its arrow. The average of reciprocals is not the average's reciprocal."""

    FEWER = "fewer"
    """Down, "times fewer": the average of t_baseline / t_arm."""
    MORE = "more"
    """Up, "times more": the average of t_arm / t_baseline."""


@dataclass(frozen=True)
class MeanSd:
    """Mean and standard deviation (ddof=1; None at n = 1) of n ratios."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True, eq=False)
class Acceleration(Typical):
    """The typical ratio of a pair, and what else `acceleration` found. None stands for what cannot be said; `warnings`
    says why.
    """

    ratios: pd.DataFrame
    """One row a pair, by seed: seed, baseline, arm (times), ratio (NaN if unknown or undefined), kind (RatioKind)."""
    unpaired_seeds: tuple[int, ...]
    reached_baseline: int
    reached_arm: int
    budget: float | None
    restricted_at: float | None
    """The budget or, if smaller, the first censored time. None, for plain means, if there is neither."""
    restricted_mean_ratio: float | None
    """Mean of min(time, restricted_at), baseline over arm. None if nobody had reached the goal by then, for it is 1
    whatever the arms are.
    """
    improvement: Improvement
    test: PairedTest | None

    def num(self, kind: RatioKind) -> int:
        """The number of pairs of a kind."""
        return self._kinds[kind]

    @cached_property
    def _kinds(self) -> Counter[RatioKind]:
        return Counter(self.ratios["kind"])

    @property
    def geometric_mean(self) -> GeometricMean | None:
        """Only if every ratio is exact."""
        return self.headline if isinstance(self.headline, GeometricMean) else None

    @property
    def censored_fit(self) -> CensoredFit | None:
        """Only if not every ratio is exact, and two or more different ones are."""
        return self.headline if isinstance(self.headline, CensoredFit) else None

    def mean_sd(self, direction: Direction = Direction.FEWER) -> MeanSd | None:
        """The papers' estimator: mean and sd over seeds of the ratio or of its reciprocal. None unless all are exact,
        for a mean without the censored ones, or with their bounds, is biased.
        """
        if not self.n or self.num(RatioKind.EXACT) < self.n:
            return None
        ratios = self.ratios["ratio"].to_numpy(float)
        values = ratios if direction is Direction.FEWER else 1 / ratios
        return MeanSd(float(values.mean()), float(values.std(ddof=1)) if self.n > 1 else None, self.n)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Plain sentences for beside the figures."""
        return tuple(_warnings(self))


def acceleration(baseline: Times, arm: Times, *, budget: float | None = None) -> Acceleration:
    """Compares an arm with the baseline over the seeds that both have, in any one unit of time.

    `budget`, in that unit, is where the restricted means end and touches nothing else; without it, or where it is
    larger, they end at the first censored time. No common seed is no error, for a study may have just begun: n is 0.
    """
    if budget is not None and not (np.isfinite(budget) and budget > 0):
        raise ValueError(f"budget: {budget}; a finite, positive time is allowed")
    common = np.intersect1d(baseline.seeds, arm.seeds)
    unpaired = tuple(int(seed) for seed in np.setxor1d(baseline.seeds, arm.seeds))
    baseline, arm = baseline.at(common), arm.at(common)
    ratios, order = paired_ratios(baseline, arm), improvement(baseline, arm)
    limits = [limit for limit in (budget, baseline.first_censored, arm.first_censored) if limit is not None]
    restricted_at = min(limits, default=None)
    return Acceleration(
        ratios=ratios,
        unpaired_seeds=unpaired,
        reached_baseline=int(baseline.reached.sum()),
        reached_arm=int(arm.reached.sum()),
        **vars(_typical(ratios)),
        budget=budget,
        restricted_at=restricted_at,
        restricted_mean_ratio=_restricted_mean_ratio(baseline, arm, restricted_at),
        improvement=order,
        test=paired_test(ratios, order),
    )


def _typical(ratios: pd.DataFrame) -> Typical:
    kinds, values = ratios["kind"].to_numpy(), ratios["ratio"].to_numpy(float)
    exact, at_least, at_most = (
        values[kinds == kind] for kind in (RatioKind.EXACT, RatioKind.AT_LEAST, RatioKind.AT_MOST)
    )
    unknown, undefined = (int((kinds == kind).sum()) for kind in (RatioKind.UNKNOWN, RatioKind.UNDEFINED))
    return typical(exact, at_least, at_most, num_unknown=unknown, num_undefined=undefined)


def _restricted_mean_ratio(baseline: Times, arm: Times, restricted_at: float | None) -> float | None:
    limit = np.inf if restricted_at is None else restricted_at
    over, under = restricted_mean(baseline, limit), restricted_mean(arm, limit)
    # The times, not the means, which may miss the limit by their last bit.
    is_known = under > 0 and min(baseline.value.min(), arm.value.min()) < limit
    return over / under if is_known else None


def _warnings(found: Acceleration) -> Iterator[str]:
    if found.unpaired_seeds:
        yield f"Left out, for want of a partner with the same seed: {_seeds(found.unpaired_seeds)}."
    if not found.n:
        yield "No seed is on both sides: there is nothing to compare."
        return
    if found.n < FEW_SEEDS:
        yield f"n = {found.n}: with fewer than {FEW_SEEDS} seeds the spread, and so any interval, is hardly known."
    if found.reached_baseline < found.n or found.reached_arm < found.n:
        some = found.num(RatioKind.AT_LEAST) + found.num(RatioKind.AT_MOST)
        bounds = ": the ratio of a pair with one censored side is a bound" if some else ""
        yield (
            f"The goal was reached by {found.reached_baseline} of {found.n} baseline trials and {found.reached_arm} of "
            f"{found.n} of the arm{bounds}."
        )
    if found.num(RatioKind.UNKNOWN):
        yield f"Neither side gives so much as a bound of the ratio: {_seeds(_of(found, RatioKind.UNKNOWN))}."
    if found.improvement.undecided_seeds:
        yield f"Open which side is sooner, counted for neither: {_seeds(found.improvement.undecided_seeds)}."
    yield from _estimate_warnings(found)
    if found.test and found.test.kind is PairedTestKind.SIGN:
        pairs = plural(found.test.num_pairs, "decided pair")
        yield f"p is the sign test's, on {pairs}: the ranks of bounds are not known."
    if found.test and found.test.floor > 0.05:
        pairs = plural(found.test.num_pairs, "pair")
        yield f"With {pairs} the {found.test.kind} cannot give a p below {found.test.floor:g}."
    if found.budget is not None and found.restricted_at is not None and found.restricted_at < found.budget:
        yield (
            f"The restricted means end at {found.restricted_at:g}, where an unfinished trial was last seen, not at the "
            f"budget of {found.budget:g}."
        )


def _estimate_warnings(found: Acceleration) -> Iterator[str]:
    if found.num(RatioKind.UNDEFINED):
        yield (
            "No estimate, for a time of 0, begun and ended at the same evaluation, has no ratio, and leaving it out "
            "would "
            f"favour one side; evaluate more often: {_seeds(_of(found, RatioKind.UNDEFINED))}."
        )
    elif found.headline is None:
        yield "No estimate: fewer than two different ratios are exact, and the bounds, if any, point both ways."
    elif isinstance(found.headline, Bound):
        yield "Too few ratios are exact for an estimate: the figure is no more than a bound, any interval half open."
    if found.headline is not None and found.why_open:
        yield f"No interval is trusted: {found.why_open}."


def _of(found: Acceleration, kind: RatioKind) -> Iterable[int]:
    return (int(seed) for seed in found.ratios.loc[found.ratios["kind"] == kind, "seed"])


def _seeds(seeds: Iterable[int]) -> str:
    told = [str(seed) for seed in seeds]
    return f"{'seed' if len(told) == 1 else 'seeds'} {', '.join(told)}"
