"""What trials are worth to a search: its objectives, turned so that less is better."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grokgrid.analyses.ends import end_values
from grokgrid.analyses.times import goal_times
from grokgrid.results import Results, State, results_of
from search_spaces import Cell, Study
from search_spaces.search import Objective

if TYPE_CHECKING:
    from grokgrid.tracking import TrialResults


@dataclass(frozen=True)
class Worth:
    """Of a trial that is over.

    values   one an objective, less is better; not finite where training ended without a number
    state    how it ended
    hours    that a device was at it
    """

    values: tuple[float, ...]
    state: State
    hours: float
    run_id: str


def worth(study: Study, cell: Cell, trial_results: "TrialResults") -> Mapping[str, Worth]:
    """By key, of the cell's trials that are over for the study, at whatever seeds the results are of."""
    assert study.search is not None
    seeds = [seed for seed in study.search.seed_list if cell.key_of(seed) in trial_results.records]
    if not seeds:
        return {}
    settings = {"trial": cell.config.model_dump(mode="json"), "arms": {cell.arm: {}}}
    alone = Study(name=study.name, question=study.question, seeds=tuple(seeds), analyses=(), **settings)
    results = results_of(alone, trial_results.records, trial_results.curves)
    (only,) = alone.cells
    assert only.key_of(0) == cell.key_of(0)
    columns = [_by_seed(results, only, objective) for objective in study.search.objectives]
    found = {}
    for _, trial in results.over.iterrows():
        seed, summary = int(trial["seed"]), trial_results.records[trial["key"]].summary
        assert summary is not None
        place = trial_results.records[trial["key"]].place
        hours = summary.wall_seconds / 3600 * (place.share if place is not None else 1.0)
        values = tuple(column.get(seed, math.inf) for column in columns)
        found[str(trial["key"])] = Worth(
            values, State(trial["state"]), hours, trial_results.records[trial["key"]].run_id
        )
    return found


def in_units(objective: Objective, value: float) -> float:
    """A value, or a mean of several, as people read it: a time, of which a mean is the geometric one, or the metric."""
    if objective.is_time:
        # What was a whole number of steps is one again.
        return float(f"{math.exp(value):.12g}")
    return value if objective.sought == "less" else -value


def _by_seed(results: Results, cell: Cell, objective: Objective) -> Mapping[int, float]:
    if objective.is_time:
        times = goal_times(results, cell, objective.metric)  # type: ignore[arg-type]
        # A time of 0 is shorter than evaluations can tell, and has no logarithm.
        return dict(zip(times.seeds.tolist(), np.log(np.maximum(times.value, 1e-9)).tolist(), strict=True))
    sign = 1.0 if objective.sought == "less" else -1.0
    return {int(seed): sign * value for seed, value in end_values(results, cell, objective.metric).items()}  # type: ignore[call-overload]
