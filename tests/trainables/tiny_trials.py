"""Trials of a few milliseconds, and what tests do with them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from trainables.records import Look, Snapshot, Summary, TrialFolder
from trainables.run import run_trial
from trainables.trial import Trial, TrialConfig

# 70 images in batches of 32: three updates a pass, the last one partial.
TINY: dict[str, Any] = {
    "data": {"name": "digits", "num_train": 70, "num_test": 50},
    "model": {"name": "mlp", "width": 12, "depth": 3},
    "loss": "cross_entropy",
    "optimiser": {"name": "adamw", "lr": 1e-2},
    "batch_size": 32,
    "budget": {"passes": 9, "look_every": 2},
}

ARMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "jacobian": {"regulariser": {"name": "jacobian", "strength": 0.1}},
    "jacobian_exact_level": {
        "regulariser": {"name": "jacobian", "strength": 0.1, "projections": "exact", "level": 3.0},
        "dtype": "float64",
    },
    "grokfast": {"gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1}},
    "noise": {"input_noise": {"name": "tan_huang", "scale": 0.06, "floor": 0.03}},
    "shuffle": {"shuffle": True},
    "looks_inside_passes": {
        "budget": {"updates": 19, "look_every": 4},
        "shuffle": True,
        "regulariser": {"name": "jacobian", "strength": 0.1, "projections": 2},
        "input_noise": {"name": "tan_huang", "scale": 0.06, "floor": 0.03},
    },
    "momentum": {"optimiser": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}},
    "mean_squared_error": {"loss": "mean_squared_error", "dtype": "float64"},
    "probes_seldom": {
        "probes": [
            {"name": "accuracy", "on": "test", "every": 2},
            {"name": "centroid", "num_points": 20, "every": 3},
            {"name": "jacobian_norm", "on": "test", "num_points": 20, "every": 2},
        ],
        "budget": {"updates": 100, "looks_per_decade": 3},
    },
    "everything": {
        "shuffle": True,
        "gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1},
        "regulariser": {"name": "jacobian", "strength": 0.1},
        "input_noise": {"name": "tan_huang", "scale": 0.06, "floor": 0.03},
        "optimiser": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        "budget": {"updates": 11, "look_every": 1},
    },
}


def tiny(**settings: Any) -> TrialConfig:
    return TrialConfig.model_validate(TINY | settings)


def tiny_trial(seed: int = 0, **settings: Any) -> Trial:
    return Trial(config=tiny(**settings), seed=seed)


def run(trial: Trial, root: Path) -> list[Look]:
    return list(run_trial(trial, TrialFolder(root, trial.key)))


def run_for(trial: Trial, root: Path, looks: int) -> None:
    """Runs until so many looks are seen, then closes, as an engine that is told to stop does."""
    running = run_trial(trial, TrialFolder(root, trial.key))
    for _, _ in zip(range(looks), running, strict=False):
        pass
    running.close()


def latest(trial: Trial, root: Path) -> Snapshot:
    snapshot = TrialFolder(root, trial.key).latest()
    assert snapshot is not None
    return snapshot


def summary(trial: Trial, root: Path) -> Summary:
    return latest(trial, root).summary()


def state(trial: Trial, root: Path) -> dict[str, Tensor]:
    return load_file(latest(trial, root).state_path)


def curves(trial: Trial, root: Path) -> list[list[str]]:
    """The curves as they lie in the file, without the seconds, which no two runs share."""
    rows = [line.split(",") for line in latest(trial, root).curves_path.read_text().splitlines()]
    assert rows[0][:3] == ["updates", "passes", "seconds"]
    return [row[:2] + row[3:] for row in rows]


def without_seconds(looks: Iterable[Look]) -> list[tuple[int, float, dict[str, float]]]:
    return [(look.updates, look.passes, look.values) for look in looks]


def assert_same_bits(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [name for name in a if a[name].dtype != b[name].dtype or not torch.equal(a[name], b[name])]
    assert not different
