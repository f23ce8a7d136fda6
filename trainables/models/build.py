"""Models as pure functions.

A Model is a pair of functions, so that the same objective serves plain autograd and torch.func's vmap of grad:

    init(generator)                      -> parameters, buffers      fresh tensors on the CPU
    apply(parameters, buffers, x)        -> outputs, buffers         x: (batch, …), outputs: (batch, classes)
    evaluate(parameters, buffers, x)     -> outputs                  the same where it is measured and not trained
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.models.config import MlpConfig, PluginModelConfig
from trainables.plugins.scope import Scope

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Model:
    init: Callable[[torch.Generator], tuple[Tensors, Tensors]]
    apply: Callable[[Tensors, Tensors, Tensor], tuple[Tensor, Tensors]]
    evaluate: Callable[[Tensors, Tensors, Tensor], Tensor]


def build_model(
    config: MlpConfig | PluginModelConfig,
    *,
    input_shape: torch.Size,
    num_classes: int,
    dtype: torch.dtype,
    scope: Scope | None = None,
) -> Model:
    """The model of a configuration for inputs of `input_shape` (one example's) and `num_classes` outputs."""
    if isinstance(config, PluginModelConfig):
        from trainables.models.plugin import plugin_model

        return plugin_model(
            config, input_shape=input_shape, num_classes=num_classes, dtype=dtype, scope=scope or Scope()
        )
    return _mlp(config, num_inputs=math.prod(input_shape), num_outputs=num_classes, dtype=dtype)


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}


def _mlp(config: MlpConfig, *, num_inputs: int, num_outputs: int, dtype: torch.dtype) -> Model:
    sizes = [num_inputs, *[config.width] * (config.depth - 1), num_outputs]
    activation = _ACTIVATIONS[config.activation]

    def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
        parameters = {}
        for layer, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            # torch.nn.Linear's default: weights and biases uniform within 1 / sqrt(fan_in).
            bound = 1 / math.sqrt(fan_in)
            weight = torch.empty(fan_out, fan_in, dtype=dtype).uniform_(-bound, bound, generator=generator)
            parameters[f"{layer}.weight"] = weight * config.init_scale
            if config.bias:
                bias = torch.empty(fan_out, dtype=dtype).uniform_(-bound, bound, generator=generator)
                parameters[f"{layer}.bias"] = bias * config.init_scale
        return parameters, {}

    def apply(parameters: Tensors, buffers: Tensors, x: Tensor) -> tuple[Tensor, Tensors]:
        h = x.flatten(1)
        for layer in range(config.depth):
            h = F.linear(h, parameters[f"{layer}.weight"], parameters.get(f"{layer}.bias"))
            if layer < config.depth - 1:
                h = activation(h)
        return (h if config.output_scale == 1.0 else h * config.output_scale), buffers

    return Model(init, apply, lambda parameters, buffers, x: apply(parameters, buffers, x)[0])
