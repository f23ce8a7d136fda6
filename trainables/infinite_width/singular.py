"""Inputs whose kernel cannot be inverted, found two by two.

Of infinitely wide networks the Jacobian NTK of different inputs is positive definite, but for a few pairs: equal
inputs, and opposite ones where phi is odd or there is one hidden layer. Parallel inputs of different norms are fine.
What is not, is measured here and not listed.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from trainables.infinite_width.operator import KernelFunction, Operator
from trainables.validation import Problem, ValidationErrors

_PARALLEL = 1e-8
"""Pairs whose cosine is so near 1 or -1 are measured."""

_SINGULAR = 1e-13
"""The smallest eigenvalue over the largest, below which nothing can be told from rounding."""


def refuse_singular(ntk: KernelFunction, x: Tensor) -> None:
    """x: (examples, d).

    Raises:
        ValidationErrors: two examples make the kernel singular, or one is 0; it names them.
    """
    norms = x.norm(dim=1)
    if (zero := (norms == 0).nonzero()).numel():
        raise _refused(f"training example {int(zero[0])} is 0 everywhere: the kernel of its derivatives is singular")
    for one, other in _parallel_pairs(x / norms[:, None]):
        ratio = smallest_of_pair(ntk, x[one], x[other])
        if ratio < _SINGULAR:
            what = "equal" if torch.allclose(x[one], x[other], rtol=0, atol=1e-7) else "opposite"
            what = what if torch.allclose(x[one].abs(), x[other].abs(), rtol=0, atol=1e-7) else "parallel"
            raise _refused(
                f"training examples {one} and {other} are {what}, and make the kernel singular (its smallest eigenvalue"
                f" is {max(ratio, 0.0):.0e} of the largest): leave one of them out"
            )


def smallest_of_pair(ntk: KernelFunction, x: Tensor, x2: Tensor) -> float:
    """The smallest eigenvalue of the kernel of two inputs over its largest, in the plane that they lie in; directions
    across that plane have a smaller kernel that they share with it.
    """
    first = x / x.norm()
    across = x2 - (x2 @ first) * first
    length = across.norm()
    rows = [x.new_tensor([float(x.norm()), 0.0]), torch.stack([x2 @ first, length])]
    plane = torch.stack(rows)[:, : min(2, len(x))]
    K = Operator.of(ntk, plane).dense()
    values = torch.linalg.eigvalsh(K.flatten(2).flatten(0, 1))
    return float(values[0] / values[-1])


def _parallel_pairs(directions: Tensor) -> Iterator[tuple[int, int]]:
    for start in range(0, len(directions), 1024):
        cosines = directions[start : start + 1024] @ directions.T
        for row, column in (cosines.abs() > 1 - _PARALLEL).nonzero().tolist():
            if start + row < column:
                yield start + row, column


def _refused(why: str) -> ValidationErrors:
    return ValidationErrors("data", [Problem((), why)])
