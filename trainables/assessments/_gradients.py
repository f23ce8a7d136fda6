"""The gradient that attacks follow: that of the cross-entropy, by the inputs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.assessments.base import AssessedNetwork


def ascent(network: AssessedNetwork, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs for each example, and the gradient of its cross-entropy; of one output, the logistic form."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        outputs = network(x)
        # The sum: an example's gradient does not depend on the others.
        if outputs.shape[1] == 1:
            loss = F.binary_cross_entropy_with_logits(outputs[:, 0], (y == 1).to(outputs.dtype), reduction="sum")
        else:
            loss = F.cross_entropy(outputs, y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    return outputs.detach(), gradient
