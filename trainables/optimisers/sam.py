"""Sharpness-aware minimisation (Foret et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from trainables.configuration import PositiveFloat
from trainables.optimisers.base import Optimiser
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

_SMALLEST = 1e-12
"""Where the gradient is zero there is no direction to go."""


class Sam(Optimiser):
    """Sharpness-aware minimisation: `optimiser` steps by the gradient at w + rho * g / |g|, g the gradient at w and its
    norm that over all parameters (Foret et al. 2021, eq. 2 and 3, p = 2), from the same batch and the same draws.

    Filters apply to the gradient that `optimiser` gets.
    """

    name: Literal["sam"] = "sam"
    rho: PositiveFloat = 0.05
    optimiser: Optimiser

    @model_validator(mode="after")
    def _wraps_a_plain_one(self) -> Self:
        if isinstance(self.optimiser, Sam):
            raise ValidationErrors("sam", [Problem(("optimiser",), "'sam' is not allowed within sam")])
        return self

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        return self.optimiser.init(parameters)

    def step(self, parameters: Tensors, gradients: Tensors, state: dict[str, Tensor], factor: float) -> None:
        self.optimiser.step(parameters, gradients, state, factor)

    def elsewhere(self, parameters: Tensors, gradients: Tensors) -> Tensors:
        import torch

        squares = torch.stack([gradient.square().sum() for gradient in gradients.values()]).sum()
        scale = self.rho / (squares.sqrt() + _SMALLEST)
        return {name: parameter + scale * gradients[name] for name, parameter in parameters.items()}
