"""Exact Jacobians and centroids, for the probes that measure them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.probes.base import ProbeInput

_CHUNK = 1024
"""Points a Jacobian is taken at in one go: bounds the memory, whatever the size of the data."""


class Jacobians(NamedTuple):
    """What is measured of f's exact Jacobian J at each point x, each (points,).

    norm                    Frobenius
    row_alignment_min, max  the extreme cosines between x and the rows of J
    explained_variance      s1^2 / sum of s_i^2, s the singular values of J
    """

    norm: Tensor
    row_alignment_min: Tensor
    row_alignment_max: Tensor
    explained_variance: Tensor


def jacobians(at: ProbeInput, num_points: int | None) -> Jacobians:
    """At the first `num_points`, or at all. For `ProbeInput.once`."""
    return jacobians_of(at.f, at.x[:num_points])


def jacobians_of(f: Callable[[Tensor], Tensor], x: Tensor) -> Jacobians:
    """Takes all Jacobians of a chunk of points at once, a backward pass an output. x: (points, …)."""
    chunks = []
    for part in x.split(_CHUNK):
        J = _exact(f, part)
        gram = J @ J.mT
        squares = gram.diagonal(dim1=1, dim2=2)
        alignment = (J @ part.flatten(1)[:, :, None])[:, :, 0] / (squares.sqrt() * part.flatten(1).norm(dim=1)[:, None])
        total = squares.sum(1)
        largest = torch.linalg.eigvalsh(gram)[:, -1] if gram.isfinite().all() else torch.full_like(total, torch.nan)
        chunks.append(Jacobians(total.sqrt(), alignment.amin(1), alignment.amax(1), largest / total))
    return Jacobians(*map(torch.cat, zip(*chunks, strict=True)))


def _exact(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """(points, C, D)."""
    outputs, vjp, *_ = torch.func.vjp(f, x)
    basis = torch.eye(outputs.shape[1], dtype=x.dtype, device=x.device)
    return torch.stack([vjp(row.expand_as(outputs))[0].flatten(1) for row in basis], dim=1)


def effective_ranks(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Of the Jacobians at x (points, …): (points,)."""
    return torch.cat([_effective_ranks(_exact(f, part)) for part in x.split(_CHUNK)])


def _effective_ranks(J: Tensor) -> Tensor:
    """Roy and Vetterli 2007, Definition 1: (points,), from 1 to the number of singular values of J (points, C, D); NaN
    where J is 0 or not finite. The roots of the eigenvalues of JJ' are them, and would lose half of float32's digits.
    """
    wide = J.double()
    gram = wide @ wide.mT
    if not gram.isfinite().all():
        return torch.full_like(J[:, 0, 0], torch.nan)
    s = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    p = s / s.sum(1, keepdim=True)
    return torch.special.entr(p).sum(1).exp().to(J.dtype)


def centroids(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """J'1, the sum of the Jacobian's rows, at each point: of x's shape (Walker et al., Theorem 4)."""
    parts = []
    for part in x.split(_CHUNK):
        outputs, vjp, *_ = torch.func.vjp(f, part)
        parts.append(vjp(torch.ones_like(outputs))[0])
    return torch.cat(parts)


def extremes(name: str, values: Tensor) -> dict[str, Tensor]:
    return {f"{name}_mean": values.mean(), f"{name}_min": values.min(), f"{name}_max": values.max()}
