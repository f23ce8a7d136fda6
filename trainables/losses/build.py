"""Losses: (outputs (batch, classes), classes (batch,)) -> scalar."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from trainables.losses.config import CrossEntropyConfig, MeanSquaredErrorConfig, OwnLossConfig
from trainables.own.loading import load_part, scalar

Loss = Callable[[Tensor, Tensor], Tensor]


def build_loss(config: CrossEntropyConfig | MeanSquaredErrorConfig | OwnLossConfig) -> Loss:
    if isinstance(config, OwnLossConfig):
        return scalar(load_part(config), config)
    if isinstance(config, CrossEntropyConfig):
        return F.cross_entropy

    def mean_squared_error(outputs: Tensor, y: Tensor) -> Tensor:
        targets = F.one_hot(y, outputs.shape[1]).to(outputs.dtype)
        mean = F.mse_loss(outputs, targets)
        return mean if config.over_classes == "mean" else mean * outputs.shape[1]

    return mean_squared_error
