"""Every component that ships, in a trial that is killed at every kind of evaluation: continued, it equals one that was
left alone, bit for bit.

A component with settings that must be given stands in SETTINGS; one that does not fit the tiny trial, in AROUND.
"""

import importlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_trials import TINY, assert_same_bits, curves, latest, run, state, summary, without_seconds

from trainables.gradient_config import SHORT_FORMS
from trainables.procedures.base import Procedure
from trainables.records import WorkFolder
from trainables.run import How, WorkRun
from trainables.trial import Trial, TrialConfig, kinds

SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"lr": 0.05, "momentum": 0.9},
    "sam": {"optimiser": {"name": "adam", "lr": 0.01}},
    "jacobian": {"strength": 0.1},
    "weight_norm": {"strength": 0.01},
    "ema": {"decay": 0.8, "gain": 0.1},
    "clip_norm": {"max": 0.1},
    "clip_value": {"max": 0.01},
    "tan_huang": {"scale": 0.06, "floor": 0.03},
    "cosine": {"horizon": {"epochs": 6}, "warmup": {"epochs": 2}},
    "steps": {"at": {"steps": [4, 9]}},
    "constant": {"warmup": {"steps": 5}},
    "ridge": {"strength": 0.1},
    "jntk_flow": {"lr": 0.1, "strength": 0.1, "hidden_layers": 1, "evaluate": {"at": [0, 2, 5]}},
    "jntk_features": {"num_features": 2, "hidden_layers": 1},
    "jntk_gp": {"num_networks": 200, "width": 32, "num_points": 1},
    "xor_in_span": {"num_train": 20, "num_test": 10, "dimension": 90, "width": 8},
    "mlp": {"width": 12, "depth": 3, "batch_norm": True, "dropout": 0.3, "frozen": ["1.bias"]},
    "cnn": {"channels": [3, 4], "strides": [1, 2], "hidden": [12], "batch_norm": True, "dropout": 0.3},
    "mnist": {"per_class": 7, "num_test": 50},
    "xor_clusters": {"num_train": 70, "num_test": 20, "dimension": 30},
    "sphere": {"num_train": 70, "num_test": 20, "angle": 0.3},
    "ntk_mlp": {"width": 12, "kappa": 0.5},
    "jacobian_ntk": {"every": 2},
    "jntk_flow_deviation": {"lr": 0.01, "every": 2},
    "accuracy": {"on": "test", "every": 2},
    "loss": {"on": "test", "every": 2},
    "r2": {"on": "test", "every": 2},
    "ntk": {"num_points": 10, "every": 2},
    "fixed_point_ntk": {"lr": 0.1, "every": 2},
}

WIDE: dict[str, Any] = {
    "data": {"name": "sphere", "num_train": 10, "dimension": 2},
    "model": {"name": "ntk_mlp", "width": 12, "hidden_layers": 1},
    "loss": "mean_squared_error",
    "optimiser": {"name": "sgd", "lr": 0.01},
    "batch_size": None,
    "dtype": "float64",
}

POINTS: dict[str, Any] = {"name": "sphere", "task": "binary", "num_train": 6, "num_test": 5}

AROUND: dict[str, dict[str, Any]] = {
    "diabetes": {"loss": "mean_squared_error"},
    "r2": {"loss": "mean_squared_error", "data": {"name": "diabetes", "num_train": 70}},
    "fixed_point_ntk": {"data": {"name": "breast_cancer", "num_train": 70}},
    "npz": {"model": {"name": "mlp", "width": 12, "depth": 3}},
    "sphere": {"loss": "mean_squared_error"},
    **dict.fromkeys(("jacobian_ntk", "jntk_flow_deviation"), WIDE),
}

EVALUATIONS: dict[str, dict[str, Any]] = {
    "between epochs": {"budget": {"epochs": 6}, "evaluate": {"every": 2}},
    "within epochs": {"budget": {"steps": 11}, "evaluate": {"every": 4}},
    "logarithmic": {"budget": {"steps": 20}, "evaluate": {"per_decade": 3, "first": 0}},
    "listed, with networks kept": {
        "budget": {"steps": 20},
        "evaluate": {"at": [0, 2, 3, 9, 14]},
        "keep": {"at": [0, 3, 10], "when": {"metric": "train_loss", "below": 10.0}},
    },
}

