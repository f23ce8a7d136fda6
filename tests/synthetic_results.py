"""Results of studies that were never run, whose reports are known beforehand.

A trial is told of by when it reaches its goal, in steps, which must be one of its evaluations; or by a state and the
steps at which it was last seen. Test accuracy is 0.1 (1 - x) + 0.85 x, x = (steps / time) ** 3, and jumps above
the goal at the time itself: the phase from 0.2 begins at (2 / 15) ** (1/3) = 0.51 of the time, as evaluations allow.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from grokgrid.results import Results, State
from search_spaces import Study

Outcome = int | tuple[State, int] | State
"""When the goal is reached; or a state and where last seen; or a state of a trial that was never seen."""

PLACE = {
    "device": "cpu",
    "device_name": "Imagined CPU",
    "num_threads": 1,
    "share": 1.0,
    "torch_version": "2.15.0",
    "host": "node-1",
}
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def synthetic_study(**changes: Any) -> Study:
    """Baseline and jacobian on digits, a hundred evaluations, 1 to 991 steps, one step an epoch."""
    settings: dict[str, Any] = {
        "name": "imagined",
        "question": "Is jacobian sooner?",
        "seeds": 5,
        "trial": {
            "data": {"name": "digits", "num_train": 200},
            "model": {"name": "mlp", "width": 8, "depth": 2},
            "loss": "cross_entropy",
            "optimiser": {"name": "adamw", "lr": 1e-3},
            "budget": {"steps": 1000},
            "evaluate": {"every": 10},
            "goal": {"metric": "test_accuracy", "above": 0.85},
        },
        "arms": {"baseline": {}, "jacobian": {"regulariser": {"name": "jacobian", "strength": 0.01}}},
        "analyses": [{"kind": "acceleration", "baseline": "baseline"}, {"kind": "curves"}],
    }
    return Study.model_validate(settings | changes)


def synthetic_results(
    study: Study,
    outcomes: Mapping[str, Sequence[Outcome]],
    *,
    steps_per_epoch: int = 1,
    seconds_per_step: Mapping[str, float] | None = None,
    places: Mapping[tuple[str, int], Mapping[str, Any]] | None = None,
) -> Results:
    """outcomes: of each cell, by its name, seed by seed; what is left out is missing.

    places: (cell, seed) -> what is not as in PLACE.
    """
    rows, evaluations = [], []
    paths = list(dict.fromkeys(path for cell in study.cells for path, _ in cell.point))
    for cell in study.cells:
        told = list(outcomes.get(cell.name, ()))
        for index, seed in enumerate(study.seed_list):
            outcome = told[index] if index < len(told) else State.MISSING
            point = dict(cell.point)
            row: dict[str, Any] = {"arm": cell.arm, "cell": cell.name}
            row |= {path: point.get(path) for path in paths} | {"seed": seed, "key": study.trial_of(cell, seed).key}
            if isinstance(outcome, State):
                rows.append(row | {"state": outcome})
                continue
            state, end = (State.REACHED, outcome) if isinstance(outcome, int) else outcome
            pace = (seconds_per_step or {}).get(cell.name, 0.01)
            curve = _curve(study, end, steps_per_epoch, pace, state)
            evaluations.append(curve.assign(cell=cell.name, arm=cell.arm, seed=seed, key=row["key"]))
            last = curve.iloc[-1]
            row |= {name: last[name] for name in ("steps", "epochs", "seconds")}
            row |= {
                "state": state,
                "diverged_at": end if state is State.DIVERGED else None,
                "run_id": f"run-{len(rows)}",
            }
            row |= PLACE | dict((places or {}).get((cell.name, seed), {}))
            row |= {f"final/{name}": last[name] for name in ("train_accuracy", "test_accuracy")}
            rows.append(row)
    columns = ["cell", "arm", "seed", "key", "steps", "epochs", "seconds"]
    curves = pd.concat(evaluations, ignore_index=True) if evaluations else pd.DataFrame(columns=columns)
    return Results(study, pd.DataFrame(rows), curves, AT)


def _curve(study: Study, end: int, steps_per_epoch: int, pace: float, state: State) -> pd.DataFrame:
    config = study.cells[0].config
    each = steps_per_epoch if config.budget.unit == "epochs" else 1
    assert config.evaluate.every is not None
    steps = np.arange(1, config.last_evaluation + 1, config.evaluate.every) * each
    steps = steps[steps <= end]
    reached = state is State.REACHED
    assert not reached or steps[-1] == end, f"{end} is no evaluation: {steps[-3:]} …"
    x = np.minimum((steps / (end if reached else 2.0 * config.last_evaluation * each)) ** 3, 0.999)
    accuracy = 0.1 * (1 - x) + 0.85 * x
    if reached:
        accuracy[-1] = 0.86
    return pd.DataFrame(
        {
            "steps": steps,
            "epochs": steps / steps_per_epoch,
            "seconds": steps * pace,
            "train_accuracy": np.minimum(1.0, accuracy * 2),
            "test_accuracy": accuracy,
        }
    )
