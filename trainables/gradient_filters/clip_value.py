"""Clipping the gradient by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveFloat
from trainables.gradient_filters.base import GradientFilter

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class ClipValue(GradientFilter):
    """Every component of the gradient is kept within -max and max, as torch.nn.utils.clip_grad_value_ does."""

    name: Literal["clip_value"] = "clip_value"
    max: PositiveFloat

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        return {}

    def filter(self, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        return {name: gradient.clamp(-self.max, self.max) for name, gradient in gradients.items()}, state
