"""Theorems 4, 10 and 13, Lemma 11 and Proposition 9: centroids of linear regions.

A power diagram gives each of its cells a centroid mu and a radius tau; a point x lies in the cell with the least
|x - mu|^2 - tau. A ReLU layer s(W x + b), W: (K, D), has a region for each set q in {0, 1}^K of active units, in which
it is A_q x + B_q, A_q = diag(q) W, B_q = diag(q) b. The region's centroid is A_q'1, its radius |A_q'1|^2 + 2 B_q'1
(Balestriero et al. 2019), because the sum of the units at x is the largest of the sums of all A_q x + B_q.

A layer behind others has such a diagram within each region of these, where they are an affine map. Over all of input
space the regions are a power diagram only if the sum of the outputs is convex: the centroids of every power diagram
satisfy (mu_x - mu_z)'(x - z) >= 0 for all points x and z, whatever its radii, and negative weights break this.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.probes._jacobians import centroids as autograd_centroids
from trainables.theory._drawn import Array, Drawn, draw_network, draws, largest
from trainables.theory.result import Result

_POINTS = 200
_TOLERANCE = 1e-10
_NEAREST = "J'1 by autograd at x"


def centroid(A: Array) -> Array:
    """A'1, Theorem 10. A: (…, K, D), of a region; (…, D)."""
    summed: Array = A.sum(-2)
    return summed


def pulled_back(A_before: Array, mu: Array) -> Array:
    """(A^(1 <- l-1))' mu, Theorem 13: a centroid of layer l in the space of inputs.

    A_before: (points, K, D), of the layers before; mu: (points, …, K); (points, …, D)
    """
    return np.einsum("pkd,p...k->p...d", A_before, mu)


def radius(mu: Array, B: Array) -> Array:
    """|mu|^2 + 2 B'1. mu: (…, D), B: (…, K), the region's offsets; (…)."""
    stated: Array = (mu**2).sum(-1) + 2 * B.sum(-1)
    return stated


def nearest(x: Array, mu: Array, tau: Array) -> Array:
    """The centroids of the cells in which the points lie, (points, D). x: (points, D), mu: (points, cells, D)."""
    distances = ((x[:, None] - mu) ** 2).sum(2) - tau
    return mu[np.arange(len(x)), distances.argmin(1)]


def affine(weights: list[Array], biases: list[Array], x: Array) -> tuple[Array, Array]:
    """The map of ReLU layers in the region of each point: A (points, K, D) and B (points, K)."""
    A, B = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1])), np.zeros_like(x)
    for W, b in zip(weights, biases, strict=True):
        A, B = W @ A, B @ W.T + b
        is_active = np.einsum("pkd,pd->pk", A, x) + B > 0
        A, B = A * is_active[:, :, None], B * is_active
    return A, B


def relu_layers(drawn: Drawn, num_layers: int) -> Callable[[Tensor], Tensor]:
    """x (points, D) -> the outputs of that hidden layer, (points, K)."""

    def run(x: Tensor) -> Tensor:
        for layer in range(num_layers):
            x = F.linear(x, drawn.parameters[f"{layer}.weight"], drawn.parameters[f"{layer}.bias"]).relu()
        return x

    return run


def _patterns(num_units: int) -> Array:
    """All sets of active units, (2^K, K)."""
    return np.array(list(product((0.0, 1.0), repeat=num_units)))


def theorem_10(seed: int) -> tuple[Result, ...]:
    """A layer: the nearest of all 2^K centroids is that of the region in which the point lies."""
    drawn = draw_network(seed, num_inputs=5, width=8, num_outputs=2, bias=True)
    x = 2 * draws(seed).normal(size=(_POINTS, 5))
    W, b, q = drawn.weights[0], drawn.biases[0], _patterns(8)
    mu, B = centroid(q[:, :, None] * W), q * b
    found = nearest(x, np.broadcast_to(mu, (_POINTS, *mu.shape)), radius(mu, B))
    measured = autograd_centroids(relu_layers(drawn, 1), torch.from_numpy(x))
    num_regions = len(np.unique(measured.numpy().round(9), axis=0))
    return (
        Result(
            statement="Theorem 10",
            equation="mu = A'1 has the least |x - mu|^2 - tau of all sets of active units",
            setting=f"ReLU layer 5-8, {_POINTS} points in {num_regions} regions, seed {seed}",
            measured=_NEAREST,
            stated="nearest of 256 centroids in power distance",
            deviation=largest(measured, found),
            tolerance=_TOLERANCE,
        ),
    )


