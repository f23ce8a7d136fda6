"""Grokfast's exponential moving average (Lee et al. 2024, Algorithm 1), as Walker et al.'s scripts run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat
from trainables.gradient_filters.base import GradientFilter

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class Ema(GradientFilter):
    """Grokfast: `gain` times an exponential moving average of the gradients is added to the gradient (Lee et al.).

    The first gradient starts the average.
    """

    name: Literal["ema"] = "ema"
    decay: Annotated[Float, Field(ge=0, lt=1)]
    gain: NonNegativeFloat

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        import torch

        averages = {f"average.{name}": torch.zeros_like(p) for name, p in parameters.items()}
        return {"has_begun": torch.zeros((), dtype=torch.bool, device=next(iter(averages.values())).device), **averages}

    def filter(self, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        import torch

        averages = {}
        for name, gradient in gradients.items():
            average = state[f"average.{name}"].mul_(self.decay).add_(gradient, alpha=1 - self.decay)
            averages[name] = torch.where(state["has_begun"], average, gradient)
        filtered = {name: gradient.add(averages[name], alpha=self.gain) for name, gradient in gradients.items()}
        kept = {f"average.{name}": average for name, average in averages.items()}
        return filtered, {"has_begun": torch.ones_like(state["has_begun"]), **kept}
