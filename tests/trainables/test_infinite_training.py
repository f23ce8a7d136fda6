"""Training at infinite width: the linear flow, its end, and the features of that."""

import math

import pytest
import torch
from torch import Tensor

from trainables.infinite_width import dynamics, eigenfeatures, regression
from trainables.infinite_width.dual import dual_of, scaled
from trainables.infinite_width.dynamics import Flow
from trainables.infinite_width.lanczos import Krylov, NotConverged, integrated
from trainables.infinite_width.operator import Operator
from trainables.infinite_width.process import draw
from trainables.infinite_width.recursion import Architecture
from trainables.infinite_width.singular import refuse_singular, smallest_of_pair
from trainables.infinite_width.spectrum import extreme_eigenvalues, in_their_span
from trainables.validation import ValidationErrors

N, D = 5, 3
ERF, GELU = (Architecture(2, dual_of(each), 0.7) for each in ("erf", "gelu"))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit(num: int, dimension: int = D, seed: int = 0) -> Tensor:
    x = normal(num, dimension, seed=seed)
    return x / x.norm(dim=1, keepdim=True)


X, Z, Y, START = unit(N), unit(4, seed=1), normal(N, seed=2), normal(N, 1 + D, seed=3)
THETA, ACROSS = Operator.of(GELU.ntk, X), Operator.of(GELU.ntk, Z, X)


def matrix(operator: Operator) -> Tensor:
    return operator.dense().flatten(2).flatten(0, 1)


