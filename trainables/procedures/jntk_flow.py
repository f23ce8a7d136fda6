"""Jacobian-regularised training at infinite width."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat, PositiveFloat, PositiveInt
from trainables.evaluations import Evaluate
from trainables.procedures._infinite_width import InfiniteWidth
from trainables.procedures.base import State, Yielded

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset

_RESIDUAL, _BOUND = "train_residual", "error_bound"


class JntkFlow(InfiniteWidth):
    """Full-batch gradient descent on the mean squared error with `jacobian` of the norm `half_mean_square`, of the
    given `strength`, in the limits of infinite width and of small steps: a linear differential equation, which the
    Jacobian NTK of the training examples decides (arXiv:2312.03386, Theorem 9). The time after a step is 2 `lr` times
    its number. It is evaluated at the steps that `evaluate` gives, as gradient training is.

    start         mean: the network starts at 0, its mean over initialisations, and has no seed; process: at a function
                  that the seed draws from the Gaussian process of initialisations
    tolerance     of the training residual, relative to its norm at the start
    max_products  with the kernel. If they do not reach the tolerance, the trial fails and names the residual

    train_residual is the root of twice the objective, over its value at the start; error_bound bounds its error.
    """

    name: Literal["jntk_flow"] = "jntk_flow"
    lr: PositiveFloat
    strength: NonNegativeFloat = 0.0
    start: Literal["mean", "process"] = "mean"
    evaluate: Evaluate = Evaluate(every=1)
    tolerance: Annotated[Float, Field(gt=0, lt=1)] = 1e-6
    max_products: PositiveInt = 400

    @property
    def draws(self) -> bool:
        return self.start == "process"

    def next_step(self, steps: int) -> float:
        return self.evaluate.next_after(max(steps, 0))

    def metrics(self, data: Dataset | None) -> tuple[str, ...] | None:
        from trainables.procedures._infinite_width import usual_metrics

        return None if data is None else (*usual_metrics(data), _RESIDUAL, _BOUND)

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        import torch

        from trainables.infinite_width.dynamics import Flow
        from trainables.infinite_width.operator import Operator
        from trainables.procedures._infinite_width import points_of, refuse_without_memory_for, usual_values

        assert data is not None
        refuse_without_memory_for(data, vectors=self.max_products)
        num, outputs = len(data.x_train), data.num_outputs
        architecture = self.architecture
        points = points_of(data, architecture)
        theta, across = (Operator.of(architecture.ntk, x, points.x_train) for x in (points.x_train, points.x_test))
        start = self._start(seed, points.x_train, points.x_test, outputs)
        # The library's mean squared error is a mean over outputs, too, and has no factor 1/2.
        strength, speed = self.strength * outputs / 2, 2 * self.lr / outputs
        flows = [
            Flow(theta, points.y_train[:, output], strength, start[output, :num], self.tolerance, self.max_products)
            for output in range(outputs)
        ]
        first = torch.stack([flow.residual(0.0) for flow in flows]).norm()
        step = 0 if state is None else state["step"]
        while not math.isinf(following := self.next_step(step)):
            step = int(following)
            bound = max(flow.error_bound(speed * step) for flow in flows)
            pushed = [flow.pushed(speed * step) for flow in flows]
            on_train, on_test = (
                torch.stack([begin - K @ each for begin, each in zip(u, pushed, strict=True)])
                for K, u in ((theta, start[:, :num]), (across, start[:, num:]))
            )
            residual = torch.stack([flow.residual(speed * step) for flow in flows]).norm()
            values = usual_values(data, on_train, on_test)
            values |= {_RESIDUAL: float(residual / first), _BOUND: bound}
            yield Yielded(step, values, {"step": step})

    def _start(self, seed: int, x_train: Tensor, x_test: Tensor, outputs: int) -> Tensor:
        """u at initialisation, (outputs, training and test points, 1 + d)."""
        import torch

        from trainables.infinite_width.operator import Operator
        from trainables.infinite_width.process import draw

        x = torch.cat([x_train, x_test])
        if self.start == "mean":
            return x.new_zeros(outputs, len(x), 1 + x.shape[1])
        covariance = Operator.of(self.architecture.nngp, x)
        return torch.stack([draw(covariance, seed, output) for output in range(outputs)])
