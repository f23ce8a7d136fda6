"""Inputs whose kernel cannot be inverted.

Of infinitely wide networks the Jacobian NTK of different inputs is positive definite, but for equal inputs, and
opposite ones where phi is odd or there is one hidden layer. In floating point near ones are as bad: for two inputs, the
smallest eigenvalue falls with the sixth power of their angle. So pairs are measured, and nothing is listed. More than
two inputs may be singular together; whatever inverts a kernel says how well it could.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from trainables.infinite_width.operator import KernelFunction, Operator, kernel_of_pairs
from trainables.validation import Problem, ValidationErrors

SINGULAR = 1e-13
"""The smallest eigenvalue over the largest, below which nothing can be told from rounding."""

_PARALLEL = 1e-3
"""Pairs whose cosine is so near 1 or -1 are measured: their angle is below some 2.5 degrees."""

_PAIRS = 4096
"""At once."""


def refuse_singular(F: KernelFunction, x: Tensor) -> None:
    """F: a kernel that is taken with its input derivatives; x: (examples, d).

    Raises:
        ValidationErrors: two examples make the kernel singular, or one that is 0 does; it names them.
    """
    norms = x.norm(dim=1)
    for zero in (norms == 0).nonzero()[:1, 0].tolist():
        values = torch.linalg.eigvalsh(Operator.of(F, x[zero][None]).matrix())
        if values[0] < SINGULAR * values[-1]:
            raise refused(f"training example {zero} is 0 everywhere, where the kernel is singular: leave it out")
    for pairs in _parallel_pairs(x / norms.where(norms > 0, 1.0)[:, None]):
        one, other = pairs.T
        ratios = smallest_of_pairs(F, x[one], x[other])
        if (bad := (ratios < SINGULAR).nonzero()).numel():
            first = int(bad[0])
            a, b = pairs[first].tolist()
            raise refused(
                f"training examples {a} and {b} are {_alike(x[a], x[b])}, and make the kernel singular (its smallest"
                f" eigenvalue is {max(float(ratios[first]), 0.0):.0e} of the largest): leave one of them out"
            )


def smallest_of_pairs(F: KernelFunction, x: Tensor, x2: Tensor) -> Tensor:
    """The smallest eigenvalue of the kernel of two inputs over its largest. x, x2: (pairs, d); gives (pairs,).

    In the plane that a pair lies in: directions across it have smaller kernels, which they share with it.
    """
    lengths = x.norm(dim=1, keepdim=True)
    along = (x * x2).sum(1, keepdim=True) / lengths
    across = (x2 - along / lengths * x).norm(dim=1, keepdim=True)
    plane = [torch.cat([lengths, 0 * lengths], dim=1), torch.cat([along, across], dim=1)]
    plane = [each[:, : min(2, x.shape[1])] for each in plane]
    rows = [torch.cat([kernel_of_pairs(F, one, other) for other in plane], dim=2) for one in plane]
    values = torch.linalg.eigvalsh(torch.cat(rows, dim=1))
    return values[:, 0] / values[:, -1]


def refused(why: str) -> ValidationErrors:
    return ValidationErrors("data", [Problem((), why)])


def _parallel_pairs(directions: Tensor) -> Iterator[Tensor]:
    """(pairs, 2), the smaller number first."""
    for start in range(0, len(directions), 1024):
        cosines = directions[start : start + 1024] @ directions.T
        pairs = (cosines.abs() > 1 - _PARALLEL).nonzero() + torch.tensor([start, 0], device=directions.device)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        yield from pairs.split(_PAIRS) if len(pairs) else ()


def _alike(x: Tensor, x2: Tensor) -> str:
    near = 1e-6 * float(x.norm())
    if float((x - x2).norm()) < near:
        return "equal"
    if float((x + x2).norm()) < near:
        return "opposite"
    return "nearly parallel"
