"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat, PositiveFloat
from trainables.optimisers.base import Optimiser

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class Sgd(Optimiser):
    """Stochastic gradient descent; `weight_decay` is coupled, L2 added to the gradient."""

    name: Literal["sgd"] = "sgd"
    lr: PositiveFloat
    momentum: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NonNegativeFloat = 0.0

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        import torch

        if self.momentum == 0:
            return {}
        return {f"momentum.{name}": torch.zeros_like(parameter) for name, parameter in parameters.items()}

    def step(self, parameters: Tensors, gradients: Tensors, state: dict[str, Tensor], factor: float) -> None:
        from torch.optim.sgd import sgd

        sgd(
            list(parameters.values()),
            [gradients[name] for name in parameters],
            [state.get(f"momentum.{name}") for name in parameters],
            fused=True,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=self.lr * factor,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
