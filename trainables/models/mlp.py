"""The fully connected network."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import Bool, Float, PositiveFloat, PositiveInt
from trainables.models.base import Model, Network, Spec
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = dict[str, Tensor]


class Mlp(Model):
    """A fully connected network of `depth` linear maps; all but the last have `width` outputs, which are normalised
    over the batch if `batch_norm` says so, go through the activation, and are dropped with probability `dropout`.

    init          how weights start: as torch's Linear, xavier, kaiming_fan_in or kaiming_fan_out
    init_scale    they are then multiplied by it
    output_scale  outputs are, all through training
    """

    name: Literal["mlp"] = "mlp"
    width: PositiveInt = 196
    depth: PositiveInt = 4
    bias: Bool = True
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    batch_norm: Bool = False
    dropout: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    init: Literal["default", "xavier", "kaiming_fan_in", "kaiming_fan_out"] = "default"
    init_scale: PositiveFloat = 1.0
    output_scale: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _has_hidden_layers_to_change(self) -> Self:
        given = [name for name in ("batch_norm", "dropout") if getattr(self, name)]
        if self.depth == 1 and given:
            wrong = "is not allowed with depth 1: it is of hidden layers, and there are none"
            raise ValidationErrors("model", [Problem((name,), wrong) for name in given])
        return self

    @property
    def parameter_names(self) -> tuple[str, ...]:
        maps = [f"{layer}.{part}" for layer in range(self.depth) for part in ("weight", *["bias"] * self.bias)]
        norms = range(self.depth - 1 if self.batch_norm else 0)
        return (*maps, *(f"{layer}.norm.{part}" for layer in norms for part in ("weight", "bias")))

    @property
    def is_batch_normalised(self) -> bool:
        return self.batch_norm and self.depth > 1

    def build(self, spec: Spec) -> Network:
        from torch.nn import functional as F

        from trainables.models._layers import activation_of, batch_norm, dropped, masks, start_layer, start_norm

        sizes = [math.prod(spec.input_shape), *[self.width] * (self.depth - 1), spec.num_outputs]
        hidden, activation = range(self.depth - 1), activation_of(self.activation)

        def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
            parameters: Tensors = {}
            buffers: Tensors = {}
            start = partial(
                start_layer,
                init=self.init,
                bias=self.bias,
                dtype=spec.dtype,
                scale=self.init_scale,
                generator=generator,
            )
            for layer in range(self.depth):
                start(parameters, f"{layer}", (sizes[layer + 1], sizes[layer]))
            for layer in hidden if self.batch_norm else ():
                start_norm(parameters, buffers, f"{layer}.norm", self.width, spec.dtype)
            return parameters, buffers

        def forward(
            parameters: Tensors, buffers: Tensors, x: Tensor, draws: Tensors | None, after: Tensors | None
        ) -> Tensor:
            h = x.flatten(1)
            for layer in range(self.depth):
                h = F.linear(h, parameters[f"{layer}.weight"], parameters.get(f"{layer}.bias"))
                if layer in hidden:
                    if self.batch_norm:
                        h = batch_norm(parameters, buffers, f"{layer}.norm", h, after)
                    h = dropped(activation(h), f"{layer}", draws)
            return h if self.output_scale == 1.0 else h * self.output_scale

        def apply(parameters: Tensors, buffers: Tensors, x: Tensor, draws: Tensors) -> tuple[Tensor, Tensors]:
            after: Tensors = {}
            return forward(parameters, buffers, x, draws, after), after

        def evaluate(parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
            return forward(parameters, buffers, x, None, None)

        return Network(init, apply, evaluate, masks({f"{n}": self.width for n in hidden}, self.dropout, spec.dtype))
