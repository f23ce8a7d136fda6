"""The checks of Walker et al.'s statements: they hold as the paper derives them, and notice formulas that are wrong.

All settings of a check are drawn from its seed. The tolerances stand far above rounding (1e-14 in most checks), so no
seed fails by luck; the first 200 were tried.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trainables.theory import CHECKS, Result, Verdict, centroids, check, dynamics, kernel, optimum, robustness
from trainables.theory import _drawn as drawn

Formula = Callable[..., Any]


def of(results: tuple[Result, ...], verdict: Verdict) -> list[Result]:
    return [result for result in results if result.verdict is verdict]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("statement", CHECKS)
def test_statements_hold(statement: str, seed: int):
    results = check(statement, seed)
    assert of(results, Verdict.HOLDS)
    for result in results:
        assert result.is_as_expected, result
        assert result.statement.lower().replace(" ", "-") == statement
        assert f"seed {seed}" in result.setting


def test_the_same_seed_gives_the_same_results():
    assert check("theorem-6", 3) == check("theorem-6", 3)
    assert check("theorem-6", 3)[0].deviation != check("theorem-6", 4)[0].deviation


def times(factor: float, formula: Formula) -> Formula:
    return lambda *arguments: factor * formula(*arguments)


def of_other_sign(formula: Formula) -> Formula:
    return times(-1, formula)


def halved(formula: Formula) -> Formula:
    return times(0.5, formula)


def without_bias_factor(_: Formula) -> Formula:
    return lambda mu, B: (mu**2).sum(-1) + B.sum(-1)


def without_gates(_: Formula) -> Formula:
    def affine(weights, biases, x):
        A, B = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1])), np.zeros_like(x)
        for W, b in zip(weights, biases, strict=True):
            A, B = W @ A, B @ W.T + b
        return A, B

    return affine


BROKEN: list[tuple[str, ModuleType, str, str, Callable[[Formula], Formula]]] = [
    (statement, module, name, how.__name__, how)
    for module, name, statements in (
        (optimum, "cross_entropy_optimum", ("theorem-2",)),
        (optimum, "squared_error_optimum", ("theorem-2",)),
        (robustness, "smallest_perturbation", ("theorem-3",)),
        (robustness, "largest_of_all", ("theorem-3",)),
        (centroids, "centroid", ("theorem-4", "theorem-10", "lemma-11", "theorem-13")),
        (centroids, "pulled_back", ("theorem-4", "theorem-13")),
        (centroids, "radius", ("theorem-10", "theorem-13")),
        (centroids, "two_layer_centroid", ("lemma-11",)),
        (centroids, "aligned_centroid", ("proposition-9",)),
        (kernel, "kernel", ("lemma-12",)),
        (dynamics, "kernel", ("theorem-6",)),
        (dynamics, "binary_residuals", ("theorem-6",)),
        (dynamics, "cross_entropy_residuals", ("proposition-7",)),
        (dynamics, "squared_error_residuals", ("proposition-7",)),
        (dynamics, "first_term", ("proposition-7", "corollary-8")),
        (dynamics, "second_term", ("proposition-7",)),
    )
    for statement in statements
    for how in (of_other_sign, halved)
]
BROKEN += [
    (statement, module, name, how, lambda _, formula=formula: formula)
    for statement, module, name, how, formula in (
        (
            "theorem-2",
            optimum,
            "cross_entropy_optimum",
            "zero in other rows",
            lambda x, y, alpha: np.eye(5)[y][:, :, None] * (x * np.sqrt(alpha * 0.8 / (x**2).sum(1))[:, None])[:, None],
        ),
        (
            "theorem-2",
            optimum,
            "squared_error_optimum",
            "its other solution",
            lambda x, y, alpha: np.eye(5)[y][:, :, None] * (x / (x**2).sum(1)[:, None])[:, None],
        ),
        ("theorem-3", robustness, "smallest_perturbation", "not divided by |v|", lambda v, x: v @ x),
        ("theorem-10", centroids, "radius", "without B", lambda mu, B: (mu**2).sum(-1)),
        ("theorem-13", centroids, "radius", "without B", lambda mu, B: (mu**2).sum(-1)),
        ("theorem-10", centroids, "radius", "without |mu|", lambda mu, B: 2 * B.sum(-1)),
        ("lemma-11", centroids, "two_layer_centroid", "no Q", lambda W1, W2, x: np.tile((W2 @ W1).sum(0), (len(x), 1))),
        ("proposition-9", centroids, "aligned_centroid", "the mean of c", lambda c, x: c.mean() * x),
        (
            "lemma-12",
            kernel,
            "kernel",
            "without the second layer's gradients",
            lambda W1, W2, x, z: (x @ z.T) * (((x @ W1.T > 0) * W2) @ ((z @ W1.T > 0) * W2).T),
        ),
        (
            "theorem-6",
            dynamics,
            "kernel",
            "without the first layer's gradients",
            lambda W1, W2, x, z: np.maximum(x @ W1.T, 0) @ np.maximum(z @ W1.T, 0).T,
        ),
        ("theorem-6", dynamics, "binary_residuals", "y - f", lambda f, y: y - f[:, 0]),
        ("proposition-7", dynamics, "cross_entropy_residuals", "as typeset", dynamics.typeset_residuals),
        ("corollary-8", dynamics, "cross_entropy_residuals", "as typeset", dynamics.typeset_residuals),
        ("proposition-7", dynamics, "second_term", "dropped", lambda setting, m: np.zeros(len(setting.x))),
    )
]  # fmt: skip
BROKEN += [
    ("theorem-10", centroids, "radius", "B once", without_bias_factor),
    ("theorem-13", centroids, "radius", "B once", without_bias_factor),
    ("theorem-4", centroids, "affine", "without gates", without_gates),
    ("theorem-13", centroids, "affine", "without gates", without_gates),
]


@pytest.mark.parametrize(
    ("statement", "module", "name", "how"),
    [
        pytest.param(statement, module, name, how, id=f"{statement} {name} {said}")
        for statement, module, name, said, how in BROKEN
    ],
)
@pytest.mark.parametrize("seed", (0, 1))
def test_a_wrong_formula_does_not_hold(
    statement: str,
    module: ModuleType,
    name: str,
    how: Callable[[Formula], Formula],
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, name, how(getattr(module, name)))
    assert of(check(statement, seed), Verdict.DOES_NOT_HOLD)


@pytest.mark.parametrize(
    ("statement", "module", "name"),
    [
        ("theorem-2", optimum, "descend"),
        ("theorem-3", robustness, "search"),
        ("theorem-6", dynamics, "centroids"),
        ("proposition-7", dynamics, "centroids"),
        ("corollary-8", dynamics, "centroids"),
        ("proposition-9", centroids, "autograd_centroids"),
        ("theorem-10", centroids, "autograd_centroids"),
        ("lemma-11", centroids, "autograd_centroids"),
        ("lemma-12", kernel, "measured_kernel"),
        ("theorem-13", centroids, "autograd_centroids"),
    ],
)
def test_a_wrong_measurement_does_not_hold(
    statement: str, module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, name, times(1 + 1e-4, getattr(module, name)))
    assert of(check(statement, 0), Verdict.DOES_NOT_HOLD)


class TestLimits:
    """Where the paper's words do not hold, and that a check would notice if they did."""

    def of_theorem_2(self) -> tuple[Result, Result]:
        squared, shared = of(check("theorem-2", 0), Verdict.KNOWN_LIMIT)
        return squared, shared

    def test_squared_error_beyond_alpha_x_squared_of_1(self):
        """The stated map has the loss (sqrt(alpha) |x| - 1)^2, which is 1 for alpha |x|^2 = 4; the least is 0."""
        squared, _ = self.of_theorem_2()
        assert "alpha |x|^2 = 4" in squared.setting and "Outside the theorem" in squared.limit
        assert squared.deviation == pytest.approx(1.0, rel=1e-12)

    def test_there_the_optimum_is_not_unique(self):
        x = torch.tensor([[0.8, -0.3, 0.5]], dtype=torch.float64)
        start = torch.randn(2, 1, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        alpha = 4 / x.square().sum(1)
        one, other = (optimum.descend(optimum.squared_error, x, torch.tensor([2]), alpha, each)[0] for each in start)
        for A in one, other:
            torch.testing.assert_close(A @ x[0], torch.eye(5, dtype=x.dtype)[2], rtol=0, atol=1e-12)
            assert A.square().sum() <= alpha[0] * (1 + 1e-12)
        assert (one - other).abs().max() > 0.01

    def test_the_equation_s_other_solution_is_an_optimum_there(self, monkeypatch: pytest.MonkeyPatch):
        right = lambda x, y, alpha: np.eye(5)[y][:, :, None] * (x / (x**2).sum(1)[:, None])[:, None]  # noqa: E731
        monkeypatch.setattr(optimum, "squared_error_optimum", right)
        assert len(of(check("theorem-2", 0), Verdict.LIMIT_NOT_SEEN)) == 1

    def test_points_that_share_a_region_are_not_aligned(self):
        _, shared = self.of_theorem_2()
        assert "in one region" in shared.setting and shared.deviation > 0.01

    @pytest.mark.parametrize("statement", ["proposition-7", "corollary-8"])
    def test_the_typeset_m_is_not_the_vector(self, statement: str, monkeypatch: pytest.MonkeyPatch):
        (typeset,) = of(check(statement, 0), Verdict.KNOWN_LIMIT)
        assert typeset.deviation > 0.01 and "as typeset" in typeset.equation
        monkeypatch.setattr(dynamics, "typeset_residuals", dynamics.cross_entropy_residuals)
        assert of(check(statement, 0), Verdict.LIMIT_NOT_SEEN)

    def test_layers_of_a_convex_sum_are_a_power_diagram(self, monkeypatch: pytest.MonkeyPatch):
        """With weights that are not negative behind the first layer, all outputs are convex functions of the input."""
        draw = drawn.draw_network

        def convex(*arguments: Any, **settings: Any) -> drawn.Drawn:
            made = draw(*arguments, **settings)
            parameters = {
                name: value.abs() if name in ("1.weight", "2.weight") else value
                for name, value in made.parameters.items()
            }
            weights = [made.weights[0], *(np.abs(W) for W in made.weights[1:3]), made.weights[3]]
            return made._replace(parameters=parameters, weights=weights)

        monkeypatch.setattr(centroids, "draw_network", convex)
        holds, limit = check("theorem-13", 0)
        assert holds.verdict is Verdict.HOLDS
        assert limit.verdict is Verdict.LIMIT_NOT_SEEN and limit.deviation < 1e-12


class TestSteps:
    """<x, mu_x> before and after a step: what depends on its size."""

    setting = dynamics._drawn(0, 4)

    def test_the_remainder_shrinks_with_the_rate(self):
        """Bilinear in the weights, so that the quotient's remainder is r eta exactly."""
        whole, _ = dynamics.measured_rate(self.setting, dynamics.mean_squared_error)
        one, half = (dynamics.quotient(self.setting, dynamics.mean_squared_error, eta) for eta in (2e-3, 1e-3))
        assert one is not None and half is not None
        assert (one - whole).abs().max() > 1e-4
        torch.testing.assert_close(one - whole, 2 * (half - whole), rtol=1e-6, atol=1e-11)

    def test_there_is_none_under_cross_entropy(self):
        """r is (1' dW2) Q_x dW1 x over eta^2, and the columns of dW2, sums of multiples of m_p, sum to 0."""
        one = dynamics.quotient(self.setting, F.cross_entropy, 2e-3)
        m = dynamics.cross_entropy_residuals(dynamics.outputs(self.setting), self.setting.labels)
        torch.testing.assert_close(one, torch.from_numpy(dynamics.first_term(self.setting, m)), rtol=0, atol=1e-12)

    def test_a_step_that_changes_activation_patterns_counts_for_nothing(self):
        assert dynamics.quotient(self.setting, F.cross_entropy, 100.0) is None

    def test_a_point_on_a_boundary_is_refused(self):
        w = self.setting.drawn.weights[0][0]
        x = np.zeros_like(w)
        x[:2] = w[1], -w[0]
        on_boundary = self.setting._replace(x=np.stack([x, -x]))
        with pytest.raises(ArithmeticError, match="boundary of its linear region"):
            dynamics.measured_rate(on_boundary, F.cross_entropy)


STATED = (
    optimum.cross_entropy_optimum,
    optimum.squared_error_optimum,
    robustness.smallest_perturbation,
    robustness.largest_of_all,
    *(getattr(centroids, name) for name in ("centroid", "pulled_back", "radius", "nearest", "affine")),
    centroids.two_layer_centroid,
    centroids.aligned_centroid,
    kernel.kernel,
    *(getattr(dynamics, f"{kind}_residuals") for kind in ("binary", "cross_entropy", "typeset", "squared_error")),
    *(getattr(dynamics, name) for name in ("scalar_rate", "first_term", "second_term", "outputs")),
)
MEASURED = (
    optimum.descend,
    optimum.squared_error,
    optimum.cross_entropy,
    robustness.search,
    robustness.lengths,
    centroids.relu_layers,
    centroids.autograd_centroids,
    kernel.measured_kernel,
    dynamics.quotient,
    dynamics.measured_rate,
    dynamics.mean_squared_error,
    dynamics.binary_cross_entropy,
)


def test_the_sides_share_no_function():
    """The stated side computes with numpy, the measured one with torch, and neither calls the other."""
    stated, measured = ({function.__name__ for function in side} for side in (STATED, MEASURED))
    for function in STATED:
        assert not {*function.__code__.co_names} & {"torch", "F", "f", "at_start", "parameters", *measured}
    for function in MEASURED:
        assert not {*function.__code__.co_names} & {"np", "weights", "biases", *stated}


@pytest.mark.parametrize("deviation", [math.nan, math.inf])
def test_a_side_that_is_no_number_agrees_with_nothing(deviation: float):
    result = replace(check("lemma-11", 0)[0], deviation=deviation)
    assert result.verdict is Verdict.DOES_NOT_HOLD and not result.is_as_expected
    assert math.isinf(deviation) or replace(result, limit="Known.").verdict is Verdict.LIMIT_NOT_SEEN


def test_threads_are_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        check("lemma-12", 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
