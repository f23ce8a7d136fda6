"""Training at infinite width: the linear flow, its end, and the features of that."""

import math

import pytest
import torch
from torch import Tensor

from trainables.infinite_width import dynamics, eigenfeatures, regression
from trainables.infinite_width.activations import NAMES
from trainables.infinite_width.dual import dual_of, scaled
from trainables.infinite_width.dynamics import Flow
from trainables.infinite_width.lanczos import Krylov, NotConverged, integrated
from trainables.infinite_width.operator import Operator
from trainables.infinite_width.process import draw
from trainables.infinite_width.recursion import Architecture
from trainables.infinite_width.singular import refuse_singular, smallest_of_pairs
from trainables.infinite_width.span import span_of
from trainables.infinite_width.spectrum import extreme_eigenvalues
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
FEW = unit(N, 9, seed=4)
"""Points that do not span their space."""


def flow_from(start: Tensor, strength: float, x: Tensor = X, tolerance: float = 1e-12) -> Flow:
    return Flow(GELU.ntk, x, Y[None], start[None], strength, tolerance=tolerance)


@pytest.fixture(params=["decomposed", "Lanczos"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "Lanczos":
        for module in (dynamics, regression, eigenfeatures):
            monkeypatch.setattr(module, "DENSE", 0)
    return str(request.param)


@pytest.mark.parametrize("x", [X, FEW], ids=["spanning", "spanning a part"])
@pytest.mark.parametrize("strength", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("t", [0.0, 3.0, 100.0])
def test_the_flow_solves_its_equation(method: str, strength: float, t: float, x: Tensor):
    """r' = -Theta Lambda r / N by the exponential of the whole matrix, which is not symmetric."""
    theta, start = Operator.of(GELU.ntk, x), normal(N, 1 + x.shape[1], seed=3)
    factors = torch.full_like(start, strength)
    factors[:, 0] = 1.0
    r = start.clone()
    r[:, 0] -= Y
    expected = torch.matrix_exp(-theta.matrix() * factors.flatten() * t / N) @ r.flatten()
    flow = flow_from(start, strength, x)
    found = r - theta @ flow.weights(t)[0]
    assert torch.allclose(found.flatten(), expected, rtol=0, atol=1e-11)
    size = (expected.view_as(factors) * factors.sqrt()).norm()
    assert float(flow.residual(t)) == pytest.approx(float(size), abs=1e-11)


def test_several_outputs_are_independent(method: str):
    """Each as if it were alone."""
    starts, targets = normal(2, N, 1 + D, seed=5), normal(2, N, seed=6)
    together = Flow(GELU.ntk, X, targets, starts, 0.1, tolerance=1e-12)
    alone = [Flow(GELU.ntk, X, y[None], u[None], 0.1, tolerance=1e-12) for y, u in zip(targets, starts, strict=True)]
    assert torch.allclose(together.weights(4.0), torch.cat([each.weights(4.0) for each in alone]), rtol=0, atol=1e-11)
    squares = sum(float(each.residual(4.0)) ** 2 for each in alone)
    assert float(together.residual(4.0)) ** 2 == pytest.approx(squares)


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_nothing_in_the_flow_decays_more_slowly_than_it_says(strength: float):
    """The smallest eigenvalue of the whole Lambda^(1/2) Theta Lambda^(1/2), or without a strength of the NTK alone."""
    theta = Operator.of(GELU.ntk, FEW)
    root = torch.full((N, 10), strength**0.5, dtype=torch.float64)
    root[:, 0] = 1.0
    whole = root.flatten()[:, None] * theta.matrix() * root.flatten()
    expected = torch.linalg.eigvalsh(whole if strength else theta.by.F)[0]
    assert float(flow_from(normal(N, 10), strength, FEW).slowest) == pytest.approx(float(expected), rel=1e-9)


def test_test_points_move_as_training_points_do():
    """A test point that is a training point is predicted as that."""
    (w,) = flow_from(START, 0.1).weights(7.0)
    assert torch.allclose(Operator.of(GELU.ntk, X[2:3], X) @ w, (THETA @ w)[2:3], rtol=0, atol=1e-13)


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


def test_regression_is_the_end_of_the_flow():
    """At t = 1e9, for strengths that differ by a factor of 1,000: they cancel."""
    start = torch.zeros_like(START)
    expected = ACROSS @ regression.regress(GELU.ntk, X, Y[None], regularised=True).weights[0]
    for strength in (0.01, 10.0):
        found = -(ACROSS @ flow_from(start, strength).weights(1e9)[0])
        assert torch.allclose(found, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("x", [X, FEW], ids=["spanning", "spanning a part"])
def test_regression_fits_targets_and_derivatives_of_0(method: str, x: Tensor):
    found = regression.regress(GELU.ntk, x, torch.stack([Y, 2 * Y]), regularised=True, tolerance=1e-10)
    theta = Operator.of(GELU.ntk, x)
    for weights, y in zip(found.weights, (Y, 2 * Y), strict=True):
        expected = torch.nn.functional.pad(y[:, None], (0, x.shape[1]))
        assert torch.allclose(theta @ weights, expected, rtol=0, atol=1e-9)
    assert found.residual < 1e-10


def test_without_a_regulariser_the_end_is_another_one():
    """Outputs are fitted and derivatives free: not the limit of a small strength."""
    free = regression.regress(GELU.ntk, X, Y[None], regularised=False).weights[0]
    on_train = THETA @ free
    assert torch.allclose(on_train[:, 0], Y, rtol=0, atol=1e-10)
    assert float(on_train[:, 1:].norm()) > 0.1
    flow = flow_from(torch.zeros_like(START), 0.0)
    assert torch.allclose(-(ACROSS @ flow.weights(1e9)[0]), ACROSS @ free, rtol=0, atol=1e-9)


def test_regression_that_does_not_converge_tells_its_residual(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(regression, "DENSE", 0)
    with pytest.raises(NotConverged, match="up to 2 products for the kernel regression leaves a relative residual of"):
        regression.regress(GELU.ntk, X, Y[None], regularised=True, max_products=2)


def test_points_that_are_singular_together_are_refused_with_the_residual():
    """Sixteen on a circle, of which no two are near each other."""
    turns = torch.linspace(0, 2 * math.pi, 17, dtype=torch.float64)[:-1] + 0.1
    circle = torch.stack([turns.cos(), turns.sin()], dim=1)
    refuse_singular(ERF.ntk, circle[:8])
    with pytest.raises(NotConverged, match="solving for the kernel regression leaves a relative residual"):
        regression.regress(ERF.ntk, circle, normal(1, 16), regularised=True)
    with pytest.raises(ValidationErrors, match="kernel of these 16 examples is singular: its smallest eigenvalue is"):
        extreme_eigenvalues(ERF.ntk, circle)


@pytest.mark.parametrize("x", [X, FEW], ids=["spanning", "spanning a part"])
@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_features_sum_to_the_regression(strength: float, x: Tensor):
    found = eigenfeatures.eigenfeatures(GELU.ntk, x, Y, strength=strength, num=1000)
    expected = regression.regress(GELU.ntk, x, Y[None], regularised=strength > 0).weights[0]
    across = Operator.of(GELU.ntk, unit(4, x.shape[1], seed=8), x)
    assert torch.allclose(across @ found.weights.sum(0), across @ expected, rtol=0, atol=1e-10)
    assert (found.values.diff() <= 0).all()
    # Never more than the kernel has in the span of the points, and none that is 0.
    assert len(found.values) <= N if strength == 0 else N * (1 + min(x.shape))
    assert all(float((across @ each).norm()) > 1e-9 for each in found.weights)


def test_features_do_not_depend_on_the_axes():
    """Rotated inputs have the same ones: no direction across the points is among them."""
    rotation = torch.linalg.qr(normal(9, 9, seed=7)).Q
    for strength in (0.0, 0.2):
        plain = eigenfeatures.eigenfeatures(GELU.ntk, FEW, Y, strength=strength, num=8)
        turned = eigenfeatures.eigenfeatures(GELU.ntk, FEW @ rotation, Y, strength=strength, num=8)
        assert torch.allclose(plain.values, turned.values, rtol=1e-9)
        assert torch.allclose(plain.weights[:, :, 1:] @ rotation, turned.weights[:, :, 1:], rtol=0, atol=1e-8)


def test_the_largest_features_are_found_without_the_kernel(monkeypatch: pytest.MonkeyPatch):
    dense = eigenfeatures.eigenfeatures(GELU.ntk, X, Y, strength=0.1, num=4)
    monkeypatch.setattr(eigenfeatures, "DENSE", 0)
    applied = eigenfeatures.eigenfeatures(GELU.ntk, X, Y, strength=0.1, num=4)
    assert torch.allclose(applied.values, dense.values, rtol=1e-10)
    assert torch.allclose(applied.weights, dense.weights, rtol=0, atol=1e-9)


def test_draws_have_the_covariance_of_the_process(monkeypatch: pytest.MonkeyPatch):
    """4,000 draws: each second moment within five standard errors. The root by Lanczos's method is the same draw."""
    x = X[:2]
    covariance = Operator.of(ERF.nngp, x)
    C, draws = covariance.matrix(), torch.stack([draw(covariance, seed, 0).flatten() for seed in range(4000)])
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
    predicted = -(THETA @ flow_from(start, 0.1).weights(10.0)[0])
    assert float((end - start - predicted).norm() / predicted.norm()) < within


@pytest.mark.parametrize(
    ("architecture", "x", "said"),
    [
        (GELU, torch.cat([X, X[1:2]]), "examples 1 and 5 are equal, and make the kernel singular"),
        (ERF, torch.cat([X, -X[1:2]]), "examples 1 and 5 are opposite"),
        (Architecture(1, dual_of("gelu"), 1.0), torch.cat([X, -X[3:4]]), "examples 3 and 5 are opposite"),
        (GELU, torch.cat([X, (X[2:3] + 1e-3 * X[0:1])]), "examples 2 and 5 are nearly parallel"),
        (ERF, torch.cat([X, 0 * X[:1]]), "example 5 is 0 everywhere, where the kernel is singular"),
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
    assert float(smallest_of_pairs(ERF.ntk, X[:1], 2 * X[:1])) > 1e-8


@pytest.mark.parametrize("activation", NAMES)
def test_inputs_without_any_parallel_pair_are_not_refused(activation: str):
    refuse_singular(Architecture(1, dual_of(activation), 1.0).ntk, X)


def test_pairs_are_measured_by_their_whole_kernel():
    """In their plane and across it: the smallest eigenvalue of the 8 by 8 matrix of each of three pairs."""
    x, x2 = X[:3], X[[1, 2, 3]]
    for one, other, found in zip(x, x2, smallest_of_pairs(GELU.ntk, x, x2), strict=True):
        values = torch.linalg.eigvalsh(Operator.of(GELU.ntk, torch.stack([one, other])).matrix())
        assert float(found) == pytest.approx(float(values[0] / values[-1]), rel=1e-9)


def test_many_parallel_pairs_are_measured_at_once():
    """All 780 pairs of 40 inputs of one dimension are parallel, and their norms differ; the last is then a copy."""
    line = torch.linspace(-2.0, -0.5, 40, dtype=torch.float64)[:, None]
    refuse_singular(ERF.ntk, line)
    with pytest.raises(ValidationErrors, match="training examples 7 and 40 are equal"):
        refuse_singular(ERF.ntk, torch.cat([line, line[7:8]]))


def test_eigenvalues_are_those_of_the_whole_kernel():
    """Four points in ten dimensions, of which they span four."""
    x = unit(4, 10)
    values = torch.linalg.eigvalsh(Operator.of(GELU.ntk, x).matrix())
    found = extreme_eigenvalues(GELU.ntk, x)
    assert found.smallest == pytest.approx(float(values[0]), rel=1e-9)
    assert found.largest == pytest.approx(float(values[-1]), rel=1e-9)
    assert span_of(x).coordinates.shape == (4, 4)


def test_too_many_points_for_all_eigenvalues_are_refused_with_the_figure():
    with pytest.raises(ValidationErrors, match="100 examples that span 60 dimensions make a kernel of 6,100 rows"):
        extreme_eigenvalues(GELU.ntk, unit(100, 60))
