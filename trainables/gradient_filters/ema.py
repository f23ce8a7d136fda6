"""Grokfast's exponential moving average (Lee et al. 2024, Algorithm 1), as Walker et al.'s scripts run it."""

from torch import Tensor

from trainables.gradient_filters.config import EmaConfig


def ema_filter(
    config: EmaConfig, gradients: list[Tensor], averages: list[Tensor] | None
) -> tuple[list[Tensor], list[Tensor]]:
    """The filtered gradients and the new averages; `averages` is None before the first gradient, which starts them."""
    if averages is None:
        averages = [gradient.clone() for gradient in gradients]
    else:
        averages = [
            average.mul_(config.decay).add_(gradient, alpha=1 - config.decay)
            for average, gradient in zip(averages, gradients, strict=True)
        ]
    return [g.add(m, alpha=config.gain) for g, m in zip(gradients, averages, strict=True)], averages
