"""The explained variance of the Jacobian's first principal component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor


class JacobianSpectrum(Probe):
    """The explained variance of the Jacobian's first principal component, s1^2 / sum of s_i^2 with the singular values
    s_i, not centred (Walker et al., Figure 9): mean, min and max over the first `num_points`. It is 1 where the
    Jacobian has rank one.
    """

    name: Literal["jacobian_spectrum"] = "jacobian_spectrum"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_explained_variance_{stat}" for stat in ("mean", "min", "max"))

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        from trainables.probes._jacobians import extremes, jacobians

        found = at.once(jacobians, self.num_points)
        return extremes(f"{self.on}_jacobian_explained_variance", found.explained_variance)
