"""Points in coordinates of the space that they span.

For a direction e across all training points, Theta_e0 = 0 and Theta_eb = delta_eb F_q: derivatives along it have to do
with each other alone, through one block of N rows that all such directions share. So a problem of N (1 + d) rows is one
of N (1 + r), r the rank of the points, and this block.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Span(NamedTuple):
    """x = coordinates times basis. coordinates: (points, r); basis: (r, d), orthonormal."""

    coordinates: Tensor
    basis: Tensor

    @property
    def is_whole(self) -> bool:
        """Whether there is no direction across."""
        return self.basis.shape[0] == self.basis.shape[1]

    def inside(self, v: Tensor) -> Tensor:
        """Values and derivatives (…, 1 + d), in coordinates of the span: (…, 1 + r)."""
        return torch.cat([v[..., :1], v[..., 1:] @ self.basis.T], dim=-1)

    def outside(self, v: Tensor) -> Tensor:
        """What of the derivatives in v (…, 1 + d) lies across the span: (…, d)."""
        return v[..., 1:] - v[..., 1:] @ self.basis.T @ self.basis

    def back(self, v: Tensor) -> Tensor:
        """From (…, 1 + r) to (…, 1 + d)."""
        return torch.cat([v[..., :1], v[..., 1:] @ self.basis], dim=-1)


def span_of(x: Tensor) -> Span:
    """x: (points, d)"""
    U, s, V = torch.linalg.svd(x, full_matrices=False)
    rank = int((s > s[0] * max(x.shape) * torch.finfo(x.dtype).eps).sum())
    return Span(U[:, :rank] * s[:rank], V[:rank])
