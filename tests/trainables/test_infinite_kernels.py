"""The kernels of infinite width, against quadrature, automatic differentiation and networks of finite width."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch.func import jacfwd, jacrev

from trainables.infinite_width.activations import NAMES, Activation, function_of
from trainables.infinite_width.dual import dual_of, scaled
from trainables.infinite_width.operator import KernelFunction, Operator, values_at
from trainables.infinite_width.recursion import Architecture

CLOSED = ("erf", "gelu")


def points(num: int, dimension: int, seed: int = 0, size: float = 0.6) -> Tensor:
    return size * torch.randn(num, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_quadrature(activation: str, a: float, b: float, c: float, *, derivative: bool = False) -> float:
    """E[phi(u) phi(v)], or E[phi'(u) phi'(v)], by Gauss and Hermite's rule in two dimensions."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    z, w = torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())
    u = math.sqrt(a) * z[:, None].expand(120, 120)
    v = c / math.sqrt(a) * z[:, None] + math.sqrt(b - c**2 / a) * z
    phi = function_of(activation)
    if derivative:
        phi = torch.vmap(torch.vmap(torch.func.grad(phi)))
    factor = dual_of(activation).factor
    return float(factor**2 * (w[:, None] * w * phi(u) * phi(v)).sum())


def one_by_one(value: float) -> Tensor:
    return torch.full((1, 1), value, dtype=torch.float64)


@pytest.mark.parametrize("activation", NAMES)
@pytest.mark.parametrize(("a", "b", "c"), [(1, 1, 0.3), (1, 1, -0.9), (0.7, 1.3, 0.4), (0.5, 0.8, 0.0)])
def test_duals_are_expectations(activation: str, a: float, b: float, c: float):
    """120 nodes are exact to rounding for erf, GELU, SiLU and softplus; tanh, whose poles are nearest, is known to
    1e-10 by them.
    """
    dual, arguments = dual_of(activation), [one_by_one(each) for each in (a, b, c)]
    tolerance = 1e-10 if activation == "tanh" else 1e-13
    assert float(dual.G(*arguments)) == pytest.approx(by_quadrature(activation, a, b, c), abs=tolerance)
    expected = by_quadrature(activation, a, b, c, derivative=True)
    assert float(dual.Gd(*arguments)) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("activation", NAMES)
def test_activations_are_scaled_to_a_second_moment_of_1(activation: str):
    z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    assert float(torch.trapezoid(scaled(activation)(z).square() * density, z)) == pytest.approx(1, abs=1e-12)
    assert float(dual_of(activation).G(*[one_by_one(1.0)] * 3)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("activation", CLOSED)
@given(a=st.floats(0.05, 3), b=st.floats(0.05, 3), rho=st.floats(-1, 1))
@settings(max_examples=50, deadline=None)
def test_the_second_dual_is_the_derivative_of_the_first(activation: str, a: float, b: float, rho: float):
    """Price's theorem: dG/dc = Gd, up to the ends of what c can be."""
    dual, (a_, b_, c_) = dual_of(activation), [one_by_one(each) for each in (a, b, rho * math.sqrt(a * b))]
    assert float(jacrev(lambda c: dual.G(a_, b_, c))(c_)) == pytest.approx(float(dual.Gd(a_, b_, c_)), rel=1e-9)


@pytest.mark.parametrize("activation", ["relu", "ReLU", "leaky_relu", "abs", "elu"])
def test_activations_with_kinks_are_refused_with_the_reason(activation: str):
    with pytest.raises(ValidationError, match="derivative jumps, so the kernel of its input derivatives diverges"):
        TypeAdapter(Activation).validate_python(activation)


def test_unknown_activations_are_refused_with_the_nearest():
    with pytest.raises(ValidationError, match="did you mean 'gelu'"):
        TypeAdapter(Activation).validate_python("gelo")


def test_inputs_too_large_for_a_series_are_refused_with_the_norm():
    with pytest.raises(ArithmeticError, match="squared norm 400 is too large"):
        dual_of("tanh").G(*[one_by_one(400.0)] * 3)


def with_derivatives(F: KernelFunction, x: Tensor, x2: Tensor) -> Tensor:
    """K by reverse over reverse differentiation of one pair at a time: (points, 1 + d, points', 1 + d)."""

    def kernel(u: Tensor, v: Tensor) -> Tensor:
        return F((u @ u)[None, None], (v @ v)[None, None], (u @ v)[None, None])[0, 0]

    d = x.shape[1]
    K = x.new_empty(len(x), 1 + d, len(x2), 1 + d)
    for i, j in product(range(len(x)), range(len(x2))):
        K[i, 0, j, 0] = kernel(x[i], x2[j])
        K[i, 1:, j, 0] = jacrev(kernel, 0)(x[i], x2[j])
        K[i, 0, j, 1:] = jacrev(kernel, 1)(x[i], x2[j])
        K[i, 1:, j, 1:] = jacfwd(jacrev(kernel, 0), 1)(x[i], x2[j])
    return K


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("activation", "hidden_layers"),
    [("erf", 1), ("erf", 3), ("gelu", 2), pytest.param("silu", 1, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("which", ["ntk", "nngp"])
def test_the_operator_has_the_derivatives_of_the_kernel(activation: str, hidden_layers: int, which: str):
    """Inputs of different norms, and one that is on both sides."""
    x = points(3, 3)
    x2 = torch.cat([points(1, 3, seed=1), x[:1]])
    F = getattr(Architecture(hidden_layers, dual_of(activation), 0.7), which)
    found = Operator.of(F, x, x2).dense()
    assert torch.allclose(found, with_derivatives(F, x, x2), rtol=0, atol=1e-13)


def test_products_need_no_kernel():
    x, x2 = points(5, 4), points(3, 4, seed=1)
    ntk = Architecture(2, dual_of("gelu"), 1.0).ntk
    operator = Operator.of(ntk, x, x2)
    v = points(3, 5, seed=2)
    expected = torch.einsum("iajb,jb->ia", operator.dense(), v)
    assert torch.allclose(operator @ v, expected, rtol=0, atol=1e-13)
    assert torch.allclose(values_at(ntk, x, x2, v), expected[:, 0], rtol=0, atol=1e-13)


def test_a_kernel_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch):
    x, F = points(7, 3), Architecture(2, dual_of("erf"), 1.0).ntk
    whole = Operator.of(F, x)
    monkeypatch.setattr("trainables.infinite_width.operator._ENTRIES", 14)
    for one, other in zip(whole.by, Operator.of(F, x).by, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "activation", [pytest.param(each, marks=pytest.mark.slow if each in ("tanh", "silu") else ()) for each in NAMES]
)
def test_kernels_are_positive_definite(activation: str):
    operator = Operator.of(Architecture(2, dual_of(activation), 1.0).ntk, points(4, 3))
    K = operator.matrix()
    assert torch.allclose(K, K.T, rtol=0, atol=1e-12)
    assert float(torch.linalg.eigvalsh(K)[0]) > 0


def test_series_keep_the_type_of_what_they_are_asked():
    a = torch.ones(1, 1, dtype=torch.float32)
    assert dual_of("tanh").G(a, a, a).dtype == torch.float32


def test_an_input_of_0_has_no_series():
    with pytest.raises(ArithmeticError, match="an input is 0 everywhere, where this activation has no series"):
        dual_of("tanh").G(one_by_one(0.0), one_by_one(1.0), one_by_one(0.0))
