"""Theorem 2: the map of least loss among those of bounded Frobenius norm is aligned with its point.

A point x (D,) of class y has a linear region of its own, in which the network is f(x) = A x, A: (C, D), and
|A|_F^2 <= alpha. The proof's solution, for each loss, has rows that are multiples of x:

    cross-entropy  row y: a x, a = sqrt(alpha (C-1) / C) / |x|; other rows: b x, b = -sqrt(alpha / (C (C-1))) / |x|
    squared error  row y: a x, a = sqrt(alpha) / |x|; other rows: 0. This needs alpha |x|^2 <= 1

Under squared error with alpha |x|^2 > 1 the loss is 0 at A = e_y x' / |x|^2, inside the bound, and at every other A
with A x = e_y. The proof takes the bound to be reached; its last equation has a second solution, a = 1 / |x|^2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.theory._drawn import Array, Integers, draws, largest
from trainables.theory.result import Result

Loss = Callable[[Tensor, Tensor], Tensor]

_POINTS, _D, _C = 6, 4, 5
_SIZES = f"{_POINTS} points in R^{_D}, {_C} classes"
_MOST_STEPS, _AT_REST = 5_000, 1e-14
_TOLERANCE = 1e-8


def cross_entropy_optimum(x: Array, y: Integers, alpha: Array) -> Array:
    """(points, C, D), as the proof states it. x: (points, D), y, alpha: (points,)."""
    norm = np.linalg.norm(x, axis=1)
    of_class, of_others = np.sqrt(alpha * (_C - 1) / _C) / norm, -np.sqrt(alpha / (_C * (_C - 1))) / norm
    factors = np.where(np.eye(_C)[y] == 1, of_class[:, None], of_others[:, None])
    return factors[:, :, None] * x[:, None, :]


def squared_error_optimum(x: Array, y: Integers, alpha: Array) -> Array:
    """(points, C, D), as the proof states it. x: (points, D), y, alpha: (points,)."""
    factors = np.eye(_C)[y] * (np.sqrt(alpha) / np.linalg.norm(x, axis=1))[:, None]
    return factors[:, :, None] * x[:, None, :]


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """(points,): summed over classes, as in the paper's appendix."""
    return (outputs - F.one_hot(y, outputs.shape[1])).square().sum(1)


def cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    """(points,)."""
    return F.cross_entropy(outputs, y, reduction="none")


_CURVATURE: dict[Loss, float] = {cross_entropy: 0.5, squared_error: 2.0}
"""At most the second derivative of a loss by its outputs: steps of 1 / (it |x|^2) descend."""


def descend(loss: Loss, x: Tensor, y: Tensor, alpha: Tensor, start: Tensor) -> Tensor:
    """Projected gradient descent on |A|_F^2 <= alpha, of a map a point, or of one map for all points, to its rest.

    x: (points, D), y: (points,), alpha: (maps,), start: (maps, C, D) with as many maps as points, or one
    """
    A, bound = start.clone().requires_grad_(), alpha.sqrt()[:, None, None]
    squares = x.square().sum(1)
    scale = squares[:, None, None] if len(A) == len(x) else squares.sum()
    for _ in range(_MOST_STEPS):
        outputs = (A @ x[:, :, None])[:, :, 0]
        (gradient,) = torch.autograd.grad(loss(outputs, y).sum(), A)
        with torch.no_grad():
            before = A.clone()
            A -= gradient / (_CURVATURE[loss] * scale)
            A *= (bound / A.norm(dim=(1, 2), keepdim=True)).clamp(max=1)
            if (A - before).abs().max() < _AT_REST:
                break
    return A.detach()


def _drawn(seed: int, num_points: int = _POINTS) -> tuple[Array, Integers, Array]:
    """Points of norms 0.5 to 2, their classes, and where descent starts."""
    rng = draws(seed)
    x = rng.normal(size=(num_points, _D))
    x *= rng.uniform(0.5, 2, size=(num_points, 1)) / np.linalg.norm(x, axis=1, keepdims=True)
    return x, rng.integers(_C, size=num_points), rng.normal(size=(2, num_points, _C, _D))