def theorem_13(seed: int) -> tuple[Result, ...]:
    """Layers 1 to 3: nearest centroids within the region of layers 1 and 2; and why not over all of input space."""
    drawn = draw_network(seed, num_inputs=4, width=6, num_outputs=2, depth=4, bias=True)
    x = 2 * draws(seed).normal(size=(_POINTS, 4))
    W, b, q = drawn.weights[2], drawn.biases[2], _patterns(6)
    A_before, B_before = affine(drawn.weights[:2], drawn.biases[:2], x)
    of_layer = centroid(q[:, :, None] * W)
    mu = pulled_back(A_before, np.broadcast_to(of_layer, (_POINTS, *of_layer.shape)))
    B = q * (B_before @ W.T + b)[:, None]
    measured = autograd_centroids(relu_layers(drawn, 3), torch.from_numpy(x))
    apart, turned = x[:, None] - x, measured.numpy()[:, None] - measured.numpy()
    lengths = np.linalg.norm(apart, axis=2) * np.linalg.norm(turned, axis=2)
    cosines = (apart * turned).sum(2) / np.where(lengths > 1e-9, lengths, np.inf)
    layers = f"ReLU layers 4-6-6-6, {_POINTS} points"
    return (
        Result(
            statement="Theorem 13",
            equation="mu = (A_2 A_1)'A_3'1 has the least |x - mu|^2 - tau in the region of layers 1, 2",
            setting=f"{layers}, seed {seed}",
            measured=_NEAREST,
            stated="nearest of 64 centroids in power distance",
            deviation=largest(measured, nearest(x, mu, radius(mu, B))),
            tolerance=_TOLERANCE,
        ),
        Result(
            statement="Theorem 13",
            equation="they make one power diagram: (mu_x - mu_z)'(x - z) >= 0",
            setting=f"{layers}, seed {seed}; below 0 for {(cosines < -1e-9).mean():.0%} of pairs",
            measured="J'1 by autograd at x and z",
            stated="cosine of the two differences, at least 0",
            deviation=max(0.0, float(-cosines.min())),
            tolerance=_TOLERANCE,
            limit="There is a power diagram within each region of the layers before; over all of input space only if"
            " the outputs' sum is convex.",
        ),
    )


def theorem_4(seed: int) -> tuple[Result, ...]:
    """A whole network: its last layer's centroid, pulled back, and differences of the summed outputs."""
    drawn = draw_network(seed, num_inputs=6, width=12, num_outputs=4, depth=4, bias=True)
    x = _inside_regions(drawn, 2 * draws(seed).normal(size=(_POINTS, 6)))
    A_before, _ = affine(drawn.weights[:-1], drawn.biases[:-1], x)
    last = centroid(drawn.weights[-1])
    stated = pulled_back(A_before, np.broadcast_to(last, (len(x), *last.shape)))
    points, h = torch.from_numpy(x), 1e-5
    shifts = h * torch.eye(x.shape[1], dtype=points.dtype)
    rises = [drawn.at_start(points + shift).sum(1) - drawn.at_start(points - shift).sum(1) for shift in shifts]
    return (
        Result(
            statement="Theorem 4",
            equation="mu_x = J'1",
            setting=f"ReLU 6-12-12-12-4, {len(x)} points, seed {seed}",
            measured="difference quotients of the summed outputs",
            stated="Theorems 10 and 13, layer by layer",
            deviation=largest(torch.stack(rises, dim=1) / (2 * h), stated),
            tolerance=1e-8,
        ),
    )


def _inside_regions(drawn: Drawn, x: Array) -> Array:
    """The points at which no unit is so near to 0 that a difference quotient could cross the boundary of a region."""
    least, h = np.full(len(x), np.inf), x
    for W, b in zip(drawn.weights[:-1], drawn.biases[:-1], strict=True):
        h = h @ W.T + b
        least = np.minimum(least, np.abs(h).min(1))
        h = np.maximum(h, 0)
    return x[least > 1e-3]


def two_layer_centroid(W1: Array, W2: Array, x: Array) -> Array:
    """(W2 Q_x W1)'1, Lemma 11, (points, D). x: (points, D)."""
    return np.stack([centroid(W2 @ np.diag((W1 @ point > 0).astype(float)) @ W1) for point in x])


def lemma_11(seed: int) -> tuple[Result, ...]:
    """The network of Section 3, with several outputs."""
    drawn = draw_network(seed, num_inputs=6, width=16, num_outputs=4, bias=False)
    x, (W1, W2) = draws(seed).normal(size=(_POINTS, 6)), drawn.weights
    return (
        Result(
            statement="Lemma 11",
            equation="mu_x = (W2 Q_x W1)'1",
            setting=f"ReLU 6-16-4, no biases, {_POINTS} points, seed {seed}",
            measured="the probe's centroid, by autograd",
            stated="closed form",
            deviation=largest(autograd_centroids(drawn.at_start, torch.from_numpy(x)), two_layer_centroid(W1, W2, x)),
            tolerance=1e-12,
        ),
    )


def aligned_centroid(c: Array, x: Array) -> Array:
    """(c'1) x, Proposition 9, (D,). c: (C,), x: (D,)."""
    return c.sum() * x


def proposition_9(seed: int) -> tuple[Result, ...]:
    """Networks aligned at a point: the units that are active there look along it, and the others anywhere."""
    drawn = draw_network(seed, num_inputs=6, width=16, num_outputs=4, bias=False)
    rng = draws(seed)
    measured, stated = [], []
    for x in rng.normal(size=(16, 6)):
        along = rng.uniform(0.5, 2, size=8)
        away = rng.normal(size=(8, 6))
        away *= -np.sign(away @ x)[:, None]
        parameters = {**drawn.parameters, "0.weight": torch.from_numpy(np.vstack([along[:, None] * x, away]))}
        mu = autograd_centroids(partial(drawn.f, parameters), torch.from_numpy(x)[None])
        measured.append(mu[0])
        stated.append(aligned_centroid(drawn.weights[1][:, :8] @ along, x))
    return (
        Result(
            statement="Proposition 9",
            equation="J = c x' gives mu_x = (c'1) x",
            setting=f"16 networks ReLU 6-16-4, no biases, each aligned at a point, seed {seed}",
            measured="the probe's centroid, by autograd",
            stated="closed form",
            deviation=largest(torch.stack(measured), np.stack(stated)),
            tolerance=1e-12,
        ),
    )
