"""The Jacobian term against exact autograd, and its statistics against Hoffman et al.'s Appendix B.

J: (C, D), the Jacobian of the outputs with respect to one input. A = JJ'. v: uniform on the unit sphere of R^C.
Generators are seeded, so a test that passes once passes always; "by luck" is the chance that another seed would fail.
"""

import math

import pytest
import scipy.stats
import torch
from torch import Tensor

from trainables.models.base import Spec
from trainables.models.mlp import Mlp
from trainables.regularisers.base import Step
from trainables.regularisers.jacobian import Jacobian, squared_norms, standard_basis

C, D, BATCH = 4, 6, 5

MODEL = Mlp(width=7, depth=3, activation="tanh", init_scale=2.0).build(
    Spec("classification", torch.Size([D]), C, torch.float64)
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


PARAMETERS, _ = MODEL.init(seeded(1))
X = torch.randn(BATCH, D, dtype=torch.float64, generator=seeded(2))


def f(x: Tensor) -> Tensor:
    return MODEL.apply(PARAMETERS, {}, x, {})[0]


def exact_jacobians(x: Tensor) -> Tensor:
    """(batch, C, D), one input at a time."""
    return torch.stack([torch.autograd.functional.jacobian(lambda x: f(x[None])[0], point) for point in x])


def vjp_of(function, x: Tensor):
    return torch.func.vjp(function, x)[1]


def linear(J: Tensor):
    return lambda x: x @ J.T


def config(**settings) -> Jacobian:
    return Jacobian.model_validate({"strength": 1.0} | settings)


def projections(config: Jacobian, batch: int, num_outputs: int, seed: int = 3) -> Tensor:
    if config.projections == "exact":
        return standard_basis(torch.empty(batch, num_outputs, dtype=torch.float64))
    spec = Spec("classification", torch.Size([num_outputs]), num_outputs, torch.float64)
    return config.draw(1, batch, spec, seeded(seed))["projections"][0]


def jacobian_penalty(config: Jacobian, vjp, v: Tensor) -> Tensor:
    """The term with its strength."""
    unused = torch.empty(0)
    outputs = torch.empty(v.shape[1:], dtype=v.dtype)
    return config.weight * config.term(Step({}, unused, unused, outputs, vjp, f, None), {"projections": v})


def estimates(J: Tensor, num: int, *, num_projections: int = 1) -> Tensor:
    """`num` independent estimates of |J|^2 for one linear map."""
    v = projections(config(projections=num_projections), num, len(J))
    return squared_norms(vjp_of(linear(J), torch.zeros(num, J.shape[1], dtype=J.dtype)), v, exact=False)


def variance_by_equation_15(J: Tensor) -> float:
    """Of C v'Av: 2C/(C+2) tr(AA) - 2/(C+2) |J|^4, as E[(v'Av)^2] = (2 tr AA + (tr A)^2) / (C(C+2)) gives it too."""
    num_outputs, A = len(J), J @ J.T
    return float((2 * num_outputs * (A @ A).trace() - 2 * A.trace() ** 2) / (num_outputs + 2))


def test_exact_projections_give_the_exact_norm():
    expected = exact_jacobians(X).square().sum((1, 2))
    v = projections(config(projections="exact"), BATCH, C)
    torch.testing.assert_close(squared_norms(vjp_of(f, X), v, exact=True), expected, rtol=1e-12, atol=0)


def test_projections_are_unit_vectors_one_a_sample_and_projection():
    v = projections(config(projections=3), BATCH, C)
    assert v.shape == (3, BATCH, C)
    torch.testing.assert_close(v.norm(dim=2), torch.ones(3, BATCH, dtype=torch.float64), rtol=1e-14, atol=0)
    assert len(v.flatten(0, 1).unique(dim=0)) == 3 * BATCH
    assert torch.equal(v, projections(config(projections=3), BATCH, C))
    assert not torch.equal(v, projections(config(projections=3), BATCH, C, seed=4))


def test_exact_projections_draw_nothing():
    generator = seeded()
    before = generator.get_state()
    spec = Spec("classification", torch.Size([D]), C, torch.float64)
    assert config(projections="exact").draw(1, BATCH, spec, generator) == {}
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("num_projections", [1, 3])
def test_random_projections_are_unbiased_for_the_squared_norm(num_projections: int):
    """The mean of N estimates within 5 of its standard deviations by equation 15: fails by luck in 6e-7."""
    num = 200_000
    for J in exact_jacobians(X):
        bound = 5 * math.sqrt(variance_by_equation_15(J) / (num_projections * num))
        mean = estimates(J, num, num_projections=num_projections).mean()
        assert abs(float(mean - J.square().sum())) < bound
        assert bound < 0.02 * float(J.square().sum())


@pytest.mark.parametrize("num_projections", [1, 3])
def test_variance_is_hoffman_equation_15(num_projections: int):
    """The sample variance of N estimates within 5 of its standard errors sqrt((m4 - m2^2) / N), m4 from the sample:
    fails by luck in 6e-7. Averaging n projections divides the variance by n.
    """
    num = 200_000
    for J in exact_jacobians(X)[:2]:
        sample = estimates(J, num, num_projections=num_projections)
        deviations = sample - sample.mean()
        m2, m4 = deviations.square().mean(), deviations.pow(4).mean()
        bound = 5 * float(((m4 - m2**2) / num).sqrt())
        expected = variance_by_equation_15(J) / num_projections
        assert abs(float(m2) - expected) < bound
        assert bound < 0.05 * expected


def test_variance_of_a_rank_one_jacobian_meets_the_bound_of_equation_16():
    """For rank one, C v'Av / |J|^2 = C v_1^2, and v_1^2 is Beta(1/2, (C-1)/2): the variance is 2 (C-1) / (C+2), the
    most that any J can have (equation 16). Fourth moment from the Beta too: 5 standard errors, fails by luck in 6e-7.
    """
    num_outputs, num = 10, 200_000
    J = torch.outer(torch.randn(num_outputs, dtype=torch.float64, generator=seeded()), torch.ones(3).double())
    J /= J.norm()
    beta = scipy.stats.beta(0.5, (num_outputs - 1) / 2, scale=num_outputs)
    assert beta.var() == pytest.approx(2 * (num_outputs - 1) / (num_outputs + 2), rel=1e-12)
    assert variance_by_equation_15(J) == pytest.approx(beta.var(), rel=1e-12)
    kurtosis = float(beta.stats("k")) + 3
    bound = 5 * beta.var() * math.sqrt((kurtosis - 1) / num)
    assert abs(float(estimates(J, num).var()) - beta.var()) < bound


def test_equal_singular_values_leave_no_variance():
    """Equation 15 gives 0 where A is a multiple of the identity: every single draw is then exact."""
    J = 3.0 * torch.linalg.qr(torch.randn(D, C, dtype=torch.float64, generator=seeded()))[0].T
    assert variance_by_equation_15(J) == pytest.approx(0, abs=1e-10)
    torch.testing.assert_close(estimates(J, 20), torch.full((20,), 9.0 * C, dtype=torch.float64))


def test_one_projection_underestimates_the_norm_itself():
    """For rank one, E sqrt(C v_1^2) = sqrt(C) Gamma(C/2) / (sqrt(pi) Gamma((C+1)/2)): 0.818 of the norm for C = 10.

    The mean of N roots, each of variance 1 - 0.818^2, within 5 standard deviations: fails by luck in 6e-7.
    """
    num_outputs, num = 10, 100_000
    ratio = math.sqrt(num_outputs / math.pi) * math.gamma(num_outputs / 2) / math.gamma((num_outputs + 1) / 2)
    assert round(ratio, 2) == 0.82
    J = torch.outer(torch.randn(num_outputs, dtype=torch.float64, generator=seeded()), torch.ones(3).double())
    x = torch.zeros(num, 3, dtype=torch.float64)
    penalty = jacobian_penalty(config(), vjp_of(linear(J), x), projections(config(), num, num_outputs))
    bound = 5 * math.sqrt((1 - ratio**2) / num)
    assert float(penalty / J.norm()) == pytest.approx(ratio, abs=bound)


NORMS = exact_jacobians(X).flatten(1).norm(dim=1)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, NORMS.mean()),
        ({"strength": 0.25}, 0.25 * NORMS.mean()),
        ({"strength": 0.0}, 0 * NORMS.mean()),
        ({"norm": "half_mean_square", "strength": 0.25}, 0.25 / 2 * NORMS.square().mean()),
        ({"level": 20.0, "strength": 0.5}, 0.5 * (20.0 - NORMS.mean()).abs()),
        ({"level": 0.1, "strength": 0.5}, 0.5 * (0.1 - NORMS.mean()).abs()),
        ({"level": 0.0}, NORMS.mean()),
        ({"level": 3.0, "norm": "half_mean_square"}, (3.0 - NORMS.square().mean() / 2).abs()),
    ],
)
def test_exact_penalty(settings: dict, expected: Tensor):
    settings = {"projections": "exact"} | settings
    penalty = jacobian_penalty(config(**settings), vjp_of(f, X), projections(config(**settings), BATCH, C))
    torch.testing.assert_close(penalty, expected, rtol=1e-12, atol=0)


