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
    def filter(self, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """The filtered gradients, by the names of their parameters, and the next state: tensors by names of its own.

        state: empty before the first gradient, then what the last call returned; part of every snapshot
        """
