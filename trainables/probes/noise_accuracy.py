"""Accuracy under noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from trainables.configuration import NonNegativeInt, PositiveFloat, PositiveInt
from trainables.probes.accuracy import are_right
from trainables.probes.base import Probe, ProbeInput, Split
from trainables.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset


def _growing(scales: tuple[float, ...]) -> tuple[float, ...]:
    for before, after in pairwise(scales):
        if before >= after:
            raise ValueError(f"{after:g} comes after {before:g}: each should be larger than the one before it")
    return scales


Scales = Annotated[tuple[PositiveFloat, ...], Field(min_length=1), AfterValidator(_growing)]
"""What one draw of noise is multiplied by, each larger than the one before it."""


class NoiseAccuracy(Probe):
    """Accuracy on the first `num_points` under Gaussian noise on the normalised inputs: one draw an evaluation, of
    standard deviation 1, multiplied by each of the scales in turn (Walker et al., Figure 3).

    coordinates  of each input, counted from 0 through all its axes, that get noise: from the first of the two up to
                 the second, which is left out; [2, null] are all but the first two
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")

    name: Literal["noise_accuracy"] = "noise_accuracy"
    on: Split = "test"
    scales: Scales = (0.2, 0.4, 0.6, 0.8, 1.0)
    num_points: PositiveInt | None = None
    coordinates: tuple[NonNegativeInt, PositiveInt | None] | None = None
    every: PositiveInt = 1

    @field_validator("coordinates")
    @classmethod
    def _are_some(cls, coordinates: tuple[int, int | None] | None) -> tuple[int, int | None] | None:
        first, end = coordinates or (0, None)
        if end is not None and end <= first:
            raise ValueError(f"[{first}, {end}] is not allowed: the second should be larger than the first")
        return coordinates

    def misfit(self, data: Dataset, trial: Mapping[str, Any]) -> str | None:
        if self.coordinates is None or data.shape is None:
            return None
        num = math.prod(data.shape[0])
        beyond = [each for each in (self.coordinates[0] + 1, self.coordinates[1] or 0) if each > num]
        return f"coordinates: an example of {data.title} has {num:,}" if beyond else None

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_noise_accuracy_{scale!r}{self._where}" for scale in self.scales)

    @property
    def _where(self) -> str:
        """In the names of metrics; "" where all coordinates get noise."""
        if self.coordinates is None:
            return ""
        first, end = self.coordinates
        return f"_from_{first}" if end is None else f"_from_{first}_to_{end}"

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        import torch

        x, y = at.x[: self.num_points], at.y[: self.num_points]
        noise = torch.randn(x.shape, generator=at.generator, dtype=x.dtype, device=x.device)
        if self.coordinates is not None:
            first, end = self.coordinates
            flat = noise.flatten(1)
            flat[:, :first] = 0.0
            if end is not None:
                flat[:, end:] = 0.0
        at.drawing(", ".join(self.metrics))
        outputs = (at.f(x + scale * noise) for scale in self.scales)
        values = [are_right(each, y).double().mean() for each in outputs]
        return dict(zip(self.metrics, values, strict=True))
