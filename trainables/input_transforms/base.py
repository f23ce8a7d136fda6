"""What an input transform is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trainables.component import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.models.base import Spec

    Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Network:
    """What a transform may ask the network that is trained.

    gradient  inputs (batch, …) -> the gradient of the loss, without regularisers, with respect to them, in training:
              what the step draws, masks of dropout say, is drawn once
    pixels    normalised inputs -> pixels in [0, 1]
    inputs    pixels -> normalised inputs
    """

    gradient: Callable[[Tensor], Tensor]
    pixels: Callable[[Tensor], Tensor]
    inputs: Callable[[Tensor], Tensor]


class InputTransform(Component):
    """Changes the normalised inputs of every minibatch; several are applied in the order written.

    `apply` is a pure function, so that torch.func can lift it; what it draws, `draw` draws outside.

    needs_pixels  whether inputs must be images whose pixels lie in [0, 1] before they are normalised
    """

    needs_pixels: ClassVar[bool] = False

    @abstractmethod
    def init(self) -> dict[str, Tensor]:
        """The state before training, by name, {} without any; `epoch` changes it."""

    @abstractmethod
    def epoch(self, train_accuracy: Callable[[], Tensor]) -> dict[str, Tensor]:
        """The state for the epoch that begins, of the same names; part of every snapshot. train_accuracy: that of now,
        on the device; it costs a forward pass over the training set.
        """

    @abstractmethod
    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        """The random numbers of so many steps, by name, (steps, …), on the generator's device; {} without any.

        batch: the largest one's size
        """

    @abstractmethod
    def apply(self, x: Tensor, draws: Tensors, state: Tensors, network: Network) -> Tensor:
        """The changed inputs, of x's shape. draws: of this step; x may have fewer rows than the largest batch."""