def test_the_level_acts_on_the_mean_over_the_batch_not_on_each_sample():
    level = float(NORMS.mean())
    settings = {"projections": "exact", "level": level}
    penalty = jacobian_penalty(config(**settings), vjp_of(f, X), projections(config(**settings), BATCH, C))
    assert float(penalty) == pytest.approx(0, abs=1e-12)
    assert float((level - NORMS).abs().mean()) > 0.1


@pytest.mark.parametrize("num_projections", [1, 2])
@pytest.mark.parametrize("norm", ["frobenius", "half_mean_square"])
def test_penalty_is_algorithm_1_written_out(norm: str, num_projections: int):
    """Hoffman et al., Algorithm 1, with autograd's double backward as their code has it, value and gradient."""
    settings = config(norm=norm, projections=num_projections, strength=0.3)
    v = projections(settings, BATCH, C)
    parameters = {name: p.clone().requires_grad_() for name, p in PARAMETERS.items()}

    x = X.clone().requires_grad_()
    z = MODEL.apply(parameters, {}, x, {})[0]
    squared = torch.zeros(BATCH, dtype=torch.float64)
    for one in v:
        (Jv,) = torch.autograd.grad(z, x, grad_outputs=one, create_graph=True)
        squared = squared + C * Jv.square().sum(1) / num_projections
    expected = 0.3 * (squared.sqrt().mean() if norm == "frobenius" else squared.mean() / 2)

    penalty = jacobian_penalty(settings, vjp_of(lambda x: MODEL.apply(parameters, {}, x, {})[0], X), v)
    torch.testing.assert_close(penalty, expected, rtol=1e-12, atol=0)
    # The last bias does not act on the Jacobian.
    weights = [p for name, p in parameters.items() if name != "2.bias"]
    ours, theirs = torch.autograd.grad(penalty, weights), torch.autograd.grad(expected, weights)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"norm": "half_mean_square"}, {"level": 50.0}, {"projections": "exact"}])