def _at_optimum(seed: int, loss: Loss, product: float) -> Result:
    """Whether descent ends at the stated map, where alpha |x|^2 is `product` at every point."""
    x, y, starts = _drawn(seed)
    alpha = product / (x**2).sum(1)
    found = descend(loss, *map(torch.from_numpy, (x, y, alpha, starts[0])))
    if loss is cross_entropy:
        equation, stated = "A = c x', c_y = a, other entries b (cross-entropy)", cross_entropy_optimum(x, y, alpha)
    else:
        equation, stated = "A = sqrt(alpha) e_y x' / |x| (squared error)", squared_error_optimum(x, y, alpha)
    return Result(
        statement="Theorem 2",
        equation=equation,
        setting=f"{_SIZES}, alpha |x|^2 = {product:g}, seed {seed}",
        measured="projected gradient descent",
        stated="closed form",
        deviation=largest(found, stated),
        tolerance=_TOLERANCE,
    )


def _beyond(seed: int, product: float) -> Result:
    """Squared error with alpha |x|^2 > 1: the loss of the stated map beside the least loss."""
    x, y, starts = _drawn(seed)
    alpha = product / (x**2).sum(1)
    points, labels, bounds, *begins = map(torch.from_numpy, (x, y, alpha, *starts))
    one, other = (descend(squared_error, points, labels, bounds, start) for start in begins)
    least = squared_error((one @ points[:, :, None])[:, :, 0], labels)
    outputs = (squared_error_optimum(x, y, alpha) @ x[:, :, None])[:, :, 0]
    stated = ((outputs - np.eye(_C)[y]) ** 2).sum(1)
    apart = float((one - other).abs().max())
    return Result(
        statement="Theorem 2",
        equation="A = sqrt(alpha) e_y x' / |x| has the least loss (squared error)",
        setting=f"{_SIZES}, alpha |x|^2 = {product:g}, seed {seed}; maps from two starts end {apart:.2g} apart",
        measured=f"{least.max():.2g} after projected gradient descent",
        stated=f"{stated.max():.2g} by the closed form",
        deviation=largest(least, stated),
        tolerance=_TOLERANCE,
        limit="Outside the theorem, which needs alpha |x|^2 <= 1 under squared error: many maps inside the bound have"
        " loss 0.",
    )


def _two_points_in_a_region(seed: int, product: float) -> Result:
    """The theorem's ansatz gives each point a map of its own; two points of one region share theirs."""
    x, _, starts = _drawn(seed, num_points=2)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    points, start = torch.from_numpy(x), torch.from_numpy(starts[0, :1])
    (A,) = descend(cross_entropy, points, torch.tensor([0, 1]), torch.tensor([product], dtype=torch.float64), start)
    aligned = np.stack([np.outer(A.numpy() @ point, point) for point in x])
    return Result(
        statement="Theorem 2",
        equation="A = c x' at both points (cross-entropy)",
        setting=f"2 points of classes 0 and 1 in one region of R^{_D}, |x| = 1, alpha = {product:g}, seed {seed}",
        measured="projected gradient descent on the map that they share",
        stated="its part A x x' / |x|^2 along each point",
        deviation=largest(A.expand(2, _C, _D), aligned),
        tolerance=_TOLERANCE,
        limit="Outside the theorem, whose proof gives every point a map of its own: points of one region share their"
        " map, which is aligned with neither.",
    )


def theorem_2(seed: int) -> tuple[Result, ...]:
    """Both losses at the optimum, and the two settings in which the theorem says too much."""
    return (
        *(_at_optimum(seed, cross_entropy, product) for product in (0.25, 0.81, 4.0)),
        *(_at_optimum(seed, squared_error, product) for product in (0.25, 0.81)),
        _beyond(seed, 4.0),
        _two_points_in_a_region(seed, 0.81),
    )
