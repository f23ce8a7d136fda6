"""The first example of a class, for probes that follow one point through training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.probes._jacobians import centroids
from trainables.probes.base import ProbeInput
from trainables.validation import Problem, ValidationErrors


class Point(NamedTuple):
    """x: (1, …), one example. sign: -1 for the label 0 of a binary task, whose output should be negative; else 1."""

    x: Tensor
    sign: int


def first_of_class(at: ProbeInput, label: int) -> Point:
    """Raises:
    ValidationErrors: there is no example of that class.
    """
    rows = (at.y == label).nonzero()
    if not len(rows):
        raise ValidationErrors("probes", [Problem((), f"there is no example of class {label}")])
    x = at.x[rows[0]]
    is_binary = at.f(x).shape[1] == 1
    return Point(x, -1 if is_binary and label == 0 else 1)


def inner_product(at: ProbeInput, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """<x, mu_x> of one example x (1, …) at these parameters."""
    mu = centroids(lambda inputs: at.network(parameters, inputs), x)
    return torch.sum(mu * x)
