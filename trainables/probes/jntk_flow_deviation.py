"""How far training is from the linear differential equation of infinite width."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.configuration import NonNegativeFloat, PositiveFloat, PositiveInt
from trainables.infinite_width import DENSE
from trainables.probes.base import Probe, ProbeInput
from trainables.tasks import Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.datasets.base import Dataset
    from trainables.models.base import Model


class JntkFlowDeviation(Probe):
    """An `ntk_mlp` in training beside the flow of infinite width that starts where it started (arXiv:2312.03386,
    Theorem 9), at all training points. Training is full-batch gradient descent at the rate `lr` on the mean squared
    error and `jacobian` of the norm `half_mean_square`, exact and of that `strength`; give both as the trial has them.
    u stacks outputs and input derivatives, r what they miss: the targets, and 0.

    outputs_deviation      |f - f_flow| / |f_flow - f_0|
    derivatives_deviation  the same of the input derivatives
    residual               the root of twice the objective, over its value at the start
    flow_residual          of the flow
    residual_over_bound    `residual` over exp(-s t / N), s the smallest eigenvalue of Lambda^(1/2) Theta Lambda^(1/2):
                           at most 1 in the flow, which converges at least so fast

    Before the first step deviations are 0.
    """

    serves: ClassVar[tuple[Task, ...]] = ("binary", "regression")

    name: Literal["jntk_flow_deviation"] = "jntk_flow_deviation"
    on: Literal["train"] = "train"
    lr: PositiveFloat
    strength: NonNegativeFloat = 0.0
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        quantities = ("outputs_deviation", "derivatives_deviation", "residual", "flow_residual", "residual_over_bound")
        return tuple(f"{self.on}_{quantity}" for quantity in quantities)

    def misfit(self, data: Dataset, model: Model | None) -> str | None:
        from trainables.probes._ntk_mlp import why_not

        if (why := why_not(data, model)) is not None:
            return why
        rows = data.num_train * (1 + math.prod(data.shape[0])) if data.shape is not None and data.num_train else 0
        if rows > DENSE:
            return f"{data.num_train:,} training examples make a kernel of {rows:,} rows, and {DENSE:,} are allowed"
        return None

    def init(self, at: ProbeInput) -> dict[str, Tensor]:
        from trainables.probes._ntk_mlp import with_derivatives

        return {"start": with_derivatives(at, at.x)}

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        import torch

        from trainables.infinite_width.dynamics import Flow
        from trainables.infinite_width.lanczos import Decomposed
        from trainables.losses.mean_squared_error import targets
        from trainables.probes._ntk_mlp import limit, with_derivatives

        now, start = with_derivatives(at, at.x), at.state["start"]
        y, t = targets(now[:, :1], at.y)[:, 0], 2 * self.lr * at.steps
        flow = Flow(limit(at, at.x), y, self.strength / 2, start)
        predicted = flow.theta @ flow.pushed(t)
        functions = flow.functions
        assert isinstance(functions, Decomposed)
        bound = torch.exp(-functions.smallest * t / len(y))
        missing = now.clone()
        missing[:, 0] -= y
        first, residual = flow.residual(0.0).norm(), (missing * flow.root).norm()
        deviations = [_relative(now[:, those] - start[:, those], -predicted[:, those]) for those in (_FIRST, _OTHERS)]
        values = (*deviations, residual / first, flow.residual(t).norm() / first, residual / first / bound)
        return dict(zip(self.metrics, values, strict=True))


_FIRST, _OTHERS = slice(1), slice(1, None)


def _relative(measured: Tensor, predicted: Tensor) -> torch.Tensor:
    difference, size = (measured - predicted).norm(), predicted.norm()
    return difference / size if size > 0 else difference
