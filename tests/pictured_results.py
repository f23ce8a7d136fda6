"""Results of imagined trials whose curves are functions of the step, from step 0 on, for what is drawn of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from synthetic_results import AT, PLACE, synthetic_study

from grokgrid.results import Results, State
from search_spaces import Study

NTK, INNER = "train_ntk_mean", "train_centroid_inner_product_mean"
ALIGNMENT, NORM = "train_centroid_alignment_mean", "train_centroid_norm_mean"
STEPS = (0, 1, 3, 10, 30, 100, 300, 1000)
GRID = {"optimiser.lr": [0.001, 0.01, 0.1], "model.width": [8, 16]}


def pictured_study(**changes: Any) -> Study:
    """Two arms on digits without a goal, evaluated at STEPS, with the probes of Figure 2."""
    trial = {name: value for name, value in synthetic_study().trial.items() if name != "goal"}
    settings = {
        "seeds": 3,
        "analyses": [],
        "trial": trial | {"evaluate": {"at": list(STEPS)}, "probes": [{"name": "ntk"}, {"name": "centroid"}]},
        "arms": {"standard": {}, "jacobian": {"regulariser": {"name": "jacobian", "strength": 0.01}}},
    }
    return synthetic_study(**settings | changes)


def values_at(study: Study, cell: str, seed: int) -> dict[str, np.ndarray]:
    """A trial's metrics at STEPS: the kernel changes between steps 10 and 300 alone."""
    index = [each.name for each in study.cells].index(cell) + 1
    steps = np.array(STEPS, float)
    grown = np.interp(np.log(np.maximum(steps, 1)), np.log([10, 100, 300]), [0.0, 0.5, 1.0])
    return {
        NTK: 1.0 + 0.1 * seed + index * grown,
        INNER: 0.5 + 0.05 * seed + 2 * index * grown,
        ALIGNMENT: 0.1 + 0.02 * seed + 0.2 * index * grown,
        NORM: 10.0 ** (0.1 * seed - index * grown),
        "train_accuracy": 0.5 + 0.5 * grown,
        "test_accuracy": 0.5 + 0.4 * grown**2,
    }


def pictured(study: Study, outcomes: Mapping[tuple[str, int], tuple[State, int] | State] | None = None) -> Results:
    """outcomes: (cell, seed) -> a state and the step where last seen, or a state of a trial that was never seen; the
    others spend their budget.
    """
    rows, curves = [], []
    for cell in study.cells:
        for seed in study.seed_list:
            outcome = (outcomes or {}).get((cell.name, seed), (State.FINISHED, STEPS[-1]))
            key = study.trial_of(cell, seed).key
            row: dict[str, Any] = {"arm": cell.arm, "cell": cell.name, **dict(cell.columns), "seed": seed, "key": key}
            if isinstance(outcome, State):
                rows.append(row | {"state": outcome})
                continue
            state, end = outcome
            progress = {"steps": STEPS, "epochs": np.array(STEPS, float), "seconds": 0.01 * np.array(STEPS)}
            curve = pd.DataFrame(progress | values_at(study, cell.name, seed)).query("steps <= @end")
            curves.append(curve.assign(cell=cell.name, arm=cell.arm, seed=seed, key=key))
            last = curve.iloc[-1].to_dict()
            finals = {f"final/{name}": last[name] for name in values_at(study, cell.name, seed)}
            where = {name: last[name] for name in progress}
            lost = end if state is State.DIVERGED else None
            rows.append(row | where | finals | PLACE | {"state": state, "diverged_at": lost, "run_id": f"r{len(rows)}"})
    columns = ["cell", "arm", "seed", "key", "steps", "epochs", "seconds"]
    found = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)
    return Results(study, pd.DataFrame(rows), found, AT)
