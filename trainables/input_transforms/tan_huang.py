"""Noise training after Tan & Huang, as Walker et al. run it under the name of adversarial training.

The paper's words say "proportional to the training accuracy"; the scripts, followed here, shrink the noise as the
training accuracy grows.
"""

import torch
from torch import Tensor

from trainables.input_transforms.config import TanHuangConfig


def noise_scale(config: TanHuangConfig, train_accuracy: Tensor) -> Tensor:
    """The noise's standard deviation for the next epoch."""
    return (config.scale * (1 - train_accuracy)).clamp(min=config.floor)


def draw_noise(x: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
    """Noise for one batch, of x's shape."""
    return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator).mul_(scale)
