"""The centroid of the linear region that a point lies in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor


class Centroid(Probe):
    """The centroid J'1 (Walker et al., Theorem 4) at each point x: its cosine with x (Definition 5), its norm, its
    inner product with x: mean, min and max over the first `num_points`. A point whose centroid is zero has no
    alignment, and then none of the three is a number.
    """

    name: Literal["centroid"] = "centroid"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(
            f"{self.on}_centroid_{quantity}_{stat}"
            for quantity in ("alignment", "norm", "inner_product")
            for stat in ("mean", "min", "max")
        )

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        from trainables.probes._jacobians import centroids, extremes

        x = at.x[: self.num_points]
        at.drawing(f"centroids, {self.num_points}")
        mu, x = centroids(at.f, x).flatten(1), x.flatten(1)
        inner = (mu * x).sum(1)
        norm = mu.norm(dim=1)
        return {
            **extremes(f"{self.on}_centroid_alignment", inner / (norm * x.norm(dim=1))),
            **extremes(f"{self.on}_centroid_norm", norm),
            **extremes(f"{self.on}_centroid_inner_product", inner),
        }
