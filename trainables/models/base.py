"""What a model is: settings from which a network is built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.component import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Spec:
    """What a network is built for. input_shape: of one example."""

    input_shape: torch.Size
    num_outputs: int
    dtype: torch.dtype


@dataclass(frozen=True)
class Network:
    """A network as pure functions, so that the same objective serves plain autograd and torch.func's vmap of grad.

    init      (generator) -> parameters, buffers: fresh tensors on the CPU
    apply     (parameters, buffers, x) -> outputs, buffers. x: (batch, …), outputs: (batch, num_outputs)
    evaluate  (parameters, buffers, x) -> outputs, the same where it is measured and not trained
    check     (outputs, parameters): raises if outputs of a training step cannot be trained; None where they always can
    """

    init: Callable[[torch.Generator], tuple[Tensors, Tensors]]
    apply: Callable[[Tensors, Tensors, Tensor], tuple[Tensor, Tensors]]
    evaluate: Callable[[Tensors, Tensors, Tensor], Tensor]
    check: Callable[[Tensor, Tensors], None] | None = None


class Model(Component):
    """An architecture and how its weights start."""

    @abstractmethod
    def build(self, spec: Spec) -> Network: ...
