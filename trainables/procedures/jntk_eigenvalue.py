"""The smallest eigenvalue of the Jacobian NTK."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Literal

from trainables.procedures._infinite_width import InfiniteWidth
from trainables.procedures.base import State, Yielded

if TYPE_CHECKING:
    import torch

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset

_METRICS = (
    "jntk_smallest_eigenvalue",
    "jntk_smallest_eigenvalue_log10",
    "jntk_largest_eigenvalue",
    "ntk_smallest_eigenvalue",
    "ntk_largest_eigenvalue",
)


class JntkEigenvalue(InfiniteWidth):
    """The extreme eigenvalues of the Jacobian NTK of some 64 training examples at infinite width, and of the NTK of
    their outputs alone, which it contains: one evaluation. Training converges at a rate that the smallest one bounds
    (arXiv:2312.03386, Assumption 8 and Theorem 9). One that cannot be told from 0 is refused; over draws of the
    examples its logarithm, to the base 10, spreads evenly.
    """

    name: Literal["jntk_eigenvalue"] = "jntk_eigenvalue"

    def next_step(self, steps: int) -> float:
        return 1 if steps < 1 else float("inf")

    def metrics(self, data: Dataset | None) -> tuple[str, ...]:
        return _METRICS

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        import torch

        from trainables.infinite_width.spectrum import extreme_eigenvalues
        from trainables.procedures._infinite_width import points_of

        if state is not None:
            return
        assert data is not None
        ntk = self.architecture.ntk
        x = points_of(data, self.architecture).x_train
        extremes = extreme_eigenvalues(ntk, x)
        norms = x.square().sum(1)
        outputs = torch.linalg.eigvalsh(ntk(norms[:, None], norms[None], x @ x.T))
        smallest, largest = extremes
        values = (smallest, math.log10(smallest), largest, float(outputs[0]), float(outputs[-1]))
        yield Yielded(1, dict(zip(_METRICS, values, strict=True)), {})
