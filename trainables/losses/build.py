"""Losses: (outputs (batch, classes), classes (batch,)) -> scalar."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from trainables.losses.config import CrossEntropyConfig, MeanSquaredErrorConfig, PluginLossConfig
from trainables.plugins.loading import load_plugin, place, scalar
from trainables.plugins.scope import Scope
from trainables.validation import Problem, ValidationErrors

Loss = Callable[[Tensor, Tensor], Tensor]


def build_loss(
    config: CrossEntropyConfig | MeanSquaredErrorConfig | PluginLossConfig, scope: Scope | None = None
) -> Loss:
    if isinstance(config, PluginLossConfig):
        part = scalar(load_plugin(config, scope), config)

        def own(outputs: Tensor, y: Tensor) -> Tensor:
            # Copies: what a loss writes into is nobody else's.
            loss = part(outputs if outputs.requires_grad else outputs.clone(), y.clone())
            if outputs.requires_grad and not loss.requires_grad:
                wrong = (
                    f"{place(config)} returned a number that does not depend on the outputs, so that there is no"
                    " gradient: compute it from outputs without detach(), item(), argmax, .data or torch.no_grad()"
                )
                raise ValidationErrors(config.kind, [Problem(("name",), wrong)])
            return loss

        return own
    if isinstance(config, CrossEntropyConfig):
        return F.cross_entropy

    def mean_squared_error(outputs: Tensor, y: Tensor) -> Tensor:
        targets = F.one_hot(y, outputs.shape[1]).to(outputs.dtype)
        mean = F.mse_loss(outputs, targets)
        return mean if config.over_classes == "mean" else mean * outputs.shape[1]

    return mean_squared_error
