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
from trainables.regularisers.jacobian import jacobian_penalty
from trainables.trial import TrialConfig


class Batch(NamedTuple):
    """x: (batch, …) inputs; y: (batch,) classes."""

    x: Tensor
    y: Tensor


class Draws(NamedTuple):
    """noise: of x's shape, added to it; projections: (projections, batch, classes), for the Jacobian term."""

    noise: Tensor | None
    projections: Tensor | None


Objective = Callable[[Tensors, Tensors, Batch, Draws], tuple[Tensor, Tensors, Tensor]]


def build_objective(config: TrialConfig, model: Model) -> Objective:
    loss = build_loss(config.loss)
    regulariser = config.regulariser

    def objective(parameters: Tensors, buffers: Tensors, batch: Batch, draws: Draws) -> tuple[Tensor, Tensors, Tensor]:
        x = batch.x if draws.noise is None else batch.x + draws.noise
        if regulariser is None:
            outputs, buffers = model.apply(parameters, buffers, x)
            return loss(outputs, batch.y), buffers, outputs
        assert draws.projections is not None
        forward: Any = torch.func.vjp(lambda x: model.apply(parameters, buffers, x), x, has_aux=True)
        outputs, vjp, buffers = forward
        penalty = jacobian_penalty(regulariser, vjp, draws.projections)
        return loss(outputs, batch.y) + penalty, buffers, outputs

    return objective
