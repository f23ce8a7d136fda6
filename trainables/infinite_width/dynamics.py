"""Jacobian-regularised training at infinite width: gradient flow on

    1/2 mean_i (f(x_i) - y_i)^2  +  lambda / 2 mean_i |grad f(x_i)|^2

u stacks f and its input derivatives, r = u - (y, 0) at the N training points, Lambda = diag(1, lambda, ..., lambda).
The Jacobian NTK Theta is constant, so the flow is linear (arXiv:2312.03386, Theorem 9; summary, mechanism 2):

    u(x)' = -Theta(x, X) Lambda r / N,    r' = -Theta Lambda r / N

In Lambda^(1/2) r the operator is K / N with K = Lambda^(1/2) Theta Lambda^(1/2), which is symmetric, and

    u(x, t) = u(x, 0) - Theta(x, X) Lambda^(1/2) [integral of exp(-K s / N) over s from 0 to t] Lambda^(1/2) r(0) / N

That holds with lambda = 0, too, where derivatives do not act on anything. t is the learning rate times the step. The
library's mean squared error has no factor 1/2: with it, at a rate eta and a strength l, time is 2 eta times the step
and lambda is l / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.lanczos import Decomposed, FunctionsOf, Krylov, integrated
from trainables.infinite_width.operator import Operator


@dataclass(frozen=True)
class Flow:
    """Training from `start`, u(X, 0) of shape (N, 1 + d).

    theta          the Jacobian NTK of the training points
    y              targets, (N,)
    strength       lambda, 0 or more
    tolerance      of the error of Lambda^(1/2) r, relative to its norm at the start
    max_products   with Theta
    """

    theta: Operator
    y: Tensor
    strength: float
    start: Tensor
    tolerance: float = 1e-8
    max_products: int = 400

    @cached_property
    def root(self) -> Tensor:
        """The diagonal of Lambda^(1/2), (1 + d,)."""
        root = torch.full_like(self.start[0], self.strength**0.5)
        root[0] = 1.0
        return root

    @cached_property
    def functions(self) -> FunctionsOf:
        """Of K, applied to Lambda^(1/2) r(0)."""
        residual = self.start.clone()
        residual[:, 0] -= self.y
        b = (residual * self.root).flatten()
        if len(b) <= DENSE:
            return Decomposed(self.operator(), b)

        def product(v: Tensor) -> Tensor:
            return ((self.theta @ (v.view_as(residual) * self.root)) * self.root).flatten()

        return Krylov(product, b, self.max_products)

    def operator(self) -> Tensor:
        """K, (N (1 + d), N (1 + d)): for few points."""
        K = self.theta.dense() * self.root[:, None, None] * self.root
        return K.flatten(2).flatten(0, 1)

    def error_bound(self, t: float) -> float:
        """Of Lambda^(1/2) r at the time t, relative to its norm at the start; of the method, for rounding adds its own.

        Raises:
            NotConverged: it is above the tolerance after so many products.
        """
        self.functions.reach(t / len(self.y), self.tolerance)
        return self.functions.decay_bound(t / len(self.y))

    def pushed(self, t: float) -> Tensor:
        """What acts on outputs and derivatives up to the time t, (N, 1 + d): u(x, t) - u(x, 0) is -Theta(x, X) times
        it, at any points x.

        Raises:
            NotConverged: see `error_bound`.
        """
        self.error_bound(t)
        return self.functions.apply(integrated(t / len(self.y))).view_as(self.start) * self.root

    def residual(self, t: float) -> Tensor:
        """Lambda^(1/2) r at the time t, flat: half the mean of its square over examples is the objective.

        Raises:
            NotConverged: see `error_bound`.
        """
        self.error_bound(t)
        rate = t / len(self.y)
        return self.functions.apply(lambda values: torch.exp(-rate * values))
