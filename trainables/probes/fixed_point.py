"""One training point and its centroid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainables.configuration import NonNegativeInt, PositiveInt
from trainables.probes._classes import no_such_class
from trainables.probes.base import Probe, ProbeInput
from trainables.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset


class FixedPoint(Probe):
    """The first example x of one class, and its centroid mu = J'1 (Walker et al., Theorem 4): the cosine between the
    two (Definition 5), the norm of mu, and their inner product (Figures 2 and 3).

    In a binary task cosine and inner product carry the sign of the label: those of a point of class 0, whose output
    should be negative, are multiplied by -1, so that they grow as the point is learnt.

    of_class  part of the metrics' names
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")

    name: Literal["fixed_point"] = "fixed_point"
    on: Literal["train", "test"] = "train"
    of_class: NonNegativeInt = 0
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        quantities = ("alignment", "centroid_norm", "inner_product")
        return tuple(f"{self.on}_point_of_class_{self.of_class}_{quantity}" for quantity in quantities)

    def misfit(self, data: Dataset, trial: Mapping[str, Any]) -> str | None:
        return no_such_class(self.of_class, data)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        from trainables.probes._jacobians import centroids
        from trainables.probes._points import first_of_class

        x, sign = first_of_class(at, self.of_class)
        at.drawing(f"centroid of the first of class {self.of_class}")
        mu = centroids(at.f, x)
        inner = sign * (mu * x).sum()
        values = (inner / (mu.norm() * x.norm()), mu.norm(), inner)
        return dict(zip(self.metrics, values, strict=True))
