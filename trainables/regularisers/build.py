"""Regularisers: (step, projections) -> scalar, the strength included."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from trainables.plugins.interfaces import Step
from trainables.plugins.loading import load_plugin, place, scalar
from trainables.plugins.scope import Scope
from trainables.regularisers.config import JacobianConfig, PluginRegulariserConfig
from trainables.regularisers.jacobian import jacobian_penalty
from trainables.validation import Problem, ValidationErrors

Regulariser = Callable[[Step, Tensor | None], Tensor]


def build_regulariser(config: JacobianConfig | PluginRegulariserConfig, scope: Scope | None = None) -> Regulariser:
    """projections: what `draw_projections` drew for the Jacobian term; a plugin draws for itself."""
    if isinstance(config, PluginRegulariserConfig):
        part = scalar(load_plugin(config, scope), config)

        def own(step: Step, projections: Tensor | None) -> Tensor:
            # Copies: what a regulariser writes into is nobody else's.
            term = part(replace(step, x=step.x.clone(), y=step.y.clone()))
            # Zero may be meant: a term that is switched off for a while. Only without a graph is the value asked for.
            if step.outputs.requires_grad and not term.requires_grad and bool(term != 0):
                at = f" at step {step.number.item()}" if step.number is not None else ""
                wrong = (
                    f"{place(config)} returned {term.item():.4g}{at}, a number that depends"
                    " on no parameter of the network, so that training would be as without it: compute it from outputs,"
                    " vjp, f or parameters of `step`, without detach(), item(), .data or torch.no_grad()"
                )
                raise ValidationErrors(config.kind, [Problem(("name",), wrong)])
            return term

        return own

    def jacobian(step: Step, projections: Tensor | None) -> Tensor:
        assert projections is not None
        return jacobian_penalty(config, step.vjp, projections)

    return jacobian
