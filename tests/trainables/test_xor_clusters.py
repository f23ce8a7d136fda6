"""XOR clusters (Walker et al., Appendix B): the label is the product of the first two coordinates."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from trainables.data.load import Data, of_trial
from trainables.datasets.base import Dataset

SMALL: dict[str, Any] = {"name": "xor_clusters", "num_train": 300, "num_test": 200, "dimension": 500}


def drawn(trial_seed: int = 0, **settings: Any) -> Data:
    config = TypeAdapter(Dataset).validate_python(SMALL | settings)
    return of_trial(config, torch.float64, torch.device("cpu"), None, trial_seed)


def test_are_what_the_paper_says():
    data = drawn(num_validation=50, epsilon=0.25)
    for on, num in (("train", 300), ("validation", 50), ("test", 200)):
        x, y = data.part(on)
        assert x.shape == (num, 500) and torch.equal(2 * y - 1, (x[:, 0] * x[:, 1]).long())
        assert x[:, :2].unique().tolist() == [-1, 1] and x[:, 2:].unique().tolist() == [-0.25, 0.25]
    assert data.num_outputs == 1


def test_signs_are_fair_and_independent():
    """Five standard deviations of means of so many fair signs, and of products of two of them."""
    x = drawn(num_train=4000).x_train.sign()
    assert x.mean(0).abs().max() < 5 / 4000**0.5 and abs(float(x.mean())) < 5 / (4000 * 500) ** 0.5
    assert (x.mT @ x / 4000).fill_diagonal_(0).abs().max() < 6 / 4000**0.5


def test_the_trials_seed_draws_them_unless_the_study_does():
    one, again, other = (drawn(seed).x_train for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(drawn(0, seed=7).x_train, drawn(1, seed=7).x_train)
    assert torch.equal(drawn(7).x_train, drawn(0, seed=7).x_train)


def test_more_examples_leave_the_first_as_they_were():
    assert torch.equal(drawn(num_train=310).x_train[:300], drawn().x_train)
    assert not torch.equal(drawn().x_train[:200], drawn().x_test)


def test_are_drawn_of_the_bits_that_numpy_promises():
    """The same with every version: these are PCG64's own."""
    words = np.random.PCG64(np.random.SeedSequence((3, 0))).random_raw(8)
    bits = [word >> i & 1 for word in words.tolist() for i in range(64)]
    x = drawn(3).x_train[0].sign()
    assert x.tolist() == [2 * bit - 1 for bit in bits[:500]]
    assert "".join(map(str, bits[:16])) == "0001111101000011"


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="dimension: 1 is not allowed"):
        TypeAdapter(Dataset).validate_python(SMALL | {"dimension": 1})
    with pytest.raises(ValidationError, match="epsilon: 0.0 is not allowed"):
        TypeAdapter(Dataset).validate_python(SMALL | {"epsilon": 0.0})
