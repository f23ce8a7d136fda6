"""Accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput, Split, outputs

if TYPE_CHECKING:
    from torch import Tensor


class Accuracy(Probe):
    """The share of examples whose largest output is their class's."""

    name: Literal["accuracy"] = "accuracy"
    on: Split
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_accuracy",)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        return {f"{self.on}_accuracy": (at.once(outputs).argmax(1) == at.y).double().mean()}
