"""LeNet', the modernised LeNet-5 of Hoffman et al. (2019)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float
from trainables.models.base import Model, Network, Spec, no_images

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = dict[str, Tensor]


class Lenet(Model):
    """LeNet' (Hoffman et al. 2019, Appendix D): two convolutions of 5 x 5 pixels, to 6 and to 16 channels, each
    followed by the hyperbolic tangent and the largest of 2 x 2 pixels; linear maps to 120, 84 and the outputs, the
    first two followed by the tangent and by dropout. The first convolution pads by 2 pixels.

    The paper's text gives the first linear map 2,100 inputs; of images of 28 x 28 pixels it has 400, and the network
    61,706 parameters. Weights start as Xavier's, biases at 0.
    """

    name: Literal["lenet"] = "lenet"
    dropout: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    init: Literal["default", "xavier", "kaiming_fan_in", "kaiming_fan_out"] = "xavier"

    @property
    def parameter_names(self) -> tuple[str, ...]:
        layers = ("conv.0", "conv.1", "linear.0", "linear.1", "linear.2")
        return tuple(f"{layer}.{part}" for layer in layers for part in ("weight", "bias"))

    def misfit(self, input_shape: tuple[int, ...]) -> str | None:
        if len(input_shape) != 3:
            return f"lenet takes images, (channels, height, width); {no_images(input_shape)}"
        if min(map(_size, input_shape[1:])) < 1:
            height, width = input_shape[1:]
            return f"lenet takes images of 12 x 12 pixels or more; these have {height} x {width}"
        return None

    def build(self, spec: Spec) -> Network:
        from torch.nn import functional as F

        from trainables.models._layers import dropped, masks, start_layer

        channels, height, width = spec.input_shape
        shapes = {
            "conv.0": (6, channels, 5, 5),
            "conv.1": (16, 6, 5, 5),
            "linear.0": (120, 16 * _size(height) * _size(width)),
            "linear.1": (84, 120),
            "linear.2": (spec.num_outputs, 84),
        }

        def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
            parameters: Tensors = {}
            start = partial(start_layer, init=self.init, bias=True, dtype=spec.dtype, scale=1.0, generator=generator)
            for name, shape in shapes.items():
                start(parameters, name, shape)
            return parameters, {}

        def forward(parameters: Tensors, x: Tensor, draws: Tensors | None) -> Tensor:
            h = x
            for layer, padding in ((0, 2), (1, 0)):
                h = F.conv2d(h, *_layer(parameters, f"conv.{layer}"), padding=padding).tanh()
                h = F.max_pool2d(h, 2)
            h = h.flatten(1)
            for layer in (0, 1):
                h = F.linear(h, *_layer(parameters, f"linear.{layer}")).tanh()
                h = dropped(h, f"linear.{layer}", draws)
            return F.linear(h, *_layer(parameters, "linear.2"))

        return Network(
            init,
            lambda parameters, buffers, x, draws: (forward(parameters, x, draws), {}),
            lambda parameters, buffers, x: forward(parameters, x, None),
            masks({"linear.0": 120, "linear.1": 84}, self.dropout, spec.dtype),
        )


def _layer(parameters: Tensors, name: str) -> tuple[Tensor, Tensor]:
    return parameters[f"{name}.weight"], parameters[f"{name}.bias"]


def _size(size: int) -> int:
    """The height or width of what the linear maps get."""
    return (size // 2 - 4) // 2
