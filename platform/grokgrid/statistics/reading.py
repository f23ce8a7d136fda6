"""Times read from curves, ready for `Times.of`.

    curves   one row a look of a trial: key, updates, passes, seconds and metrics, NaN where a probe was not due
    trials   one row a trial, how far it is: key, seed, updates, passes, seconds, diverged_at (blank if it did not)
    result   one row a trial, in the order of `trials`: key, seed, time, reached, diverged, budget

`time` is where the trial was last seen within the budget if it was not seen to reach the goal. `budget` is the budget
in the unit of `time`; for seconds, of which a study has no budget, it is what the trial would have taken to its end at
its own pace (at the others' median pace if it has none). A diverged trial is censored there.

The goal of a trial is met at looks alone, so a budget is best given as that of its last look.
"""

from typing import Literal

import numpy as np
import pandas as pd

Unit = Literal["updates", "passes"]
Column = Literal["updates", "passes", "seconds"]


def time_to_goal(
    curves: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    metric: str,
    above: float | None = None,
    below: float | None = None,
    column: Column = "updates",
    budget: float,
    budget_unit: Unit = "updates",
) -> pd.DataFrame:
    """The first look within the budget at which `metric` is strictly above, or below, a threshold."""
    if (above is None) == (below is None):
        raise ValueError(f"above: {above}, below: {below}; one of the two is needed")
    looks = _within(curves, trials, metric, column, budget, budget_unit)
    holds = looks[metric] > above if above is not None else looks[metric] < below
    met, seen = _by_trial(looks[holds], trials, column, "min"), _by_trial(looks, trials, column, "max")
    return _table(trials, met.fillna(seen).fillna(0.0), met.notna(), column, budget, budget_unit)


def phase_seconds(
    curves: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    lower: float = 0.2,
    upper: float = 0.85,
    budget: float,
    budget_unit: Unit = "updates",
) -> pd.DataFrame:
    """Seconds from the first look at which `metric` is at least `lower` to the first at which it is above `upper`:
    the grokking phase (Walker et al., Table 1).

    0 if both are met at the same look: shorter than the looks can tell. Censored at what was seen of the phase if
    `upper` was not met, which is 0, and says nothing, if `lower` was not met either; but a diverged trial is censored
    at the whole budget, so that failing before the phase gains nothing.
    """
    if not lower < upper:
        raise ValueError(f"lower: {lower}; less than upper, {upper}, is allowed")
    looks = _within(curves, trials, metric, "seconds", budget, budget_unit)
    begun = _by_trial(looks[looks[metric] >= lower], trials, "seconds", "min")
    done = _by_trial(looks[looks[metric] > upper], trials, "seconds", "min")
    seen = _by_trial(looks, trials, "seconds", "max")
    return _table(trials, (done.fillna(seen) - begun).fillna(0.0), done.notna(), "seconds", budget, budget_unit)


def _within(
    curves: pd.DataFrame, trials: pd.DataFrame, metric: str, column: Column, budget: float, budget_unit: Unit
) -> pd.DataFrame:
    """The looks within the budget."""
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
    return curves[curves[budget_unit] <= budget]


def _by_trial(
    looks: pd.DataFrame, trials: pd.DataFrame, column: Column, which: Literal["min", "max"]
) -> "pd.Series[float]":
    """The first or last time of these looks, by row of `trials`; NaN for a trial without any."""
    codes, keys = pd.factorize(looks["key"])
    found = np.full(len(keys), np.nan)
    (np.fmin if which == "min" else np.fmax).at(found, codes, looks[column].to_numpy(float))
    return pd.Series(found, index=pd.Index(keys, dtype=object)).reindex(trials["key"]).set_axis(trials.index)


def _table(
    trials: pd.DataFrame,
    time: "pd.Series[float]",
    reached: "pd.Series[bool]",
    column: Column,
    budget: float,
    budget_unit: Unit,
) -> pd.DataFrame:
    diverged = trials["diverged_at"].notna() & (trials[budget_unit] <= budget)
    table = trials[["key", "seed"]].assign(time=time, reached=reached, diverged=diverged)
    if column == budget_unit:
        return table.assign(budget=float(budget))
    done = trials[budget_unit].astype(float)
    pace = (trials[column] / done).where(done > 0)
    at_pace = (pace.fillna(pace.median()) * budget).fillna(0.0)
    if column == "updates":
        at_pace = at_pace.round()
    # Times jitter: what was seen within the budget is within it.
    return table.assign(budget=np.maximum(at_pace, time))
