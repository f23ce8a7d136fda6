"""AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat, PositiveFloat
from trainables.optimisers.base import Optimiser

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

_Beta = Annotated[Float, Field(ge=0, lt=1)]


class AdamW(Optimiser):
    """AdamW, weight decay decoupled from the gradient (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        import torch

        state: dict[str, Tensor] = {}
        for name, parameter in parameters.items():
            state[f"step.{name}"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state[f"exp_avg.{name}"] = torch.zeros_like(parameter)
            state[f"exp_avg_sq.{name}"] = torch.zeros_like(parameter)
        return state

    def step(self, parameters: Tensors, gradients: Tensors, state: dict[str, Tensor]) -> None:
        from torch.optim.adamw import adamw

        # Fused: one kernel instead of a dozen a step.
        adamw(
            list(parameters.values()),
            [gradients[name] for name in parameters],
            [state[f"exp_avg.{name}"] for name in parameters],
            [state[f"exp_avg_sq.{name}"] for name in parameters],
            [],
            [state[f"step.{name}"] for name in parameters],
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.lr,
            weight_decay=self.weight_decay,
            eps=self.eps,
            maximize=False,
        )
