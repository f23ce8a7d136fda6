"""Metrics where trials ended."""

import numpy as np
import pandas as pd

from grokgrid.results import Results, State
from grokgrid.statistics import MeanSd, SampleMean
from search_spaces import Cell
from search_spaces.search import measured_by, reading_of

ENDED = (State.REACHED, State.CENSORED, State.FINISHED)
"""At the goal or with their budget. A trial that diverged has no end to be measured at: what it was last seen with is
of a network that was about to be lost.
"""


def end_values(results: Results, cell: Cell, metric: str) -> "pd.Series[float]":
    """By seed, of the trials that ended; one whose value is no number is left out.

    metric: where training ended; or max/METRIC or min/METRIC, its extreme over the evaluations from the first step up
    to there; or first/METRIC, at the first evaluation, be it at step 0
    """
    reading, name = reading_of(metric), measured_by(metric)
    trials = _ended(results, cell).set_index("seed")
    if reading:
        evaluations = results.evaluations_of(cell).reindex(columns=["seed", "steps", name])
        if reading == "first":
            found = evaluations.sort_values("steps").drop_duplicates("seed").set_index("seed")[name]
        else:
            found = evaluations[evaluations["steps"] > 0].groupby("seed")[name].agg(reading)
        values = found.reindex(trials.index).astype(float)
    else:
        values = trials.reindex(columns=[f"final/{metric}"]).iloc[:, 0].astype(float)
    return values[np.isfinite(values)]


def num_ended(results: Results, cell: Cell) -> int:
    return len(_ended(results, cell))


def ends(results: Results, cell: Cell, metric: str) -> MeanSd | None:
    values = end_values(results, cell, metric)
    return SampleMean.of(values).mean_sd if len(values) else None


def _ended(results: Results, cell: Cell) -> pd.DataFrame:
    trials = results.trials_of(cell)
    return trials[trials["state"].isin(ENDED)]
