"""The end of training: kernel regression with the Jacobian NTK (arXiv:2312.03386, Theorem 10).

u(x) = u(x, 0) + Theta(x, X) Theta^(-1) ((y, 0) - u(X, 0))

With any lambda > 0 the network comes to fit all targets with derivatives of 0, and lambda cancels. With lambda = 0
derivatives are free, and the regression is that of the outputs alone: it is not the limit for lambda to 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.lanczos import NotConverged
from trainables.infinite_width.operator import Operator


def weights(
    theta: Operator, y: Tensor, start: Tensor, *, regularised: bool, tolerance: float = 1e-8, max_products: int = 2_000
) -> Tensor:
    """Theta^(-1) ((y, 0) - u(X, 0)), (N, 1 + d): u(x) = u(x, 0) + Theta(x, X) times them.

    Raises:
        NotConverged: the residual does not fall to `tolerance`, relative to the right-hand side.
    """
    missing = -start.clone()
    missing[:, 0] += y
    if not regularised:
        found = torch.zeros_like(missing)
        found[:, 0] = torch.linalg.solve(theta.by.F, missing[:, 0])
        return found
    if missing.numel() <= DENSE:
        K = theta.dense().reshape(missing.numel(), missing.numel())
        return torch.linalg.solve(K, missing.flatten()).view_as(missing)
    return _conjugate_gradients(theta, missing, tolerance, max_products)


def _conjugate_gradients(theta: Operator, b: Tensor, tolerance: float, max_products: int) -> Tensor:
    """Hestenes and Stiefel 1952, with the inner product of all entries."""
    x, r = torch.zeros_like(b), b.clone()
    p, squared = r.clone(), float(r.square().sum())
    goal = tolerance**2 * squared
    for _ in range(max_products):
        if squared <= goal:
            return x
        product = theta @ p
        step = squared / float((p * product).sum())
        x += step * p
        r -= step * product
        before, squared = squared, float(r.square().sum())
        p = r + squared / before * p
    left = (squared / float(b.square().sum())) ** 0.5
    raise NotConverged(
        f"kernel regression has a relative residual of {left:.1e} after {max_products:,} products, and should have"
        f" {tolerance:.0e}: the kernel's smallest eigenvalue is too small for it. Take fewer examples, or a finite time"
    )
