"""Lemma 12: the neural tangent kernel of a two-layer network with one output and no biases.

f(x) = W2 s(W1 x), s the ReLU, W1: (K, D), W2: (1, K); Q_x = diag(s'(W1 x)).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.theory._drawn import Array, Drawn, draw_network, draws, largest
from trainables.theory.result import Result


def kernel(W1: Array, W2: Array, x: Array, other: Array) -> Array:
    """(points, others), as Lemma 12 states it. x: (points, D), other: (others, D)."""
    before, before_other = x @ W1.T, other @ W1.T
    features = np.maximum(before, 0) @ np.maximum(before_other, 0).T
    gates = ((before > 0) * W2) @ ((before_other > 0) * W2).T
    stated: Array = features + (x @ other.T) * gates
    return stated


def measured_kernel(drawn: Drawn, x: Tensor) -> Tensor:
    """(points, points): inner products of f's gradients by all parameters, a backward pass a point."""
    rows = []
    for point in x:
        parameters = {name: value.clone().requires_grad_() for name, value in drawn.parameters.items()}
        gradients = torch.autograd.grad(drawn.f(parameters, point[None])[0, 0], list(parameters.values()))
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    stacked = torch.stack(rows)
    return stacked @ stacked.T


def lemma_12(seed: int) -> tuple[Result, ...]:
    """Between all pairs of some points."""
    drawn = draw_network(seed, num_inputs=6, width=16, num_outputs=1, bias=False)
    x, (W1, W2) = draws(seed).normal(size=(24, 6)), drawn.weights
    return (
        Result(
            statement="Lemma 12",
            equation="K(x, z) = s(W1 x)'s(W1 z) + x'z W2 Q_x Q_z W2'",
            setting=f"ReLU 6-16-1, no biases, 24 points, seed {seed}",
            measured="autograd's gradients by the parameters",
            stated="closed form",
            deviation=largest(measured_kernel(drawn, torch.from_numpy(x)), kernel(W1, W2, x, x)),
            tolerance=1e-12,
        ),
    )
