"""What a probe may keep."""

from collections.abc import Set
from typing import Any

from torch import Tensor

from trainables.probes.base import Probe
from trainables.validation import Problem, ValidationErrors, shown


def check_state(probe: Probe, state: Any, names: Set[str]) -> None:
    """Raises:
    ValidationErrors: it is no dict of tensors of these names, so that no snapshot could hold it.
    """
    if not isinstance(state, dict):
        raise _problem(probe, f"should keep a dict of tensors, not {shown(state)}")
    if set(state) != names:
        had = ", ".join(sorted(names)) or "none"
        raise _problem(probe, f"has {', '.join(map(str, state)) or 'nothing'} in its state, which began with {had}")
    for name, tensor in state.items():
        if not isinstance(name, str):
            raise _problem(probe, f"has {shown(name)} in its state: names are texts")
        if not isinstance(tensor, Tensor):
            raise _problem(probe, f"keeps {shown(tensor)} as {name}: only tensors can be kept")


def _problem(probe: Probe, wrong: str) -> ValidationErrors:
    return ValidationErrors("probes", [Problem((), f"{probe.name} {wrong}")])
