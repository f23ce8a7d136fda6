"""A trial's objective: a pure function of parameters, buffers, a batch and draws.

    objective(parameters, buffers, batch, draws) -> loss, buffers, outputs

Randomness is passed in, so that the objective works with both autograd and torch.func, which can lift the same function
over stacked parameters.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainables.gradient_config import GradientConfig
from trainables.models.base import Network
from trainables.regularisers.base import Step

Tensors = dict[str, Tensor]


class Batch(NamedTuple):
    """x: (batch, …) inputs; y: (batch,) classes."""

    x: Tensor
    y: Tensor


class Drawn(NamedTuple):
    """What a step depends on beside parameters, buffers and the batch.

    inputs, states  by the names of the input transforms: what they have drawn, and their states
    terms           by the names of the regularisers: what they have drawn
    number          the step's, from 1, where there are plugins
    """

    inputs: Mapping[str, Mapping[str, Tensor]] = {}
    states: Mapping[str, Mapping[str, Tensor]] = {}
    terms: Mapping[str, Mapping[str, Tensor]] = {}
    number: Tensor | None = None


Objective = Callable[[Tensors, Tensors, Batch, Drawn], tuple[Tensor, Tensors, Tensor]]


def build_objective(config: GradientConfig, network: Network, *, lifts: bool = False) -> Objective:
    """lifts: whether torch.func can lift it; it is a fifth slower then, for small networks, and computes the same."""
    loss, transforms = config.loss, config.input_transforms
    # In sorted order: a sum of floating point numbers depends on it.
    regularisers = sorted(config.regularisers.items())

    def objective(parameters: Tensors, buffers: Tensors, batch: Batch, draws: Drawn) -> tuple[Tensor, Tensors, Tensor]:
        x = batch.x
        for name, transform in transforms.items():
            x = transform.apply(x, draws.inputs[name], draws.states[name])
        if not regularisers:
            outputs, after = network.apply(parameters, buffers, x)
        elif lifts:
            forward: Any = torch.func.vjp(lambda x: network.apply(parameters, buffers, x), x, has_aux=True)
            outputs, vjp, after = forward
        else:
            # Of the regularisers' own x nothing hangs on a graph: a term of the inputs alone has no gradient.
            leaf = x.detach().requires_grad_()
            outputs, after = network.apply(parameters, buffers, leaf)

            def vjp(v: Tensor) -> tuple[Tensor]:
                (product,) = torch.autograd.grad(outputs, leaf, v, create_graph=True)
                return (product,)

        if network.check is not None:
            network.check(outputs, parameters)
        total = loss.value(outputs, batch.y)
        if regularisers:

            def f(x: Tensor) -> Tensor:
                return network.apply(parameters, buffers, x)[0]

            step = Step(parameters, x, batch.y, outputs, vjp, f, draws.number)
            for name, regulariser in regularisers:
                total = total + regulariser.weight * regulariser.term(step, draws.terms[name])
        return total, after, outputs

    return objective
