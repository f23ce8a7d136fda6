"""Jacobian regularisation by random projection (Hoffman et al. 2019; Walker et al. 2025).

J is the Jacobian (classes C, inputs D) of the outputs with respect to one normalised input; |J|^2 its squared Frobenius
norm. For v uniform on the unit sphere of R^C, E[C |v'J|^2] = |J|^2 (Hoffman et al., eq. 7-9): a product v'J costs one
backward pass through the network, whatever C is. With the standard basis in the place of C random vectors it is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from trainables.configuration import NonNegativeFloat, PositiveInt, number_or
from trainables.regularisers.base import Regulariser, Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.models.base import Spec

_FLOOR = 1e-8
"""Walker et al.'s scripts clamp the squared norm here, so that the root's derivative stays finite."""


class Jacobian(Regulariser):
    """`strength` times a norm of the Jacobian of the outputs with respect to the inputs, over the batch.

    norm         frobenius: the mean Frobenius norm (Walker et al.); half_mean_square: half the mean squared Frobenius
                 norm (Hoffman et al., eq. 3)
    projections  random unit vectors an example (Hoffman et al., Algorithm 1), or `exact`. The squared norm is estimated
                 without bias; its root is not, so one projection, many and exact are different objectives
    level        None: toward zero. Otherwise |level - m| takes the place of m, be it the mean norm (Walker et al.,
                 Figure 5) or half the mean squared norm
    """

    name: Literal["jacobian"] = "jacobian"
    strength: NonNegativeFloat
    norm: Literal["frobenius", "half_mean_square"] = "frobenius"
    projections: Annotated[int | Literal["exact"], number_or(PositiveInt, "exact")] = 1
    level: NonNegativeFloat | None = None

    @property
    def weight(self) -> float:
        return self.strength

    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        """Unit vectors in output space, one an example and projection: (steps, projections, batch, C). Where
        projections are exact nothing is drawn.
        """
        import torch

        if self.projections == "exact":
            return {}
        shape = (steps, self.projections, batch, spec.num_outputs)
        v = torch.randn(shape, dtype=spec.dtype, device=generator.device, generator=generator)
        return {"projections": v / v.norm(dim=-1, keepdim=True)}

    def term(self, step: Step, draws: Mapping[str, Tensor]) -> Tensor:
        is_exact = self.projections == "exact"
        projections = standard_basis(step.outputs) if is_exact else draws["projections"][:, : len(step.outputs)]
        squared = squared_norms(step.vjp, projections, exact=is_exact)
        if self.norm == "frobenius":
            # Walker et al.: the mean of the norm itself, not of its square.
            mean = squared.clamp(min=_FLOOR).sqrt().mean()
        else:
            # Hoffman et al., eq. 3: (lambda / 2) times the mean squared norm.
            mean = squared.mean() / 2
        return mean if self.level is None else (self.level - mean).abs()


def standard_basis(outputs: Tensor) -> Tensor:
    """Of the outputs' space, for every example: (C, batch, C)."""
    import torch

    batch, num_outputs = outputs.shape
    basis = torch.eye(num_outputs, dtype=outputs.dtype, device=outputs.device)
    return basis[:, None, :].expand(num_outputs, batch, num_outputs)


def squared_norms(vjp: Callable[[Tensor], tuple[Tensor]], projections: Tensor, *, exact: bool) -> Tensor:
    """Estimates of |J|^2, one an example: (batch,).

    vjp          v (batch, C) -> (v'J (batch, …),), as torch.func.vjp gives it
    projections  (projections, batch, C), unit vectors, or the standard basis if `exact`
    """
    import torch

    if len(projections) == 1:
        products = vjp(projections[0])[0][None]
    else:
        products = torch.vmap(vjp)(projections)[0]
    num_outputs = projections.shape[2]
    scale = 1.0 if exact else num_outputs / len(projections)
    return scale * products.flatten(2).square().sum(dim=(0, 2))
