"""The squared norm of all parameters: L2 regularisation as a term of the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import NonNegativeFloat
from trainables.regularisers.base import Regulariser, Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.models.base import Spec


class WeightNorm(Regulariser):
    """`strength` times half the squared Euclidean norm of all trained parameters, biases included.

    Its gradient is `strength` times the parameters: what torch.optim.SGD adds under the name of weight decay. AdamW
    decouples its weight decay from the gradient, and Adam's steps rescale this term's gradient, so there the two differ
    (Loshchilov & Hutter 2019).
    """

    name: Literal["weight_norm"] = "weight_norm"
    strength: NonNegativeFloat

    @property
    def weight(self) -> float:
        return self.strength

    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        return {}

    def term(self, step: Step, draws: Mapping[str, Tensor]) -> Tensor:
        import torch

        return torch.stack([parameter.square().sum() for parameter in step.parameters.values()]).sum() / 2
