"""Plugins: users' own regularisers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import place, scalar, seeded, seeds
from trainables.regularisers.base import Regulariser, Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.models.base import Spec


class PluginRegulariser(Plugin, Regulariser):
    """(step) -> scalar, which is added to the loss; see Step in base.py. It draws from `step.generator`, and applies a
    strength of its own.
    """

    model_config = Plugin.model_config
    interface = Interface(given=("step",))

    @property
    def weight(self) -> float:
        return 1.0

    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        return seeds(steps, generator)

    def term(self, step: Step, draws: Mapping[str, Tensor]) -> Tensor:
        # Copies: nothing else sees what a regulariser writes into.
        term = scalar(self, replace(step, x=step.x.clone(), y=step.y.clone(), generator=seeded(draws, step.x.device)))
        # Zero may be meant: a term that is switched off for a while. Only without a graph is the value asked for.
        if step.outputs.requires_grad and not term.requires_grad and bool(term != 0):
            at = f" at step {step.number.item()}" if step.number is not None else ""
            raise self.problem(
                f"{place(self)} returned {term.item():.4g}{at}, a number that depends on no parameter of the network,"
                " so that training would be as without it: compute it from outputs, vjp, f or parameters of `step`,"
                " without detach(), item(), .data or torch.no_grad()"
            )
        return term
