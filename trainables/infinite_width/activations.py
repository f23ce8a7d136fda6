"""The activations of networks whose width can go to infinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from trainables.validation import nearest

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("erf", "gelu", "tanh", "silu", "softplus")

_KINKS = ("relu", "relu6", "leaky_relu", "prelu", "abs", "hardtanh", "hardsigmoid", "hardswish", "elu", "selu", "celu")
"""Their first or second derivative jumps."""


def _qualifies(value: Any) -> Any:
    """Raises:
    ValueError: Theta does not exist for it.
    """
    name = value.lower() if isinstance(value, str) else value
    if name in _KINKS:
        raise ValueError(
            f"{value!r} is not allowed: its first or second derivative jumps, so the kernel of its input derivatives"
            f" diverges on the diagonal. Allowed: {', '.join(NAMES)}"
        )
    if name not in NAMES:
        raise ValueError(f"{value!r} is not known; {nearest(str(value), NAMES)}")
    return value


Activation = Annotated[Literal["erf", "gelu", "tanh", "silu", "softplus"], BeforeValidator(_qualifies)]


def function_of(name: str) -> Callable[[Tensor], Tensor]:
    """The activation as it is usually written, not yet scaled."""
    import torch
    from torch.nn import functional as F

    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "erf": torch.erf,
        "gelu": F.gelu,
        "tanh": torch.tanh,
        "silu": F.silu,
        "softplus": F.softplus,
    }
    return functions[name]
