"""What an optimiser is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainables.component import Component

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class Optimiser(Component):
    """The rule of one step, given the gradients. What it keeps from step to step is a dict of tensors that training
    owns, and that is part of every snapshot.
    """

    @abstractmethod
    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        """The state before the first step, by names of its own."""

    @abstractmethod
    def step(self, parameters: Tensors, gradients: Tensors, state: dict[str, Tensor], factor: float) -> None:
        """Changes parameters and state in place; gradients are by the names of their parameters.

        factor: what the schedule multiplies the learning rate by, 1 without one
        """

    def elsewhere(self, parameters: Tensors, gradients: Tensors) -> Tensors | None:
        """Other parameters at which the gradient is taken once more, given that at `parameters`; the one that is
        filtered and steps is then that one. None for one gradient a step.
        """
        return None
