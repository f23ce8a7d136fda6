"""AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat, PositiveFloat
from trainables.optimisers.base import Optimiser

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_Beta = Annotated[Float, Field(ge=0, lt=1)]


class AdamW(Optimiser):
    """AdamW, weight decay decoupled from the gradient (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8

    def build(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        import torch

        # Fused: one kernel instead of a dozen a step.
        return torch.optim.AdamW(
            parameters, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )
