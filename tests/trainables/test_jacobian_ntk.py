"""The Jacobian NTK of networks of finite width."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.func import jacfwd, jacrev

from trainables.infinite_width.dual import dual_of, scaled
from trainables.infinite_width.finite import jacobian_ntk, layers
from trainables.infinite_width.initial import draw_networks
from trainables.infinite_width.operator import Operator
from trainables.infinite_width.recursion import Architecture
from trainables.models.base import Spec
from trainables.models.ntk_mlp import NtkMlp
from trainables.procedures.jntk_gp import power
from trainables.randomness import Stream, generator


def unit(num: int, dimension: int, seed: int = 0) -> Tensor:
    x = torch.randn(num, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x / x.norm(dim=1, keepdim=True)


def weights_of(model: NtkMlp, dimension: int, seed: int = 0) -> list[Tensor]:
    spec = Spec("regression", torch.Size([dimension]), 1, torch.float64)
    return list(model.build(spec).init(generator(seed, Stream.INIT))[0].values())


def by_hand(model: NtkMlp, weights: list[Tensor], x: Tensor) -> Tensor:
    """The network at one point x (d,), as the formula is written: a scalar."""
    phi = scaled(model.activation)
    h = phi(weights[0] @ x)
    for W in weights[1:-1]:
        h = phi(W @ h / math.sqrt(model.width))
    return model.kappa * (weights[-1] @ h)[0] / math.sqrt(model.width)


@pytest.mark.parametrize("hidden_layers", [1, 3])
def test_the_model_is_as_the_formula_is_written(hidden_layers: int):
    model = NtkMlp(width=20, hidden_layers=hidden_layers, kappa=0.3)
    x = unit(4, 5)
    network = model.build(Spec("regression", torch.Size([5]), 1, torch.float64))
    parameters, buffers = network.init(generator(3, Stream.INIT))
    expected = torch.stack([by_hand(model, list(parameters.values()), each) for each in x])
    assert torch.allclose(network.evaluate(parameters, buffers, x)[:, 0], expected, rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
@pytest.mark.parametrize(("activation", "hidden_layers"), [("gelu", 1), ("erf", 2), ("tanh", 3)])
def test_it_is_the_gram_matrix_of_gradients(activation: str, hidden_layers: int):
    """Of f and of each input derivative, by all parameters, one by one."""
    model = NtkMlp(width=9, hidden_layers=hidden_layers, activation=activation, kappa=0.7)
    x, x2 = unit(3, 4), unit(2, 4, seed=1)
    weights = weights_of(model, 4)

    def with_derivatives(weights: list[Tensor], x: Tensor) -> Tensor:
        return torch.cat([by_hand(model, weights, x)[None], jacfwd(by_hand, 2)(model, weights, x)])

    def gradients(x: Tensor) -> Tensor:
        rows = [jacrev(with_derivatives)(weights, each) for each in x]
        return torch.stack([torch.cat([g.flatten(1) for g in row], dim=1) for row in rows])

    expected = torch.einsum("iap,jbp->iajb", gradients(x), gradients(x2))
    phi = scaled(activation)
    found = jacobian_ntk(layers(weights, x, phi, 0.7), layers(weights, x2, phi, 0.7))
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def test_it_comes_to_the_limit():
    """At width 4,096 the relative deviation is some 5%, as 1 / sqrt(n) lets expect; at 64 some 40%."""
    x, architecture = unit(4, 3), Architecture(2, dual_of("gelu"), 0.5)
    limit = Operator.of(architecture.ntk, x).dense()
    deviations = []
    for width in (64, 4096):
        model = NtkMlp(width=width, kappa=0.5)
        seen = layers(weights_of(model, 3), x, scaled("gelu"), 0.5)
        deviations.append(float((jacobian_ntk(seen, seen) - limit).norm() / limit.norm()))
    assert deviations[1] < 0.15 < deviations[0]


def test_networks_drawn_without_weights_are_as_those_with():
    """Kurtosis of the output at one point, which depends on the width, by 4,000 networks each way: equal but for five
    standard errors of their difference.
    """
    x, model = unit(2, 3), NtkMlp(width=8)
    without = draw_networks(
        x, scaled("gelu"), width=8, hidden_layers=2, kappa=1.0, num=4000, generator=generator(0, Stream.INIT)
    )
    those = [layers(weights_of(model, 3, seed), x, scaled("gelu"), 1.0)[0] for seed in range(4000)]
    last = [weights_of(model, 3, seed)[-1] for seed in range(4000)]
    values = torch.stack([(layer.h @ W.T)[:, :, 0] for layer, W in zip(those, last, strict=True)])
    for moment in (2, 4):
        one, other = (u.flatten(1) ** moment for u in (without, values))
        error = ((one.var(0) + other.var(0)) / 4000).sqrt()
        assert ((one.mean(0) - other.mean(0)).abs() < 5 * error).all()


def test_the_power_of_the_test_of_normality_is_its_level_without_an_excess():
    """A t distribution with 4 + 2e9 degrees of freedom is normal: 5% of 400 sets, within five standard errors; and an
    excess of 1, at 1,000 networks, is always seen.
    """
    level = power(12, 1000, 1e-9, 0)
    assert stats.binom(400, 0.05).cdf(400 * level) > 1e-6 and stats.binom(400, 0.05).sf(400 * level - 1) > 1e-6
    assert power(12, 1000, 1.0, 0) == 1
