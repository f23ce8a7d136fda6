"""Functions drawn from the Gaussian process that infinitely wide networks are at initialisation."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.lanczos import Krylov
from trainables.infinite_width.operator import Operator
from trainables.randomness import Stream, generator

_TOLERANCE = 1e-6


def draw(covariance: Operator, seed: int, output: int) -> Tensor:
    """f and its input derivatives at the points of their covariance, that of the NNGP: (points, 1 + d), jointly normal.
    Its root times standard normal numbers of the trial's seed.
    """
    x = covariance.x
    shape = (len(x), 1 + x.shape[1])
    noise = torch.randn(shape, dtype=x.dtype, generator=generator(seed, Stream.INIT, output)).to(x.device)
    if noise.numel() <= DENSE:
        values, vectors = torch.linalg.eigh(covariance.matrix())
        root = vectors * values.clamp(min=0).sqrt()
        return (root @ (vectors.T @ noise.flatten())).view(shape)

    def product(v: Tensor) -> Tensor:
        return (covariance @ v.view(shape)).flatten()

    space = Krylov(product, noise.flatten(), 400)
    return space.converged(torch.sqrt, _TOLERANCE).view(shape)
