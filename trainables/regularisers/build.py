"""Regularisers: (step, projections) -> scalar, the strength included."""

from collections.abc import Callable

from torch import Tensor

from trainables.own.interfaces import Step
from trainables.own.loading import load_part, scalar
from trainables.regularisers.config import JacobianConfig, OwnRegulariserConfig
from trainables.regularisers.jacobian import jacobian_penalty

Regulariser = Callable[[Step, Tensor | None], Tensor]


def build_regulariser(config: JacobianConfig | OwnRegulariserConfig) -> Regulariser:
    """projections: what `draw_projections` drew for the Jacobian term; a part of one's own draws for itself."""
    if isinstance(config, OwnRegulariserConfig):
        part = scalar(load_part(config), config)
        return lambda step, projections: part(step)

    def jacobian(step: Step, projections: Tensor | None) -> Tensor:
        assert projections is not None
        return jacobian_penalty(config, step.vjp, projections)

    return jacobian
