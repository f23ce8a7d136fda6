"""Plugins: users' own models: a torch.nn.Module as a pure function."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trainables.models.base import Model, Network, Spec
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, place, shown
from trainables.plugins.scope import Scope, active_scope

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    Tensors = dict[str, Tensor]


class PluginModel(Plugin, Model):
    """make(input_shape, num_outputs) -> torch.nn.Module, which maps (batch, *input_shape) to (batch, num_outputs).

    Parameters that need no gradient count as buffers. What the module draws at random in its forward pass, dropout say,
    it draws from the global generators, which training seeds.
    """

    model_config = Plugin.model_config
    interface = Interface(named=("input_shape", "num_outputs"))

    @property
    def is_batch_normalised(self) -> None:
        return None

    def build(self, spec: Spec) -> Network:
        return _network(self, spec, active_scope() or Scope())


def _network(plugin: PluginModel, spec: Spec, scope: Scope) -> Network:
    """Raises:
    ValidationErrors: the plugin makes no module, or one without anything to train.
    """
    import torch
    from torch.func import functional_call

    def made(seed: int) -> nn.Module:
        return _module(plugin, spec, scope, seed)

    # The computation; its tensors are handed in.
    with scope.active():
        training = made(0).train()
        evaluating = copy.deepcopy(training).eval()
        scope.objects += [training, evaluating]

    def outputs_of(module: nn.Module, parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        with scope.active():
            outputs: Tensor = functional_call(module, (parameters, buffers), (x,))
            if scope.note is not None:
                scope.note(plugin, (parameters, buffers, x), outputs)
        wanted = (len(x), spec.num_outputs)
        if getattr(outputs, "shape", None) != wanted:
            raise plugin.problem(f"{plugin.object} should map {tuple(x.shape)} to {wanted}, not {shown(outputs)}")
        return outputs

    def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
        module = made(int(torch.randint(2**62, (), generator=generator)))
        tensors = {name: p.detach() for name, p in module.named_parameters()}
        trained = {name for name, p in module.named_parameters() if p.requires_grad}
        if not trained:
            raise plugin.problem(
                f"{place(plugin)} has no parameter that requires a gradient: there is nothing to train"
            )
        parameters = {name: p for name, p in tensors.items() if name in trained}
        return parameters, dict(module.named_buffers()) | {n: p for n, p in tensors.items() if n not in trained}

    def apply(parameters: Tensors, buffers: Tensors, x: Tensor, draws: Tensors) -> tuple[Tensor, Tensors]:
        # BatchNorm writes into its buffers, others into what they are given.
        buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        return outputs_of(training, parameters, buffers, x.clone()), buffers

    def evaluate(parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        # A buffer that a module counts in, say: measuring changes nothing.
        buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        return outputs_of(evaluating, parameters, buffers, x.clone())

    def check(outputs: Tensor, parameters: Tensors) -> None:
        if not outputs.requires_grad and any(p.requires_grad for p in parameters.values()):
            raise plugin.problem(
                f"{place(plugin)} gives outputs that depend on no parameter, so that there is no gradient: compute them"
                " without detach(), .data, argmax or torch.no_grad()"
            )

    return Network(init, apply, evaluate, check=check)


def _module(plugin: PluginModel, spec: Spec, scope: Scope, seed: int) -> nn.Module:
    from torch import nn

    with scope.active(), _default(spec.dtype):
        scope.seed(seed)
        module = loaded(plugin)(input_shape=tuple(spec.input_shape), num_outputs=spec.num_outputs)
    if not isinstance(module, nn.Module):
        raise plugin.problem(f"{plugin.object} should make a torch.nn.Module, it made a {type(module).__name__}")
    return module.to(spec.dtype)


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    """Initial weights are drawn in the precision that they are trained in."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
