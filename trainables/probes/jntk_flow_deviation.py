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
    from torch import Tensor

    from trainables.datasets.base import Dataset
    from trainables.infinite_width.dynamics import Flow
    from trainables.models.base import Model


class JntkFlowDeviation(Probe):
    """An `ntk_mlp` in training beside the flow of infinite width (arXiv:2312.03386, Theorem 9), at all training points.
    Training is full-batch gradient descent at the rate `lr` on the mean squared error and `jacobian` of the norm
    `half_mean_square`, exact and of that `strength`; give both as the trial has them. u stacks outputs and input
    derivatives, r what they miss: the targets, and 0.

    start                  own: the flow starts where the network started; mean: at 0, the mean over initialisations

    outputs_deviation      |f - f_flow| / |f_flow(t) - f_flow(0)|
    derivatives_deviation  the same of the input derivatives
    residual               |Lambda^(1/2) r| over its value at the start: the root of the objective, over its own
    flow_residual          the same of the flow
    residual_over_bound    `residual` over exp(-s t / N), s the smallest eigenvalue of Lambda^(1/2) Theta Lambda^(1/2),
                           with a strength of 0 of the kernel of outputs alone: at most 1 in the flow

    Where the flow has not moved yet, deviations are |f - f_flow|.
    """

    serves: ClassVar[tuple[Task, ...]] = ("binary", "regression")

    name: Literal["jntk_flow_deviation"] = "jntk_flow_deviation"
    on: Literal["train"] = "train"
    lr: PositiveFloat
    strength: NonNegativeFloat = 0.0
    start: Literal["own", "mean"] = "own"
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
        from trainables.losses.mean_squared_error import targets
        from trainables.probes._ntk_mlp import limit, with_derivatives

        now, own = with_derivatives(at, at.x), at.state["start"]
        start = own if self.start == "own" else torch.zeros_like(own)
        y, t = targets(now[:, :1], at.y)[:, 0], 2 * self.lr * at.steps
        flow = Flow(limit(at, at.x), y, self.strength / 2, start)
        predicted = flow.theta @ flow.pushed(t)
        bound = torch.exp(-_slowest(flow) * t / len(y))
        residual = _missing(flow, now) / _missing(flow, own)
        deviations = [_relative(now[:, those] - start[:, those], -predicted[:, those]) for those in (_FIRST, _OTHERS)]
        values = (*deviations, residual, flow.residual(t).norm() / _missing(flow, start), residual / bound)
        return dict(zip(self.metrics, values, strict=True))


_FIRST, _OTHERS = slice(1), slice(1, None)


def _relative(measured: Tensor, predicted: Tensor) -> Tensor:
    difference, size = (measured - predicted).norm(), predicted.norm()
    return difference / size if size > 0 else difference


def _missing(flow: Flow, u: Tensor) -> Tensor:
    """|Lambda^(1/2) r| of u."""
    missing = u.clone()
    missing[:, 0] -= flow.y
    return (missing * flow.root).norm()


def _slowest(flow: Flow) -> Tensor:
    """The smallest eigenvalue that the flow decays with."""
    import torch

    K = flow.theta.by.F if flow.strength == 0 else flow.operator()
    return torch.linalg.eigvalsh(K)[0]
