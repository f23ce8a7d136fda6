"""The one sentence that answers the study's question, as far as it can be answered."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grokgrid.analyses.comparisons import Comparison
from grokgrid.analyses.ends import ends
from grokgrid.analyses.reaching import reached_times
from grokgrid.analyses.times import Measure
from grokgrid.analyses.trials import states
from grokgrid.analyses.wording import PERCENT, bounded, labels, listed, mean_sd, number
from grokgrid.plurals import plural
from grokgrid.statistics import Estimator, Interval
from grokgrid.view import State, View
from search_spaces.study import Curves, Measurements

MANY = 4
"""More arms than this are told of by the table alone."""


def headline(view: View, comparisons: Sequence[Comparison], choice: str | None = None) -> str:
    """comparisons: those with the baseline of the study's first acceleration analysis. choice: of a strength, told."""
    found = states(view)
    if set(found) <= {State.MISSING, State.RUNNING, State.FAILED} and not len(view.curves):
        begun = [f"{found.count(state)} {state}" for state in (State.RUNNING, State.FAILED) if state in found]
        return f"Nothing to tell yet: of {plural(len(found), 'trial')} {listed(begun) or 'none has begun'}."
    in_updates = [c for c in comparisons if c.measure is Measure.UPDATES]
    if choice is not None:
        told = choice
    elif in_updates:
        told = _compared(in_updates, labels(view.study))
    elif view.study.goal is not None:
        told = _reached(view)
    else:
        told = _ended(view)
    return f"{told}.{_incomplete(view)}"


def _compared(comparisons: Sequence[Comparison], names: Mapping[str, str]) -> str:
    """A clause an arm: of an arm with several cells, the one that is soonest."""
    arms: dict[str, list[Comparison]] = {}
    for c in comparisons:
        arms.setdefault(c.cell.arm, []).append(c)
    told, basis = "", ""
    for cells in list(arms.values())[:MANY]:
        best = max(cells, key=lambda c: (-math.inf if c.estimate is None else c.estimate, c.reached))
        clause = _Clause(best, names[best.cell.name], names[best.baseline.name], len(cells))
        if told:
            told += f"; {clause.text(whole=False, basis=clause.basis != basis)}"
        else:
            start = "" if clause.is_clear else f"On the way to {best.cell.config.goal}, "
            told = start + clause.text(whole=True, basis=True)
        basis = clause.basis
    if len(arms) > MANY:
        told += f"; {plural(len(arms) - MANY, 'other arm')} in the table"
    return told


