"""The alignment of the Jacobian's rows with the points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor


class JacobianRows(Probe):
    """The cosines between each point and the rows of the Jacobian there (Walker et al., Appendix E, Table 2), over the
    first `num_points`: the extremes of all, and the means over points of each point's extremes. The paper does not say
    which its "max/min" are. A point with a row of zeros has none.
    """

    name: Literal["jacobian_rows"] = "jacobian_rows"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_row_alignment_{stat}" for stat in ("min", "max", "mean_min", "mean_max"))

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        from trainables.probes._jacobians import jacobians

        found = at.once(jacobians, self.num_points)
        values = (
            found.row_alignment_min.min(),
            found.row_alignment_max.max(),
            found.row_alignment_min.mean(),
            found.row_alignment_max.mean(),
        )
        return dict(zip(self.metrics, values, strict=True))
