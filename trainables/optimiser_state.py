"""All that an optimiser's next step depends on beside parameters and gradients, as named tensors.

That is what torch keeps in its `state`, and what of its own settings an optimiser has changed since it was built: a
learning rate that falls within `step`, say.
"""

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from trainables.plugins.loading import shown
from trainables.validation import Problem, ValidationErrors

_TENSOR, _NUMBER = "tensor", "number"
"""What a tensor of the result stands for: an optimiser may keep numbers beside tensors."""


@final
class OptimiserState:
    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        """optimiser: as it is built, before its first step"""
        self._optimiser = optimiser
        self._settings = [{k: _copied(v) for k, v in _settings_of(group).items()} for group in optimiser.param_groups]

    def tensors(self) -> dict[str, Tensor]:
        """By name: "tensor.state.0.exp_avg" of the first parameter, "number.settings.0.lr" of the first group.

        Raises:
            ValidationErrors: the optimiser keeps something that is neither a tensor nor a number.
        """
        found: dict[str, Tensor] = {}
        for index, entry in self._optimiser.state_dict()["state"].items():
            found |= _named("state", index, entry)
        for index, (group, built) in enumerate(zip(self._optimiser.param_groups, self._settings, strict=True)):
            changed = {k: v for k, v in _settings_of(group).items() if k not in built or not _is_same(v, built[k])}
            found |= _named("settings", index, changed)
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continues from what `tensors` gave; on an optimiser as it is built."""
        # load_state_dict would cast to the parameters' type what an optimiser keeps in another.
        parameters = [p for group in self._optimiser.param_groups for p in group["params"]]
        for key, tensor in tensors.items():
            form, place, index, name = key.split(".", 3)
            value = tensor.item() if form == _NUMBER else tensor
            if place == "state":
                self._optimiser.state[parameters[int(index)]][name] = value
            else:
                self._optimiser.param_groups[int(index)][name] = value


def _named(place: str, index: int, entry: Mapping[str, Any]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in entry.items():
        if isinstance(value, Tensor):
            found[f"{_TENSOR}.{place}.{index}.{name}"] = value
        elif isinstance(value, bool | int | float):
            dtype = torch.float64 if isinstance(value, float) else None
            found[f"{_NUMBER}.{place}.{index}.{name}"] = torch.tensor(value, dtype=dtype)
        elif value is not None:
            wrong = f"keeps {name!r} in its {place}, {shown(value)}: tensors and numbers alone can be saved"
            raise ValidationErrors("trial", [Problem(("optimiser", "name"), wrong)])
    return found


def _settings_of(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)
