"""What an input transform is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from trainables.component import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class InputTransform(Component):
    """Changes the normalised inputs of every minibatch; several are applied in the order written.

    `apply` is a pure function, so that torch.func can lift it; what it draws, `draw` draws outside.
    """

    @abstractmethod
    def epoch(self, train_accuracy: Callable[[], Tensor]) -> dict[str, Tensor]:
        """The state for the epoch that begins; part of every snapshot, {} without any. train_accuracy: that of now, on
        the device; it costs a forward pass over the training set.
        """

    @abstractmethod
    def draw(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The random numbers of one step, by name; {} without any. x: the inputs (batch, …)."""

    @abstractmethod
    def apply(self, x: Tensor, draws: Tensors, state: Tensors) -> Tensor:
        """The changed inputs, of x's shape. draws: what `draw` has drawn for this step."""
