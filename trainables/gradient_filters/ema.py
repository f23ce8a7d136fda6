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

    def filter(self, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        if state:
            averages = {
                name: state[name].mul_(self.decay).add_(gradient, alpha=1 - self.decay)
                for name, gradient in gradients.items()
            }
        else:
            averages = {name: gradient.clone() for name, gradient in gradients.items()}
        return {name: g.add(averages[name], alpha=self.gain) for name, g in gradients.items()}, averages
