"""Figure 3's network in the span of what training can see, against the same trial in all coordinates."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from trainables.procedures.xor_in_span import XorInSpan, span
from trainables.training import Training
from trainables.trial import Trial, TrialConfig

SMALL: dict[str, Any] = {"dimension": 60, "num_train": 14, "num_test": 30, "width": 9, "epsilon": 0.3, "lr": 0.3}
CPU = torch.device("cpu")


def in_span(steps: int, *, seed: int = 2, state: Any = None, **settings: Any) -> list[Any]:
    found = []
    for each in XorInSpan(**SMALL | settings).run(seed=seed, state=state, device=CPU, data=None):
        if each.step > steps:
            break
        # Training goes on in the same tensors.
        found.append(deepcopy(each))
    return found


def in_all_coordinates(steps: int, *, seed: int = 2, **settings: Any) -> dict[int, dict[str, float]]:
    training = Training(Trial(config=XorInSpan(**SMALL | settings).gradient_config(), seed=seed), CPU)
    found = {}
    for number in range(1000):
        values = training.evaluate(number)
        if training.steps > steps:
            break
        assert values is not None
        found[training.steps] = values
    return found


@pytest.mark.parametrize("strength", [0.0, 0.05])
def test_is_the_same_trial_but_for_rounding(strength: float):
    """All but the accuracies under noise, which are of another draw."""
    ours, theirs = in_span(200, strength=strength), in_all_coordinates(200, strength=strength)
    assert [each.step for each in ours] == [*theirs] and len(theirs) > 20
    for each in ours:
        expected = {name: value for name, value in theirs[each.step].items() if "noise" not in name}
        assert each.metrics.keys() == theirs[each.step].keys()
        assert {name: each.metrics[name] for name in expected} == pytest.approx(expected, rel=1e-8, abs=1e-10)
    first, last = ours[0].metrics, ours[-1].metrics
    assert last["train_loss"] < 0.5 * first["train_loss"]


def test_accuracy_under_noise_is_that_of_the_same_noise():
    """Of 4,000 test points the means differ by four standard deviations, 0.045, in one case of 16,000."""
    more = {"num_test": 4000, "scales": [0.5, 1.5]}
    ours, theirs = in_span(60, **more)[-1].metrics, in_all_coordinates(60, **more)
    for name, value in theirs[max(theirs)].items():
        if "noise" in name:
            assert 0.5 < value < 0.98 and ours[name] == pytest.approx(value, abs=0.045)


def test_the_basis_begins_with_the_two_coordinates_that_tell_the_class():
    x, W = torch.randn(5, 20, dtype=torch.float64), torch.randn(4, 20, dtype=torch.float64)
    Q = span(x, W)
    assert Q.shape == (20, 11)
    torch.testing.assert_close(Q[:, :2], torch.eye(20, 2, dtype=torch.float64))
    torch.testing.assert_close(Q.mT @ Q, torch.eye(11, dtype=torch.float64))
    for rows in (x, W):
        torch.testing.assert_close(rows @ Q @ Q.mT, rows)


def test_columns_that_are_repeated_leave_the_basis_whole():
    """In few dimensions noise coordinates are equal for all training points."""
    x = torch.tensor([[1.0, 1, 0.5, 0.5, 0.5], [1, -1, 0.5, 0.5, 0.5], [1, 1, 0.5, 0.5, 0.5]], dtype=torch.float64)
    Q = span(x, torch.zeros(2, 5, dtype=torch.float64))
    torch.testing.assert_close(Q.mT @ Q, torch.eye(Q.shape[1], dtype=torch.float64))
    torch.testing.assert_close(x @ Q @ Q.mT, x)


@pytest.mark.parametrize("seed", range(4))
def test_is_the_same_trial_in_few_dimensions(seed: int):
    few = {"dimension": 5, "width": 6, "num_train": 20, "num_test": 20, "epsilon": 0.1}
    theirs = in_all_coordinates(60, seed=seed, **few)
    for each in in_span(60, seed=seed, **few):
        expected = {name: value for name, value in theirs[each.step].items() if "noise" not in name}
        assert {name: each.metrics[name] for name in expected} == pytest.approx(expected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"scales": [1.0, 0.5]}, "procedure.scales: 0.5 comes after 1"),
        ({"dimension": 2}, "procedure.dimension: 2 is not allowed"),
        ({"dimension": 10**8}, "procedure.dimension: 100000000 is not allowed"),
        ({"num_train": 10**6}, "procedure.num_train: 1000000 is not allowed"),
    ],
)
def test_what_cannot_be_is_told_with_its_own_field(settings: dict[str, Any], told: str):
    with pytest.raises(ValidationError, match=told):
        TrialConfig.model_validate({"procedure": {"name": "xor_in_span"} | settings, "budget": {"steps": 10}})


def test_goes_on_from_its_state_as_if_left_alone():
    whole = in_span(100, strength=0.05)
    rest = in_span(100, strength=0.05, state=whole[7].state)
    assert [each.step for each in rest] == [each.step for each in whole[8:]]
    assert [each.metrics for each in rest] == [each.metrics for each in whole[8:]]
