"""What a regulariser is, and what it sees of a step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.component import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Step:
    """What a regulariser sees of one step.

    parameters  name -> tensor
    x, y        inputs (batch, …), as the network gets them, and classes (batch,)
    outputs     (batch, classes)
    vjp         v (batch, classes) -> (v'J (batch, …),), J the Jacobian of the outputs with respect to the inputs; from
                the forward pass that the loss uses
    f           inputs -> outputs, another forward pass
    number      the step's, from 1: a tensor of one int64, for a term that changes while training goes on
    generator   for what a plugin draws; on the tensors' device, and part of every snapshot
    """

    parameters: Mapping[str, Tensor]
    x: Tensor
    y: Tensor
    outputs: Tensor
    vjp: Callable[[Tensor], tuple[Tensor]]
    f: Callable[[Tensor], Tensor]
    number: Tensor | None
    generator: torch.Generator | None


class Regulariser(Component):
    """A term of the objective: the objective adds `weight` times `term`.

    `term` is a pure function, so that torch.func can lift it; what it draws, `draw` draws outside.
    """

    @property
    @abstractmethod
    def weight(self) -> float:
        """What the term is multiplied by: the strength."""

    @abstractmethod
    def draw(self, outputs: torch.Size, like: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The random numbers of one step, by name; {} without any.

        outputs: the shape (batch, classes) of the outputs; like: the inputs, of whose type and device the numbers are
        """

    @abstractmethod
    def term(self, step: Step, draws: Mapping[str, Tensor]) -> Tensor:
        """A scalar. draws: what `draw` has drawn for this step."""
