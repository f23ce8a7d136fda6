"""a torch.nn.Module plugin as a pure function."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainables.models.build import Model, Tensors
from trainables.models.config import PluginModelConfig
from trainables.plugins.loading import load_plugin, place, shown
from trainables.plugins.scope import Scope
from trainables.validation import Problem, ValidationErrors


def plugin_model(
    config: PluginModelConfig, *, input_shape: torch.Size, num_classes: int, dtype: torch.dtype, scope: Scope
) -> Model:
    """Parameters that need no gradient count as buffers. What the module draws at random in its forward pass, dropout
    say, it draws from the global generators, which the caller seeds.

    Raises:
        ValidationErrors: the part makes no module, or one without anything to train.
    """
    make = load_plugin(config, scope)

    def made(seed: int) -> nn.Module:
        with scope.active(), _default(dtype):
            scope.seed(seed)
            module = make(input_shape=tuple(input_shape), num_classes=num_classes)
        if not isinstance(module, nn.Module):
            wrong = f"{config.object} should make a torch.nn.Module, it made a {type(module).__name__}"
            raise ValidationErrors(config.kind, [Problem(("name",), wrong)])
        return module.to(dtype)

    # The computation; its tensors are handed in.
    with scope.active():
        training = made(0).train()
        evaluating = copy.deepcopy(training).eval()
        scope.objects += [training, evaluating]

    def outputs_of(module: nn.Module, parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        with scope.active():
            outputs: Tensor = functional_call(module, (parameters, buffers), (x,))
            if scope.note is not None:
                scope.note(config, (parameters, buffers, x), outputs)
        if getattr(outputs, "shape", None) != (len(x), num_classes):
            wrong = f"{config.object} should map {tuple(x.shape)} to {(len(x), num_classes)}, not {shown(outputs)}"
            raise ValidationErrors(config.kind, [Problem(("name",), wrong)])
        return outputs

    def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
        module = made(int(torch.randint(2**62, (), generator=generator)))
        tensors = {name: p.detach() for name, p in module.named_parameters()}
        trained = {name for name, p in module.named_parameters() if p.requires_grad}
        if not trained:
            wrong = f"{place(config)} has no parameter that requires a gradient: there is nothing to train"
            raise ValidationErrors(config.kind, [Problem(("name",), wrong)])
        parameters = {name: p for name, p in tensors.items() if name in trained}
        return parameters, dict(module.named_buffers()) | {n: p for n, p in tensors.items() if n not in trained}

    def apply(parameters: Tensors, buffers: Tensors, x: Tensor) -> tuple[Tensor, Tensors]:
        # BatchNorm writes into its buffers, others into what they are given.
        buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        return outputs_of(training, parameters, buffers, x.clone()), buffers

    def evaluate(parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        # A buffer that a module counts in, say: measuring changes nothing.
        buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        return outputs_of(evaluating, parameters, buffers, x.clone())

    return Model(init, apply, evaluate)


def check_depends(config: PluginModelConfig, outputs: Tensor, parameters: Tensors) -> None:
    """Raises:
    ValidationErrors: `outputs`, made while gradients are recorded, depend on none of the parameters.
    """
    if not outputs.requires_grad and any(p.requires_grad for p in parameters.values()):
        wrong = (
            f"{place(config)} gives outputs that depend on no parameter, so that there is no gradient: compute them"
            " without detach(), .data, argmax or torch.no_grad()"
        )
        raise ValidationErrors(config.kind, [Problem(("name",), wrong)])


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    """Initial weights are drawn in the precision that they are trained in."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
