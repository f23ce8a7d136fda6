"""The norm of the Jacobian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor


class JacobianNorm(Probe):
    """The exact Frobenius norm of the Jacobian at each point: mean, min and max over the first `num_points`."""

    name: Literal["jacobian_norm"] = "jacobian_norm"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_norm_{stat}" for stat in ("mean", "min", "max"))

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        from trainables.probes._jacobians import extremes, jacobians

        return extremes(f"{self.on}_jacobian_norm", at.once(jacobians, self.num_points).norm)
