"""The Jacobian NTK of a network, beside that of infinite width."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import PositiveInt
from trainables.infinite_width import DENSE
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset
    from trainables.models.base import Model


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

    def misfit(self, data: Dataset, model: Model | None) -> str | None:
        from trainables.probes._ntk_mlp import why_not

        if (why := why_not(data, model)) is not None:
            return why
        rows = self.num_points * (1 + math.prod(data.shape[0])) if data.shape is not None else 0
        if rows > DENSE:
            return f"num_points {self.num_points:,} makes a kernel of {rows:,} rows, and {DENSE:,} are allowed"
        return None

    def init(self, at: ProbeInput) -> dict[str, Tensor]:
        from trainables.probes._ntk_mlp import finite_kernel

        return {"initial": finite_kernel(at, at.x[: self.num_points]).flatten(2).flatten(0, 1)}

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        import torch

        from trainables.probes._ntk_mlp import finite_kernel, limit

        x, initial = at.x[: self.num_points], at.state["initial"]
        theta = finite_kernel(at, x).flatten(2).flatten(0, 1)
        theta_inf = limit(at, x).dense().flatten(2).flatten(0, 1)
        values = (
            (theta - theta_inf).norm() / theta_inf.norm(),
            (theta - initial).norm() / initial.norm(),
            torch.linalg.eigvalsh(theta)[0] if theta.isfinite().all() else torch.nan,
        )
        return dict(zip(self.metrics, values, strict=True))
