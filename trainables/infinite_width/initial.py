"""Networks of finite width at initialisation, drawn without their weights.

Rows of a weight matrix are independent, and meet what the layer before gives only in products. So given the inputs H of
a layer, (units, p) for the values and derivatives at all points, its units are independent draws from a normal
distribution of covariance H'H / n: exactly what the network with its weights would have, at O(n p^2) in the place of
O(n^2 p) operations and n^2 random numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_NUMBERS = 2**24
"""At once: networks are drawn in parts, which bounds the memory."""


def draw_networks(
    x: Tensor,
    phi: Callable[[Tensor], Tensor],
    *,
    width: int,
    hidden_layers: int,
    kappa: float,
    num: int,
    generator: torch.Generator,
) -> Tensor:
    """f and its input derivatives of `num` networks at x (points, d): (num, points, 1 + d)."""
    entries = len(x) * (1 + x.shape[1])
    at_once = max(1, _NUMBERS // (width * entries))
    parts = [
        _some(x, phi, width, hidden_layers, kappa, min(at_once, num - start), generator)
        for start in range(0, num, at_once)
    ]
    return torch.cat(parts)


def _some(
    x: Tensor,
    phi: Callable[[Tensor], Tensor],
    width: int,
    hidden_layers: int,
    kappa: float,
    num: int,
    generator: torch.Generator,
) -> Tensor:
    points, dimension = x.shape
    inputs = torch.eye(dimension, dtype=x.dtype).expand(points, dimension, dimension)
    h = torch.cat([x[:, None], inputs], dim=1).flatten(0, 1).T.expand(num, dimension, points * (1 + dimension))
    for _ in range(hidden_layers):
        g = _mixed(h, width, generator).unflatten(2, (points, 1 + dimension))
        with torch.enable_grad():
            leaf = g[..., 0].clone().requires_grad_()
            value = phi(leaf)
            (slope,) = torch.autograd.grad(value.sum(), leaf)
        h = torch.cat([value.detach()[..., None], slope[..., None] * g[..., 1:]], dim=3).flatten(2) / width**0.5
    return kappa * _mixed(h, 1, generator)[:, 0].view(num, points, 1 + dimension)


def _mixed(h: Tensor, units: int, generator: torch.Generator) -> Tensor:
    """W h for a standard normal W of so many rows. h: (networks, inputs, p)."""
    R = torch.linalg.qr(h, mode="r").R
    return torch.randn(len(h), units, R.shape[1], dtype=h.dtype, generator=generator) @ R
