"""Hoffman et al. 2019, Table 1: what LeNet' learns from a few digits of each class, under five regularisers.

The paper's settings: stochastic gradient descent with momentum 0.9 on all examples at once, learning rate 0.01, 10,000
steps; L2 5e-4, dropout 0.5, Jacobian regularisation 0.01 with one random projection. Which examples are drawn it does
not say; here the seed draws them, the same for all arms.
"""

from typing import Any

from search_spaces.study import ArmsBySetting, Measurements, Reference, Study

_PUBLISHED = {
    "none": ((49.2, 1.9), (67.0, 1.7), (83.3, 0.7), (90.4, 0.5)),
    "l2": ((49.9, 2.1), (68.1, 1.9), (84.3, 0.8), (91.2, 0.5)),
    "dropout": ((49.7, 1.7), (67.4, 1.7), (83.9, 1.8), (91.6, 0.5)),
    "jacobian": ((49.3, 2.1), (68.2, 1.9), (84.5, 0.9), (91.3, 0.4)),
    "all": ((51.7, 2.1), (69.7, 1.9), (86.3, 0.9), (92.7, 0.4)),
}
"""Test accuracy in percent, and half of its 95% interval over 15 runs, by examples a class."""

_PER_CLASS = (1, 3, 10, 30)


def hoffman_table1() -> Study:
    """The columns of 1, 3, 10 and 30 examples a class. Some five core-hours, most of them for the last column."""
    return _study("hoffman-table1", seeds=15, steps=10_000, per_class=_PER_CLASS, reference=_references())


def hoffman_table1_small() -> Study:
    """Two columns, three seeds, 500 steps: some minutes, to see that it works."""
    return _study("hoffman-table1-small", seeds=3, steps=500, per_class=_PER_CLASS[:2], reference=())


def _study(name: str, *, seeds: int, steps: int, per_class: tuple[int, ...], reference: tuple[Reference, ...]) -> Study:
    grid = {"grid": {"data.per_class": list(per_class)}}
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
        arms={arm: settings | grid for arm, settings in _arms().items()},
        analyses=(
            ArmsBySetting(metric="test_accuracy", setting="data.per_class"),
            Measurements(metrics=("test_accuracy",)),
        ),
        reference=reference,
    )


def _arms() -> dict[str, dict[str, Any]]:
    l2, dropout = {"optimiser": {"weight_decay": 5e-4}}, {"model": {"dropout": 0.5}}
    jacobian = {"regulariser": {"name": "jacobian", "strength": 0.01, "norm": "half_mean_square"}}
    return {"none": {}, "l2": l2, "dropout": dropout, "jacobian": jacobian, "all": {**l2, **dropout, **jacobian}}


def _references() -> tuple[Reference, ...]:
    return tuple(
        Reference(
            arm=arm,
            at={"data.per_class": per_class},
            metric="test_accuracy",
            value=round(value / 100, 6),
            error=round(error / 100, 6),
            error_is="ci95",
            num_seeds=15,
            source="Hoffman et al. 2019, Table 1",
        )
        for arm, figures in _PUBLISHED.items()
        for per_class, (value, error) in zip(_PER_CLASS, figures, strict=True)
    )
