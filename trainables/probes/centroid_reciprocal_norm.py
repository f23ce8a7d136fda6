"""The mean reciprocal norm of centroids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput

if TYPE_CHECKING:
    from torch import Tensor


class CentroidReciprocalNorm(Probe):
    """The mean of 1/|mu| over the first `num_points`, mu = J'1 the centroid of a point (Walker et al., Figure 6): a
    change d of the inner product <x, mu> changes the cosine by d / (|x| |mu|).
    """

    name: Literal["centroid_reciprocal_norm"] = "centroid_reciprocal_norm"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_centroid_reciprocal_norm_mean",)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        from trainables.probes._jacobians import centroids

        at.drawing(f"centroids, {self.num_points}")
        mu = centroids(at.f, at.x[: self.num_points]).flatten(1)
        return {self.metrics[0]: mu.norm(dim=1).reciprocal().mean()}
