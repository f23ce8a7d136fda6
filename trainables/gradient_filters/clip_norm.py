"""Clipping the gradient by its norm (Pascanu et al. 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveFloat
from trainables.gradient_filters.base import GradientFilter

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

_SMALL = 1e-6
"""As torch.nn.utils.clip_grad_norm_ has it."""


class ClipNorm(GradientFilter):
    """Scales the gradient of all parameters together down to the norm `max` where it is larger (Pascanu et al. 2013,
    Algorithm 1), as torch.nn.utils.clip_grad_norm_ does.
    """

    name: Literal["clip_norm"] = "clip_norm"
    max: PositiveFloat

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        return {}

    def filter(self, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        import torch

        norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
        scale = (self.max / (norm + _SMALL)).clamp(max=1.0)
        return {name: gradient * scale for name, gradient in gradients.items()}, state
