"""What networks are made of, as pure functions of named tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Tensors = dict[str, Tensor]
Init = Literal["default", "xavier", "kaiming_fan_in", "kaiming_fan_out"]
Activation = Literal["relu", "tanh", "gelu"]

_MOMENTUM, _EPS = 0.1, 1e-5
"""torch's defaults of batch normalisation."""


def activation_of(name: Activation) -> Callable[[Tensor], Tensor]:
    activations: dict[Activation, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}
    return activations[name]


def start_layer(
    parameters: Tensors,
    name: str,
    shape: tuple[int, ...],
    init: Init,
    *,
    bias: bool,
    dtype: torch.dtype,
    scale: float,
    generator: torch.Generator,
) -> None:
    """Adds the weight (outputs, inputs, …) of a linear map or a convolution and, with `bias`, its bias, times `scale`.

    default          torch's: weights and biases uniform within 1 / sqrt(fan_in)
    xavier           uniform within sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, eq. 16), biases 0
    kaiming_fan_in   normal of variance 2 / fan_in (He et al. 2015, eq. 10), biases 0
    kaiming_fan_out  normal of variance 2 / fan_out (He et al. 2015, eq. 14), biases 0
    """
    area = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
    weight, offset = torch.empty(shape, dtype=dtype), torch.zeros(shape[:1], dtype=dtype)
    if init == "default":
        bound = 1 / math.sqrt(fan_in)
        weight.uniform_(-bound, bound, generator=generator)
        if bias:
            offset.uniform_(-bound, bound, generator=generator)
    elif init == "xavier":
        bound = math.sqrt(6 / (fan_in + fan_out))
        weight.uniform_(-bound, bound, generator=generator)
    else:
        fan = fan_in if init == "kaiming_fan_in" else fan_out
        weight.normal_(0.0, math.sqrt(2 / fan), generator=generator)
    parameters[f"{name}.weight"] = weight * scale
    if bias:
        parameters[f"{name}.bias"] = offset * scale


def start_norm(parameters: Tensors, buffers: Tensors, name: str, size: int, dtype: torch.dtype) -> None:
    """Adds what `batch_norm` needs."""
    parameters[f"{name}.weight"], parameters[f"{name}.bias"] = (
        torch.ones(size, dtype=dtype),
        torch.zeros(size, dtype=dtype),
    )
    buffers[f"{name}.mean"], buffers[f"{name}.var"] = torch.zeros(size, dtype=dtype), torch.ones(size, dtype=dtype)


def batch_norm(parameters: Tensors, buffers: Tensors, name: str, h: Tensor, after: Tensors | None) -> Tensor:
    """Batch normalisation (Ioffe & Szegedy 2015, Algorithm 1) of h (batch, features, …): in training by the batch's
    statistics, and the running ones that follow from them are put into `after`; with None by the running ones.
    """
    weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    mean, var = buffers[f"{name}.mean"], buffers[f"{name}.var"]
    if after is None:
        return F.batch_norm(h, mean, var, weight, bias, training=False, eps=_EPS)
    over = [axis for axis in range(h.ndim) if axis != 1]
    batch_var, batch_mean = torch.var_mean(h.detach(), dim=over)
    after[f"{name}.mean"] = torch.lerp(mean, batch_mean, _MOMENTUM)
    after[f"{name}.var"] = torch.lerp(var, batch_var, _MOMENTUM)
    return F.batch_norm(h, None, None, weight, bias, training=True, eps=_EPS)


def masks(sizes: dict[str, int], dropout: float, dtype: torch.dtype) -> Callable[[int, int, torch.Generator], Tensors]:
    """What dropout multiplies activations by (Srivastava et al. 2014), each name's (steps, batch, size): 0 with
    probability `dropout`, else 1 / (1 - dropout), so that evaluation leaves activations as they are.
    """

    def draw(steps: int, batch: int, generator: torch.Generator) -> Tensors:
        if dropout == 0:
            return {}
        kept = torch.full((), 1 / (1 - dropout), dtype=dtype, device=generator.device)
        uniform = {
            name: torch.rand(steps, batch, size, dtype=dtype, device=generator.device, generator=generator)
            for name, size in sizes.items()
        }
        return {name: (each >= dropout) * kept for name, each in uniform.items()}

    return draw


def dropped(h: Tensor, name: str, draws: Tensors | None) -> Tensor:
    """h (batch, features) with some of it dropped; the batch may be smaller than that of the masks."""
    return h * draws[name][: len(h)] if draws else h
