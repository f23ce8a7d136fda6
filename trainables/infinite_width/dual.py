"""Dual activations: expectations of an activation over two correlated Gaussians.

For (u, v) normal with mean 0, E[u^2] = a, E[v^2] = b and E[uv] = c:

    G(a, b, c) = E[phi(u) phi(v)],    Gd(a, b, c) = E[phi'(u) phi'(v)] = dG/dc

phi is scaled so that G(1, 1, 1) = 1. Erf (Williams 1997) and the exact GELU (Tsuchida et al. 2021) have closed forms;
the others are Hermite series.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.infinite_width.activations import function_of
from trainables.infinite_width.series import Series

DualFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


class Dual(NamedTuple):
    """G and Gd of (a, b, c), which broadcast against each other, and the factor of phi that scales them."""

    G: DualFunction
    Gd: DualFunction
    factor: float


@cache
def dual_of(activation: str) -> Dual:
    """The scaled dual of an activation of `activations.NAMES`."""
    if activation == "erf":
        G, Gd = _erf, _erf_derivative
    elif activation == "gelu":
        G, Gd = _gelu, _gelu_derivative
    else:
        series = Series(function_of(activation))
        G, Gd = series.G, series.Gd
    one = torch.ones(1, 1, dtype=torch.float64)
    k = 1 / float(G(one, one, one))
    return Dual(lambda a, b, c: k * G(a, b, c), lambda a, b, c: k * Gd(a, b, c), math.sqrt(k))


def scaled(activation: str) -> Callable[[Tensor], Tensor]:
    """phi itself, with E[phi(z)^2] = 1 for a standard normal z."""
    phi, factor = function_of(activation), dual_of(activation).factor
    return lambda x: factor * phi(x)


def _erf(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return 2 / math.pi * torch.asin(2 * c / ((1 + 2 * a) * (1 + 2 * b)).sqrt())


def _erf_derivative(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return 4 / math.pi / ((1 + 2 * a) * (1 + 2 * b) - 4 * c.square()).sqrt()


def _gelu(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    P = (1 + a) * (1 + b)
    squared = P - c.square()
    d = squared.sqrt()
    return c / 4 + (c * torch.atan2(c, d) + (c.square() + a * b * squared) / (P * d)) / (2 * math.pi)


def _gelu_derivative(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    P = (1 + a) * (1 + b)
    squared = P - c.square()
    d = squared.sqrt()
    return 1 / 4 + (torch.atan2(c, d) + c / d * (1 / squared + (1 - a * b) / P + 1)) / (2 * math.pi)
