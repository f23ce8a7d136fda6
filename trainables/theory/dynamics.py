"""Theorem 6, Proposition 7 and Corollary 8: how <x, mu_x> changes in a step of full-batch gradient descent.

f(x) = W2 s(W1 x), s the ReLU, W1: (K, D), W2: (C, K), no biases; Q_x = diag(s'(W1 x)); m training points x_p. The paper
writes the rate eta of the descent in front of the sums; here both sides are divided by it.

Measured is <x, mu_x> after a step minus <x, mu_x> before it, over eta. While no activation pattern changes, <x, mu_x>
is bilinear in W1 and W2. So this quotient is the derivative plus a remainder r eta, and the quotients of two steps, eta
and eta / 2, extrapolate to the derivative exactly. The paper's equations are of the derivative. Under cross-entropy
over classes r is 0, for the reason of Corollary 8: the entries of m_p sum to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.probes._jacobians import centroids
from trainables.theory._drawn import Array, Drawn, Integers, draw_network, draws, largest
from trainables.theory.kernel import kernel
from trainables.theory.result import Result

Loss = Callable[[Tensor, Tensor], Tensor]

_D, _K, _C, _TRAINING, _FRESH = 6, 16, 4, 20, 12
_TOLERANCE = 1e-8
_MEASURED = "<x, mu_x> after a step minus before (autograd)"


class _Setting(NamedTuple):
    """A network, m training points with labels, and the points at which <x, mu_x> is followed: some of both kinds."""

    drawn: Drawn
    training: Array
    labels: Integers
    x: Array


def _drawn(seed: int, num_outputs: int) -> _Setting:
    rng = draws(seed)
    training, fresh = rng.normal(size=(_TRAINING, _D)), rng.normal(size=(_FRESH, _D))
    labels = rng.integers(max(2, num_outputs), size=_TRAINING)
    drawn = draw_network(seed, num_inputs=_D, width=_K, num_outputs=num_outputs, bias=False)
    return _Setting(drawn, training, labels, np.concatenate([training[:4], fresh]))


def quotient(setting: _Setting, loss: Loss, eta: float) -> Tensor | None:
    """(<x, mu_x> after a step of `eta` minus before it) / eta, (points,); None if an activation pattern changes."""
    drawn, x = setting.drawn, torch.from_numpy(setting.x)
    training, labels = torch.from_numpy(setting.training), torch.from_numpy(setting.labels)
    gradient = torch.func.grad(lambda parameters: loss(drawn.f(parameters, training), labels))(drawn.parameters)
    stepped = {name: value - eta * gradient[name] for name, value in drawn.parameters.items()}
    if not torch.equal(F.linear(x, stepped["0.weight"]) > 0, F.linear(x, drawn.parameters["0.weight"]) > 0):
        return None
    before = centroids(drawn.at_start, x)
    after = centroids(lambda points: drawn.f(stepped, points), x)
    return (x * after).sum(1).sub((x * before).sum(1)) / eta


def measured_rate(setting: _Setting, loss: Loss) -> tuple[Tensor, float]:
    """Extrapolated from the steps eta and eta / 2, (points,), and eta: halved until no activation pattern changes."""
    for eta in (1e-2 / 2**n for n in range(20)):
        whole, half = quotient(setting, loss, eta), quotient(setting, loss, eta / 2)
        if whole is not None and half is not None:
            return 2 * half - whole, eta
    raise ArithmeticError(
        "a point lies on the boundary of its linear region: every step changes its activation pattern"
    )


def binary_residuals(f: Array, y: Integers) -> Array:
    """m_p = y_p - 1 / (1 + exp(-f)) of Theorem 6, (points,)."""
    return y - 1 / (1 + np.exp(-f[:, 0]))


def cross_entropy_residuals(f: Array, y: Integers) -> Array:
    """m_p = e_y - softmax(f), (points, C): a vector, from which Corollary 8's m_p'1 = 0 follows."""
    exponentials = np.exp(f)
    return np.eye(f.shape[1])[y] - exponentials / exponentials.sum(1, keepdims=True)


def typeset_residuals(f: Array, y: Integers) -> Array:
    """m_p = e_y - softmax(f)_y, (points, C), as Proposition 7 is typeset: one number is subtracted from every entry."""
    exponentials = np.exp(f)
    return np.eye(f.shape[1])[y] - (exponentials[np.arange(len(y)), y] / exponentials.sum(1))[:, None]


def squared_error_residuals(f: Array, y: Integers) -> Array:
    """m_p = 2 (e_y - f), (points, C)."""
    return 2 * (np.eye(f.shape[1])[y] - f)


def scalar_rate(setting: _Setting) -> Array:
    """Theorem 6 over eta, (points,)."""
    W1, W2 = setting.drawn.weights
    residuals = binary_residuals(np.maximum(setting.training @ W1.T, 0) @ W2.T, setting.labels)
    rate: Array = kernel(W1, W2, setting.x, setting.training) @ residuals / len(setting.training)
    return rate


def first_term(setting: _Setting, m: Array) -> Array:
    """1/m sum_p (m_p' W2 Q_xp Q_x W2' 1) <x, x_p>, (points,). m: (training points, C)."""
    W1, W2 = setting.drawn.weights
    gates, gates_p = setting.x @ W1.T > 0, setting.training @ W1.T > 0
    iota = (gates * W2.sum(0)) @ ((m @ W2) * gates_p).T
    return (iota * (setting.x @ setting.training.T)).mean(1)


def second_term(setting: _Setting, m: Array) -> Array:
    """1/m sum_p x' W1' Q_x s(W1 x_p) m_p'1, (points,). m: (training points, C)."""
    W1, _ = setting.drawn.weights
    features = np.maximum(setting.x @ W1.T, 0) @ np.maximum(setting.training @ W1.T, 0).T
    return (features * m.sum(1)).mean(1)


