"""Hoffman et al. 2019, Table 1: what LeNet' learns from a few digits of each class, and from all.

Five regularisers with the paper's settings: stochastic gradient descent with momentum 0.9; L2 5e-4, dropout 0.5,
Jacobian regularisation 0.01 with one random projection. From a few digits: all of them at once, learning rate 0.01,
10,000 steps. From all: batches of 100, learning rate 0.1, divided by ten after 50,000 and after 100,000 of 150,000
steps. Lengths and numbers of runs differ, so the column of all digits is a study of its own, `hoffman-table1-all`;
other studies measure its networks.

The paper does not say which examples are drawn, nor in which order all come; here the seed draws both.
"""

from collections.abc import Mapping
from typing import Any

from search_spaces.analyses import ArmsBySetting, Measurements
from search_spaces.references import Reference
from search_spaces.study import Study

Arms = dict[str, dict[str, Any]]

_FEW = {
    "none": ((49.2, 1.9), (67.0, 1.7), (83.3, 0.7), (90.4, 0.5)),
    "l2": ((49.9, 2.1), (68.1, 1.9), (84.3, 0.8), (91.2, 0.5)),
    "dropout": ((49.7, 1.7), (67.4, 1.7), (83.9, 1.8), (91.6, 0.5)),
    "jacobian": ((49.3, 2.1), (68.2, 1.9), (84.5, 0.9), (91.3, 0.4)),
    "all": ((51.7, 2.1), (69.7, 1.9), (86.3, 0.9), (92.7, 0.4)),
}
"""Test accuracy in percent, and half of its 95% interval over 15 runs, by examples a class."""

_ALL = {
    "none": ((98.9, 0.1), (32.9, 3.3)),
    "l2": ((99.2, 0.1), (4.6, 0.2)),
    "dropout": ((98.6, 0.1), (21.5, 2.3)),
    "jacobian": ((99.0, 0.0), (1.1, 0.1)),
    "all": ((99.1, 0.1), (1.2, 0.0)),
}
"""The same from all examples, over 5 runs; and the Jacobian's Frobenius norm on the test examples."""

_PER_CLASS = (1, 3, 10, 30)
_PATH = "data.per_class"
NORM = "test_jacobian_norm_mean"


def hoffman_table1() -> Study:
    """The columns of 1, 3, 10 and 30 examples a class. Some five core-hours, most of them for the last column."""
    references = tuple(
        published(arm, "test_accuracy", value / 100, error / 100, at={_PATH: per_class}, num_seeds=15)
        for arm, figures in _FEW.items()
        for per_class, (value, error) in zip(_PER_CLASS, figures, strict=True)
    )
    return _few("hoffman-table1", seeds=15, steps=10_000, per_class=_PER_CLASS, reference=references)


def hoffman_table1_small() -> Study:
    """Two columns, three seeds, 500 steps: some minutes, to see that it works."""
    return _few("hoffman-table1-small", seeds=3, steps=500, per_class=_PER_CLASS[:2], reference=())


def hoffman_table1_all() -> Study:
    """The columns of all examples: accuracy, and the norm of the Jacobian. Some fifteen core-hours."""
    accuracy, norm = ({arm: figures[index] for arm, figures in _ALL.items()} for index in (0, 1))
    everything = {"grid": {_PATH: [None]}}
    at = {_PATH: None}
    source = "Hoffman et al. 2019, Table 1; whether its norm is the mean or the root mean square is not told"
    return Study(
        name="hoffman-table1-all",
        question="Do regularisers help LeNet' where it learns from all digits, and what do they do to its Jacobian?",
        seeds=5,
        trial=full_training(),
        arms={arm: settings | everything for arm, settings in five_arms().items()},
        analyses=(
            ArmsBySetting(metric="test_accuracy", setting=_PATH, baseline="none", null_as="all"),
            ArmsBySetting(metric=NORM, setting=_PATH, baseline="none", null_as="all"),
            Measurements(metrics=("test_accuracy", NORM)),
        ),
        reference=(
            *(published(arm, "test_accuracy", v / 100, e / 100, at=at, unit=1e-3) for arm, (v, e) in accuracy.items()),
            *(published(arm, NORM, v, e, at=at, unit=0.1, source=source) for arm, (v, e) in norm.items()),
        ),
    )


def full_training(*, steps: int = 150_000, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The trial that learns from all digits. steps: of each third another learning rate."""
    return {
        "data": {"name": "mnist", **(data or {})},
        "model": {"name": "lenet"},
        "loss": "cross_entropy",
        "optimiser": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "schedule": {"name": "steps", "at": {"steps": [steps // 3, 2 * steps // 3]}, "by": 0.1},
        "batch_size": 100,
        "shuffle": True,
        "budget": {"steps": steps},
        "evaluate": {"at": [steps]},
        # Part of the trial key: with it all studies of these networks share them.
        "probes": [{"name": "jacobian_norm", "on": "test"}],
    }


def five_arms() -> Arms:
    l2, dropout = {"optimiser": {"weight_decay": 5e-4}}, {"model": {"dropout": 0.5}}
    jacobian = {"regulariser": {"name": "jacobian", "strength": 0.01, "norm": "half_mean_square"}}
    return {"none": {}, "l2": l2, "dropout": dropout, "jacobian": jacobian, "all": {**l2, **dropout, **jacobian}}


def published(
    arm: str,
    metric: str,
    value: float,
    error: float,
    *,
    at: Mapping[str, Any] | None = None,
    num_seeds: int = 5,
    unit: float = 0.0,
    source: str = "Hoffman et al. 2019, Table 1",
) -> Reference:
    """A mean and half of its 95% interval. unit: of the last digit printed; an error printed as 0 is less than half of
    it, and is taken for that.
    """
    if error == 0:
        error, source = unit / 2, f"{source}; its error is printed as 0"
    return Reference(
        arm=arm,
        at=dict(at or {}),
        metric=metric,
        value=round(value, 6),
        error=round(error, 6),
        error_is="ci95",
        num_seeds=num_seeds,
        source=source,
    )


def _few(name: str, *, seeds: int, steps: int, per_class: tuple[int, ...], reference: tuple[Reference, ...]) -> Study:
    grid = {"grid": {_PATH: list(per_class)}}
    return Study(
        name=name,
        question="Do regularisers help LeNet' to learn from a few examples of each digit?",
        seeds=seeds,
        trial={
            "data": {"name": "mnist"},
            "model": {"name": "lenet"},
            "loss": "cross_entropy",
            "optimiser": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
            "budget": {"steps": steps},
            "evaluate": {"at": [steps]},
        },
        arms={arm: settings | grid for arm, settings in five_arms().items()},
        analyses=(
            ArmsBySetting(metric="test_accuracy", setting=_PATH, baseline="none"),
            Measurements(metrics=("test_accuracy",)),
        ),
        reference=reference,
    )
