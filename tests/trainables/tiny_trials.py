"""Trials of a few milliseconds, and what tests do with them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from trainables.records import Evaluation, Snapshot, Summary, WorkFolder
from trainables.run import WorkRun
from trainables.trial import Trial, TrialConfig

# 70 examples in batches of 32: three steps an epoch, the last one partial.
TINY: dict[str, Any] = {
    "data": {"name": "digits", "num_train": 70, "num_test": 50},
    "model": {"name": "mlp", "width": 12, "depth": 3},
    "loss": "cross_entropy",
    "optimiser": {"name": "adamw", "lr": 1e-2},
    "batch_size": 32,
    "budget": {"epochs": 9},
    "evaluate": {"every": 2},
}

ARMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "jacobian": {"regulariser": {"name": "jacobian", "strength": 0.1}},
    "jacobian_exact_level": {
        "regulariser": {"name": "jacobian", "strength": 0.1, "projections": "exact", "level": 3.0},
        "dtype": "float64",
    },
    "grokfast": {"gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1}},
    "noise": {"input_transform": {"name": "tan_huang", "scale": 0.06, "floor": 0.03}},
    "shuffle": {"shuffle": True},
    "evaluations_inside_epochs": {
        "budget": {"steps": 19},
        "evaluate": {"every": 4},
        "shuffle": True,
        "regulariser": {"name": "jacobian", "strength": 0.1, "projections": 2},
        "input_transform": {"name": "tan_huang", "scale": 0.06, "floor": 0.03},
    },
    "momentum": {"optimiser": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}},
    "mean_squared_error": {"loss": "mean_squared_error", "dtype": "float64"},
    "probes_seldom": {
        "probes": [
            {"name": "accuracy", "on": "test", "every": 2},
            {"name": "centroid", "num_points": 20, "every": 3},
            {"name": "jacobian_norm", "on": "test", "num_points": 20, "every": 2},
        ],
        "budget": {"steps": 100},
        "evaluate": {"per_decade": 3},
    },
    "evaluations_from_zero": {"evaluate": {"every": 2, "first": 0}, "shuffle": True},
    "evaluations_listed": {"budget": {"steps": 19}, "evaluate": {"at": [0, 1, 4, 5, 11, 19, 40]}},
    "evaluations_logarithmic_from_zero": {"budget": {"steps": 19}, "evaluate": {"per_decade": 4, "first": 0}},
    "networks_kept": {
        "evaluate": {"every": 1, "first": 0},
        "keep": {"at": [0, 2, 5], "when": {"metric": "test_accuracy", "above": 0.12}},
    },
    "probes_with_state_and_tables": {
        "probes": [
            {"name": "ntk", "num_points": 7, "every": 2},
            {"name": "ntk", "on": "test", "num_points": 5, "every": 3},
            {"name": "noise_accuracy", "scales": [0.5, 2.0], "every": 2},
        ],
        "evaluate": {"every": 1, "first": 0},
        "budget": {"epochs": 6},
    },
    "everything": {
        "shuffle": True,
        "gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1},
        "regulariser": {"name": "jacobian", "strength": 0.1},
        "input_transform": {"name": "tan_huang", "scale": 0.06, "floor": 0.03},
        "optimiser": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        "budget": {"steps": 11},
        "evaluate": {"every": 1},
    },
}


def tiny(**settings: Any) -> TrialConfig:
    return TrialConfig.model_validate(TINY | settings)


def tiny_trial(seed: int = 0, **settings: Any) -> Trial:
    return Trial(config=tiny(**settings), seed=seed)


def run(trial: Trial, root: Path) -> list[Evaluation]:
    return list(WorkRun(trial, WorkFolder(root, trial.key)))


def run_for(trial: Trial, root: Path, evaluations: int) -> None:
    """Runs until so many evaluations are seen, then closes, as an engine that is told to stop does."""
    running = WorkRun(trial, WorkFolder(root, trial.key))
    for _, _ in zip(range(evaluations), running, strict=False):
        pass
    running.close()


def latest(trial: Trial, root: Path) -> Snapshot:
    snapshot = WorkFolder(root, trial.key).latest()
    assert snapshot is not None
    return snapshot


def summary(trial: Trial, root: Path) -> Summary:
    return latest(trial, root).summary()


def state(trial: Trial, root: Path) -> dict[str, Tensor]:
    return load_file(latest(trial, root).state_path)


def curves(trial: Trial, root: Path) -> list[list[str]]:
    """The curves as they lie in the file, without the seconds, which no two runs share."""
    rows = [line.split(",") for line in latest(trial, root).curves_path.read_text().splitlines()]
    assert rows[0][:3] == ["steps", "epochs", "seconds"]
    return [row[:2] + row[3:] for row in rows]


def kept(trial: Trial, root: Path) -> dict[str, bytes]:
    """The networks that were kept on the way, by the names of their files."""
    return {path.name: path.read_bytes() for path in latest(trial, root).kept_path.glob("*")}


def tables(trial: Trial, root: Path) -> dict[str, bytes]:
    """That probes measured, by the names of their files."""
    return {path.name: path.read_bytes() for path in latest(trial, root).tables_path.glob("*")}


def without_seconds(evaluations: Iterable[Evaluation]) -> list[tuple[int, float, dict[str, float]]]:
    return [(evaluation.steps, evaluation.epochs, evaluation.values) for evaluation in evaluations]


def assert_same_bits(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [name for name in a if a[name].dtype != b[name].dtype or not torch.equal(a[name], b[name])]
    assert not different
