"""What the probes of `ntk_mlp` share: the network's own kernel, and that of its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.models.ntk_mlp import NtkMlp

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset
    from trainables.infinite_width.operator import Operator
    from trainables.models.base import Model
    from trainables.probes.base import ProbeInput


def why_not(data: Dataset, model: Model | None) -> str | None:
    """Why a trial has no Jacobian NTK whose limit is known."""
    if model is not None and not isinstance(model, NtkMlp):
        return f"it is of the model ntk_mlp, whose limit for infinite width is known, and not of {model.name}"
    if data.shape is not None and data.shape[1] != 1:
        return f"it is of networks with one output, and {data.title} asks for {data.shape[1]:,}"
    return None


def finite_kernel(at: ProbeInput, x: Tensor) -> Tensor:
    """The network's Jacobian NTK at x (points, …): (points, 1 + d, points, 1 + d)."""
    from trainables.infinite_width.dual import scaled
    from trainables.infinite_width.finite import jacobian_ntk, layers

    model = _model(at)
    weights = [at.parameters[name] for name in model.parameter_names]
    seen = layers(weights, x.flatten(1), scaled(model.activation), model.kappa)
    return jacobian_ntk(seen, seen)


def limit(at: ProbeInput, x: Tensor) -> Operator:
    """The Jacobian NTK of infinite width at x (points, …)."""
    from trainables.infinite_width.dual import dual_of
    from trainables.infinite_width.operator import Operator
    from trainables.infinite_width.recursion import Architecture

    model = _model(at)
    architecture = Architecture(model.hidden_layers, dual_of(model.activation), model.kappa)
    return Operator.of(architecture.ntk, x.flatten(1))


def with_derivatives(at: ProbeInput, x: Tensor) -> Tensor:
    """f and its input derivatives at x (points, …): (points, 1 + d)."""
    import torch

    outputs, vjp, *_ = torch.func.vjp(at.f, x)
    return torch.cat([outputs, vjp(torch.ones_like(outputs))[0].flatten(1)], dim=1)


def _model(at: ProbeInput) -> NtkMlp:
    assert isinstance(at.model, NtkMlp)
    return at.model
