"""Plugins: users' own input transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from trainables.input_transforms.base import InputTransform
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, shown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class PluginInputTransform(Plugin, InputTransform):
    """(x, generator) -> x

    x: the normalised inputs (batch, …), which keep their shape; generator: for what it draws, on the same device
    """

    model_config = Plugin.model_config
    interface = Interface(given=("x", "generator"))

    def epoch(self, train_accuracy: Callable[[], Tensor]) -> dict[str, Tensor]:
        return {}

    def draw(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        import torch

        return {"seed": torch.randint(2**62, (), generator=generator, device=generator.device)}

    def apply(self, x: Tensor, draws: Tensors, state: Tensors) -> Tensor:
        import torch

        given = loaded(self)(x.clone(), torch.Generator(x.device).manual_seed(int(draws["seed"])))
        if getattr(given, "shape", None) != x.shape or given.dtype != x.dtype:
            raise self.problem(f"{self.object} should return {shown(x)} of {x.dtype}, it returned {shown(given)}")
        changed: Tensor = given
        return changed
