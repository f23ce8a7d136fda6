"""Probes against exact autograd, in float64. J: (C, D); the centroid of a point is J'1 (Walker et al., Theorem 4)."""

import math

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional as F

from trainables.models.base import Spec
from trainables.models.mlp import Mlp
from trainables.probes import _jacobians
from trainables.probes._jacobians import centroids, jacobians_of
from trainables.probes.base import Probe, ProbeInput

C, D, POINTS = 4, 6, 8


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(activation: str, **settings):
    config = Mlp.model_validate({"width": 9, "depth": 3, "activation": activation} | settings)
    built = config.build(Spec(torch.Size([D]), C, torch.float64))
    parameters, _ = built.init(seeded(1))
    return parameters, lambda x: built.apply(parameters, {}, x)[0]


X = torch.randn(POINTS, D, dtype=torch.float64, generator=seeded(2))
Y = torch.randint(C, (POINTS,), generator=seeded(3))


def exact_jacobians(f) -> Tensor:
    return torch.stack([torch.autograd.functional.jacobian(lambda x: f(x[None])[0], point) for point in X])


def taken(f, *settings: dict, x: Tensor = X, y: Tensor = Y) -> dict[str, float]:
    """What the probes measure where training and test set are the same points."""
    chosen = [TypeAdapter(Probe).validate_python(one) for one in settings]
    at = ProbeInput(f, {}, x, y, F.cross_entropy, lambda _: None)
    values = {name: float(value) for probe in chosen for name, value in probe.measure(at).items()}
    assert tuple(values) == tuple(metric for probe in chosen for metric in probe.metrics)
    return values


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_jacobian_norms_and_centroids_are_those_of_the_exact_jacobian(activation: str):
    _, f = model(activation, output_scale=2.5)
    J = exact_jacobians(f)
    torch.testing.assert_close(jacobians_of(f, X).norm, J.flatten(1).norm(dim=1), rtol=1e-12, atol=0)
    torch.testing.assert_close(centroids(f, X), J.sum(1), rtol=1e-12, atol=1e-14)


def test_points_may_be_taken_in_chunks(monkeypatch: pytest.MonkeyPatch):
    _, f = model("tanh")
    found, mu = jacobians_of(f, X), centroids(f, X)
    monkeypatch.setattr(_jacobians, "_CHUNK", 3)
    torch.testing.assert_close(jacobians_of(f, X), found, rtol=1e-12, atol=0)
    torch.testing.assert_close(centroids(f, X), mu, rtol=1e-12, atol=1e-14)


def test_a_relu_networks_centroid_sums_the_rows_of_its_regions_affine_map():
    """Around x a ReLU network is f(x) = Ax + b with A = W3 diag(on2) W2 diag(on1) W1, `on` where a unit is positive:
    the slopes of the outputs, whose sum Theorem 4 calls the centroid of the region.
    """
    p, f = model("relu")
    for x, mu in zip(X, centroids(f, X), strict=True):
        h1 = p["0.weight"] @ x + p["0.bias"]
        h2 = p["1.weight"] @ h1.relu() + p["1.bias"]
        A = p["2.weight"] @ torch.diag((h2 > 0).double()) @ p["1.weight"] @ torch.diag((h1 > 0).double())
        A = A @ p["0.weight"]
        torch.testing.assert_close(mu, A.sum(0), rtol=1e-12, atol=1e-14)


def test_alignment_is_the_cosine_between_a_point_and_its_centroid():
    _, f = model("tanh")
    mu = exact_jacobians(f).sum(1)
    expected = {
        "alignment": torch.stack([m @ x / (m.norm() * x.norm()) for m, x in zip(mu, X, strict=True)]),
        "norm": mu.norm(dim=1),
        "inner_product": (mu * X).sum(1),
    }
    assert taken(f, {"name": "centroid", "on": "test"}) == pytest.approx(
        {
            f"test_centroid_{quantity}_{statistic}": float(getattr(values, statistic)())
            for quantity, values in expected.items()
            for statistic in ("mean", "min", "max")
        }
    )


def test_row_alignment_is_the_cosine_between_a_point_and_each_row_of_its_jacobian():
    _, f = model("tanh")
    cosines = torch.stack([F.cosine_similarity(J, x[None]) for J, x in zip(exact_jacobians(f), X, strict=True)])
    assert taken(f, {"name": "jacobian_rows"}) == pytest.approx(
        {
            "train_jacobian_row_alignment_min": float(cosines.min()),
            "train_jacobian_row_alignment_max": float(cosines.max()),
            "train_jacobian_row_alignment_mean_min": float(cosines.min(1).values.mean()),
            "train_jacobian_row_alignment_mean_max": float(cosines.max(1).values.mean()),
        }
    )


