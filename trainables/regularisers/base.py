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

    from trainables.models.base import Spec


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
    generator   for what a plugin draws, on the tensors' device; None for other regularisers
    """

    parameters: Mapping[str, Tensor]
    x: Tensor
    y: Tensor
    outputs: Tensor
    vjp: Callable[[Tensor], tuple[Tensor]]
    f: Callable[[Tensor], Tensor]
    number: Tensor | None
    generator: torch.Generator | None = None


class Regulariser(Component):
    """A term of the objective: the objective adds `weight` times `term`.

    `term` is a pure function, so that torch.func can lift it; what it draws, `draw` draws outside.
    """

    @property
    @abstractmethod
    def weight(self) -> float:
        """What the term is multiplied by: the strength."""

    @abstractmethod
    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        """The random numbers of so many steps, by name, (steps, …), on the generator's device; {} without any.

        batch: the largest one's size
        """

    @abstractmethod
    def term(self, step: Step, draws: Mapping[str, Tensor]) -> Tensor:
        """A scalar. draws: of this step; its batch may have fewer rows than the largest."""
