"""Plugins: users' own optimisers, torch's among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from trainables.optimisers.base import Optimiser
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, shown
from trainables.plugins.scope import Scope, active_scope

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

_TENSOR, _NUMBER = "tensor", "number"
"""What a tensor of the state stands for: an optimiser may keep numbers beside tensors."""


class PluginOptimiser(Plugin, Optimiser):
    """(parameters) -> torch.optim.Optimizer: a subclass of it, or a function that makes one. All that its next step
    depends on must be tensors or numbers in its `state` or `param_groups`, for that is what a snapshot keeps.
    """

    model_config = Plugin.model_config
    interface = Interface(given=("parameters",), makes=True, derives="torch.optim.optimizer.Optimizer")

    def init(self, parameters: Tensors) -> dict[str, Tensor]:
        made = self._made(parameters)
        made.known_as = made.state()
        return made.known_as

    def step(self, parameters: Tensors, gradients: Tensors, state: dict[str, Tensor], factor: float) -> None:
        made = _scope().made.get(id(self))
        if made is None or made.known_as is not state:  # The trial goes on from a snapshot.
            if made is None or made.has_stepped:
                made = self._made(parameters)
            made.restore(state)
            made.known_as = state
        for name, parameter in parameters.items():
            parameter.grad = gradients[name]
        with made.scaled(factor):
            made.optimiser.step()
        made.has_stepped = True
        state.clear()
        state.update(made.state())

    def _made(self, parameters: Tensors) -> _Made:
        import torch

        made = loaded(self)(list(parameters.values()))
        if not isinstance(made, torch.optim.Optimizer):
            raise self.problem(f"{self.object} should make a torch.optim.Optimizer, it made {shown(made)}")
        _scope().made[id(self)] = found = _Made(made, self)
        return found


@final
class _Made:
    """torch's optimiser, and its state as named tensors: what torch keeps in `state`, and what of its own settings the
    optimiser has changed since it was made, a learning rate that falls within `step`, say.

    known_as: the dict that training holds of it
    """

    def __init__(self, optimiser: torch.optim.Optimizer, plugin: Plugin) -> None:
        self.optimiser, self._plugin = optimiser, plugin
        self.known_as: dict[str, Tensor] = {}
        self.has_stepped = False
        self._settings = [{k: _copied(v) for k, v in _settings_of(group).items()} for group in optimiser.param_groups]
        self._parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]

    def state(self) -> dict[str, Tensor]:
        """By name: "tensor.state.0.exp_avg" of the first parameter, "number.settings.0.lr" of the first group.

        Raises:
            ValidationErrors: the optimiser keeps something that is neither a tensor nor a number.
        """
        found: dict[str, Tensor] = {}
        for index, parameter in enumerate(self._parameters):
            found |= self._named("state", index, self.optimiser.state.get(parameter, {}))
        for index, (group, made) in enumerate(zip(self.optimiser.param_groups, self._settings, strict=True)):
            changed = {k: v for k, v in _settings_of(group).items() if k not in made or not _is_same(v, made[k])}
            found |= self._named("settings", index, changed)
        return found

    def restore(self, state: Tensors) -> None:
        """Continues from what `state` gave; before the first step."""
        # load_state_dict would cast to the parameters' type what an optimiser keeps in another.
        for key, tensor in state.items():
            form, place, index, name = key.split(".", 3)
            value = tensor.item() if form == _NUMBER else tensor
            if place == "state":
                self.optimiser.state[self._parameters[int(index)]][name] = value
            else:
                self.optimiser.param_groups[int(index)][name] = value

    @contextmanager
    def scaled(self, factor: float) -> Iterator[None]:
        """For one step, with learning rates `factor` times as large.

        Raises:
            ValidationErrors: it has no learning rate, or changes it itself.
        """
        groups = self.optimiser.param_groups
        if factor == 1:
            yield
            return
        if any("lr" not in group for group in groups):
            raise self._plugin.problem("has no `lr` in its param_groups, which the schedule would multiply")
        own = [group["lr"] for group in groups]
        for group, rate in zip(groups, own, strict=True):
            group["lr"] = rate * factor
        yield
        for group, rate in zip(groups, own, strict=True):
            if group["lr"] != rate * factor:
                raise self._plugin.problem(
                    "changes its `lr` within a step, and so does the schedule: use one of the two"
                )
            group["lr"] = rate

    def _named(self, place: str, index: int, entry: Mapping[str, Any]) -> dict[str, Tensor]:
        import torch

        found: dict[str, Tensor] = {}
        for name, value in entry.items():
            if isinstance(value, torch.Tensor):
                found[f"{_TENSOR}.{place}.{index}.{name}"] = value
            elif isinstance(value, bool | int | float):
                dtype = torch.float64 if isinstance(value, float) else None
                found[f"{_NUMBER}.{place}.{index}.{name}"] = torch.tensor(value, dtype=dtype)
            elif value is not None:
                wrong = f"keeps {name!r} in its {place}, {shown(value)}: tensors and numbers alone can be saved"
                raise self._plugin.problem(wrong)
        return found


def _scope() -> Scope:
    """Training enters that of its trial before it asks for anything here."""
    scope = active_scope()
    assert scope is not None
    return scope


def _settings_of(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _copied(value: Any) -> Any:
    import torch

    return value.clone() if isinstance(value, torch.Tensor) else value


def _is_same(one: Any, other: Any) -> bool:
    import torch

    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)
