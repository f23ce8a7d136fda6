"""Gradient filters: (gradients, state) -> (gradients, state), what changes gradients before the optimiser.

Both are name -> tensor; the state is empty before the first gradient, and part of a checkpoint.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from trainables.gradient_filters.config import EmaConfig, PluginGradientFilterConfig
from trainables.gradient_filters.ema import ema_filter
from trainables.plugins.loading import load_plugin, shown
from trainables.plugins.scope import Scope
from trainables.validation import Problem, ValidationErrors

Gradients = Mapping[str, Tensor]
GradientFilter = Callable[[Gradients, Gradients], tuple[Gradients, Gradients]]


def build_gradient_filter(config: EmaConfig | PluginGradientFilterConfig, scope: Scope | None = None) -> GradientFilter:
    if isinstance(config, PluginGradientFilterConfig):
        part = load_plugin(config, scope)

        def own(gradients: Gradients, state: Gradients) -> tuple[Gradients, Gradients]:
            given = part(dict(gradients), dict(state))
            if (wrong := _misfit(given, gradients)) is not None:
                raise ValidationErrors(config.kind, [Problem(("name",), f"{config.object} should return {wrong}")])
            # Nothing may hang on to the graph from one step to the next.
            return given[0], {name: tensor.detach() for name, tensor in given[1].items()}

        return own

    def ema(gradients: Gradients, state: Gradients) -> tuple[Gradients, Gradients]:
        filtered, averages = ema_filter(
            config, list(gradients.values()), [state[str(i)] for i in range(len(state))] or None
        )
        return dict(zip(gradients, filtered, strict=True)), {str(i): average for i, average in enumerate(averages)}

    return ema


def _misfit(given: Any, gradients: Gradients) -> str | None:
    """What a filter plugin should return instead, if it should."""
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
