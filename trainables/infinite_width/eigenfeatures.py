"""The features that the regression is a sum of (arXiv:2312.03386, section on eigenfeatures).

With K = Lambda^(1/2) Theta Lambda^(1/2) = sum_k s_k v_k v_k',

    phi_k(x) = 1 / s_k  Theta(x, X) Lambda^(1/2) v_k  v_k' Lambda^(1/2) (y, 0),    sum_k phi_k = the regression's u

Eigenvectors that the targets are orthogonal to have features that are 0. Those of directions across the span of the
training points are, and so K is taken in the span.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.lanczos import NotConverged
from trainables.infinite_width.operator import KernelFunction, Operator
from trainables.infinite_width.span import span_of

_NONE = 1e-9
"""A smaller part of the targets along an eigenvector is rounding."""


class Eigenfeatures(NamedTuple):
    """The largest ones that are not 0, the largest eigenvalue first.

    values   s_k, (num,)
    weights  (num, N, 1 + d): phi_k(x) = Theta(x, X) weights_k
    """

    values: Tensor
    weights: Tensor


def eigenfeatures(ntk: KernelFunction, x: Tensor, y: Tensor, *, strength: float, num: int) -> Eigenfeatures:
    """At most `num`, with lambda = `strength`; with 0 those of outputs alone. x: (N, d), y: (N,)

    Raises:
        NotConverged: not all could be found.
    """
    span = span_of(x)
    theta = Operator.of(ntk, span.coordinates)
    points, rank = theta.x.shape
    root = torch.full((1 + rank,), strength**0.5, dtype=y.dtype, device=y.device)
    root[0] = 1.0
    if strength == 0:
        values, vectors = torch.linalg.eigh(theta.by.F)
        vectors = torch.nn.functional.pad(vectors.T[:, :, None], (0, rank))
    elif points * (1 + rank) <= DENSE:
        K = theta.dense() * root[:, None, None] * root
        values, vectors = torch.linalg.eigh(K.flatten(2).flatten(0, 1))
        vectors = vectors.T.reshape(-1, points, 1 + rank)
    else:
        values, vectors = _largest(theta, root, num)
    values, scaled = values.flip(0), vectors.flip(0) * root
    along = scaled[:, :, 0] @ y
    found = (along.abs() > _NONE * y.norm()).nonzero()[:num, 0]
    weights = scaled[found] * (along / values)[found, None, None]
    return Eigenfeatures(values[found], span.back(weights))


def _largest(theta: Operator, root: Tensor, num: int) -> tuple[Tensor, Tensor]:
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    shape = (len(theta.x), len(root))

    def product(v: NDArray[Any]) -> NDArray[Any]:
        at = torch.from_numpy(v).to(root.device).reshape(shape)
        found: NDArray[Any] = ((theta @ (at * root)) * root).flatten().cpu().numpy()
        return found

    size = shape[0] * shape[1]
    # Not in any direction that symmetries may favour.
    start = torch.linspace(0.5, 1.5, size, dtype=torch.float64).numpy()
    try:
        values, vectors = eigsh(LinearOperator((size, size), matvec=product, dtype="float64"), k=num, v0=start)
    except ArpackNoConvergence as error:
        found = f"{len(error.eigenvalues)} of {num} eigenvectors"
        raise NotConverged(f"ARPACK has found {found} of the kernel: ask for fewer features") from None
    return torch.from_numpy(values).to(root.device), torch.from_numpy(vectors.T).to(root.device).reshape(num, *shape)
