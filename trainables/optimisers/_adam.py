"""What Adam and AdamW share: their state, and torch's fused step of either."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


def start(parameters: Tensors) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        state[f"step.{name}"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state[f"exp_avg.{name}"] = torch.zeros_like(parameter)
        state[f"exp_avg_sq.{name}"] = torch.zeros_like(parameter)
    return state


def step(
    of_torch: Callable[..., Any],
    parameters: Tensors,
    gradients: Tensors,
    state: Tensors,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """of_torch: torch.optim.adam.adam or torch.optim.adamw.adamw"""
    # Fused: one kernel instead of a dozen a step.
    of_torch(
        list(parameters.values()),
        [gradients[name] for name in parameters],
        [state[f"exp_avg.{name}"] for name in parameters],
        [state[f"exp_avg_sq.{name}"] for name in parameters],
        [],
        [state[f"step.{name}"] for name in parameters],
        fused=True,
        amsgrad=False,
        beta1=betas[0],
        beta2=betas[1],
        lr=lr,
        weight_decay=weight_decay,
        eps=eps,
        maximize=False,
    )
