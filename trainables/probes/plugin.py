"""Plugins: users' own probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import model_validator

from trainables.configuration import PositiveInt, spelled
from trainables.names import MAX_METRIC
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded
from trainables.plugins.loading import shown as value_shown
from trainables.probes.base import Probe, ProbeInput, Split
from trainables.validation import shown

if TYPE_CHECKING:
    from torch import Tensor


class PluginProbe(Plugin, Probe):
    """(evaluation) -> number, or name -> number for the names in its `gives`; see ProbeInput in base.py.

    It measures the first `num_points`: `train_NAME`, NAME being that of the function or class.

    gives  the names of several values, `train_NAME_GIVEN` each; none: it is one value
    """

    model_config = Plugin.model_config
    interface = Interface(given=("evaluation",))

    on: Split = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10
    gives: tuple[Annotated[str, spelled(r"[A-Za-z_]\w*", "a name of letters, digits and _")], ...] = ()

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if long := [metric for metric in self.metrics if len(metric) > MAX_METRIC]:
            raise ValueError(
                f"{shown(long[0])} has {len(long[0])} characters; a metric’s name has at most {MAX_METRIC}"
            )
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_{self.object}_{given}" for given in self.gives) or (f"{self.on}_{self.object}",)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        import torch

        # Copies: nothing else sees what a probe writes into.
        own = replace(
            at,
            parameters={name: parameter.clone() for name, parameter in at.parameters.items()},
            x=at.x[: self.num_points].clone(),
            y=at.y[: self.num_points].clone(),
            generator=at.drawing(", ".join(self.metrics)),
            _known={},
        )
        with torch.enable_grad():
            given = loaded(self)(own)
        try:
            if not self.gives:
                return {self.metrics[0]: float(given)}
            if given.keys() == set(self.gives):
                return {metric: float(given[name]) for metric, name in zip(self.metrics, self.gives, strict=True)}
        except (TypeError, ValueError, AttributeError, RuntimeError):
            pass
        wanted = f"a dict of numbers for its `gives`, {', '.join(self.gives)}" if self.gives else "one number"
        raise self.problem(f"{self.object} should return {wanted}, it returned {value_shown(given)}")
