"""The fully connected network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from trainables.configuration import Bool, PositiveFloat, PositiveInt
from trainables.models.base import Model, Network, Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = dict[str, Tensor]


class Mlp(Model):
    """A fully connected network of `depth` linear maps; all but the last have `width` outputs.

    Weights start as torch's Linear does, each then multiplied by `init_scale`; outputs are multiplied by
    `output_scale`, all through training.
    """

    name: Literal["mlp"] = "mlp"
    width: PositiveInt = 196
    depth: PositiveInt = 4
    bias: Bool = True
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    init_scale: PositiveFloat = 1.0
    output_scale: PositiveFloat = 1.0

    def build(self, spec: Spec) -> Network:
        import torch
        from torch.nn import functional as F

        sizes = [math.prod(spec.input_shape), *[self.width] * (self.depth - 1), spec.num_outputs]
        activations: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}
        activation = activations[self.activation]

        def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
            parameters = {}
            for layer, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
                # torch.nn.Linear's default: weights and biases uniform within 1 / sqrt(fan_in).
                bound = 1 / math.sqrt(fan_in)
                weight = torch.empty(fan_out, fan_in, dtype=spec.dtype).uniform_(-bound, bound, generator=generator)
                parameters[f"{layer}.weight"] = weight * self.init_scale
                if self.bias:
                    bias = torch.empty(fan_out, dtype=spec.dtype).uniform_(-bound, bound, generator=generator)
                    parameters[f"{layer}.bias"] = bias * self.init_scale
            return parameters, {}

        def apply(parameters: Tensors, buffers: Tensors, x: Tensor) -> tuple[Tensor, Tensors]:
            h = x.flatten(1)
            for layer in range(self.depth):
                h = F.linear(h, parameters[f"{layer}.weight"], parameters.get(f"{layer}.bias"))
                if layer < self.depth - 1:
                    h = activation(h)
            return (h if self.output_scale == 1.0 else h * self.output_scale), buffers

        return Network(init, apply, lambda parameters, buffers, x: apply(parameters, buffers, x)[0])
