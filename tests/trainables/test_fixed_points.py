"""One training point through training (Walker et al., Figure 2): its centroid, its kernel, and Theorem 6."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from test_probes import seeded, seen
from tiny_trials import TINY
from torch import Tensor
from torch.nn import functional as F

from trainables.models.base import Spec
from trainables.models.mlp import Mlp
from trainables.probes.base import Probe, ProbeInput
from trainables.probes.fixed_point_ntk import kernel_row
from trainables.trial import TrialConfig
from trainables.validation import ValidationErrors

M, D = 12, 6
X = torch.randn(M, D, dtype=torch.float64, generator=seeded(2))
Y = torch.tensor([1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0])
LR = 1e-3


def loss(outputs: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs[:, 0], y.to(outputs.dtype))


def of_network(activation: str = "relu", *, depth: int = 2, bias: bool = False, loss=loss) -> ProbeInput:
    settings = {"width": 9, "depth": depth, "activation": activation, "bias": bias}
    built = Mlp.model_validate(settings).build(Spec("binary", torch.Size([D]), 1, torch.float64))
    parameters, _ = built.init(seeded(1))

    def network(parameters, x: Tensor) -> Tensor:
        return built.evaluate(dict(parameters), {}, x)

    at = seen(lambda x: network(parameters, x), x=X, y=Y, network=network, parameters=parameters)
    object.__setattr__(at, "loss", loss)
    return at


def taken(at: ProbeInput, **settings: Any) -> dict[str, float]:
    """By quantity, without the point's name."""
    probe = TypeAdapter(Probe).validate_python(settings)
    values = {name: float(value) for name, value in probe.measure(at).items()}
    assert tuple(values) == probe.metrics
    return {name.removeprefix(f"train_point_of_class_{settings['of_class']}_"): each for name, each in values.items()}


def by_autograd(at: ProbeInput, parameters, point: Tensor) -> Tensor:
    """<x, mu_x> of a point (D,), mu_x the sum of the rows of autograd's Jacobian."""
    J = torch.autograd.functional.jacobian(lambda x: at.network(parameters, x[None])[0], point)
    return J.sum(0) @ point


def gradients(at: ProbeInput, value) -> Tensor:
    """Of a function of parameters, by one backward pass, as one vector."""
    leaves = {name: p.clone().requires_grad_() for name, p in at.parameters.items()}
    return torch.cat([g.flatten() for g in torch.autograd.grad(value(leaves), list(leaves.values()))])


@pytest.mark.parametrize(("label", "row", "sign"), [(0, 1, -1), (1, 0, 1)])
def test_the_centroid_of_the_first_of_a_class(label: int, row: int, sign: int):
    at = of_network("tanh", depth=3, bias=True)
    mu = torch.autograd.functional.jacobian(lambda x: at.f(x[None])[0], X[row]).sum(0)
    inner = sign * float(mu @ X[row])
    assert taken(at, name="fixed_point", of_class=label) == pytest.approx(
        {
            "alignment": inner / float(mu.norm() * X[row].norm()),
            "centroid_norm": float(mu.norm()),
            "inner_product": inner,
        }
    )


def test_of_several_outputs_no_sign_changes():
    W = torch.randn(3, D, dtype=torch.float64, generator=seeded(4))
    values = taken(seen(lambda x: x @ W.mT, x=X, y=Y), name="fixed_point", of_class=0)
    assert values["inner_product"] == pytest.approx(float(W.sum(0) @ X[1]))


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("depth", [2, 3])
def test_the_kernel_is_the_inner_product_of_autograds_gradients(activation: str, depth: int):
    at = of_network(activation, depth=depth, bias=True)
    G = torch.stack([gradients(at, lambda p, x=x: at.network(p, x[None])[0, 0]) for x in X])
    torch.testing.assert_close(kernel_row(at, at.parameters, X[1:2]), G @ G[1], rtol=1e-12, atol=1e-12)
    assert taken(at, name="fixed_point_ntk", of_class=0, lr=LR)["ntk_mean"] == pytest.approx(float((G @ G[1]).mean()))


def test_the_kernel_of_two_layers_is_that_of_lemma_12():
    """Theta(x, x') = relu(Wx) . relu(Wx') + (x . x') sum over units that both turn on of v^2."""
    at = of_network()
    W, v = at.parameters["0.weight"], at.parameters["1.weight"][0]
    h = X @ W.mT
    on = (h > 0).double()
    expected = h.relu() @ h[0].relu() + (X @ X[0]) * ((on * on[0]) @ v.square())
    torch.testing.assert_close(kernel_row(at, at.parameters, X[:1]), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("label", "row", "sign"), [(0, 1, -1), (1, 0, 1)])
def test_the_prediction_is_theorem_6s(label: int, row: int, sign: int):
    at = of_network()
    theta = kernel_row(at, at.parameters, X[row : row + 1])
    m = Y - torch.sigmoid(at.f(X)[:, 0])
    values = taken(at, name="fixed_point_ntk", of_class=label, lr=LR)
    assert values["predicted_change"] == pytest.approx(sign * LR * float((theta * m).mean()), rel=1e-12)


def test_the_measured_change_is_that_of_a_step_of_torchs_sgd():
    at = of_network("tanh", depth=3)
    leaves = {name: p.clone().requires_grad_() for name, p in at.parameters.items()}
    before = by_autograd(at, leaves, X[0])
    theta = kernel_row(at, at.parameters, X[:1]).mean()
    loss(at.network(leaves, X), Y).backward()
    torch.optim.SGD(leaves.values(), lr=0.05).step()
    after = {name: p.detach() for name, p in leaves.items()}
    values = taken(at, name="fixed_point_ntk", of_class=1, lr=0.05)
    assert values["measured_change"] == pytest.approx(float(by_autograd(at, after, X[0]) - before), rel=1e-9)
    assert values["ntk_change"] == pytest.approx(float(kernel_row(at, after, X[:1]).mean() - theta), rel=1e-9)


@pytest.mark.parametrize("which", ["cross-entropy", "squared error"])
def test_theorem_6_holds_to_first_order_in_the_learning_rate(which: str):
    """Ten times the rate leaves ten times the relative error, and little of it at a small one."""

    def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs[:, 0] - 2 * y + 1).square().mean()

    at = of_network(loss=loss if which == "cross-entropy" else squared_error)

    def error(lr: float) -> float:
        values = taken(at, name="fixed_point_ntk", of_class=1, lr=lr)
        return abs(values["predicted_change"] / values["measured_change"] - 1)

    assert error(1e-5) < 1e-4
    assert error(1e-4) == pytest.approx(10 * error(1e-5), rel=0.05)


def test_training_does_not_see_the_step():
    at = of_network()
    before = {name: p.clone() for name, p in at.parameters.items()}
    with torch.no_grad():
        taken(at, name="fixed_point_ntk", of_class=0, lr=0.5)
    assert all(torch.equal(at.parameters[name], p) for name, p in before.items())


def test_a_class_that_there_is_not():
    with pytest.raises(ValidationErrors, match="there is no example of class 4"):
        taken(of_network(), name="fixed_point", of_class=4)
    with pytest.raises(
        ValidationError,
        match=r"probes.0: fixed_point: there is no class 10: the classes of data digits are 0 to 9",
    ):
        TrialConfig.model_validate(TINY | {"probes": [{"name": "fixed_point", "of_class": 10}]})
    with pytest.raises(ValidationError, match="'fixed_point_ntk' is not for classification"):
        TrialConfig.model_validate(TINY | {"probes": [{"name": "fixed_point_ntk", "lr": 0.1}]})
