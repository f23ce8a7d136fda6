"""The fully connected network in the parametrisation whose width can go to infinity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveFloat, PositiveInt
from trainables.infinite_width.activations import Activation
from trainables.models.base import Model, Network, Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = dict[str, Tensor]


class NtkMlp(Model):
    """f(x) = kappa / sqrt(n) W_{L+1} h_L with h_l = phi(W_l h_{l-1} / sqrt(n)), and W_1 x in the first of the L
    `hidden_layers` of `width` n; no biases, all weights standard normal (arXiv:2312.03386). The activation phi is
    scaled so that its second moment under a standard normal is 1, and inputs should have norm 1: see `unit_norm` of the
    data.

    The learning rate means the same at every width, and at infinite width the network is what `jntk_flow` computes.
    """

    name: Literal["ntk_mlp"] = "ntk_mlp"
    width: PositiveInt = 512
    hidden_layers: PositiveInt = 2
    activation: Activation = "gelu"
    kappa: PositiveFloat = 1.0

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"{layer}.weight" for layer in range(self.hidden_layers + 1))

    def build(self, spec: Spec) -> Network:
        import torch

        from trainables.infinite_width.dual import scaled

        sizes = [math.prod(spec.input_shape), *[self.width] * self.hidden_layers, spec.num_outputs]
        phi, root = scaled(self.activation), math.sqrt(self.width)

        def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
            shapes = zip(sizes[1:], sizes[:-1], strict=True)
            draws = [torch.randn(shape, dtype=spec.dtype, generator=generator) for shape in shapes]
            return dict(zip(self.parameter_names, draws, strict=True)), {}

        def evaluate(parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
            first, *others = (parameters[name] for name in self.parameter_names)
            h = x.flatten(1) @ first.T
            for W in others:
                h = phi(h) @ W.T / root
            return h if self.kappa == 1.0 else h * self.kappa

        def apply(parameters: Tensors, buffers: Tensors, x: Tensor, draws: Tensors) -> tuple[Tensor, Tensors]:
            return evaluate(parameters, buffers, x), {}

        return Network(init, apply, evaluate)
