"""The extreme eigenvalues of a Jacobian NTK of few points."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.operator import KernelFunction, Operator
from trainables.infinite_width.singular import SINGULAR, refused
from trainables.infinite_width.span import span_of
from trainables.validation import Problem, ValidationErrors


class Extremes(NamedTuple):
    smallest: float
    largest: float


def extreme_eigenvalues(F: KernelFunction, x: Tensor) -> Extremes:
    """Of the kernel F with its input derivatives at the points x (points, d).

    Raises:
        ValidationErrors: the points are too many, or the smallest one cannot be told from rounding.
    """
    span = span_of(x)
    rows = len(x) * (1 + span.coordinates.shape[1])
    if rows > DENSE:
        wrong = f"{len(x):,} examples that span {len(span.basis):,} dimensions make a kernel of {rows:,} rows"
        raise ValidationErrors("data", [Problem(("num_train",), f"{wrong}; at most {DENSE:,} are allowed")])
    operator = Operator.of(F, span.coordinates)
    values = torch.linalg.eigvalsh(operator.matrix())
    if not span.is_whole:
        values = torch.cat([values, torch.linalg.eigvalsh(operator.by.F_q)])
    smallest, largest = float(values.min()), float(values.max())
    if smallest < SINGULAR * largest:
        raise refused(
            f"the kernel of these {len(x):,} examples is singular: its smallest eigenvalue is {smallest:.0e}, beside a"
            f" largest of {largest:.0e}, which is rounding"
        )
    return Extremes(smallest, largest)
