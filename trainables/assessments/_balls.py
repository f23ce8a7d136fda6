"""The perturbations of at most one size: a ball around each example, inside the box [0, 1] of pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]

_TINY = 1e-12
"""In the place of a norm of 0, by which nothing can be divided."""


@dataclass(frozen=True)
class Ball:
    """Around each of the examples x (examples, …): points at most `size` away in the norm.

    saturation  how far each pixel may be from its value in x, besides; None: as far as the norm allows
    """

    norm: Norm
    size: float
    saturation: float | None = None

    def project(self, point: Tensor, x: Tensor) -> Tensor:
        """Into the ball, then into [0, 1]. x lies in [0, 1], so that the second leaves no ball."""
        offset = point - x
        limit = min([each for each in (self._pixel_limit, self.saturation) if each is not None], default=None)
        if limit is not None:
            offset.clamp_(-limit, limit)
        if self.norm == "l2":
            offset.mul_((self.size / norms(offset, "l2").clamp(min=_TINY)).clamp(max=1.0))
        return offset.add_(x).clamp_(0.0, 1.0)

    def contains(self, point: Tensor, x: Tensor) -> Tensor:
        """Whether each point lies in the ball and in [0, 1], up to rounding: (examples,)."""
        rounding = 1e-6 + 1e-5 * self.size
        if self.norm == "l2":
            # Rounding errors of single pixels, of which the norm has the root of their number.
            rounding += 1e-7 * math.sqrt(x[0].numel())
        inside = distances(point, x, self.norm) <= self.size + rounding
        if self.saturation is not None:
            inside &= distances(point, x, "linf") <= self.saturation + 1e-6
        return inside & are_pixels(point)

    @property
    def _pixel_limit(self) -> float | None:
        return self.size if self.norm == "linf" else None


def norms(each: Tensor, norm: Norm) -> Tensor:
    """(examples, 1, …), so that it divides `each`, (examples, …)."""
    flat = each.flatten(1)
    found = flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)
    return found.reshape(-1, *[1] * (each.dim() - 1))


def distances(point: Tensor, x: Tensor, norm: Norm) -> Tensor:
    """In float64 (examples,)."""
    return norms(point.double() - x.double(), norm).flatten()


def are_pixels(x: Tensor) -> Tensor:
    """Whether each example's values lie in [0, 1]: (examples,). NaN does not."""
    return ((x >= 0) & (x <= 1)).flatten(1).all(1)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """The direction of length 1 in which a gradient rises most; 0 where the gradient is 0 or not a number."""
    if norm == "linf":
        return gradient.sign().nan_to_num_()
    # First by the largest value, for the squares of very small gradients would be 0.
    gradient = gradient.nan_to_num()
    scaled = gradient / norms(gradient, "linf").clamp(min=torch.finfo(gradient.dtype).tiny)
    return scaled / norms(scaled, "l2").clamp(min=_TINY)


def uniform(shape: torch.Size, dtype: torch.dtype, norm: Norm, generator: torch.Generator) -> Tensor:
    """A point of the ball of size 1 around 0, all of them alike. shape: of one example."""
    if norm == "linf":
        return 2 * torch.rand(shape, dtype=dtype, generator=generator) - 1
    direction = torch.randn(shape, dtype=dtype, generator=generator)
    radius = torch.rand((), dtype=dtype, generator=generator) ** (1 / shape.numel())
    return direction * (radius / direction.norm())
