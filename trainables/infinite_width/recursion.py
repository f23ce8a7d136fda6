"""The NNGP kernel and the NTK of infinitely wide networks, for inputs of any norm."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from trainables.infinite_width.dual import Dual


class Architecture(NamedTuple):
    """hidden_layers: L; dual: of the activation; kappa: the scale of the output."""

    hidden_layers: int
    dual: Dual
    kappa: float

    def nngp(self, s: Tensor, t: Tensor, q: Tensor) -> Tensor:
        """The covariance of f(x) and f(x') at initialisation, of s = x.x (points, 1), t = x'.x' (1, points') and
        q = x.x' (points, points').
        """
        return self._both(s, t, q)[0]

    def ntk(self, s: Tensor, t: Tensor, q: Tensor) -> Tensor:
        """<grad_theta f(x), grad_theta f(x')>, likewise."""
        return self._both(s, t, q)[1]

    def _both(self, s: Tensor, t: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        a, b, c, T = s, t, q, q
        for _ in range(self.hidden_layers):
            covariance = self.dual.G(a, b, c)
            T = covariance + T * self.dual.Gd(a, b, c)
            a, b, c = self.dual.G(a, a, a), self.dual.G(b, b, b), covariance
        return self.kappa**2 * c, self.kappa**2 * T
