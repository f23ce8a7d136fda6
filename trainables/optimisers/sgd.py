"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat, PositiveFloat
from trainables.optimisers.base import Optimiser

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Sgd(Optimiser):
    """Stochastic gradient descent; `weight_decay` is coupled, L2 added to the gradient."""

    name: Literal["sgd"] = "sgd"
    lr: PositiveFloat
    momentum: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NonNegativeFloat = 0.0

    def build(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.SGD(
            parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=True
        )
