"""Times read from curves, ready for `Times.of`.

    curves   one row an evaluation of a trial: key, steps, epochs, seconds and metrics, NaN where a probe was not due
    trials   one row a trial, how far it is: key, seed, steps, epochs, seconds, diverged_at (blank if it did not)
    result   one row a trial, in the order of `trials`: key, seed, time, reached, diverged, budget

`time` is where the trial was last seen within the budget if it was not seen to reach the goal. `budget` is the budget
in the unit of `time`; for seconds, of which a study has no budget, it is what the trial would have taken to its end at
its own pace (at the others' median pace if it has none). A diverged trial is censored there.

The goal of a trial is met at evaluations alone, so a budget is best given as that of its last evaluation. What was
measured before any training, at step 0, meets nothing and begins no phase.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from grokgrid.statistics.times import Bools, Floats, Ints

Unit = Literal["steps", "epochs"]
Column = Literal["steps", "epochs", "seconds"]


def time_to_goal(
    curves: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    metric: str,
    above: float | None = None,
    below: float | None = None,
    column: Column = "steps",
    budget: float,
    budget_unit: Unit = "steps",
) -> pd.DataFrame:
    """The first evaluation within the budget at which `metric` is strictly above, or below, a threshold."""
    if (above is None) == (below is None):
        raise ValueError(f"above: {above}, below: {below}; one of the two is needed")
    evaluations = _within(curves, trials, metric, column, budget, budget_unit)
    holds = evaluations.value > above if above is not None else evaluations.value < below  # type: ignore[operator]
    met = evaluations.first(holds)
    seen = np.where(np.isfinite(met), met, evaluations.last)
    return _table(trials, np.nan_to_num(seen), np.isfinite(met), column, budget, budget_unit)


def phase_seconds(
    curves: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    lower: float = 0.2,
    upper: float = 0.85,
    budget: float,
    budget_unit: Unit = "steps",
) -> pd.DataFrame:
    """Seconds from the first evaluation at which `metric` is at least `lower` to the first at which it is above
    `upper`: the grokking phase (Walker et al., Table 1).

    0 if both are met at the same evaluation: shorter than the evaluations can tell. Censored at what was seen of the
    phase if `upper` was not met, which is 0, and says nothing, if `lower` was not met either; but a diverged trial is
    censored at the whole budget, so that failing before the phase gains nothing.
    """
    if not lower < upper:
        raise ValueError(f"lower: {lower}; less than upper, {upper}, is allowed")
    evaluations = _within(curves, trials, metric, "seconds", budget, budget_unit)
    begun, done = evaluations.first(evaluations.value >= lower), evaluations.first(evaluations.value > upper)
    seen = np.where(np.isfinite(done), done, evaluations.last)
    return _table(trials, np.nan_to_num(seen - begun), np.isfinite(done), "seconds", budget, budget_unit)


@dataclass(frozen=True, eq=False)
class _Evaluations:
    """Evaluations (n,) of the trials (t,): of which row of them, when, and the metric."""

    num_trials: int
    row: Ints
    time: Floats
    value: Floats

    def first(self, where: Bools) -> Floats:
        """The time of each trial's first evaluation of these, (t,); NaN without any."""
        found = np.full(self.num_trials, np.nan)
        np.fmin.at(found, self.row[where], self.time[where])
        return found

    @property
    def last(self) -> Floats:
        """The time of each trial's last evaluation, (t,); NaN without any."""
        found = np.full(self.num_trials, np.nan)
        np.fmax.at(found, self.row, self.time)
        return found


def _within(
    curves: pd.DataFrame, trials: pd.DataFrame, metric: str, column: Column, budget: float, budget_unit: Unit
) -> _Evaluations:
    """The evaluations of training within the budget."""
    problems = []
    for name, table, wanted in (
        ("curves", curves, {"key", column, budget_unit, metric}),
        ("trials", trials, {"key", "seed", column, budget_unit, "diverged_at"}),
    ):
        if missing := sorted(wanted - set(table.columns)):
            problems.append(f"{name}: no column {', '.join(missing)}; there are {', '.join(map(str, table.columns))}")
    if not (np.isfinite(budget) and budget > 0):
        problems.append(f"budget: {budget}; a finite, positive number of {budget_unit} is allowed")
    if problems:
        raise ValueError("\n".join(problems))
    codes, keys = pd.factorize(curves["key"])
    row = pd.Index(trials["key"]).get_indexer(pd.Index(keys, dtype=object))[codes]
    position = curves[budget_unit].to_numpy(float)
    within = (position > 0) & (position <= budget) & (row >= 0)
    time, value = (curves[name].to_numpy(float)[within] for name in (column, metric))
    return _Evaluations(len(trials), row[within], time, value)


def _table(
    trials: pd.DataFrame, time: Floats, reached: Bools, column: Column, budget: float, budget_unit: Unit
) -> pd.DataFrame:
    done = trials[budget_unit].to_numpy(float)
    if column == budget_unit:
        limit = np.full(len(trials), float(budget))
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            pace = trials[column].to_numpy(float) / done
        has_pace = np.isfinite(pace)
        pace[~has_pace] = np.median(pace[has_pace]) if has_pace.any() else 0.0
        at_pace = pace * budget
        # Times jitter: what was seen within the budget is within it.
        limit = np.maximum(at_pace.round() if column == "steps" else at_pace, time)
    columns = {
        "key": trials["key"],
        "seed": trials["seed"],
        "time": time,
        "reached": reached,
        "diverged": trials["diverged_at"].notna() & (done <= budget),
        "budget": limit,
    }
    return pd.DataFrame(columns)
