"""Squared error to one-hot targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainables.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor


class MeanSquaredError(Loss):
    """Squared error to one-hot targets, averaged over the batch and averaged or summed over classes.

    Walker et al.'s scripts average over classes, their appendix sums.
    """

    name: Literal["mean_squared_error"] = "mean_squared_error"
    over_classes: Literal["mean", "sum"] = "mean"

    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn.functional import mse_loss, one_hot

        mean = mse_loss(outputs, one_hot(y, outputs.shape[1]).to(outputs.dtype))
        return mean if self.over_classes == "mean" else mean * outputs.shape[1]
