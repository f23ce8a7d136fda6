"""The Jacobian NTK of a network of finite width, by the products that it is made of.

The gradient of f by a weight matrix W is an outer product: of delta, f's derivative by W's outputs, and of h, W's
inputs. So is each term of an input derivative of it, and with A_ab = <d_a delta, d_b delta'>, B_ab = <d_a h, d_b h'>,
where d_0 leaves as it is, a layer adds (by the product rule)

    Theta_00 = A_00 B_00                    Theta_a0 = A_a0 B_00 + A_00 B_a0
    Theta_0b = A_0b B_00 + A_00 B_0b        Theta_ab = A_ab B_00 + A_a0 B_0b + A_0b B_a0 + A_00 B_ab

That is exact, and takes O((N (1 + d))^2 n) operations where the Gram matrix of gradients takes O((N (1 + d))^2 n^2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Layer(NamedTuple):
    """What a weight matrix sees of points x, with derivatives by x: each (points, 1 + d, units).

    delta  the derivative of f by the matrix's outputs
    h      the matrix's inputs, times its factor
    """

    delta: Tensor
    h: Tensor


def layers(weights: Sequence[Tensor], x: Tensor, phi: Callable[[Tensor], Tensor], kappa: float) -> list[Layer]:
    """Of f(x) = kappa / sqrt(n) W_{L+1} phi(W_L ... / sqrt(n)), with one output. x: (points, d)."""
    points, dimension = x.shape
    inputs = torch.eye(dimension, dtype=x.dtype, device=x.device).expand(points, dimension, dimension)
    h = torch.cat([x[:, None], inputs], dim=1)
    into, pre, slopes, bends = [h], [], [], []
    for W in weights[:-1]:
        g = h @ W.T
        value, slope, bend = _derivatives(phi, g[:, 0])
        h = torch.cat([value[:, None], slope[:, None] * g[:, 1:]], dim=1) / len(W) ** 0.5
        into.append(h)
        pre.append(g)
        slopes.append(slope)
        bends.append(bend)
    out = x.new_zeros(points, 1 + dimension, 1)
    out[:, 0] = kappa
    found = [Layer(out, h)]
    for W, h, g, slope, bend in zip(weights[:0:-1], into[-2::-1], pre[::-1], slopes[::-1], bends[::-1], strict=True):
        by_h = out @ W / W.shape[1] ** 0.5
        out = by_h * slope[:, None]
        out[:, 1:] += (by_h[:, 0] * bend)[:, None] * g[:, 1:]
        found.append(Layer(out, h))
    return found


def jacobian_ntk(here: Sequence[Layer], there: Sequence[Layer]) -> Tensor:
    """Theta between two sets of points, (points, 1 + d, points', 1 + d), of what `layers` gives."""
    theta: Tensor | None = None
    for one, other in zip(here, there, strict=True):
        A, B = (torch.einsum("iau,jbu->iajb", *pair) for pair in ((one.delta, other.delta), (one.h, other.h)))
        term = A * B[:, :1, :, :1]
        term[:, 1:] += A[:, :1] * B[:, 1:, :, :1]
        term[..., 1:] += A[..., :1] * B[:, :1, :, 1:]
        term[:, 1:, :, 1:] += A[:, :1, :, :1] * B[:, 1:, :, 1:]
        theta = term if theta is None else theta + term
    assert theta is not None
    return theta


def _derivatives(phi: Callable[[Tensor], Tensor], g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """phi, phi' and phi'' at g, elementwise."""
    with torch.enable_grad():
        leaf = g.detach().requires_grad_()
        value = phi(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), leaf)
    return value.detach(), slope.detach(), bend
