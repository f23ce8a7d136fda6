"""Adam (Kingma & Ba 2015)."""

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


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015, Algorithm 1); `weight_decay` is coupled, L2 added to the gradient."""

    name: Literal["adam"] = "adam"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        from trainables.optimisers._adam import start

        return start(parameters)

    def step(self, parameters: Tensors, gradients: Tensors, state: dict[str, Tensor], factor: float) -> None:
        from torch.optim.adam import adam

        from trainables.optimisers._adam import step

        step(
            adam,
            parameters,
            gradients,
            state,
            lr=self.lr * factor,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )
