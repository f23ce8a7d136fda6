"""How far training is from the linear differential equation of infinite width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainables.configuration import NonNegativeFloat, PositiveFloat, PositiveInt
from trainables.infinite_width import DENSE
from trainables.optimisers.sgd import Sgd
from trainables.probes.base import Probe, ProbeInput
from trainables.regularisers.base import Regulariser
from trainables.regularisers.jacobian import Jacobian
from trainables.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset


class JntkFlowDeviation(Probe):
    """An `ntk_mlp` in training beside the flow of infinite width (arXiv:2312.03386, Theorem 9), at all training points.
    Training is full-batch gradient descent at the rate `lr` on the mean squared error and `jacobian` of the norm
    `half_mean_square`, exact and of that `strength`, as the trial says. u stacks outputs and input
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

    def misfit(self, data: Dataset, trial: Mapping[str, Any]) -> str | None:
        from trainables.probes._ntk_mlp import too_large, why_not

        return why_not(data, trial) or too_large(data.num_train, data, DENSE) or self._other_training(trial)

    def _other_training(self, trial: Mapping[str, Any]) -> str | None:
        """Why the flow is not the limit of how the trial trains."""
        loss, optimiser = trial.get("loss"), trial.get("optimiser")
        if loss is not None and loss.name != "mean_squared_error":
            return f"the flow is of mean_squared_error, and the trial has {loss.name}"
        if optimiser is not None and not (
            isinstance(optimiser, Sgd) and optimiser.momentum == optimiser.weight_decay == 0
        ):
            return "the flow is of plain gradient descent: give sgd without momentum and weight decay"
        if optimiser is not None and optimiser.lr != self.lr:
            return f"its lr is {self.lr:g}, and the optimiser's {optimiser.lr:g}"
        if trial.get("schedule") is not None or trial.get("batch_size") is not None:
            return "the flow is of one rate and of full batches: leave schedule and batch_size out"
        if _several(trial, "input_transform") or _several(trial, "gradient_filter"):
            return "the flow knows no input transforms and no gradient filters"
        terms = _several(trial, "regulariser")
        if len(terms) > 1 or not all(_is_its_term(each) for each in terms):
            return "the flow is of one regulariser: jacobian, norm half_mean_square, projections exact, without a level"
        strength = terms[0].strength if terms else 0.0
        if strength != self.strength:
            return f"its strength is {self.strength:g}, and the regulariser's {strength:g}"
        return None

    def init(self, at: ProbeInput) -> dict[str, Tensor]:
        from trainables.probes._ntk_mlp import with_derivatives

        return {"start": with_derivatives(at, at.x)}

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        import torch

        from trainables.infinite_width.dynamics import Flow
        from trainables.losses.mean_squared_error import targets
        from trainables.probes._ntk_mlp import architecture, with_derivatives

        now, own = with_derivatives(at, at.x).double(), at.state["start"].double()
        start = own if self.start == "own" else torch.zeros_like(own)
        y, t = targets(now[:, :1], at.y)[:, 0].double(), 2 * self.lr * at.steps
        x = at.x.flatten(1).double()
        flow = Flow(architecture(at).ntk, x, y[None], start[None], self.strength / 2)
        change = -(flow.theta @ flow.weights(t)[0])
        residual = self._missing(now, y) / self._missing(own, y)
        values = (
            *(_relative(now[:, those] - start[:, those], change[:, those]) for those in (slice(1), slice(1, None))),
            residual,
            flow.residual(t) / flow.residual(0.0),
            residual / torch.exp(-flow.slowest * t / len(y)),
        )
        return dict(zip(self.metrics, values, strict=True))

    def _missing(self, u: Tensor, y: Tensor) -> Tensor:
        """|Lambda^(1/2) r| of u."""
        return ((u[:, 0] - y).square().sum() + self.strength / 2 * u[:, 1:].square().sum()).sqrt()


def _relative(measured: Tensor, predicted: Tensor) -> Tensor:
    difference, size = (measured - predicted).norm(), predicted.norm()
    return difference / size if size > 0 else difference


def _several(trial: Mapping[str, Any], short: str) -> list[Any]:
    """The components of a kind, in both forms."""
    one = trial.get(short)
    return [*trial.get(f"{short}s", {}).values(), *([one] if one is not None else [])]


def _is_its_term(regulariser: Regulariser) -> bool:
    return isinstance(regulariser, Jacobian) and (regulariser.norm, regulariser.projections, regulariser.level) == (
        "half_mean_square",
        "exact",
        None,
    )
