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
from trainables.plugins.loading import loaded, method_of
from trainables.plugins.loading import shown as value_shown
from trainables.probes.base import Probe, ProbeInput, Split, Table
from trainables.validation import shown

if TYPE_CHECKING:
    from torch import Tensor


_Name = Annotated[str, spelled(r"[A-Za-z_]\w*", "a name of letters, digits and _")]


class PluginProbe(Plugin, Probe):
    """(evaluation) -> number, or name -> number for the names in its `gives`, and name -> columns for those in its
    `tables`; see ProbeInput in base.py. A class may have a method `init(evaluation)`, which returns its state before
    the first step, a dict of tensors.

    It measures the first `num_points`: `train_NAME`, NAME being that of the function or class.

    gives   the names of several values, `train_NAME_GIVEN` each; none, and no tables: it is one value
    tables  likewise
    """

    model_config = Plugin.model_config
    interface = Interface(given=("evaluation",))

    on: Split = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10
    gives: tuple[_Name, ...] = ()
    tables: tuple[_Name, ...] = ()

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if both := [name for name in self.tables if name in self.gives]:
            raise ValueError(f"{shown(both[0])} is in gives and in tables: it is one of the two")
        if long := [name for name in self.announced if len(name) > MAX_METRIC]:
            raise ValueError(
                f"{shown(long[0])} has {len(long[0])} characters; a metric’s name has at most {MAX_METRIC}"
            )
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        if self.gives or self.tables:
            return tuple(f"{self.on}_{self.object}_{given}" for given in self.gives)
        return (f"{self.on}_{self.object}",)

    @property
    def table_names(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_{self.object}_{table}" for table in self.tables)

    def init(self, at: ProbeInput) -> dict[str, Tensor]:
        import torch

        begin = method_of(self, "init")
        if begin is None:
            return {}
        at.drawing(f"init of {self.id}")
        with torch.enable_grad():
            given = begin(self._own(at))
        if not isinstance(given, dict) or not all(isinstance(each, torch.Tensor) for each in given.values()):
            raise self.problem(f"{self.object}.init should return a dict of tensors, it returned {value_shown(given)}")
        return {name: each.detach().clone() for name, each in given.items()}

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float | Table]:
        import torch

        at.drawing(", ".join(self.announced))
        with torch.enable_grad():
            given = loaded(self)(self._own(at))
        for name, each in at.state.items():
            # Copies: what it goes on to change is no part of a snapshot, nor is what the tensor was computed from.
            at.state[name] = each.detach().clone() if isinstance(each, torch.Tensor) else each
        try:
            if not self.gives and not self.tables:
                return {self.metrics[0]: float(given)}
            if given.keys() == {*self.gives, *self.tables}:
                numbers = {metric: float(given[name]) for metric, name in zip(self.metrics, self.gives, strict=True)}
                return numbers | {name: given[own] for name, own in zip(self.table_names, self.tables, strict=True)}
        except (TypeError, ValueError, AttributeError, RuntimeError):
            pass
        raise self.problem(f"{self.object} should return {self._wanted}, it returned {value_shown(given)}")

    @property
    def _wanted(self) -> str:
        """What it should return, for people."""
        numbers = f"numbers for its `gives`, {', '.join(self.gives)}" if self.gives else ""
        columns = f"columns for its `tables`, {', '.join(self.tables)}" if self.tables else ""
        several = " and ".join(filter(None, (numbers, columns)))
        return f"a dict of {several}" if several else "one number"

    def _own(self, at: ProbeInput) -> ProbeInput:
        """With copies: nothing else sees what a plugin writes into, but for its state."""
        return replace(
            at,
            parameters={name: parameter.clone() for name, parameter in at.parameters.items()},
            x=at.x[: self.num_points].clone(),
            y=at.y[: self.num_points].clone(),
            _known={},
        )
