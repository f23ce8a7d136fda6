"""What both sides of a check begin with: points, labels, and the weights of a network. They compute nothing here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.models.base import Spec
from trainables.models.mlp import Mlp
from trainables.randomness import Stream, generator

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class Drawn(NamedTuple):
    """A ReLU network of `Mlp`, for the measured side, and its numbers, for the stated side.

    f           (parameters, x) -> outputs. x: (points, inputs), outputs: (points, outputs)
    parameters  by name, as `Mlp` names them
    weights     (outputs, inputs) of each layer
    biases      (outputs,) of each layer; zero in a network without biases
    """

    f: Callable[[dict[str, Tensor], Tensor], Tensor]
    parameters: dict[str, Tensor]
    weights: list[Array]
    biases: list[Array]

    def at_start(self, x: Tensor) -> Tensor:
        """The outputs with the weights as drawn."""
        return self.f(self.parameters, x)


def draw_network(seed: int, *, num_inputs: int, width: int, num_outputs: int, depth: int = 2, bias: bool) -> Drawn:
    """Torch's default weights, in float64."""
    model = Mlp(width=width, depth=depth, bias=bias)
    network = model.build(Spec("classification", torch.Size([num_inputs]), num_outputs, torch.float64))
    parameters, _ = network.init(generator(seed, Stream.INIT))
    weights = [parameters[f"{layer}.weight"].numpy().copy() for layer in range(depth)]
    biases = [
        parameters[f"{layer}.bias"].numpy().copy() if bias else np.zeros(len(W)) for layer, W in enumerate(weights)
    ]
    return Drawn(lambda parameters, x: network.evaluate(parameters, {}, x), parameters, weights, biases)


def draws(seed: int) -> np.random.Generator:
    """What draws the points of a check."""
    return np.random.default_rng(seed)


def largest(measured: Tensor | Array, stated: Array) -> float:
    """The largest absolute difference between two arrays of one shape; nan if there is a nan."""
    difference = np.asarray(measured) - stated
    assert difference.shape == stated.shape == np.asarray(measured).shape
    return float(np.abs(difference).max())
