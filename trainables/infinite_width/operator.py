"""The kernel of a function and its input derivatives, applied and never built.

A kernel K(x, x') = F(s, t, q) of s = x.x, t = x'.x', q = x.x' has the derivatives

    K_00 = F
    K_a0 = 2 x_a F_s + x'_a F_q
    K_0b = 2 x'_b F_t + x_b F_q
    K_ab = 4 x_a x'_b F_st + 2 x_a x_b F_sq + 2 x'_a x'_b F_tq + x'_a x_b F_qq + delta_ab F_q

Of the NTK they are the Jacobian NTK, of the NNGP kernel the covariance of (f, grad f) at initialisation. For M points x
and N points x' of d coordinates, F and its seven derivatives take 8 M N numbers where K has M N (1 + d)^2, and a
product takes O(M N d).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

KernelFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""F of s (points, 1), t (1, points') and q (points, points'), elementwise."""

_ENTRIES = 2**17
"""Of F that are differentiated in one go: bounds the memory that the differentiation takes."""


class Coefficients(NamedTuple):
    """F and its derivatives by s, t and q, each (points, points')."""

    F: Tensor
    F_s: Tensor
    F_t: Tensor
    F_q: Tensor
    F_st: Tensor
    F_sq: Tensor
    F_tq: Tensor
    F_qq: Tensor


def coefficients(F: KernelFunction, x: Tensor, x2: Tensor) -> Coefficients:
    """By automatic differentiation, forward over forward. x: (points, d), x2: (points', d)."""
    t = x2.square().sum(1)[None]
    rows = max(1, _ENTRIES // len(x2))
    parts = [_of_rows(F, part.square().sum(1)[:, None], t, part @ x2.T) for part in x.split(rows)]
    return Coefficients(*map(torch.cat, zip(*parts, strict=True)))


def _of_rows(F: KernelFunction, s: Tensor, t: Tensor, q: Tensor) -> Coefficients:
    def by_q(s: Tensor, t: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        return _derivative(lambda q: F(s, t, q), q)

    def by_t(s: Tensor, t: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        return _derivative(lambda t: F(s, t, q), t)

    (value, F_q), (F_s, F_sq) = _derivative(lambda s: by_q(s, t, q), s)
    (_, _), (F_t, F_tq) = _derivative(lambda t: by_q(s, t, q), t)
    (_, _), (_, F_qq) = _derivative(lambda q: by_q(s, t, q), q)
    (_, _), (_, F_st) = _derivative(lambda s: by_t(s, t, q), s)
    return Coefficients(value, F_s, F_t, F_q, F_st, F_sq, F_tq, F_qq)


def _derivative(f: Callable[[Tensor], object], x: Tensor) -> tuple:  # type: ignore[type-arg]
    """f(x) and its derivative by each element of x, of which each element of f's outputs sees one."""
    with warnings.catch_warnings():
        # The first forward derivative of a process imports what torch itself has deprecated.
        warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
        return torch.func.jvp(f, (x,), (torch.ones_like(x),))


@dataclass(frozen=True)
class Operator:
    """K between x (M, d) and x2 (N, d): arrays v (N, 1 + d) -> K v (M, 1 + d), the value first and then derivatives."""

    x: Tensor
    x2: Tensor
    by: Coefficients

    @classmethod
    def of(cls, F: KernelFunction, x: Tensor, x2: Tensor | None = None) -> Operator:
        x2 = x if x2 is None else x2
        return cls(x, x2, coefficients(F, x, x2))

    def __matmul__(self, v: Tensor) -> Tensor:
        x, x2, by = self.x, self.x2, self.by
        v_0, v_b = v[:, 0], v[:, 1:]
        along = 2 * (x2 * v_b).sum(1)
        across = x @ v_b.T
        value = by.F @ v_0 + by.F_t @ along + (by.F_q * across).sum(1)
        along_x = 2 * (by.F_s @ v_0 + by.F_st @ along + (by.F_sq * across).sum(1))
        along_x2 = by.F_q * v_0 + by.F_tq * along + by.F_qq * across
        derivatives = along_x[:, None] * x + along_x2 @ x2 + by.F_q @ v_b
        return torch.cat([value[:, None], derivatives], dim=1)

    def dense(self) -> Tensor:
        """K as (M, 1 + d, N, 1 + d): for few points."""
        return _blocks(self.x[:, None], self.x2, self.by).transpose(1, 2)

    def matrix(self) -> Tensor:
        """K as (M (1 + d), N (1 + d))."""
        return self.dense().flatten(2).flatten(0, 1)


def kernel_of_pairs(F: KernelFunction, x: Tensor, x2: Tensor) -> Tensor:
    """K of each point of x (pairs, d) with the point of x2 in the same place: (pairs, 1 + d, 1 + d)."""
    by = _of_rows(F, *(each.sum(1)[:, None] for each in (x.square(), x2.square(), x * x2)))
    return _blocks(x, x2, Coefficients(*(each[:, 0] for each in by)))


def _blocks(x: Tensor, x2: Tensor, by: Coefficients) -> Tensor:
    """K of points x and x2 (…, d) that broadcast to the shape of the coefficients (…): (…, 1 + d, 1 + d)."""
    F, F_s, F_t, F_q, F_st, F_sq, F_tq, F_qq = (each[..., None] for each in by)
    value = torch.cat([F, 2 * x2 * F_t + x * F_q], dim=-1)
    ones = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    derivatives = (
        (4 * x * F_st + 2 * x2 * F_tq)[..., None] * x2[..., None, :]
        + (2 * x * F_sq + x2 * F_qq)[..., None] * x[..., None, :]
        + ones * F_q[..., None]
    )
    first = (2 * x * F_s + x2 * F_q)[..., None]
    return torch.cat([value[..., None, :], torch.cat([first, derivatives], dim=-1)], dim=-2)


def values_at(F: KernelFunction, x: Tensor, x2: Tensor, v: Tensor) -> Tensor:
    """The first column of K v alone, (M,), which needs no more than first derivatives. v: (N, 1 + d)"""
    s, t, along = x.square().sum(1)[:, None], x2.square().sum(1)[None], 2 * (x2 * v[:, 1:]).sum(1)
    rows = max(1, _ENTRIES // len(x2))
    found = []
    for part, of_part in zip(x.split(rows), s.split(rows), strict=True):
        q = part @ x2.T
        value, by_q = _derivative(partial(F, of_part, t), q)
        _, by_t = _derivative(partial(_as_function_of_t, F, of_part, q), t)
        found.append(value @ v[:, 0] + by_t @ along + (by_q * (part @ v[:, 1:].T)).sum(1))
    return torch.cat(found)


def _as_function_of_t(F: KernelFunction, s: Tensor, q: Tensor, t: Tensor) -> Tensor:
    return F(s, t, q)
