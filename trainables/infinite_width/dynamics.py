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

from functools import cached_property

import torch
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.lanczos import (
    Decomposed,
    Function,
    FunctionsOf,
    Krylov,
    Spectrum,
    decayed,
    decompose,
    integrated,
)
from trainables.infinite_width.operator import KernelFunction, Operator
from trainables.infinite_width.span import span_of


class Flow:
    """Training of one or several outputs, which are independent and have one kernel.

    It is computed in the span of the training points; what of the start's derivatives lies across it decays by itself.

    theta  the Jacobian NTK of the training points
    """

    def __init__(
        self,
        ntk: KernelFunction,
        x: Tensor,
        y: Tensor,
        start: Tensor,
        strength: float,
        *,
        tolerance: float = 1e-8,
        max_products: int = 400,
    ) -> None:
        """
        x             training points, (N, d)
        y             targets, (outputs, N)
        start         u there at the time 0, (outputs, N, 1 + d)
        strength      lambda, 0 or more
        tolerance     of the error of Lambda^(1/2) r, relative to its norm at the start
        max_products  with Theta, for each output
        """
        self._span = span_of(x)
        self._theta = Operator.of(ntk, self._span.coordinates)
        # The coefficients depend on inner products alone, which are the same in both coordinates.
        self.theta = Operator(x, x, self._theta.by)
        self._num, self._strength = len(x), strength
        self._tolerance, self._max_products = tolerance, max_products
        residual = start.clone()
        residual[:, :, 0] -= y
        self._across = self._span.outside(residual)
        inside = self._span.inside(residual)
        self._root = torch.full_like(inside[0, 0], strength**0.5)
        self._root[0] = 1.0
        self._b = inside * self._root

    @cached_property
    def spectrum(self) -> Spectrum | None:
        """Of K in the span; None where it is too large to be decomposed."""
        if self._b[0].numel() > DENSE:
            return None
        K = self._theta.dense() * self._root[:, None, None] * self._root
        return decompose(K.flatten(2).flatten(0, 1))

    @property
    def slowest(self) -> Tensor:
        """The smallest eigenvalue that residuals decay with, of few points: of K, or without a strength of the kernel
        of outputs alone.
        """
        if self._strength == 0:
            return torch.linalg.eigvalsh(self._theta.by.F)[0]
        assert self.spectrum is not None
        inside = self.spectrum.values[0]
        return inside if self._span.is_whole else torch.minimum(inside, self._spectrum_across.values[0])

    @cached_property
    def _functions(self) -> list[FunctionsOf]:
        """Of K, applied to Lambda^(1/2) r(0) of each output."""
        flat = self._b.flatten(1)
        if self.spectrum is not None:
            return [Decomposed(self.spectrum, b) for b in flat]

        def product(v: Tensor) -> Tensor:
            return ((self._theta @ (v.view(self._b.shape[1:]) * self._root)) * self._root).flatten()

        return [Krylov(product, b, self._max_products) for b in flat]

    @cached_property
    def _spectrum_across(self) -> Spectrum:
        """Of lambda F_q, by which derivatives across the span decay."""
        return decompose(self._strength * self._theta.by.F_q)

    def error_bound(self, t: float) -> float:
        """Of Lambda^(1/2) r at the time t, relative to its norm at the start; of the method, for rounding adds its own.

        Raises:
            NotConverged: it is above the tolerance after so many products.
        """
        for each in self._functions:
            each.reach(t / self._num, self._tolerance)
        return max(each.decay_bound(t / self._num) for each in self._functions)

    def weights(self, t: float) -> Tensor:
        """w with u(x, t) - u(x, 0) = -Theta(x, X) w at any points x: (outputs, N, 1 + d).

        Raises:
            NotConverged: see `error_bound`.
        """
        self.error_bound(t)
        f = integrated(t / self._num)
        inside = torch.stack([each.apply(f) for each in self._functions]).view_as(self._b) * self._root
        w = self._span.back(inside)
        if self._strength and bool(self._across.any()):
            w[:, :, 1:] += self._strength * self._of_across(f)
        return w

    def residual(self, t: float) -> Tensor:
        """|Lambda^(1/2) r| at the time t, of all outputs together: half its square over N is the objective.

        Raises:
            NotConverged: see `error_bound`.
        """
        self.error_bound(t)
        f = decayed(t / self._num)
        inside = torch.stack([each.apply(f) for each in self._functions])
        across = self._of_across(f) if self._strength and bool(self._across.any()) else inside.new_zeros(1)
        return (inside.square().sum() + self._strength * across.square().sum()).sqrt()

    def _of_across(self, f: Function) -> Tensor:
        """f(lambda F_q) applied to derivatives across the span: (outputs, N, d)."""
        columns = self._across.transpose(0, 1).flatten(1)
        found = Decomposed(self._spectrum_across, columns).apply(f)
        return found.view(self._num, len(self._across), -1).transpose(0, 1)
