"""The coefficient of determination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput, Split, outputs
from trainables.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor


class R2(Probe):
    """The coefficient of determination R^2 = 1 - sum (y - f)^2 / sum (y - mean y)^2, averaged over targets: 1 where
    outputs equal targets, 0 for their mean.
    """

    serves: ClassVar[tuple[Task, ...]] = ("regression",)

    name: Literal["r2"] = "r2"
    on: Split
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_r2",)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        given, y = at.once(outputs).double(), at.y.double()
        residual, total = (y - given).square().sum(0), (y - y.mean(0)).square().sum(0)
        return {f"{self.on}_r2": (1 - residual / total).mean()}