COMPONENTS = [
    (field, name)
    for field, kind in kinds().items()
    if field not in SHORT_FORMS
    for name in kind.names()
    # Nothing trains on those.
    if not getattr(kind.named(name), "test_only", False)
]


def trial_with(field: str, name: str, evaluations: dict[str, Any], folder: Path) -> Trial:
    component = {"name": name} | SETTINGS.get(name, {})
    rng = np.random.default_rng(0)
    images = {f"x_{part}": rng.normal(size=(70, 1, 12, 12)) for part in ("train", "test")}
    np.savez(folder / "own.npz", **images, **{f"y_{part}": np.arange(70) % 3 for part in ("train", "test")})
    if name == "npz":
        component["path"] = folder / "own.npz"
    if name == "mnist" and not os.environ.get("GROKGRID_DATA"):
        pytest.skip("GROKGRID_DATA names no folder with MNIST")
    settings = TINY | {"shuffle": True} | evaluations | AROUND.get(name, {})
    if name == "lenet":
        settings["data"] = {"name": "npz", "path": folder / "own.npz"}
    if field == "procedure":
        data = {"ridge": {"name": "digits"}} | {each: POINTS for each in Procedure.names() if each.startswith("jntk")}
        settings = {"budget": {"steps": 5}} | ({"data": data[name]} if name in data else {})
    if field in SHORT_FORMS.values():
        settings |= {field: {"it": component}}
    elif field == "probes":
        settings |= {field: [component]}
    else:
        settings |= {field: component}
    return Trial(config=TrialConfig.model_validate(settings), seed=3)


def killed_after(trial: Trial, number: int, root: Path) -> Path:
    """What a process leaves that is killed after so many evaluations, a snapshot of each."""
    running: Iterator[object] = WorkRun(trial, WorkFolder(root / "its", trial.key), How(checkpoint_every_s=0.0))
    for _, _ in zip(range(number), running, strict=False):
        pass
    return shutil.copytree(root / "its", root / "left")


def beside(trial: Trial, root: Path) -> dict[str, bytes]:
    """Kept networks and tables."""
    path = latest(trial, root).path
    return {str(file.relative_to(path)): file.read_bytes() for file in path.glob("*/*")}


QUICK = "listed, with networks kept"


@pytest.mark.parametrize(
    "evaluations", [pytest.param(each, marks=() if each == QUICK else pytest.mark.slow) for each in EVALUATIONS]
)
@pytest.mark.parametrize(("field", "name"), COMPONENTS)
def test_killed_and_resumed_is_as_if_left_alone(field: str, name: str, evaluations: str, tmp_path: Path):
    trial = trial_with(field, name, EVALUATIONS[evaluations], tmp_path)
    whole = run(trial, tmp_path / "whole")
    assert whole
    for number in range(1, len(whole) + 1):
        left = killed_after(trial, number, tmp_path / str(number))
        assert without_seconds(run(trial, left)) == without_seconds(whole[number:])
        assert_same_bits(state(trial, left), state(trial, tmp_path / "whole"))
        assert curves(trial, left) == curves(trial, tmp_path / "whole")
        assert beside(trial, left) == beside(trial, tmp_path / "whole")
        assert summary(trial, left).final == pytest.approx(summary(trial, tmp_path / "whole").final, rel=0, nan_ok=True)


def test_each_is_what_its_file_says():
    """The registry is the folders: a component that is in one is among these."""
    for field, name in COMPONENTS:
        kind = kinds()[field]
        assert importlib.import_module(f"{kind.__module__.rpartition('.')[0]}.{name}").__doc__
        with pytest.raises(ValidationError):
            TrialConfig.model_validate(TINY | {field: {"name": f"{name}_of_nobody"}})
