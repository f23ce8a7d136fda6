"""What Adam and AdamW share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat, PositiveFloat
from trainables.optimisers.base import Optimiser

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

_Beta = Annotated[Float, Field(ge=0, lt=1)]


class AdamLike(Optimiser):
    """Averages of the gradient and of its square; torch's fused step."""

    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8

    @property
    @abstractmethod
    def of_torch(self) -> Callable[..., Any]:
        """torch.optim.adam.adam or torch.optim.adamw.adamw, which take the same."""

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        import torch

        state: dict[str, Tensor] = {}
        for name, parameter in parameters.items():
            state[f"step.{name}"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state[f"exp_avg.{name}"] = torch.zeros_like(parameter)
            state[f"exp_avg_sq.{name}"] = torch.zeros_like(parameter)
        return state

    def step(self, parameters: Tensors, gradients: Tensors, state: dict[str, Tensor], factor: float) -> None:
        # Fused: one kernel instead of a dozen a step.
        self.of_torch(
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
            lr=self.lr * factor,
            weight_decay=self.weight_decay,
            eps=self.eps,
            maximize=False,
        )