@pytest.fixture(params=["decomposed", "Lanczos"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "Lanczos":
        for module in (dynamics, regression, eigenfeatures):
            monkeypatch.setattr(module, "DENSE", 0)
    return str(request.param)


@pytest.mark.parametrize("strength", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("t", [0.0, 3.0, 100.0])
def test_the_flow_solves_its_equation(method: str, strength: float, t: float):
    """r' = -Theta Lambda r / N by the exponential of the whole matrix, which is not symmetric."""
    factors = torch.full((N, 1 + D), strength, dtype=torch.float64)
    factors[:, 0] = 1.0
    r = START.clone()
    r[:, 0] -= Y
    expected = torch.matrix_exp(-matrix(THETA) * factors.flatten() * t / N) @ r.flatten()
    flow = Flow(THETA, Y, strength, START, tolerance=1e-12)
    found = r - THETA @ flow.pushed(t)
    assert torch.allclose(found.flatten(), expected, rtol=0, atol=1e-11)
    assert torch.allclose(flow.residual(t).view(N, -1), expected.view(N, -1) * factors.sqrt(), rtol=0, atol=1e-11)


def test_test_points_move_as_training_points_do():
    """A test point that is a training point is predicted as that."""
    flow = Flow(THETA, Y, 0.1, START)
    at_training = Operator.of(GELU.ntk, X[2:3], X) @ flow.pushed(7.0)
    assert torch.allclose(at_training, (THETA @ flow.pushed(7.0))[2:3], rtol=0, atol=1e-13)


def test_lanczos_tells_how_wrong_it_is():
    """The bound holds at every number of products, and is not idle: within a factor of 100 of the error."""
    A = normal(60, 60)
    K, b = A @ A.T, normal(60, seed=1)
    exact = torch.matrix_exp(-0.05 * K) @ b
    for tolerance in (1e-2, 1e-4, 1e-8):
        space = Krylov(lambda v: K @ v, b, 60)
        space.reach(0.05, tolerance)
        error = float((space.apply(lambda s: torch.exp(-0.05 * s)) - exact).norm() / b.norm())
        bound = space.decay_bound(0.05)
        assert error <= bound + 1e-14 and bound <= max(100 * error, 1e-12) and bound <= tolerance


def test_how_far_a_space_grows_depends_on_the_longest_time_alone():
    """So a trial that is continued has the same numbers, bit for bit."""
    A = normal(200, 200)
    K, b = A @ A.T / 200, normal(200, seed=1)
    step_by_step, at_once = (Krylov(lambda v: K @ v, b, 200) for _ in range(2))
    for t in (1.0, 5.0, 30.0):
        step_by_step.reach(t, 1e-6)
    at_once.reach(30.0, 1e-6)
    assert step_by_step.num_products == at_once.num_products < 200
    assert torch.equal(step_by_step.apply(integrated(30.0)), at_once.apply(integrated(30.0)))


def test_lanczos_that_does_not_converge_tells_its_residual():
    K = torch.diag(torch.logspace(-6, 4, 300, dtype=torch.float64))
    with pytest.raises(NotConverged, match=r"20 products with the kernel leave an error of up to \d\.\de"):
        Krylov(lambda v: K @ v, torch.ones(300, dtype=torch.float64), 20).reach(100.0, 1e-8)


def test_an_exhausted_space_is_exact():
    """b of three eigenvectors: after three products nothing is left."""
    K, b = torch.diag(torch.arange(1.0, 9.0, dtype=torch.float64)), torch.zeros(8, dtype=torch.float64)
    b[:3] = 1.0
    space = Krylov(lambda v: K @ v, b, 8)
    space.reach(1e6, 1e-15)
    assert space.num_products == 3
    assert torch.allclose(space.apply(torch.sqrt)[:3], torch.arange(1.0, 4.0, dtype=torch.float64).sqrt())


def test_regression_is_the_end_of_the_flow(method: str):
    """At t = 1e9, for strengths that differ by a factor of 1,000: they cancel."""
    expected = ACROSS @ regression.weights(THETA, Y, START, regularised=True, tolerance=1e-12)
    for strength in (0.01, 10.0):
        if method == "decomposed":
            found = -(ACROSS @ Flow(THETA, Y, strength, START).pushed(1e9))
            assert torch.allclose(found, expected, rtol=0, atol=1e-8)
    targets = torch.cat([Y[:, None], torch.zeros(N, D, dtype=torch.float64)], dim=1)
    on_train = START + THETA @ regression.weights(THETA, Y, START, regularised=True, tolerance=1e-12)
    assert torch.allclose(on_train, targets, rtol=0, atol=1e-9)


def test_without_a_regulariser_the_end_is_another_one():
    """Outputs are fitted and derivatives free: not the limit of a small strength."""
    free = regression.weights(THETA, Y, 0 * START, regularised=False)
    on_train = THETA @ free
    assert torch.allclose(on_train[:, 0], Y, rtol=0, atol=1e-10)
    assert float(on_train[:, 1:].norm()) > 0.1
    assert torch.allclose(-(ACROSS @ Flow(THETA, Y, 0.0, 0 * START).pushed(1e9)), ACROSS @ free, rtol=0, atol=1e-9)


def test_regression_that_does_not_converge_tells_its_residual(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(regression, "DENSE", 0)
    with pytest.raises(NotConverged, match="relative residual of .* after 2 products"):
        regression.weights(THETA, Y, START, regularised=True, max_products=2)


@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_features_sum_to_the_regression(strength: float):
    num = N if strength == 0 else N * (1 + D)
    found = eigenfeatures.eigenfeatures(THETA, Y, strength=strength, num=num)
    total = ACROSS @ found.weights.sum(0)
    expected = ACROSS @ regression.weights(THETA, Y, 0 * START, regularised=strength > 0)
    assert torch.allclose(total, expected, rtol=0, atol=1e-10)
    assert (found.values.diff() <= 0).all()


def test_the_largest_features_are_found_without_the_kernel(monkeypatch: pytest.MonkeyPatch):
    dense = eigenfeatures.eigenfeatures(THETA, Y, strength=0.1, num=4)
    monkeypatch.setattr(eigenfeatures, "DENSE", 0)
    applied = eigenfeatures.eigenfeatures(THETA, Y, strength=0.1, num=4)
    assert torch.allclose(applied.values, dense.values, rtol=1e-10)
    assert torch.allclose(applied.weights, dense.weights, rtol=0, atol=1e-9)


def test_draws_have_the_covariance_of_the_process(monkeypatch: pytest.MonkeyPatch):
    """4,000 draws: each second moment within five standard errors. The root by Lanczos's method is the same draw."""
    x = X[:2]
    covariance = Operator.of(ERF.nngp, x)
    C, draws = matrix(covariance), torch.stack([draw(covariance, seed, 0).flatten() for seed in range(4000)])
    error = ((C.diagonal()[:, None] * C.diagonal() + C.square()) / 4000).sqrt()
    assert ((draws.T @ draws / 4000 - C).abs() < 5 * error).all()
    monkeypatch.setattr("trainables.infinite_width.process.DENSE", 0)
    assert torch.allclose(draw(covariance, 7, 0).flatten(), draws[7], rtol=0, atol=1e-5)


def trained(width: int, steps: int, lr: float, strength: float) -> tuple[Tensor, Tensor]:
    """u at the training points before and after gradient descent, of a network with its loop written out."""
    phi, kappa = scaled("gelu"), 0.7
    weights = [normal(width, D, seed=10), normal(width, width, seed=11), normal(1, width, seed=12)]
    weights = [W.requires_grad_() for W in weights]

    def u(graph: bool) -> Tensor:
        x = X.clone().requires_grad_()
        h = phi(x @ weights[0].T)
        h = phi(h @ weights[1].T / math.sqrt(width))
        f = kappa * (h @ weights[2].T)[:, 0] / math.sqrt(width)
        (gradient,) = torch.autograd.grad(f.sum(), x, create_graph=graph)
        return torch.cat([f[:, None], gradient], dim=1)

    start = u(False).detach()
    for _ in range(steps):
        now = u(True)
        loss = (now[:, 0] - Y).square().mean() / 2 + strength / 2 * now[:, 1:].square().sum(1).mean()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for W, gradient in zip(weights, gradients, strict=True):
                W -= lr * gradient
    return start, u(False).detach()


@pytest.mark.parametrize(
    ("width", "within"), [(1024, 0.08), pytest.param(4096, 0.04, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_wide_networks_train_as_the_flow_says(width: int, within: float):
    """200 small steps to t = 10, from where the network started: the change of outputs and derivatives is that of the
    flow but for some 1 / sqrt(n), at 1,024 some 4%.
    """
    start, end = trained(width, 200, 0.05, 0.1)
    predicted = -(THETA @ Flow(THETA, Y, 0.1, start).pushed(10.0))
    assert float((end - start - predicted).norm() / predicted.norm()) < within


@pytest.mark.parametrize(
    ("architecture", "x", "said"),
    [
        (GELU, torch.cat([X, X[1:2]]), "examples 1 and 5 are equal"),
        (ERF, torch.cat([X, -X[1:2]]), "examples 1 and 5 are opposite"),
        (Architecture(1, dual_of("gelu"), 1.0), torch.cat([X, -X[3:4]]), "examples 3 and 5 are opposite"),
        (GELU, torch.cat([X, 0 * X[:1]]), "example 5 is 0 everywhere"),
    ],
)
def test_inputs_that_make_the_kernel_singular_are_refused_with_the_pair(
    architecture: Architecture, x: Tensor, said: str
):
    with pytest.raises(ValidationErrors, match=said):
        refuse_singular(architecture.ntk, x)


def test_opposite_and_parallel_inputs_that_are_regular_are_not():
    """Opposite ones of an activation that is not odd, behind two layers; and parallel ones of different norms."""
    refuse_singular(GELU.ntk, torch.cat([X, -X[1:2]]))
    refuse_singular(ERF.ntk, torch.cat([X, 2 * X[1:2]]))
    assert smallest_of_pair(ERF.ntk, X[0], 2 * X[0]) > 1e-8


def test_eigenvalues_are_those_of_the_whole_kernel():
    """Four points in ten dimensions, of which they span four."""
    x = unit(4, 10)
    values = torch.linalg.eigvalsh(matrix(Operator.of(GELU.ntk, x)))
    found = extreme_eigenvalues(GELU.ntk, x)
    assert found.smallest == pytest.approx(float(values[0]), rel=1e-9)
    assert found.largest == pytest.approx(float(values[-1]), rel=1e-9)
    assert in_their_span(x).shape == (4, 4)


def test_too_many_points_for_all_eigenvalues_are_refused_with_the_figure():
    with pytest.raises(ValidationErrors, match="100 examples that span 60 dimensions make a kernel of 6,100 rows"):
        extreme_eigenvalues(GELU.ntk, unit(100, 60))
