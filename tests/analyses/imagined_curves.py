"""Results of trials whose curves are given, evaluated at steps 1, 11, … 991.

`CURVES` maps a cell and a metric to one curve a seed: a number stays the same, a pair goes in a straight line from one
to the other, `jump(step)` is 0 before a step and 1 from it on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.results import Results, State
from search_spaces import Study
from search_spaces.analyses import Statement

STEPS = np.arange(1, 992, 10)
NORM = "train_jacobian_norm_mean"
ARMS: dict[str, Any] = {"one": {}, "two": {"optimiser": {"lr": 0.002}}}
Curve = float | tuple[float, float] | Callable[[NDArray[Any]], NDArray[Any]]
Curves = Mapping[str, Mapping[str, Sequence[Curve]]]
PROBES = [
    {"name": "jacobian_norm"},
    {"name": "centroid"},
    {"name": "noise_accuracy", "num_points": 20},
    {"name": "centroid", "on": "test"},
]


def jump(step: float) -> Curve:
    """From 0 to 1; never if the step is beyond the end."""
    return lambda steps: (steps >= step).astype(float)


def at(curve: Curve, steps: NDArray[Any]) -> NDArray[Any]:
    if callable(curve):
        return curve(steps)
    start, end = curve if isinstance(curve, tuple) else (curve, curve)
    return np.interp(steps, [STEPS[0], STEPS[-1]], [start, end])


def study_with(statements: Sequence[Statement], *, arms: Mapping[str, Any], seeds: int = 5, **changes: Any) -> Study:
    trial = {name: value for name, value in synthetic_study().trial.items() if name != "goal"}
    settings: dict[str, Any] = {"trial": trial | {"probes": PROBES}, "arms": dict(arms), "seeds": seeds}
    return synthetic_study(**settings | {"analyses": [each.model_dump() for each in statements]} | changes)


def results_with(study: Study, curves: Curves, *, outcomes: Mapping[str, Sequence[Outcome]] | None = None) -> Results:
    """All trials finish unless other outcomes are given."""
    finished: Outcome = (State.FINISHED, 991)
    ended = {cell.name: [finished] * len(study.seed_list) for cell in study.cells} | dict(outcomes or {})
    seen = synthetic_results(study, ended)
    metrics = list(dict.fromkeys(metric for mine in curves.values() for metric in mine))
    trials, evaluations = seen.trials.copy(), seen.curves.copy()
    for metric in metrics:
        for table, column in ((trials, f"final/{metric}"), (evaluations, metric)):
            values = table[column].to_numpy(float).copy() if column in table else np.full(len(table), np.nan)
            for cell, mine in curves.items():
                for seed, curve in zip(study.seed_list, mine.get(metric, ()), strict=False):
                    rows = ((table["cell"] == cell) & (table["seed"] == seed)).to_numpy()
                    values[rows] = at(curve, table["steps"].to_numpy(float)[rows])
            table[column] = values
    return Results(study, trials, evaluations, seen.at)


def of(one: Sequence[Curve], two: Sequence[Curve] = (), *, metric: str = NORM) -> Curves:
    """Curves of a metric in the arms one and two."""
    return {"one": {metric: one}, "two": {metric: two}}
