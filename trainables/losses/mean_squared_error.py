"""Squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainables.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor


class MeanSquaredError(Loss):
    """Squared error to the targets of a regression, to one-hot rows of classes, or to -1 and 1 for the labels 0 and 1
    of a binary task. Averaged over the batch, and averaged or summed over outputs.

    Walker et al.'s scripts average over classes, their appendix sums.
    """

    name: Literal["mean_squared_error"] = "mean_squared_error"
    over_outputs: Literal["mean", "sum"] = "mean"

    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn.functional import mse_loss

        mean = mse_loss(outputs, targets(outputs, y))
        return mean if self.over_outputs == "mean" else mean * outputs.shape[1]


def targets(outputs: Tensor, y: Tensor) -> Tensor:
    """What outputs (batch, outputs) should be, as squared error has it."""
    from torch.nn.functional import one_hot

    if y.is_floating_point():
        return y
    if outputs.shape[1] == 1:
        return 2 * y[:, None].to(outputs.dtype) - 1
    return one_hot(y, outputs.shape[1]).to(outputs.dtype)
