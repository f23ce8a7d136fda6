"""What a gradient filter is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainables.component import Component

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class GradientFilter(Component):
    """Changes the gradients of every step before the optimiser gets them; several are applied in the order written."""

    @abstractmethod
    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        """The state before the first gradient: tensors by names of its own, {} without any."""

    @abstractmethod
    def filter(self, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """The filtered gradients, by the names of their parameters, and the next state: tensors by names of its own.

        state: what `init` or the last call returned; part of every snapshot
        """
