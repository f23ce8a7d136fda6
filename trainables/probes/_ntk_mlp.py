"""What the probes of `ntk_mlp` share: the network's own kernel, and that of its limit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainables.models.ntk_mlp import NtkMlp

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset
    from trainables.infinite_width.operator import Operator
    from trainables.infinite_width.recursion import Architecture
    from trainables.models.base import Model
    from trainables.probes.base import ProbeInput


def why_not(data: Dataset, trial: Mapping[str, Any]) -> str | None:
    """Why a trial has no Jacobian NTK whose limit is known."""
    model: Model | None = trial.get("model")
    if model is not None and not isinstance(model, NtkMlp):
        return f"it is of the model ntk_mlp, whose limit for infinite width is known, and not of {model.name}"
    if data.shape is not None and data.shape[1] != 1:
        return f"it is of networks with one output, and {data.title} asks for {data.shape[1]:,}"
    return None


def too_large(num: int | None, data: Dataset, most: int) -> str | None:
    """Why the kernel of so many points is not built, if that is known."""
    rows = (num or 0) * (1 + math.prod(data.shape[0])) if data.shape is not None else 0
    return f"{num:,} points make a kernel of {rows:,} rows, and {most:,} are allowed" if rows > most else None


def finite_kernel(at: ProbeInput, x: Tensor) -> Tensor:
    """The network's Jacobian NTK at x (points, …), in float64: (points (1 + d), points (1 + d))."""
    from trainables.infinite_width.dual import scaled
    from trainables.infinite_width.finite import jacobian_ntk, layers

    model = _model(at)
    weights = [at.parameters[name].double() for name in model.parameter_names]
    seen = layers(weights, x.flatten(1).double(), scaled(model.activation), model.kappa)
    return jacobian_ntk(seen, seen).flatten(2).flatten(0, 1)


def limit(at: ProbeInput, x: Tensor) -> Operator:
    """The Jacobian NTK of infinite width at x (points, …), in float64."""
    from trainables.infinite_width.operator import Operator

    return Operator.of(architecture(at).ntk, x.flatten(1).double())


def architecture(at: ProbeInput) -> Architecture:
    from trainables.infinite_width.dual import dual_of
    from trainables.infinite_width.recursion import Architecture

    model = _model(at)
    return Architecture(model.hidden_layers, dual_of(model.activation), model.kappa)


def with_derivatives(at: ProbeInput, x: Tensor) -> Tensor:
    """f and its input derivatives at x (points, …): (points, 1 + d)."""
    import torch

    outputs, vjp, *_ = torch.func.vjp(at.f, x)
    return torch.cat([outputs, vjp(torch.ones_like(outputs))[0].flatten(1)], dim=1)


def _model(at: ProbeInput) -> NtkMlp:
    assert isinstance(at.model, NtkMlp)
    return at.model
