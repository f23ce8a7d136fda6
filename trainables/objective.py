"""A trial's objective: a pure function of parameters, buffers, a batch and draws.

    objective(parameters, buffers, batch, draws) -> loss, buffers, outputs

Randomness is passed in, so that the objective works with both autograd and torch.func, which can lift the same function
over stacked parameters.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainables.data.load import Normalisation
from trainables.gradient_config import GradientConfig
from trainables.input_transforms import base as input_transforms
from trainables.models.base import Network
from trainables.regularisers.base import Step

Tensors = dict[str, Tensor]


class Batch(NamedTuple):
    """x: (batch, …) inputs; y: (batch,) labels, or (batch, outputs) targets of a regression."""

    x: Tensor
    y: Tensor


class Drawn(NamedTuple):
    """What a step depends on beside parameters, buffers and the batch.

    inputs, states  by the names of the input transforms: what they have drawn, and their states
    network         what the network has drawn
    terms           by the names of the regularisers: what they have drawn
    number          the step's, from 1, where there are plugins
    """

    inputs: Mapping[str, Mapping[str, Tensor]] = {}
    states: Mapping[str, Mapping[str, Tensor]] = {}
    network: Tensors = {}
    terms: Mapping[str, Mapping[str, Tensor]] = {}
    number: Tensor | None = None


Objective = Callable[[Tensors, Tensors, Batch, Drawn], tuple[Tensor, Tensors, Tensor]]


def build_objective(
    config: GradientConfig, network: Network, normalisation: Normalisation, *, lifts: bool = False
) -> Objective:
    """normalisation: between pixels and inputs, for what trains on pixels
    lifts: whether torch.func can lift it; it is a fifth slower then, for small networks, and computes the same
    """
    loss, transforms = config.loss, config.input_transforms
    # In sorted order: a sum of floating point numbers depends on it.
    regularisers = sorted(config.regularisers.items())

    def transformed(parameters: Tensors, buffers: Tensors, batch: Batch, draws: Drawn) -> Tensor:
        def loss_at(x: Tensor) -> Tensor:
            return loss.value(network.apply(parameters, buffers, x, draws.network)[0], batch.y)

        def gradient(x: Tensor) -> Tensor:
            if lifts:
                found: Tensor = torch.func.grad(loss_at)(x)
                return found
            leaf = x.detach().requires_grad_()
            (found,) = torch.autograd.grad(loss_at(leaf), leaf)
            return found

        x, asked = batch.x, input_transforms.Network(gradient, normalisation.undone, normalisation)
        for name, transform in transforms.items():
            x = transform.apply(x, draws.inputs[name], draws.states[name], asked)
        return x

    def objective(parameters: Tensors, buffers: Tensors, batch: Batch, draws: Drawn) -> tuple[Tensor, Tensors, Tensor]:
        def apply(x: Tensor) -> tuple[Tensor, Tensors]:
            return network.apply(parameters, buffers, x, draws.network)

        x = transformed(parameters, buffers, batch, draws) if transforms else batch.x
        if not regularisers:
            outputs, after = apply(x)
        elif lifts:
            forward: Any = torch.func.vjp(apply, x, has_aux=True)
            outputs, vjp, after = forward
        else:
            # Of the regularisers' own x nothing hangs on a graph: a term of the inputs alone has no gradient.
            leaf = x.detach().requires_grad_()
            outputs, after = apply(leaf)

            def vjp(v: Tensor) -> tuple[Tensor]:
                (product,) = torch.autograd.grad(outputs, leaf, v, create_graph=True)
                return (product,)

        if network.check is not None:
            network.check(outputs, parameters)
        total = loss.value(outputs, batch.y)
        if regularisers:
            step = Step(parameters, x, batch.y, outputs, vjp, lambda x: apply(x)[0], draws.number)
            for name, regulariser in regularisers:
                total = total + regulariser.weight * regulariser.term(step, draws.terms[name])
        return total, after, outputs

    return objective
