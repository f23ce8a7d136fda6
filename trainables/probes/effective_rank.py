"""The effective rank of the Jacobian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor


class EffectiveRank(Probe):
    """The effective rank of the Jacobian (Roy and Vetterli 2007): the exponential of the entropy of its singular values
    divided by their sum. Mean, min and max over the first `num_points`. It is 1 where the Jacobian has rank one, and
    the number of outputs where its singular values are equal; `jacobian_spectrum` has the first one's share beside it.
    """

    name: Literal["effective_rank"] = "effective_rank"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_effective_rank_{stat}" for stat in ("mean", "min", "max"))

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        from trainables.probes._jacobians import effective_ranks, extremes

        at.drawing(f"effective ranks, {self.num_points}")
        found = effective_ranks(at.f, at.x[: self.num_points])
        return extremes(f"{self.on}_jacobian_effective_rank", found)
