"""The end of training: kernel regression with the Jacobian NTK (arXiv:2312.03386, Theorem 10).

u(x) = u(x, 0) + Theta(x, X) Theta^(-1) ((y, 0) - u(X, 0))

With any lambda > 0 the network comes to fit all targets with derivatives of 0, and lambda cancels. With lambda = 0
derivatives are free, and the regression is that of the outputs alone: it is not the limit for lambda to 0. Here the
start is 0, so everything lies in the span of the training points.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.lanczos import NotConverged
from trainables.infinite_width.operator import KernelFunction, Operator
from trainables.infinite_width.span import span_of


class Regression(NamedTuple):
    """u(x) = Theta(x, X) weights.

    theta     of the training points
    weights   (outputs, N, 1 + d)
    residual  |Theta weights - (y, 0)| / |y| at the training points, the largest of all outputs
    """

    theta: Operator
    weights: Tensor
    residual: float


def regress(
    ntk: KernelFunction,
    x: Tensor,
    y: Tensor,
    *,
    regularised: bool,
    tolerance: float = 1e-6,
    max_products: int = 2_000,
) -> Regression:
    """x: (N, d), y: (outputs, N).

    Raises:
        NotConverged: the residual is above the tolerance: the kernel is too near to a singular one.
    """
    span = span_of(x)
    theta = Operator.of(ntk, span.coordinates)
    if not regularised:
        found = _solved(theta.by.F, y.T).T
        weights = torch.nn.functional.pad(found[:, :, None], (0, x.shape[1]))
        left = theta.by.F @ found.T - y.T
        how = "solving for"
    else:
        targets = torch.nn.functional.pad(y[:, :, None], (0, span.coordinates.shape[1]))
        flat = targets.flatten(1).T
        if len(flat) <= DENSE:
            K = theta.matrix()
            solution = _solved(K, flat)
            left, how = K @ solution - flat, "solving for"
        else:
            columns = [_conjugate_gradients(theta, each, tolerance, max_products) for each in targets]
            solution = torch.stack(columns).flatten(1).T
            left = torch.stack([theta @ each for each in columns]).flatten(1).T - flat
            how = f"up to {max_products:,} products for"
        weights = span.back(solution.T.view_as(targets))
    residual = float((left.norm(dim=0) / y.norm(dim=1)).max())
    if not residual <= tolerance:
        raise NotConverged(
            f"{how} the kernel regression leaves a relative residual of {residual:.1e}, and {tolerance:.0e} is allowed:"
            " the kernel is too near to a singular one. Take fewer examples, or `jntk_flow` for a finite time"
        )
    return Regression(Operator(x, x, theta.by), weights, residual)


def _solved(K: Tensor, b: Tensor) -> Tensor:
    """K^(-1) b, or zeros where K has no inverse at all."""
    found, info = torch.linalg.solve_ex(K, b)
    return found if int(info) == 0 else torch.zeros_like(b)


def _conjugate_gradients(theta: Operator, b: Tensor, tolerance: float, max_products: int) -> Tensor:
    """Hestenes and Stiefel 1952, with the inner product of all entries; as near as so many products come."""
    x, r = torch.zeros_like(b), b.clone()
    p, squared = r.clone(), float(r.square().sum())
    # Below the tolerance, for the residual that is carried along strays from the true one.
    goal = (tolerance / 10) ** 2 * squared
    for _ in range(max_products):
        if squared <= goal:
            break
        product = theta @ p
        step = squared / float((p * product).sum())
        x += step * p
        r -= step * product
        before, squared = squared, float(r.square().sum())
        p = r + squared / before * p
    return x