@dataclass(frozen=True)
class _Clause:
    """What a comparison comes to, in words: that of the best of an arm's cells."""

    c: Comparison
    cell: str
    baseline: str
    num_cells: int

    @property
    def name(self) -> str:
        # The best of many is so partly by luck: its figure alone would flatter.
        return self.cell + (f", the best of {self.num_cells} cells on these seeds," if self.num_cells > 1 else "")

    @property
    def is_bound(self) -> bool:
        return self.c.estimator in (Estimator.LOWER_BOUND, Estimator.UPPER_BOUND)

    @property
    def is_fewer(self) -> bool:
        return self.c.estimate is not None and self.c.estimate >= 1

    @property
    def is_open(self) -> bool:
        """A bound that points at 1, and so says nothing of which side is sooner."""
        return self.is_bound and (self.c.estimator is Estimator.LOWER_BOUND) != self.is_fewer

    @property
    def is_clear(self) -> bool:
        """Whether the interval, if there can be one, lies on one side of 1. One that is not trusted lies nowhere."""
        if self.c.estimate is None or self.is_open or not self.c.is_trusted:
            return False
        ends = self.c.interval
        return ends is None or ends.low > 1 or ends.high < 1

    @property
    def basis(self) -> str:
        if self.c.estimator is Estimator.GEOMETRIC_MEAN:
            return f"geometric mean of {plural(self.c.found.n, 'seed')}"
        reached = (
            f"{self.c.reached} of {self.c.num_seeds} seeds reached it, {self.c.reached_baseline} of {self.baseline}’s"
        )
        fit = f"{self.c.estimator}; " if self.c.estimator is Estimator.CENSORED_FIT else ""
        return fit + reached

    def text(self, *, whole: bool, basis: bool) -> str:
        """`whole`: with the goal and the baseline."""
        if self.c.estimate is None:
            if self.num_cells > 1:
                return f"no cell of {self.c.cell.arm} can be compared with {self.baseline} (at best {self.basis})"
            return f"{self.name} cannot be compared with {self.baseline} ({self.basis})"
        if self.is_open:
            return f"whether {self.name} is sooner than {self.baseline} is open ({self.basis})"
        if not self.c.is_trusted:
            where = "of the seeds that tell, " if self.is_bound else ""
            return (
                f"whether {self.name} is sooner than {self.baseline} is open: {where}{self._times()}, with no interval "
                f"to trust ({self.basis})"
            )
        known = [_range(self.c.interval, fewer=self.is_fewer), *([self.basis] if basis else [])]
        return f"{self._far(whole)} ({', '.join(known)})"

    def _times(self) -> str:
        assert self.c.estimate is not None
        times = number(self.c.estimate if self.is_fewer else 1 / self.c.estimate)
        return f"{'at least ' if self.is_bound else ''}{times} times {'fewer' if self.is_fewer else 'more'} updates"

    def _far(self, whole: bool) -> str:
        far = self._times()
        if not self.is_clear:
            return f"{self.name} shows no clear difference from {self.baseline}: {far}"
        if not whole:
            return f"{self.name} in {far}"
        return f"{self.name} reaches {self.c.cell.config.goal} in {far} than {self.baseline}"


def _range(interval: Interval | None, *, fewer: bool) -> str:
    if interval is None:
        return "no interval"
    low, high = interval if fewer else (1 / interval.high, 1 / interval.low if interval.low > 0 else math.inf)
    if math.isinf(high):
        return f"{PERCENT} sure of at least {bounded(low)}"
    return f"{PERCENT} interval {bounded(low)} to {bounded(high)}"


def _reached(view: View) -> str:
    times = reached_times(view)
    num = len(view.study.seed_list)
    names = labels(view.study)
    parts = [f"{mine.reached.sum()}/{num} of {names[cell]}" for cell, mine in times.items()]
    total = sum(int(mine.reached.sum()) for mine in times.values())
    shown = f": {', '.join(parts)}" if 1 < len(parts) <= 2 * MANY else ""
    return f"{total} of {plural(len(view.trials), 'trial')} reached {view.study.goal}{shown}"


def _ended(view: View) -> str:
    metric = _telling_metric(view)
    names = labels(view.study)
    found = [(names[cell.name], end) for cell in view.study.cells if (end := ends(view, cell, metric)) is not None]
    if not found:
        return (
            f"No trial has come to the end with a number for {metric}" if len(view.over) else "No trial has ended yet"
        )
    parts = [f"{mean_sd(end)} ({cell}, {plural(end.n, 'seed')})" for cell, end in found[: 2 * MANY]]
    more = f", and {plural(len(found) - len(parts), 'more cell')}" if len(found) > len(parts) else ""
    return f"At the end {metric} is {listed(parts)}{more}"


def _telling_metric(view: View) -> str:
    """The first that is to be measured at the end; of curves the test accuracy."""
    of_kind = {
        kind: [metric for analysis in view.study.analyses if isinstance(analysis, kind) for metric in analysis.metrics]
        for kind in (Measurements, Curves)
    }
    if of_kind[Measurements]:
        return of_kind[Measurements][0]
    metrics = of_kind[Curves]
    return "test_accuracy" if "test_accuracy" in metrics or not metrics else metrics[-1]


def _incomplete(view: View) -> str:
    found = states(view)
    open_states = [state for state in State if not state.is_over and state in found]
    parts = [f"{found.count(state)} {state}" for state in open_states]
    told = f" Not complete: of {plural(len(found), 'trial')} {', '.join(parts)}." if parts else ""
    if State.DIVERGED in found:
        told += f" {plural(found.count(State.DIVERGED), 'trial')} diverged."
    return told
