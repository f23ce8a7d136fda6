"""Plugins: users' own gradient filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainables.gradient_filters.base import GradientFilter
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, shown

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class PluginGradientFilter(Plugin, GradientFilter):
    """(gradients, state) -> (gradients, state), both name -> tensor; `state` is empty at first and part of every
    snapshot.
    """

    model_config = Plugin.model_config
    interface = Interface(given=("gradients", "state"))

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        return {}

    def filter(self, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        given = loaded(self)(dict(gradients), dict(state))
        if (wrong := _misfit(given, gradients)) is not None:
            raise self.problem(f"{self.object} should return {wrong}")
        # Nothing may hang on to the graph from one step to the next.
        return given[0], {name: tensor.detach() for name, tensor in given[1].items()}


def _misfit(given: Any, gradients: Tensors) -> str | None:
    """What the filter should return instead, if it should."""
    from torch import Tensor

    if not (isinstance(given, tuple) and len(given) == 2 and all(isinstance(each, dict) for each in given)):
        return f"(gradients, state), two dicts, it returned {shown(given)}"
    filtered, state = given
    if filtered.keys() != gradients.keys():
        return f"a gradient for every one it gets, not without or beside {sorted(gradients.keys() ^ filtered.keys())}"
    for name, gradient in gradients.items():
        if getattr(filtered[name], "shape", None) != gradient.shape:
            return f"{name}'s gradient as {shown(gradient)}, not as {shown(filtered[name])}"
    for name, value in state.items():
        if not isinstance(value, Tensor):
            return f"a state of tensors alone, {name!r} is {shown(value)}"
    return None
