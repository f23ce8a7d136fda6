"""Jacobian regularisation by random projection (Hoffman et al. 2019; Walker et al. 2025).

J is the Jacobian (classes C, inputs D) of the outputs with respect to one normalised input; |J|^2 its squared Frobenius
norm. For v uniform on the unit sphere of R^C, E[C |v'J|^2] = |J|^2 (Hoffman et al., eq. 7-9): a product v'J costs one
backward pass through the network, whatever C is. With the standard basis in the place of C random vectors it is exact.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.regularisers.config import JacobianConfig

_FLOOR = 1e-8
"""Walker et al.'s scripts clamp the squared norm here, so that the root's derivative stays finite."""


def draw_projections(config: JacobianConfig, shape: torch.Size, like: Tensor, generator: torch.Generator) -> Tensor:
    """Unit vectors in output space, one a sample and projection: (projections, batch, C).

    `shape` is that of the outputs, (batch, C). Nothing is drawn where projections are exact: the standard basis.
    """
    batch, num_outputs = shape
    if config.projections == "exact":
        basis = torch.eye(num_outputs, dtype=like.dtype, device=like.device)
        return basis[:, None, :].expand(num_outputs, batch, num_outputs)
    v = torch.randn((config.projections, batch, num_outputs), dtype=like.dtype, device=like.device, generator=generator)
    return v / v.norm(dim=2, keepdim=True)


def squared_norms(vjp: Callable[[Tensor], tuple[Tensor]], projections: Tensor, *, exact: bool) -> Tensor:
    """Estimates of |J|^2, one a sample: (batch,).

    vjp          v (batch, C) -> (v'J (batch, …),), as torch.func.vjp gives it
    projections  (projections, batch, C), unit vectors, or the standard basis if `exact`
    """
    if len(projections) == 1:
        products = vjp(projections[0])[0][None]
    else:
        products = torch.vmap(vjp)(projections)[0]
    num_outputs = projections.shape[2]
    scale = 1.0 if exact else num_outputs / len(projections)
    return scale * products.flatten(2).square().sum(dim=(0, 2))


def jacobian_penalty(config: JacobianConfig, vjp: Callable[[Tensor], tuple[Tensor]], projections: Tensor) -> Tensor:
    """The term that is added to the loss: a scalar, `strength` included."""
    squared = squared_norms(vjp, projections, exact=config.projections == "exact")
    if config.norm == "frobenius":
        # Walker et al.: the mean of the norm itself, not of its square.
        mean = squared.clamp(min=_FLOOR).sqrt().mean()
    else:
        # Hoffman et al., eq. 3: (lambda / 2) times the mean squared norm.
        mean = squared.mean() / 2
    return config.strength * (mean if config.level is None else (config.level - mean).abs())