def test_explained_variance_is_the_first_singular_values_share():
    _, f = model("tanh")
    squares = torch.linalg.svdvals(exact_jacobians(f)).square()
    share = squares[:, 0] / squares.sum(1)
    assert taken(f, {"name": "jacobian_spectrum"}) == pytest.approx(
        {f"train_jacobian_explained_variance_{stat}": float(getattr(share, stat)()) for stat in ("mean", "min", "max")}
    )


def test_a_jacobian_of_rank_one_is_explained_by_its_first_component():
    """f = c (a . x) has J = c a': every row is parallel to a, up to its sign."""
    a, c = X[0], torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    values = taken(lambda x: (x @ a)[:, None] * c, {"name": "jacobian_spectrum"}, {"name": "jacobian_rows"}, x=X[:1])
    assert values["train_jacobian_explained_variance_min"] == pytest.approx(1)
    assert values["train_jacobian_row_alignment_min"] == pytest.approx(-1)
    assert values["train_jacobian_row_alignment_max"] == pytest.approx(1)


def test_what_has_no_jacobian_to_speak_of_is_no_number():
    values = taken(lambda x: x[:, :C] * torch.nan, {"name": "jacobian_spectrum"}, {"name": "jacobian_rows"})
    assert all(math.isnan(value) for value in values.values())


@pytest.mark.parametrize("sign", [1, -1])
def test_alignment_where_it_is_known(sign: int):
    """f = (c |x|^2 / 2, 0, 0, 0) has J'1 = cx: aligned in Definition 5's sense, cosine 1 for c > 0 and -1 for c < 0."""

    def f(x: Tensor) -> Tensor:
        return F.pad(sign * 3 * x.square().sum(1, keepdim=True) / 2, (0, C - 1))

    values = taken(f, {"name": "centroid"})
    squares = X.square().sum(1)
    assert values["train_centroid_alignment_min"] == pytest.approx(sign)
    assert values["train_centroid_alignment_max"] == pytest.approx(sign)
    assert values["train_centroid_norm_mean"] == pytest.approx(3 * float(squares.sqrt().mean()))
    assert values["train_centroid_inner_product_mean"] == pytest.approx(sign * 3 * float(squares.mean()))


def test_only_the_first_points_if_so_told():
    _, f = model("tanh")
    norms = exact_jacobians(f).flatten(1).norm(dim=1)[:3]
    values = taken(f, {"name": "jacobian_norm", "num_points": 3})
    assert values == pytest.approx(
        {
            "train_jacobian_norm_mean": float(norms.mean()),
            "train_jacobian_norm_min": float(norms.min()),
            "train_jacobian_norm_max": float(norms.max()),
        }
    )
    many = taken(f, {"name": "jacobian_norm", "num_points": 10**6})
    assert many == taken(f, {"name": "jacobian_norm"})


def test_examples_count_as_the_vectors_of_their_pixels():
    _, f = model("tanh")
    settings = ({"name": "centroid"}, {"name": "jacobian_norm"})
    examples = taken(lambda x: f(x.flatten(1)), *settings, x=X.reshape(POINTS, 2, 3))
    assert examples == pytest.approx(taken(f, *settings))


def test_accuracy_and_loss():
    outputs = torch.tensor([[3.0, 1, 0, 0], [0, 1, 2, 0], [0, 0, 0, 9], [5, 0, 0, 6]], dtype=torch.float64)
    y = torch.tensor([0, 1, 3, 3])
    values = taken(lambda x: outputs, {"name": "accuracy", "on": "train"}, {"name": "loss", "on": "test"}, y=y)
    assert values["train_accuracy"] == 0.75
    by_hand = [float(row.exp().sum().log() - row[c]) for row, c in zip(outputs, y, strict=True)]
    assert values["test_loss"] == pytest.approx(sum(by_hand) / 4)


def test_measuring_changes_nothing_and_works_without_gradients():
    parameters, f = model("relu")
    before = {name: p.clone() for name, p in parameters.items()}
    names = ("jacobian_norm", "jacobian_rows", "jacobian_spectrum", "centroid")
    expected = taken(f, *({"name": name} for name in names))
    global_state = torch.get_rng_state()
    with torch.no_grad():
        assert taken(f, *({"name": name} for name in names)) == expected
    assert all(torch.equal(parameters[name], before[name]) for name in before)
    assert torch.equal(torch.get_rng_state(), global_state)
