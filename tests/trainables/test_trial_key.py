"""What the trial key depends on: all that decides the trajectory and what is measured on it, and nothing else."""

from typing import Any

import pytest
from tiny_trials import TINY, tiny_trial

from trainables.trial import Trial, TrialConfig

MNIST = {"name": "mnist", "num_train": 1024, "num_test": 1024}
NPZ = {"name": "npz", "path": "a.npz", "digest": "sha256:" + 64 * "0"}


def key(seed: int = 0, **settings: Any) -> str:
    return tiny_trial(seed, **settings).key


BASE: dict[str, Any] = {
    "goal": {"metric": "test_accuracy", "above": 0.5},
    "regulariser": {"name": "jacobian", "strength": 0.1},
    "probes": [{"name": "centroid", "on": "train", "num_points": 10}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"epochs": 9000}, "evaluate": {"every": 2}},
        {"budget": {"epochs": 1}, "evaluate": {"every": 2}},
        {"evaluate": {"every": 2, "first": 1}},
        {"goal": {"metric": "test_accuracy", "above": 0.6}},
        {"goal": {"metric": "train_loss", "below": 0.6}},
        {"goal": None},
        {"keep": {"per_decade": 3}},
        {"keep": {"when": {"metric": "test_accuracy", "above": 0.5}}},
        # Settings given at their defaults.
        {"shuffle": False},
        {"dtype": "float32"},
        {"input_transform": None},
        {"loss": {"name": "cross_entropy"}},
        {"optimiser": {"name": "adamw", "lr": 1e-2, "weight_decay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}},
        {"model": {"name": "mlp", "width": 12, "depth": 3, "bias": True, "activation": "relu", "init_scale": 1.0}},
        {"model": {"name": "mlp", "width": 12, "depth": 3, "init_scale": 1}},
        {"regulariser": {"name": "jacobian", "strength": 0.1, "projections": 1, "norm": "frobenius", "level": None}},
        {"probes": [{"name": "centroid", "num_points": 10, "every": 10}]},
        # The same in another order or another spelling of a number.
        {"regulariser": {"strength": 1e-1, "name": "jacobian"}},
    ],
)
def test_what_leaves_the_key_alone(change: dict[str, Any]):
    assert key(**BASE | change) == key(**BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"data": {"name": "digits", "num_train": 71, "num_test": 50}},
        {"data": {"name": "digits", "num_train": 70, "num_test": 51}},
        {"data": {"name": "digits", "num_train": 70, "num_test": 50, "num_validation": 1}},
        {"data": MNIST},
        {"model": {"name": "mlp", "width": 13, "depth": 3}},
        {"model": {"name": "mlp", "width": 12, "depth": 4}},
        {"model": {"name": "mlp", "width": 12, "depth": 3, "bias": False}},
        {"model": {"name": "mlp", "width": 12, "depth": 3, "activation": "tanh"}},
        {"model": {"name": "mlp", "width": 12, "depth": 3, "init_scale": 8.0}},
        {"model": {"name": "mlp", "width": 12, "depth": 3, "output_scale": 8.0}},
        {"loss": "mean_squared_error"},
        {"loss": {"name": "mean_squared_error", "over_outputs": "sum"}},
        {"optimiser": {"name": "adamw", "lr": 2e-2}},
        {"optimiser": {"name": "adamw", "lr": 1e-2, "weight_decay": 0.0}},
        {"optimiser": {"name": "adamw", "lr": 1e-2, "betas": [0.9, 0.98]}},
        {"optimiser": {"name": "sgd", "lr": 1e-2}},
        {"batch_size": None},
        {"batch_size": 33},
        {"shuffle": True},
        {"dtype": "float64"},
        {"regulariser": None},
        {"regulariser": {"name": "jacobian", "strength": 0.2}},
        {"regulariser": {"name": "jacobian", "strength": 0.1, "projections": "exact"}},
        {"regulariser": {"name": "jacobian", "strength": 0.1, "norm": "half_mean_square"}},
        {"regulariser": {"name": "jacobian", "strength": 0.1, "level": 0.0}},
        {"gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1}},
        {"input_transform": {"name": "tan_huang", "scale": 0.06, "floor": 0.03}},
        {"probes": []},
        {"probes": [{"name": "centroid", "on": "train", "num_points": 11}]},
        {"probes": [{"name": "centroid", "on": "train", "num_points": 10, "every": 3}]},
        {"budget": {"epochs": 9}, "evaluate": {"every": 3}},
        {"evaluate": {"every": 1}},
        {"budget": {"steps": 9}, "evaluate": {"every": 2}},
        {"budget": {"epochs": 9}, "evaluate": {"per_decade": 2}},
        {"evaluate": {"every": 2, "first": 0}},
        {"evaluate": {"at": [1, 3, 5, 7, 9]}},
    ],
)
def test_what_changes_the_key(change: dict[str, Any]):
    assert key(**BASE | change) != key(**BASE)


