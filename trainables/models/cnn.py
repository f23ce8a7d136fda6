"""A convolutional network."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import Bool, Float, PositiveFloat, PositiveInt
from trainables.models.base import Model, Network, Spec, no_images
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = dict[str, Tensor]


class Cnn(Model):
    """Convolutions, then an average over squares of `average_pool` pixels, then linear maps: one of `hidden` outputs
    each and one to the outputs. Each but the last is followed by the activation; batch normalisation, where it is
    asked for, stands before that. Dropout is of the hidden linear maps' outputs.

    channels  of each convolution's output
    strides   one each; 1 unless given
    kernel    height and width of each; pixels are padded so that stride 1 keeps the image's size
    init      how weights start: as torch's layers, xavier, kaiming_fan_in or kaiming_fan_out
    """

    name: Literal["cnn"] = "cnn"
    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64)
    strides: tuple[PositiveInt, ...] = ()
    kernel: PositiveInt = 3
    average_pool: PositiveInt = 1
    hidden: tuple[PositiveInt, ...] = (128,)
    bias: Bool = True
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    batch_norm: Bool = False
    dropout: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    init: Literal["default", "xavier", "kaiming_fan_in", "kaiming_fan_out"] = "default"
    init_scale: PositiveFloat = 1.0
    output_scale: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        problems = []
        if self.strides and len(self.strides) != len(self.channels):
            wrong = f"{len(self.strides)} strides are given for {len(self.channels)} convolutions"
            problems.append(Problem(("strides",), wrong))
        if self.kernel % 2 == 0:
            problems.append(Problem(("kernel",), f"{self.kernel} is not allowed: it should be odd, to have a middle"))
        if problems:
            raise ValidationErrors("model", problems)
        return self

    @property
    def parameter_names(self) -> tuple[str, ...]:
        convolutions = [f"conv.{layer}" for layer in range(len(self.channels))]
        linears = [f"linear.{layer}" for layer in range(len(self.hidden) + 1)]
        maps = [f"{name}.{part}" for name in convolutions + linears for part in ("weight", *["bias"] * self.bias)]
        normalised = convolutions + linears[:-1] if self.batch_norm else []
        return (*maps, *(f"{name}.norm.{part}" for name in normalised for part in ("weight", "bias")))

    @property
    def is_batch_normalised(self) -> bool:
        # Of convolutions alone pixels give the statistics of one example.
        return self.batch_norm and bool(self.hidden)

    def misfit(self, input_shape: tuple[int, ...]) -> str | None:
        if len(input_shape) != 3:
            return f"cnn takes images, (channels, height, width); {no_images(input_shape)}"
        if min(self._size(size) for size in input_shape[1:]) < 1:
            height, width = input_shape[1:]
            return f"nothing is left of images of {height} x {width} pixels after these strides and average_pool"
        return None

    def _size(self, size: int) -> int:
        """The height or width of what the linear maps get."""
        for stride in self._strides:
            size = (size - 1) // stride + 1
        return size // self.average_pool

    @property
    def _strides(self) -> tuple[int, ...]:
        return self.strides or (1,) * len(self.channels)

    def build(self, spec: Spec) -> Network:
        from torch.nn import functional as F

        from trainables.models._layers import activation_of, batch_norm, dropped, masks

        channels = (spec.input_shape[0], *self.channels)
        height, width = (self._size(size) for size in spec.input_shape[1:])
        sizes = (channels[-1] * height * width, *self.hidden, spec.num_outputs)
        linears = range(len(sizes) - 1)
        activation = activation_of(self.activation)

        def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
            return self._start(channels, sizes, spec.dtype, generator)

        def forward(
            parameters: Tensors, buffers: Tensors, x: Tensor, draws: Tensors | None, after: Tensors | None
        ) -> Tensor:
            def activated(h: Tensor, name: str) -> Tensor:
                return activation(batch_norm(parameters, buffers, f"{name}.norm", h, after) if self.batch_norm else h)

            h = x
            for layer, stride in enumerate(self._strides):
                weight, bias = parameters[f"conv.{layer}.weight"], parameters.get(f"conv.{layer}.bias")
                h = F.conv2d(h, weight, bias, stride=stride, padding=self.kernel // 2)
                h = activated(h, f"conv.{layer}")
            if self.average_pool > 1:
                h = F.avg_pool2d(h, self.average_pool)
            h = h.flatten(1)
            for layer in linears:
                h = F.linear(h, parameters[f"linear.{layer}.weight"], parameters.get(f"linear.{layer}.bias"))
                if layer < len(self.hidden):
                    h = dropped(activated(h, f"linear.{layer}"), f"linear.{layer}", draws)
            return h if self.output_scale == 1.0 else h * self.output_scale

        def apply(parameters: Tensors, buffers: Tensors, x: Tensor, draws: Tensors) -> tuple[Tensor, Tensors]:
            after: Tensors = {}
            return forward(parameters, buffers, x, draws, after), after

        def evaluate(parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
            return forward(parameters, buffers, x, None, None)

        dropping = {f"linear.{layer}": size for layer, size in enumerate(self.hidden)}
        return Network(init, apply, evaluate, masks(dropping, self.dropout, spec.dtype))

    def _start(
        self, channels: tuple[int, ...], sizes: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator
    ) -> tuple[Tensors, Tensors]:
        """Parameters and buffers. channels, sizes: of the inputs, and of what each convolution, linear map gives."""
        from trainables.models._layers import start_layer, start_norm

        parameters: Tensors = {}
        buffers: Tensors = {}
        start = partial(
            start_layer, init=self.init, bias=self.bias, dtype=dtype, scale=self.init_scale, generator=generator
        )
        for layer, (before, after) in enumerate(pairwise(channels)):
            start(parameters, f"conv.{layer}", (after, before, self.kernel, self.kernel))
        for layer, (before, after) in enumerate(pairwise(sizes)):
            start(parameters, f"linear.{layer}", (after, before))
        if self.batch_norm:
            for layer, size in enumerate(channels[1:]):
                start_norm(parameters, buffers, f"conv.{layer}.norm", size, dtype)
            for layer, size in enumerate(sizes[1:-1]):
                start_norm(parameters, buffers, f"linear.{layer}.norm", size, dtype)
        return parameters, buffers
