"""Jacobian-regularised training at infinite width."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Float, NonNegativeFloat, PositiveFloat, PositiveInt
from trainables.evaluations import NOT_YET, Evaluate
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

    train_residual is the root of the objective over its value at the start; error_bound bounds its error. The errors
    of test points are not bounded, but come from the same products.
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
        return self.evaluate.next_after(steps)

    def metrics(self, data: Dataset | None) -> tuple[str, ...] | None:
        from trainables.procedures._infinite_width import usual_metrics

        return None if data is None else (*usual_metrics(data), _RESIDUAL, _BOUND)

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        import torch

        from trainables.infinite_width.dynamics import Flow
        from trainables.infinite_width.operator import Operator
        from trainables.procedures._infinite_width import points_of, refuse_without_memory, usual_values

        assert data is not None
        num, outputs = len(data.x_train), data.num_outputs
        refuse_without_memory(data, vectors=self.max_products * outputs, draws=self.draws)
        ntk = self.architecture.ntk
        x_train, x_test, y = points_of(data, self.architecture)
        start = self._start(seed, x_train, x_test, outputs)
        # The library's mean squared error is a mean over outputs, too, and has no factor 1/2.
        strength, speed = self.strength * outputs / 2, 2 * self.lr / outputs
        flow = Flow(
            ntk,
            x_train,
            y,
            start[:, :num],
            strength,
            tolerance=self.tolerance,
            max_products=self.max_products,
        )
        kernels = [flow.theta, Operator.of(ntk, x_test, x_train)]
        first = flow.residual(0.0)
        step = NOT_YET if state is None else state["step"]
        while not math.isinf(following := self.evaluate.next_after(step)):
            step = int(following)
            w = flow.weights(speed * step)
            changes = [torch.stack([kernel @ each for each in w]) for kernel in kernels]
            values = usual_values(data, start[:, :num] - changes[0], start[:, num:] - changes[1])
            values |= {
                _RESIDUAL: float(flow.residual(speed * step) / first),
                _BOUND: flow.error_bound(speed * step),
            }
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