def test_all_keys_of_different_trials_differ():
    """Each change alone and each pair of seeds: nothing falls together."""
    settings = [{}, {"shuffle": True}, {"dtype": "float64"}, {"batch_size": 16}, {"loss": "mean_squared_error"}]
    keys = [key(seed, **one) for seed in range(5) for one in settings]
    assert len(set(keys)) == len(keys)


def test_where_the_data_lies_is_not_in_it_but_what_it_is():
    assert key(data=MNIST | {"root": "/somewhere"}) == key(data=MNIST)
    assert key(data=NPZ | {"path": "elsewhere/b.npz"}) == key(data=NPZ)
    assert key(data=NPZ | {"digest": "sha256:" + 64 * "1"}) != key(data=NPZ)


def test_a_probe_that_every_trial_has_may_be_named_at_its_own_schedule():
    """Naming it as it is anyway is no other trial, nor is naming probes in another order."""
    accuracy = {"name": "accuracy", "on": "test"}
    assert key(probes=[accuracy]) == key()
    assert key(probes=[accuracy | {"every": 5}]) != key()
    norm, centroid = {"name": "jacobian_norm"}, {"name": "centroid"}
    assert key(probes=[norm, centroid]) == key(probes=[centroid, accuracy, norm])


def test_a_copy_with_another_seed_has_another_key():
    trial = tiny_trial(seed=0)
    assert trial.key != trial.model_copy(update={"seed": 1}).key == tiny_trial(seed=1).key


def test_survives_a_round_trip_through_json():
    trial = tiny_trial(seed=3, **BASE)
    again = Trial.model_validate_json(trial.model_dump_json())
    assert (again, again.key) == (trial, trial.key)


TABLE_1: dict[str, Any] = {
    "data": MNIST,
    "model": {"name": "mlp", "width": 196, "depth": 4, "bias": False, "init_scale": 8},
    "loss": "cross_entropy",
    "optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01},
    "batch_size": 256,
    "dtype": "float64",
    "regulariser": {"name": "jacobian", "strength": 1e-3},
    "budget": {"epochs": 100000},
    "evaluate": {"every": 10},
    "goal": {"metric": "test_accuracy", "above": 0.85},
}


@pytest.mark.parametrize(
    ("settings", "seed", "expected"),
    [
        (TINY, 0, "053dad0a767eaeb8e65afc0d00000000"),
        (TABLE_1, 7, "6a055fa2ad8b39333dc5f82c00000007"),
        (TINY | BASE, 2, "9d13ea7441b65ebe04ab693000000002"),
    ],
)
def test_keys_are_pinned(settings: dict[str, Any], seed: int, expected: str):
    """A change of code that changes keys makes every stored trial unknown. If the computation changed, raise
    TRIAL_SEMANTICS and pin the new keys; if it did not, keep the old ones.
    """
    assert Trial(config=TrialConfig.model_validate(settings), seed=seed).key == expected


def test_the_seeds_of_a_cell_share_the_beginning_of_their_keys():
    config = TrialConfig.model_validate(TINY)
    first, second = (Trial(config=config, seed=seed).key for seed in (3, 2**32 - 1))
    assert first[:24] == second[:24]
    assert (first[24:], second[24:]) == ("00000003", "ffffffff")
