"""The end of Jacobian-regularised training at infinite width."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import Bool, Float, PositiveInt
from trainables.procedures._infinite_width import InfiniteWidth
from trainables.procedures.base import State, Yielded

if TYPE_CHECKING:
    import torch

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset

_RESIDUAL = "relative_residual"


class JntkRegression(InfiniteWidth):
    """What `jntk_flow`, from a start at 0, comes to after infinite time: kernel regression of targets, and of
    derivatives that are 0, with the Jacobian NTK (arXiv:2312.03386, Theorem 10). No strength is part of it; without the
    regulariser, `regularised: false`, derivatives are free. One evaluation.

    tolerance     of the relative residual, which is measured: above it the trial fails and names the residual
    max_products  with the kernel, where it is too large to be factorised
    """

    name: Literal["jntk_regression"] = "jntk_regression"
    regularised: Bool = True
    tolerance: Annotated[Float, Field(gt=0, lt=1)] = 1e-6
    max_products: PositiveInt = 2000

    def next_step(self, steps: int) -> float:
        return 1 if steps < 1 else float("inf")

    def metrics(self, data: Dataset | None) -> tuple[str, ...] | None:
        from trainables.procedures._infinite_width import usual_metrics

        return None if data is None else (*usual_metrics(data), _RESIDUAL)

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        import torch

        from trainables.infinite_width.operator import Operator
        from trainables.infinite_width.regression import regress
        from trainables.procedures._infinite_width import points_of, refuse_without_memory, usual_values

        if state is not None:
            return
        assert data is not None
        refuse_without_memory(data, vectors=5)
        ntk = self.architecture.ntk
        x_train, x_test, y = points_of(data, self.architecture)
        found = regress(
            ntk,
            x_train,
            y,
            regularised=self.regularised,
            tolerance=self.tolerance,
            max_products=self.max_products,
        )
        kernels = [found.theta, Operator.of(ntk, x_test, x_train)]
        on_train, on_test = (torch.stack([kernel @ each for each in found.weights]) for kernel in kernels)
        yield Yielded(1, usual_values(data, on_train, on_test) | {_RESIDUAL: found.residual}, {})
