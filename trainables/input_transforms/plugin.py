"""Plugins: users' own input transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from trainables.input_transforms.base import InputTransform, Network
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, seeded, seeds, shown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.models.base import Spec

    Tensors = Mapping[str, Tensor]


class PluginInputTransform(Plugin, InputTransform):
    """(x, generator) -> x

    x: the normalised inputs (batch, …), which keep their shape; generator: for what it draws, on the same device
    """

    model_config = Plugin.model_config
    interface = Interface(given=("x", "generator"))

    def init(self) -> dict[str, Tensor]:
        return {}

    def epoch(self, train_accuracy: Callable[[], Tensor]) -> dict[str, Tensor]:
        return {}

    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        return seeds(steps, generator)

    def apply(self, x: Tensor, draws: Tensors, state: Tensors, network: Network) -> Tensor:
        given = loaded(self)(x.clone(), seeded(draws, x.device))
        if getattr(given, "shape", None) != x.shape or given.dtype != x.dtype:
            kind = f" of {given.dtype}" if hasattr(given, "dtype") else ""
            raise self.problem(f"{self.object} should return {shown(x)} of {x.dtype}, it returned {shown(given)}{kind}")
        changed: Tensor = given
        return changed
