"""Plugins: users' own losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.losses.base import Loss
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import place, scalar

if TYPE_CHECKING:
    from torch import Tensor


class PluginLoss(Plugin, Loss):
    """(outputs, y) -> scalar; outputs (batch, outputs), y (batch,) labels, or (batch, outputs) targets of a
    regression.
    """

    model_config = Plugin.model_config
    interface = Interface(given=("outputs", "y"))

    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        # Copies: nothing else sees what a loss writes into.
        loss = scalar(self, outputs if outputs.requires_grad else outputs.clone(), y.clone())
        if outputs.requires_grad and not loss.requires_grad:
            raise self.problem(
                f"{place(self)} returned a number that does not depend on the outputs, so that there is no gradient:"
                " compute it from outputs without detach(), item(), argmax, .data or torch.no_grad()"
            )
        return loss
