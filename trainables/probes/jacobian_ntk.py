"""The Jacobian NTK of a network, beside that of infinite width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset

_ROWS = 2_000
"""Of the kernel at initialisation, which every snapshot holds."""


class JacobianNtk(Probe):
    """The Jacobian NTK Theta of an `ntk_mlp` at the first `num_points`: the Gram matrix of the gradients of its output
    and of its input derivatives by the parameters (arXiv:2312.03386), exactly.

    jacobian_ntk_deviation            |Theta - Theta_inf| / |Theta_inf|, Frobenius, Theta_inf of infinite width
    jacobian_ntk_change               |Theta - Theta_0| / |Theta_0|, Theta_0 at initialisation
    jacobian_ntk_smallest_eigenvalue  of Theta
    """

    name: Literal["jacobian_ntk"] = "jacobian_ntk"
    on: Literal["train", "test"] = "train"
    num_points: Annotated[PositiveInt, Field(le=1000)] = 8
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_ntk_{what}" for what in ("deviation", "change", "smallest_eigenvalue"))

    def misfit(self, data: Dataset, trial: Mapping[str, Any]) -> str | None:
        from trainables.probes._ntk_mlp import too_large, why_not

        return why_not(data, trial) or too_large(self.num_points, data, _ROWS)

    def init(self, at: ProbeInput) -> dict[str, Tensor]:
        from trainables.probes._ntk_mlp import finite_kernel

        return {"initial": finite_kernel(at, at.x[: self.num_points])}

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        import torch

        from trainables.probes._ntk_mlp import finite_kernel, limit

        x, initial = at.x[: self.num_points], at.state["initial"]
        theta, theta_inf = finite_kernel(at, x), limit(at, x).matrix()
        values = (
            (theta - theta_inf).norm() / theta_inf.norm(),
            (theta - initial).norm() / initial.norm(),
            torch.linalg.eigvalsh(theta)[0] if theta.isfinite().all() else torch.nan,
        )
        return dict(zip(self.metrics, values, strict=True))
