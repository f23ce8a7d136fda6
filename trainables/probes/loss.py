"""The loss itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput, Split, outputs

if TYPE_CHECKING:
    from torch import Tensor


class LossProbe(Probe):
    """The loss without regularisers and input transforms."""

    name: Literal["loss"] = "loss"
    on: Split
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_loss",)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        given = at.once(outputs)
        at.drawing(f"{self.on}_loss")
        return {f"{self.on}_loss": at.loss(given, at.y)}
