"""What a model is: settings from which a network is built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from trainables.component import Component
from trainables.tasks import Task
from trainables.validation import Problem, ValidationErrors, nearest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Spec:
    """What a network is built for. input_shape: of one example; of images (channels, height, width)."""

    task: Task
    input_shape: torch.Size
    num_outputs: int
    dtype: torch.dtype


def _nothing(steps: int, batch: int, generator: torch.Generator) -> Tensors:
    return {}


@dataclass(frozen=True)
class Network:
    """A network as pure functions, so that the same objective serves plain autograd and torch.func's vmap of grad.

    init      (generator) -> parameters, buffers: fresh tensors on the CPU
    apply     (parameters, buffers, x, draws) -> outputs, buffers, in training. x: (batch, …), outputs: (batch,
              num_outputs); draws: of this step, masks of dropout say; the new buffers hang on no graph
    evaluate  (parameters, buffers, x) -> outputs, where it is measured and not trained
    draw      (steps, batch, generator) -> what so many steps draw, by name, (steps, …), on the generator's device;
              batch: the largest one's size
    check     (outputs, parameters): raises if outputs of a training step cannot be trained; None where they always can
    """

    init: Callable[[torch.Generator], tuple[Tensors, Tensors]]
    apply: Callable[[Tensors, Tensors, Tensor, Tensors], tuple[Tensor, Tensors]]
    evaluate: Callable[[Tensors, Tensors, Tensor], Tensor]
    draw: Callable[[int, int, torch.Generator], Tensors] = _nothing
    check: Callable[[Tensor, Tensors], None] | None = None


class Model(Component):
    """An architecture and how its weights start.

    frozen  parameters that stay as they start, by their names, where * stands for anything: no gradient, regulariser or
            weight decay reaches them
    """

    frozen: tuple[str, ...] = ()

    @abstractmethod
    def build(self, spec: Spec) -> Network: ...

    @property
    def parameter_names(self) -> tuple[str, ...] | None:
        """None if only the network itself tells."""
        return None

    @property
    def is_batch_normalised(self) -> bool | None:
        """Whether it takes statistics of batches; None if only the network itself tells."""
        return False

    def misfit(self, input_shape: tuple[int, ...]) -> str | None:
        """Why it cannot take examples of that shape; None if it can, or if only the network itself tells."""
        return None

    @model_validator(mode="after")
    def _freezes_what_is_there(self) -> Self:
        if self.frozen and self.parameter_names is not None:
            frozen_among(self.parameter_names, self.frozen)
        return self


def no_images(shape: tuple[int, ...]) -> str:
    """What examples of this shape are in the place of images, and how they might become some."""
    remedy = ": x[:, None] makes them images of one channel" if len(shape) == 2 else ""
    return f"an example is ({', '.join(map(str, shape))}){remedy}"


def frozen_among(names: tuple[str, ...], patterns: tuple[str, ...]) -> frozenset[str]:
    """Raises:
    ValidationErrors: a pattern matches no parameter, or nothing is left to train.
    """
    problems = [
        Problem(("frozen", index), f"{pattern!r} is no parameter; {nearest(pattern, names)}")
        for index, pattern in enumerate(patterns)
        if not any(fnmatchcase(name, pattern) for name in names)
    ]
    found = frozenset(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
    if len(found) == len(names):
        problems.append(Problem(("frozen",), "all parameters are frozen: there is nothing to train"))
    if problems:
        raise ValidationErrors("model", problems)
    return found


def freeze(network: Network, patterns: tuple[str, ...]) -> Network:
    """The network with these parameters among its buffers, where nothing changes them."""
    if not patterns:
        return network
    frozen: frozenset[str] = frozenset()

    def init(generator: torch.Generator) -> tuple[Tensors, Tensors]:
        nonlocal frozen
        parameters, buffers = network.init(generator)
        frozen = frozen_among(tuple(parameters), patterns)
        kept = {name: each for name, each in parameters.items() if name in frozen}
        return {name: each for name, each in parameters.items() if name not in frozen}, buffers | kept

    def whole(parameters: Tensors, buffers: Tensors) -> tuple[Tensors, Tensors, Tensors]:
        kept = {name: each for name, each in buffers.items() if name in frozen}
        return parameters | kept, {name: each for name, each in buffers.items() if name not in frozen}, kept

    def apply(parameters: Tensors, buffers: Tensors, x: Tensor, draws: Tensors) -> tuple[Tensor, Tensors]:
        every, own, kept = whole(parameters, buffers)
        outputs, after = network.apply(every, own, x, draws)
        return outputs, after | kept

    def evaluate(parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        every, own, _ = whole(parameters, buffers)
        return network.evaluate(every, own, x)

    return replace(network, init=init, apply=apply, evaluate=evaluate)
