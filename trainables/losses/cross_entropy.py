"""Softmax cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainables.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(Loss):
    """Softmax cross-entropy, averaged over the batch."""

    name: Literal["cross_entropy"] = "cross_entropy"

    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, y)
