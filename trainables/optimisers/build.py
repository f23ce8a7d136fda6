"""Optimisers: torch's own, in their fused form, which takes one kernel instead of a dozen a step."""

from collections.abc import Iterable

import torch
from torch import Tensor

from trainables.optimisers.config import AdamWConfig, SgdConfig


def build_optimiser(config: AdamWConfig | SgdConfig, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    if isinstance(config, AdamWConfig):
        return torch.optim.AdamW(
            parameters,
            lr=config.lr,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
            fused=True,
        )
    return torch.optim.SGD(
        parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )
