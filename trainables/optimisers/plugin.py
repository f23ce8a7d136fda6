"""Plugins: users' own optimisers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trainables.optimisers.base import Optimiser
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, shown

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class PluginOptimiser(Plugin, Optimiser):
    """(parameters) -> torch.optim.Optimizer: a subclass of it, or a function that makes one. All that its next step
    depends on must be tensors or numbers in its `state` or `param_groups`, for that is what a snapshot keeps.
    """

    model_config = Plugin.model_config
    interface = Interface(given=("parameters",), makes=True)

    def build(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        import torch

        made = loaded(self)(list(parameters))
        if not isinstance(made, torch.optim.Optimizer):
            raise self.problem(f"{self.object} should make a torch.optim.Optimizer, it made {shown(made)}")
        return made
