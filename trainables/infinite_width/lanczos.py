"""Functions of a large symmetric operator K >= 0, applied to one vector b by Lanczos's method.

After m products K is T, m by m and tridiagonal, in an orthonormal basis V of the Krylov space of b, and f(K) b is
nearly |b| V f(T) e_1. One basis serves all functions and all times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
"""Of eigenvalues, elementwise."""

_CHECKED_EVERY = 10
_BLOCK = 32
_ROUNDING = 1e-13


class NotConverged(ArithmeticError):
    """So many products are not enough. Its text has the residual."""


class FunctionsOf(Protocol):
    """Functions of K, applied to b."""

    def apply(self, f: Function) -> Tensor:
        """f(K) b, flat."""

    def decay_bound(self, t: float) -> float:
        """Of the error of exp(-t K) b, relative to |b|."""

    def reach(self, t: float, tolerance: float) -> None:
        """Takes products until that bound is at most `tolerance`.

        Raises:
            NotConverged: the largest number of products is not enough.
        """


class Spectrum(NamedTuple):
    """The eigenvalues of an operator that is small enough to be decomposed, and its eigenvectors as columns."""

    values: Tensor
    vectors: Tensor


def decompose(K: Tensor) -> Spectrum:
    """K: (rows, rows)"""
    values, vectors = torch.linalg.eigh(K)
    return Spectrum(values.clamp(min=0), vectors)


class Decomposed:
    """Of an operator that is decomposed. b: (rows,), or (rows, several)."""

    def __init__(self, spectrum: Spectrum, b: Tensor) -> None:
        self._values, self._vectors = spectrum
        self._along = self._vectors.T @ b

    def apply(self, f: Function) -> Tensor:
        factors = f(self._values)
        return self._vectors @ (factors.view(-1, *[1] * (self._along.ndim - 1)) * self._along)

    def decay_bound(self, t: float) -> float:
        return 0.0

    def reach(self, t: float, tolerance: float) -> None:
        pass


class _Ritz(NamedTuple):
    """T's eigenvalues and eigenvectors, and `beside`, the next entry beside its diagonal."""

    values: Tensor
    vectors: Tensor
    beside: float


class _Basis:
    """Orthonormal vectors, in blocks: nothing is copied when one more comes."""

    def __init__(self, first: Tensor) -> None:
        self._blocks: list[Tensor] = []
        self._num = 0
        self.append(first)

    def append(self, vector: Tensor) -> None:
        if self._num % _BLOCK == 0:
            self._blocks.append(vector.new_zeros(min(_BLOCK, len(vector)), len(vector)))
        self._blocks[-1][self._num % _BLOCK] = vector
        self._num += 1

    @property
    def last(self) -> Tensor:
        return self._blocks[-1][(self._num - 1) % _BLOCK]

    def without(self, vector: Tensor) -> Tensor:
        """The part of it that is orthogonal to all of them."""
        for block in self._blocks:
            vector = vector - (block @ vector) @ block
        return vector

    def combined(self, parts: Tensor) -> Tensor:
        """The sum of the first vectors, times so many parts."""
        total = torch.zeros_like(self.last)
        for number, some in enumerate(parts.split(_BLOCK)):
            total += some @ self._blocks[number][: len(some)]
        return total


class Krylov:
    """The Krylov space of b (flat), which grows on demand, up to so many products. How far it has grown depends on the
    longest time that was reached, and not on those before it.
    """

    def __init__(self, product: Callable[[Tensor], Tensor], b: Tensor, max_products: int) -> None:
        self._product, self._max = product, min(max_products, len(b))
        self._norm = float(b.norm())
        self._is_exhausted = self._norm == 0
        self._basis = _Basis(b / self._norm if self._norm else b)
        self._diagonal: list[float] = []
        self._beside: list[float] = []
        self._ritz = _Ritz(b.new_zeros(1), b.new_ones(1, 1), 0.0)

    @property
    def num_products(self) -> int:
        return len(self._diagonal)

    def apply(self, f: Function) -> Tensor:
        values, vectors, _ = self._ritz
        parts = self._norm * (vectors @ (f(values) * vectors[0]))
        return self._basis.combined(parts)

    def decay_bound(self, t: float) -> float:
        """The residual of x' = -K x at the time s is `beside` |e_m' exp(-s T) e_1|. It keeps its sign, and exp(-s K)
        amplifies nothing, so that its integral up to t bounds the error.
        """
        values, vectors, beside = self._ritz
        return abs(beside * float((vectors[-1] * integrated(t)(values) * vectors[0]).sum()))

    def reach(self, t: float, tolerance: float) -> None:
        while not self._is_exhausted and (not self._diagonal or self.decay_bound(t) > tolerance):
            if not self._grow_some():
                raise NotConverged(
                    f"{self._max} products with the kernel leave an error of up to {self.decay_bound(t):.1e} of what"
                    f" training begins with, and {tolerance:.0e} is allowed: ask for shorter times, or more products"
                )

    def converged(self, f: Function, tolerance: float) -> Tensor:
        """f(K) b, when ten products more change it by less than `tolerance`, relatively.

        Raises:
            NotConverged: they still change it by more.
        """
        before, change = self.apply(f), math.inf
        while not self._is_exhausted and change > tolerance:
            if not self._grow_some():
                raise NotConverged(
                    f"after {self._max} products with the kernel, ten more still change the result by {change:.1e},"
                    f" and {tolerance:.0e} is allowed: take fewer examples"
                )
            now = self.apply(f)
            before, change = now, float((now - before).norm() / now.norm())
        return before

    def _grow_some(self) -> bool:
        """Whether there were products left."""
        if self.num_products == self._max:
            return False
        for _ in range(min(_CHECKED_EVERY, self._max - self.num_products)):
            self._grow()
            if self._is_exhausted:
                break
        T = torch.diag(self._ritz.values.new_tensor(self._diagonal))
        if len(T) > 1:
            beside = torch.diag(T.new_tensor(self._beside[:-1]), 1)
            T = T + beside + beside.T
        values, vectors = torch.linalg.eigh(T)
        self._ritz = _Ritz(values.clamp(min=0), vectors, 0.0 if self._is_exhausted else self._beside[-1])
        return True

    def _grow(self) -> None:
        """By one product. The basis is made orthogonal in full, twice, against rounding."""
        last = self._basis.last
        w = self._product(last)
        self._diagonal.append(float(w @ last))
        w = self._basis.without(self._basis.without(w))
        self._beside.append(float(w.norm()))
        is_whole = self.num_products == len(w)
        self._is_exhausted = is_whole or self._beside[-1] <= _ROUNDING * max(map(abs, self._diagonal))
        if not self._is_exhausted:
            self._basis.append(w / self._beside[-1])


def decayed(t: float) -> Function:
    """exp(-t K)."""
    return lambda values: torch.exp(-t * values)


def integrated(t: float) -> Function:
    """The integral of exp(-s K) over s from 0 to t: (1 - exp(-t K)) / K, and t where K is 0."""

    def f(values: Tensor) -> Tensor:
        safe = torch.where(values > 0, values, 1.0)
        return torch.where(values > 0, -torch.expm1(-t * safe) / safe, t)

    return f
