"""Theorem 3: of the rank-one maps that classify x rightly, the one aligned with x resists the largest perturbations.

A map c v' with v'x > 0 and the largest entry of c at x's class predicts that class at x + e exactly while
v'(x + e) > 0. So the smallest l2 perturbation that changes the prediction has length v'x / |v|, whatever c is; over the
directions of v it is largest at v = x, where it is |x|.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.randomness import Stream, generator
from trainables.theory._drawn import Array, draws, largest
from trainables.theory.result import Result

_D, _C, _RANDOM, _NEAR = 4, 3, 24, 12
_PROPOSALS, _ROUNDS, _SHRINK, _BISECTIONS = 48, 40, 0.7, 45


def smallest_perturbation(v: Array, x: Array) -> Array:
    """(maps,), as the proof states it. v: (maps, D), x: (D,)."""
    stated: Array = v @ x / np.linalg.norm(v, axis=1)
    return stated


def largest_of_all(x: Array) -> float:
    """The smallest perturbation of the aligned map."""
    return float(np.linalg.norm(x))


def lengths(A: Tensor, x: Tensor, directions: Tensor, most: float) -> Tensor:
    """How far x can be moved in a direction before the prediction changes, by bisection, (maps, directions).

    Infinite where `most` does not change it. A: (maps, C, D), x: (D,), directions: (maps, directions, D), unit vectors
    """

    def is_kept(length: Tensor) -> Tensor:
        moved = x + length[:, :, None] * directions
        return (moved @ A.mT).argmax(2) == (A @ x).argmax(1)[:, None]

    low = torch.zeros(directions.shape[:2], dtype=x.dtype)
    high = torch.full_like(low, most)
    beyond = is_kept(high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        kept = is_kept(middle)
        low, high = torch.where(kept, middle, low), torch.where(kept, high, middle)
    return high.masked_fill(beyond, torch.inf)


def search(A: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
    """The smallest perturbation that changes the prediction of each map at x, (maps,). It asks for predictions alone.

    Random directions first; then around the best one, ever closer. A: (maps, C, D), x: (D,)
    """
    shape = (len(A), _PROPOSALS, len(x))
    directions = torch.randn(shape, dtype=x.dtype, generator=rng)
    best, least, spread = directions[:, :1], torch.full((len(A),), torch.inf, dtype=x.dtype), 1.0
    for _ in range(_ROUNDS):
        directions = directions / directions.norm(dim=2, keepdim=True)
        found, at = lengths(A, x, directions, most=4 * float(x.norm())).min(1)
        is_better = found < least
        best = torch.where(is_better[:, None, None], directions[torch.arange(len(A)), at][:, None], best)
        least = torch.where(is_better, found, least)
        spread *= _SHRINK
        directions = best + spread * torch.randn(shape, dtype=x.dtype, generator=rng)
    return least


def theorem_3(seed: int) -> tuple[Result, ...]:
    """Random directions v, directions near x, and x itself, all of x's length; c random, its largest entry first."""
    rng = draws(seed)
    x = rng.normal(size=_D)
    random, near = rng.normal(size=(_RANDOM, _D)), x + 0.1 * rng.normal(size=(_NEAR, _D))
    v = np.concatenate([random, near, x[None]])
    v *= np.linalg.norm(x) / np.linalg.norm(v, axis=1, keepdims=True) * np.where(v @ x < 0, -1, 1)[:, None]
    c = -np.sort(-rng.normal(size=(len(v), _C)), axis=1)
    maps = torch.from_numpy(c[:, :, None] * v[:, None, :])
    found = search(maps, torch.from_numpy(x), generator(seed, Stream.EXAMPLES))
    setting = f"maps c v' of {_C} classes, {len(v)} directions v in R^{_D}, |v| = |x|, seed {seed}"
    aligned, others = float(found[-1]), float(found[:-1].max())
    return (
        Result(
            statement="Theorem 3",
            equation="least |e| that misclassifies x = v'x / |v|",
            setting=setting,
            measured="search of perturbations by predictions alone",
            stated="closed form",
            deviation=largest(found, smallest_perturbation(v, x)),
            tolerance=1e-6,
        ),
        Result(
            statement="Theorem 3",
            equation="that is largest at v = x, where it is |x|",
            setting=setting,
            measured=f"search: {aligned:.4f} at v = x, at most {others:.4f} at other v",
            stated=f"|x| = {np.linalg.norm(x):.4f}",
            deviation=max(abs(aligned - largest_of_all(x)), others - aligned),
            tolerance=1e-6,
        ),
    )
