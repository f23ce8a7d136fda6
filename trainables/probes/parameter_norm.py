"""The norm of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput, Table

if TYPE_CHECKING:
    from torch import Tensor


class ParameterNorm(Probe):
    """The Euclidean norm of all parameters together, weights and biases, which delays generalisation where it is large
    at initialisation (Liu et al. 2023); and a table of the norm of each, in the order of the network.
    """

    name: Literal["parameter_norm"] = "parameter_norm"
    on: Literal["train"] = "train"
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_parameter_norm",)

    @property
    def table_names(self) -> tuple[str, ...]:
        return (f"{self.on}_parameter_norms",)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float | Table]:
        import torch

        norms = torch.stack([parameter.norm() for parameter in at.parameters.values()])
        table = {"index": torch.arange(len(norms)), "norm": norms}
        return {self.metrics[0]: norms.norm(), self.table_names[0]: table}
