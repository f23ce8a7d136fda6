"""What a loss is."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from trainables.component import Component

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Component):
    """A loss of the outputs of a network, averaged over the batch."""

    @abstractmethod
    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        """A scalar. outputs: (batch, outputs); y: (batch,) labels, or (batch, outputs) targets of a regression."""
