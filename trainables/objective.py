"""A trial's objective: a pure function of parameters, buffers, a batch and draws.

    objective(parameters, buffers, batch, draws) -> loss, buffers, outputs

Everything random is drawn outside and handed in, so that alone autograd differentiates it, and torch.func can lift the
same function over stacked parameters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainables.losses.build import build_loss
from trainables.models.build import Model, Tensors
from trainables.models.config import PluginModelConfig
from trainables.plugins.interfaces import Step
from trainables.plugins.scope import Scope
from trainables.regularisers.build import build_regulariser
from trainables.trial import TrialConfig


class Batch(NamedTuple):
    """x: (batch, …) inputs; y: (batch,) classes."""

    x: Tensor
    y: Tensor


class Draws(NamedTuple):
    """noise: of x's shape, added to it; projections: (projections, batch, classes), for the Jacobian term; generator:
    for a regulariser plugin, which draws for itself; number: the step's, from 1, for the same.
    """

    noise: Tensor | None
    projections: Tensor | None
    generator: torch.Generator | None = None
    number: Tensor | None = None


Objective = Callable[[Tensors, Tensors, Batch, Draws], tuple[Tensor, Tensors, Tensor]]


def build_objective(config: TrialConfig, model: Model, scope: Scope | None = None) -> Objective:
    """scope: of the trial's plugins."""
    loss = build_loss(config.loss, scope)
    regulariser = build_regulariser(config.regulariser, scope) if config.regulariser is not None else None

    def checked(outputs: Tensor, parameters: Tensors) -> Tensor:
        if isinstance(config.model, PluginModelConfig):
            from trainables.models.plugin import check_depends

            check_depends(config.model, outputs, parameters)
        return outputs

    def objective(parameters: Tensors, buffers: Tensors, batch: Batch, draws: Draws) -> tuple[Tensor, Tensors, Tensor]:
        x = batch.x if draws.noise is None else batch.x + draws.noise
        if regulariser is None:
            outputs, buffers = model.apply(parameters, buffers, x)
            return loss(checked(outputs, parameters), batch.y), buffers, outputs
        forward: Any = torch.func.vjp(lambda x: model.apply(parameters, buffers, x), x, has_aux=True)
        outputs, vjp, after = forward

        def f(x: Tensor) -> Tensor:
            return model.apply(parameters, buffers, x)[0]

        step = Step(parameters, x, batch.y, outputs, vjp, f, draws.number, draws.generator)
        return loss(checked(outputs, parameters), batch.y) + regulariser(step, draws.projections), after, outputs

    return objective
