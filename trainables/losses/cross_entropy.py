"""Cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.losses.base import Loss
from trainables.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(Loss):
    """Cross-entropy of the softmax of the outputs; of a binary task, of the sigmoid of its one output with labels 0 and
    1. Averaged over the batch.
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")

    name: Literal["cross_entropy"] = "cross_entropy"

    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        if outputs.shape[1] == 1:
            return binary_cross_entropy_with_logits(outputs[:, 0], y.to(outputs.dtype))
        return cross_entropy(outputs, y)
