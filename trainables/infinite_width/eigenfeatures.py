"""The features that the regression is a sum of (arXiv:2312.03386, section on eigenfeatures).

With K = Lambda^(1/2) Theta Lambda^(1/2) = sum_k s_k v_k v_k',

    phi_k(x) = 1 / s_k  Theta(x, X) Lambda^(1/2) v_k  v_k' Lambda^(1/2) (y, 0),    sum_k phi_k = the regression's u
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.infinite_width import DENSE
from trainables.infinite_width.operator import Operator


class Eigenfeatures(NamedTuple):
    """The `num` largest ones, the largest eigenvalue first.

    values   s_k, (num,)
    weights  (num, N, 1 + d): phi_k(x) = Theta(x, X) weights_k
    """

    values: Tensor
    weights: Tensor


def eigenfeatures(theta: Operator, y: Tensor, *, strength: float, num: int) -> Eigenfeatures:
    """Of K with lambda = `strength`; with 0 of the outputs alone.

    Raises:
        scipy.sparse.linalg.ArpackNoConvergence: not all could be found.
    """
    points, dimension = theta.x.shape
    root = torch.full((1 + dimension,), strength**0.5, dtype=y.dtype)
    root[0] = 1.0
    if strength == 0:
        values, vectors = torch.linalg.eigh(theta.by.F)
        vectors = torch.nn.functional.pad(vectors.T[:, :, None], (0, dimension))
    elif points * (1 + dimension) <= DENSE:
        size = points * (1 + dimension)
        values, vectors = torch.linalg.eigh((theta.dense() * root[:, None, None] * root).reshape(size, size))
        vectors = vectors.T.view(size, points, 1 + dimension)
    else:
        values, vectors = _largest(theta, root, num)
    values, vectors = values.flip(0)[:num], vectors.flip(0)[:num]
    scaled = vectors * root
    return Eigenfeatures(values, scaled * ((scaled[:, :, 0] @ y) / values)[:, None, None])


def _largest(theta: Operator, root: Tensor, num: int) -> tuple[Tensor, Tensor]:
    from scipy.sparse.linalg import LinearOperator, eigsh

    shape = (len(theta.x), len(root))

    def product(v: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = ((theta @ (torch.from_numpy(v).reshape(shape) * root)) * root).flatten().numpy()
        return found

    size = shape[0] * shape[1]
    start = torch.ones(size, dtype=root.dtype).numpy()
    values, vectors = eigsh(LinearOperator((size, size), matvec=product, dtype="float64"), k=num, v0=start)
    return torch.from_numpy(values), torch.from_numpy(vectors).T.reshape(num, *shape)