def outputs(setting: _Setting) -> Array:
    """f at the training points, (training points, C), from the weights."""
    W1, W2 = setting.drawn.weights
    return np.maximum(setting.training @ W1.T, 0) @ W2.T


def mean_squared_error(f: Tensor, y: Tensor) -> Tensor:
    """Summed over classes, as in the paper's appendix, and the mean over points."""
    return (f - F.one_hot(y, f.shape[1])).square().sum(1).mean()


def binary_cross_entropy(f: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(f[:, 0], y.to(f.dtype))


def _said(seed: int, num_outputs: int, eta: float) -> str:
    network = f"ReLU {_D}-{_K}-{num_outputs}, no biases"
    return f"{network}, {_TRAINING} training points, {4 + _FRESH} points x, eta -> 0 from {eta:.1g}, seed {seed}"


def theorem_6(seed: int) -> tuple[Result, ...]:
    """The scalar network under binary cross-entropy."""
    setting = _drawn(seed, 1)
    measured, eta = measured_rate(setting, binary_cross_entropy)
    return (
        Result(
            statement="Theorem 6",
            equation="d<x, mu_x>/dt = eta/m sum_p K(x, x_p) (y_p - sigmoid(f(x_p)))",
            setting=_said(seed, 1, eta),
            measured=_MEASURED,
            stated="Lemma 12's kernel and the residuals",
            deviation=largest(measured, scalar_rate(setting)),
            tolerance=_TOLERANCE,
        ),
    )


def proposition_7(seed: int) -> tuple[Result, ...]:
    """The vector network under both losses, and the cross-entropy's m as typeset."""
    setting = _drawn(seed, _C)
    f, results = outputs(setting), []
    equation = "d<x, mu_x>/dt = eta/m sum_p [(m_p'W2 Q_p Q_x W2'1) <x, x_p> + x'W1'Q_x s(W1 x_p) m_p'1]"
    typeset = "As typeset, m_p subtracts one number from all entries of e_y. The equation needs the vector softmax(f)."
    for name, loss, residuals, limit in (
        ("m_p = e_y - softmax(f) (cross-entropy)", F.cross_entropy, cross_entropy_residuals, ""),
        ("m_p = 2 (e_y - f) (squared error)", mean_squared_error, squared_error_residuals, ""),
        ("m_p = e_y - softmax(f)_y (cross-entropy, as typeset)", F.cross_entropy, typeset_residuals, typeset),
    ):
        measured, eta = measured_rate(setting, loss)
        m = residuals(f, setting.labels)
        results.append(
            Result(
                statement="Proposition 7",
                equation=f"{equation}; {name}",
                setting=_said(seed, _C, eta),
                measured=_MEASURED,
                stated="both terms, from the weights",
                deviation=largest(measured, first_term(setting, m) + second_term(setting, m)),
                tolerance=_TOLERANCE,
                limit=limit,
            )
        )
    return tuple(results)


def corollary_8(seed: int) -> tuple[Result, ...]:
    """Under cross-entropy the first term alone, for m_p'1 = 0: with the vector m, and not with the typeset one."""
    setting = _drawn(seed, _C)
    f = outputs(setting)
    measured, eta = measured_rate(setting, F.cross_entropy)
    leaf = setting.drawn.at_start(torch.from_numpy(setting.training)).requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(leaf, torch.from_numpy(setting.labels), reduction="sum"), leaf)
    where = f"ReLU {_D}-{_K}-{_C}, no biases, {_TRAINING} training points, seed {seed}"
    typeset = "With m_p as typeset in Proposition 7 the second term does not vanish."
    return (
        Result(
            statement="Corollary 8",
            equation="d<x, mu_x>/dt = eta/m sum_p (m_p'W2 Q_p Q_x W2'1) <x, x_p> (cross-entropy)",
            setting=_said(seed, _C, eta),
            measured=_MEASURED,
            stated="the first term of Proposition 7 alone",
            deviation=largest(measured, first_term(setting, cross_entropy_residuals(f, setting.labels))),
            tolerance=_TOLERANCE,
        ),
        *(
            Result(
                statement="Corollary 8",
                equation=f"m_p'1 = 0; {name}",
                setting=where,
                measured="the formula's m_p, summed over classes, and autograd's -dloss/df",
                stated="0",
                deviation=max(
                    largest(torch.from_numpy(residuals(f, setting.labels).sum(1)), np.zeros(len(f))),
                    largest(-slope.sum(1), np.zeros(len(f))),
                ),
                tolerance=1e-12,
                limit=limit,
            )
            for name, residuals, limit in (
                ("m_p = e_y - softmax(f)", cross_entropy_residuals, ""),
                ("m_p = e_y - softmax(f)_y (as typeset)", typeset_residuals, typeset),
            )
        ),
    )
