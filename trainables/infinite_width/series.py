"""The dual of an activation without a closed form, as a Hermite series.

With the normalised Hermite polynomials p_n and h_n(a) = E[phi(sqrt(a) z) p_n(z)] for a standard normal z,

    E[phi(u) phi(v)] = sum_n h_n(a) h_n(b) rho^n,    rho = c / sqrt(ab)    (Mehler's formula)

so every derivative by c is exact, up to |rho| = 1, where quadrature in two dimensions loses the second. h_n comes from
the trapezoidal rule, whose error for an analytic integrand falls exponentially with the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_END, _STEP = 14.0, 0.05
_TERMS = (50, 100, 200, 400, 800, 1600)
_TAIL = 1e-9


class Series:
    """G and Gd of an analytic activation; of arguments a (points, 1), b (1, points) and c (points, points)."""

    def __init__(self, phi: Callable[[Tensor], Tensor]) -> None:
        self._phi = phi
        self._z = torch.arange(-_END, _END + _STEP / 2, _STEP, dtype=torch.float64)
        self._weighted = _weighted_polynomials(self._z, _TERMS[-1])

    def G(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return self._sum(a, b, c, derivative=False)

    def Gd(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return self._sum(a, b, c, derivative=True)

    def _sum(self, a: Tensor, b: Tensor, c: Tensor, *, derivative: bool) -> Tensor:
        ends = [float(end) for each in (a, b) for end in torch.aminmax(each.detach())]
        if min(ends) <= 0:
            raise ArithmeticError("an input is 0 everywhere, where this activation has no series: leave it out")
        num = self._num_terms(max(ends))
        rho = c / (a.sqrt() * b.sqrt())
        of_a, of_b = self._coefficients(a, num), self._coefficients(b, num)
        total = torch.zeros_like(rho)
        # Horner's rule, from the last term on.
        for n in reversed(range(1, num) if derivative else range(num)):
            total = total * rho + (n if derivative else 1) * of_a[n] * of_b[n]
        return total / (a.sqrt() * b.sqrt()) if derivative else total

    def _coefficients(self, a: Tensor, num: int) -> Tensor:
        """h_n(a) for n < num: (num, *a.shape)."""
        z, weighted = self._z.to(a), self._weighted[:num].to(a)
        return (self._phi(a.sqrt()[..., None] * z) @ weighted.T).movedim(-1, 0)

    def _num_terms(self, largest: float) -> int:
        """So many that what is left out does not show in G's third derivative by c, at variance `largest`.

        Raises:
            ArithmeticError: no number of terms is enough.
        """
        if not math.isfinite(largest):
            raise ArithmeticError("an input is not finite")
        h = self._coefficients(torch.tensor(largest, dtype=torch.float64), _TERMS[-1]).square()
        n = torch.arange(len(h), dtype=torch.float64)
        third_derivative = h * n**3
        for num in _TERMS[:-1]:
            if float(third_derivative[num:].sum()) <= _TAIL * float(h.sum()):
                return num
        raise ArithmeticError(
            f"an input of squared norm {largest:.3g} is too large for the series of this activation: scale inputs to"
            " norm 1"
        )


def _weighted_polynomials(z: Tensor, num: int) -> Tensor:
    """p_n(z) times the density of z times the step, (num, points): sums over points are expectations.

    The recurrence runs on p_n times the root of the density, which cannot overflow.
    """
    root = torch.exp(-z.square() / 4) / (2 * math.pi) ** 0.25
    rows = [root, z * root]
    for n in range(1, num - 1):
        rows.append((z * rows[n] - math.sqrt(n) * rows[n - 1]) / math.sqrt(n + 1))
    return torch.stack(rows) * root * _STEP