def test_gradient_with_respect_to_parameters_by_finite_differences(settings: dict):
    settings = config(strength=0.3, **settings)
    v = projections(settings, BATCH, C)

    def penalty(first: Tensor, second: Tensor) -> Tensor:
        parameters = PARAMETERS | {"0.weight": first, "1.bias": second}
        return jacobian_penalty(settings, vjp_of(lambda x: MODEL.apply(parameters, {}, x, {})[0], X), v)

    inputs = [PARAMETERS[name].clone().requires_grad_() for name in ("0.weight", "1.bias")]
    assert torch.autograd.gradcheck(penalty, inputs, eps=1e-6, rtol=1e-6, atol=1e-7)


def test_a_vanishing_jacobian_has_a_finite_gradient():
    """The root of 0 has none; Walker et al.'s clamp at 1e-8 makes the term 1e-4 there and flat."""
    weight = torch.zeros(C, D, dtype=torch.float64, requires_grad=True)
    penalty = jacobian_penalty(config(), vjp_of(lambda x: x @ weight.T, X), projections(config(), BATCH, C))
    assert penalty.item() == pytest.approx(1e-4)
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_inputs_of_any_shape_count_all_their_coordinates():
    examples = X.reshape(BATCH, 2, 3)
    v = projections(config(projections=2), BATCH, C)
    flat = squared_norms(vjp_of(f, X), v, exact=False)
    torch.testing.assert_close(squared_norms(vjp_of(lambda x: f(x.flatten(1)), examples), v, exact=False), flat)
