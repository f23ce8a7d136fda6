"""Small networks to attack, and what tests of attacks do with them."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from trainables.assessments.base import AssessedNetwork, Assessment, AssessmentInput
from trainables.tables import Columns

Function = Callable[[Tensor], Tensor]


@cache
def digits() -> tuple[Tensor, Tensor]:
    """All 1,797 of scikit-learn's: pixels (examples, 1, 8, 8) in float64, labels. Networks train on the first 1,000."""
    bundled = load_digits()
    return torch.tensor(bundled.images / 16)[:, None], torch.tensor(bundled.target)


def learned(x: Tensor, y: Tensor, *, num_outputs: int, seed: int, steps: int = 150) -> Function:
    """A network of one hidden layer, trained on (x, y) by Adam."""
    drawing = torch.Generator().manual_seed(seed)
    sizes = (x[0].numel(), 40, num_outputs)
    weights = [
        (torch.randn(n, m, dtype=x.dtype, generator=drawing) / m**0.5).requires_grad_()
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]

    def f(x: Tensor) -> Tensor:
        return F.linear(F.linear(x.flatten(1), weights[0]).tanh(), weights[1])

    optimiser = torch.optim.Adam(weights, lr=0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        if num_outputs == 1:
            F.binary_cross_entropy_with_logits(f(x)[:, 0], y.to(x.dtype)).backward()
        else:
            F.cross_entropy(f(x), y).backward()
        optimiser.step()
    for each in weights:
        each.requires_grad_(False)
    return f


@cache
def trained(seed: int = 0, num_outputs: int = 10, dtype: torch.dtype = torch.float64) -> AssessedNetwork:
    """On the digits below `num_outputs`, or, with one output, on zeros and ones."""
    x, y = examples(slice(1000), num_outputs)
    return network(learned(x.to(dtype), y, num_outputs=num_outputs, seed=seed), num_outputs, dtype)


def examples(which: slice, num_outputs: int = 10) -> tuple[Tensor, Tensor]:
    """Digits among those of `which`, for networks of so many outputs."""
    x, y = (each[which] for each in digits())
    few = y < max(2, num_outputs)
    return x[few], y[few]


def network(f: Function, num_outputs: int, dtype: torch.dtype = torch.float64) -> AssessedNetwork:
    task = "binary" if num_outputs == 1 else "classification"
    return AssessedNetwork(f, task, num_outputs, dtype, has_pixels=True)


def seen(
    of: AssessedNetwork,
    x: Tensor | None = None,
    y: Tensor | None = None,
    *,
    source: AssessedNetwork | None = None,
    seed: int = 0,
    num: int = 60,
    numbers: Tensor | None = None,
) -> AssessmentInput:
    """What an assessment sees of a network, on digits that it was not trained on unless x and y are given."""
    if x is None or y is None:
        x, y = (each[:num] for each in examples(slice(1000, None), of.num_outputs))
    numbers = torch.arange(len(x)) if numbers is None else numbers
    return AssessmentInput(of, source, x.to(of.dtype), y, numbers, seed)


def assessment(name: str, **settings: Any) -> Any:
    return TypeAdapter(Assessment).validate_python({"name": name, **settings})


def metrics(at: AssessmentInput, name: str, **settings: Any) -> dict[str, float]:
    chosen = assessment(name, **settings)
    found = dict(chosen.summarise(chosen.assess(at)))
    assert tuple(found) == chosen.metrics
    return found


def at_size(rows: Columns, size: float) -> Columns:
    of_size = rows["size"] == size
    assert of_size.any()
    return {name: values[of_size] for name, values in rows.items()}


def sorted_rows(*batches: Columns) -> Columns:
    """The rows of all batches, by size and example."""
    rows = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    order = np.lexsort((rows["example"], rows["size"]))
    return {name: values[order] for name, values in rows.items()}


def assert_same_rows(one: Columns, other: Columns) -> None:
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=0, err_msg=name)
