"""The extreme eigenvalues of a Jacobian NTK of few points.

Directions across the span of the points, of rank r, share one block, F_q, so that a problem of N (1 + d) entries is one
of N (1 + r).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.operator import KernelFunction, Operator
from trainables.validation import Problem, ValidationErrors


class Extremes(NamedTuple):
    smallest: float
    largest: float


def extreme_eigenvalues(F: KernelFunction, x: Tensor) -> Extremes:
    """Of the kernel F with its input derivatives at the points x (points, d).

    Raises:
        ValidationErrors: the points are too many.
    """
    coordinates = in_their_span(x)
    entries = len(x) * (1 + coordinates.shape[1])
    if entries > DENSE:
        wrong = f"{len(x):,} examples that span {coordinates.shape[1]:,} dimensions make a kernel of {entries:,} rows"
        raise ValidationErrors("data", [Problem(("num_train",), f"{wrong}; at most {DENSE:,} are allowed")])
    operator = Operator.of(F, coordinates)
    values = torch.linalg.eigvalsh(operator.dense().flatten(2).flatten(0, 1))
    if coordinates.shape[1] < x.shape[1]:
        values = torch.cat([values, torch.linalg.eigvalsh(operator.by.F_q)])
    return Extremes(float(values.min()), float(values.max()))


def in_their_span(x: Tensor) -> Tensor:
    """Points of r coordinates that have the inner products of the points x (points, d), which span r dimensions."""
    U, s, _ = torch.linalg.svd(x, full_matrices=False)
    rank = int((s > s[0] * max(x.shape) * torch.finfo(x.dtype).eps).sum())
    return U[:, :rank] * s[:rank]
