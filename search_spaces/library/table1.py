"""Walker et al. 2025, Table 1: how soon four methods grok the first 1,024 examples of MNIST.

The set-up of Liu et al. with the paper's settings, and those of its published scripts where the paper is silent: the
paper's "step" is an epoch, test accuracy is looked at after epochs 1, 11, 21 …, mean-squared error averages over
classes.
"""

from functools import cache
from typing import Any

from search_spaces.analyses import Acceleration, Curves
from search_spaces.references import Reference
from search_spaces.study import Study


@cache  # Other studies of the library begin with it.
def table1_ce() -> Study:
    """The upper table: cross-entropy, lambda 1e-3."""
    return Study(
        name="table1-ce",
        question="Does Jacobian regularisation reach 85% test accuracy in fewer steps, under cross-entropy?",
        seeds=10,
        trial=_trial(loss="cross_entropy"),
        arms=_arms(strength=1e-3),
        analyses=(Acceleration(baseline="baseline"), Curves()),
        reference=(
            _published("jacobian", "steps", 7.56, 0.82),
            _published("jacobian", "seconds", 6.41, 0.69, not_comparable=_SECONDS),
            _published("grokfast", "steps", 1.01, 0.04, direction="more"),
            _published("grokfast", "seconds", 1.03, 0.04, direction="more", not_comparable=_SECONDS),
            _published("adversarial", "steps", 1.32, 0.18),
            _published("adversarial", "seconds", 1.92, 0.29, direction="more", not_comparable=_SECONDS),
        ),
    )


@cache
def table1_mse() -> Study:
    """The lower table: mean-squared error, lambda 1e-4."""
    return Study(
        name="table1-mse",
        question="Does Jacobian regularisation reach 85% test accuracy in fewer steps, under mean-squared error?",
        seeds=10,
        trial=_trial(loss="mean_squared_error"),
        arms=_arms(strength=1e-4),
        analyses=(Acceleration(baseline="baseline"), Curves()),
        reference=(
            _published("jacobian", "steps", 1.69, 0.31),
            _published("jacobian", "seconds", 1.46, 0.30, not_comparable=_SECONDS),
            _published("jacobian", "phase_seconds", 1.77, 0.53, not_comparable=_SECONDS),
            _published("grokfast", "steps", 1.08, 0.17),
            _published("grokfast", "seconds", 1.05, 0.23, not_comparable=_SECONDS),
            _published("grokfast", "phase_seconds", 1.05, 0.27, not_comparable=_SECONDS),
            _published("adversarial", "steps", 1.23, 0.26),
            _published("adversarial", "seconds", 1.92, 0.29, direction="more", not_comparable=_SECONDS),
            _published("adversarial", "phase_seconds", 2.02, 0.37, direction="more", not_comparable=_SECONDS),
        ),
    )


_SECONDS = "the scripts' seconds include starting data loaders at every epoch and a second forward pass"


def _trial(*, loss: str) -> dict[str, Any]:
    return {
        "data": {"name": "mnist", "num_train": 1024, "num_test": 1024},
        "model": {"name": "mlp", "width": 196, "depth": 4, "bias": False, "init_scale": 8.0},
        "loss": loss,
        "optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01},
        "batch_size": 256,
        "dtype": "float64",
        "budget": {"epochs": 100_000},
        "evaluate": {"every": 10},
        "goal": {"metric": "test_accuracy", "above": 0.85},
        # Table 1 needs none of these; with them its trials are also those that Table 2 and Figure 9 go on with.
        "probes": [
            {"name": name, "every": 20} for name in ("jacobian_norm", "jacobian_rows", "jacobian_spectrum", "centroid")
        ],
    }


def _arms(*, strength: float) -> dict[str, dict[str, Any]]:
    return {
        "baseline": {},
        "jacobian": {"regulariser": {"name": "jacobian", "strength": strength}},
        "grokfast": {"gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1}},
        "adversarial": {"input_transform": {"name": "tan_huang", "scale": 0.06, "floor": 0.03}},
    }


def _published(arm: str, measure: Any, value: float, error: float, **more: Any) -> Reference:
    source = "Walker et al. 2025, Table 1"
    return Reference(arm=arm, measure=measure, value=value, error=error, source=source, **more)
