"""Probes against exact autograd, in float64. J: (C, D); the centroid of a point is J'1 (Walker et al., Theorem 4)."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from tiny_trials import TINY
from torch import Tensor
from torch.nn import functional as F

from trainables.models.base import Spec
from trainables.models.mlp import Mlp
from trainables.probes import _jacobians
from trainables.probes._jacobians import centroids, jacobians_of
from trainables.probes.base import Probe, ProbeInput
from trainables.trial import TrialConfig

C, D, POINTS = 4, 6, 8


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(activation: str, **settings):
    config = Mlp.model_validate({"width": 9, "depth": 3, "activation": activation} | settings)
    built = config.build(Spec("classification", torch.Size([D]), C, torch.float64))
    parameters, _ = built.init(seeded(1))
    return parameters, lambda x: built.apply(parameters, {}, x, {})[0]


X = torch.randn(POINTS, D, dtype=torch.float64, generator=seeded(2))
Y = torch.randint(C, (POINTS,), generator=seeded(3))


def exact_jacobians(f) -> Tensor:
    return torch.stack([torch.autograd.functional.jacobian(lambda x: f(x[None])[0], point) for point in X])


def seen(f, *, x: Tensor = X, y: Tensor = Y, network=None, parameters=None, state=None, seed: int = 5) -> ProbeInput:
    """What a probe sees of a function, or of a network."""
    return ProbeInput(
        f=f,
        network=network or (lambda parameters, x: f(x)),
        parameters=parameters or {},
        x=x,
        y=y,
        loss=F.cross_entropy,
        drawing=lambda _: None,
        make_generator=lambda: seeded(seed),
        state={} if state is None else state,
    )


def taken(f, *settings: dict, x: Tensor = X, y: Tensor = Y) -> dict[str, float]:
    """What the probes measure where training and test set are the same points."""
    chosen = [TypeAdapter(Probe).validate_python(one) for one in settings]
    at = seen(f, x=x, y=y)
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


def test_the_effective_rank_is_the_exponential_of_the_entropy_of_the_singular_values():
    _, f = model("tanh")
    s = [torch.linalg.svdvals(J) for J in exact_jacobians(f)]
    ranks = torch.tensor([math.exp(-sum(float(p) * math.log(p) for p in each / each.sum())) for each in s])
    values = taken(f, {"name": "effective_rank"})
    assert values["train_jacobian_effective_rank_mean"] == pytest.approx(float(ranks.double().mean()), rel=1e-6)
    assert values["train_jacobian_effective_rank_min"] == pytest.approx(float(ranks.min()), rel=1e-6)
    assert values["train_jacobian_effective_rank_max"] == pytest.approx(float(ranks.max()), rel=1e-6)


def test_the_effective_rank_where_it_is_known():
    """1 of a Jacobian of rank one, C of one whose rows are orthogonal and as long as each other."""
    a, c = X[0], torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    one = taken(lambda x: (x @ a)[:, None] * c, {"name": "effective_rank"})
    assert one["train_jacobian_effective_rank_max"] == pytest.approx(1, abs=1e-5)
    few = taken(lambda x: (x @ a.float())[:, None] * c.float(), {"name": "effective_rank"}, x=X.float())
    assert few["train_jacobian_effective_rank_max"] == pytest.approx(1, abs=1e-4)
    assert taken(lambda x: 7 * x[:, :C], {"name": "effective_rank"}) == pytest.approx(
        {f"train_jacobian_effective_rank_{stat}": C for stat in ("mean", "min", "max")}
    )


def test_the_mean_reciprocal_norm_of_centroids():
    _, f = model("relu")
    norms = exact_jacobians(f).sum(1).norm(dim=1)
    values = taken(f, {"name": "centroid_reciprocal_norm", "num_points": 5})
    assert values["train_centroid_reciprocal_norm_mean"] == pytest.approx(float((1 / norms[:5]).mean()))


def test_the_norm_of_all_parameters_and_of_each():
    (probe,) = TypeAdapter(tuple[Probe, ...]).validate_python([{"name": "parameter_norm"}])
    parameters = {"W": torch.tensor([[3.0, 0.0], [0.0, 4.0]]), "b": torch.tensor([-12.0])}
    values = probe.measure(seen(lambda x: x, parameters=parameters))
    assert float(values["train_parameter_norm"]) == pytest.approx(13)
    assert values["train_parameter_norms"]["norm"].tolist() == pytest.approx([5, 12])


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


def ntk_of(network, parameters, x: Tensor = X, *, initial: Tensor | None = None, num_points: int = POINTS):
    """What the probe gives, and the kernel at initialisation that it kept."""
    (probe,) = TypeAdapter(tuple[Probe, ...]).validate_python([{"name": "ntk", "num_points": num_points}])
    at = seen(lambda x: network(parameters, x), x=x, network=network, parameters=parameters)
    state = probe.init(at)
    assert state.keys() == {"initial"}
    kept = state if initial is None else {"initial": initial}
    return probe.measure(replace(at, state=kept)), state["initial"]


class TestNtk:
    """Jacot et al. 2018: K(x, x') is the sum over parameters of products of gradients, averaged over outputs here."""

    def by_hand(self, f, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        """One backward pass an output and point by autograd, all gradients in one matrix (C, points, parameters)."""
        leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}

        def row(point: Tensor, c: int) -> Tensor:
            found = torch.autograd.grad(f(leaves, point[None])[0, c], list(leaves.values()), allow_unused=True)
            given = [torch.zeros_like(p) if g is None else g for g, p in zip(found, leaves.values(), strict=True)]
            return torch.cat([g.flatten() for g in given])

        G = torch.stack([torch.stack([row(point, c) for point in x]) for c in range(C)])
        return torch.einsum("cip,cjp->ij", G, G) / C

    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_is_that_of_autograd(self, activation: str):
        config = Mlp.model_validate({"width": 9, "activation": activation, "output_scale": 2.5})
        built = config.build(Spec("classification", torch.Size([D]), C, torch.float64))
        first, later = built.init(seeded(1))[0], built.init(seeded(2))[0]

        def network(parameters, x: Tensor) -> Tensor:
            return built.evaluate(dict(parameters), {}, x)

        K0, K = self.by_hand(network, first, X), self.by_hand(network, later, X)
        values, kept = ntk_of(network, later, initial=K0)
        torch.testing.assert_close(kept, K, rtol=1e-12, atol=1e-12)
        assert float(values["train_ntk_trace"]) == pytest.approx(float(K.diagonal().sum()), rel=1e-12)
        assert float(values["train_ntk_mean"]) == pytest.approx(float(K.sum()) / POINTS**2, rel=1e-12)
        now, then = K.numpy().ravel(), K0.numpy().ravel()
        cosine = now @ then / (np.linalg.norm(now) * np.linalg.norm(then))
        assert float(values["train_ntk_alignment_initial"]) == pytest.approx(cosine, rel=1e-12)
        assert cosine < 0.999
        spectrum = values["train_ntk_spectrum"]
        assert spectrum["index"].tolist() == [*range(POINTS)]
        # Another algorithm's: singular values of a symmetric positive matrix.
        expected = np.linalg.svd(K.numpy(), compute_uv=False)
        assert spectrum["eigenvalue"].tolist() == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)

    def test_of_a_linear_model_is_known(self):
        """f = Wx + b has df_c/dW_c = x and df_c/db_c = 1, so K(x, x') = x . x' + 1 whatever W and b."""
        parameters = {"W": torch.randn(C, D, dtype=torch.float64, generator=seeded(7)), "b": torch.zeros(C).double()}
        values, kept = ntk_of(lambda p, x: x @ p["W"].mT + p["b"], parameters)
        torch.testing.assert_close(kept, X @ X.mT + 1, rtol=1e-12, atol=1e-12)
        assert float(values["train_ntk_trace"]) == pytest.approx(float(X.square().sum()) + POINTS)
        assert float(values["train_ntk_mean"]) == pytest.approx(float(X.mean(0).square().sum()) + 1)
        assert float(values["train_ntk_alignment_initial"]) == pytest.approx(1)
        # Of rank D + 1: the rest of its eigenvalues are zero.
        assert spectrum_of(values)[D + 1 :] == pytest.approx([0.0] * (POINTS - D - 1), abs=1e-9)

    def test_takes_the_first_points_of_images_too(self):
        parameters = {"W": torch.zeros(C, D, dtype=torch.float64)}
        _, kept = ntk_of(lambda p, x: x.flatten(1) @ p["W"].mT, parameters, X.reshape(POINTS, 2, 3), num_points=3)
        torch.testing.assert_close(kept, X[:3] @ X[:3].mT, rtol=1e-12, atol=1e-12)

    def test_that_is_not_finite_has_no_eigenvalues(self):
        parameters = {"W": torch.full((C, D), torch.inf, dtype=torch.float64)}
        values, _ = ntk_of(lambda p, x: (x @ p["W"].mT).square(), parameters)
        assert math.isnan(values["train_ntk_trace"]) and all(map(math.isnan, spectrum_of(values)))


def spectrum_of(values) -> list[float]:
    return values["train_ntk_spectrum"]["eigenvalue"].tolist()


class TestNoiseAccuracy:
    def taken(self, f, *, seed: int = 5, x: Tensor = X, **settings) -> list[float]:
        (probe,) = TypeAdapter(tuple[Probe, ...]).validate_python([{"name": "noise_accuracy"} | settings])
        values = probe.measure(seen(f, seed=seed, x=x))
        assert tuple(values) == probe.metrics
        return [float(value) for value in values.values()]

    def test_is_that_of_one_draw_at_every_scale(self):
        _, f = model("tanh", init_scale=3)
        noise = torch.randn(X.shape, dtype=torch.float64, generator=seeded(5))
        expected = [float((f(X + s * noise).argmax(1) == Y).double().mean()) for s in (0.2, 0.4, 0.6, 0.8, 1.0)]
        assert self.taken(f) == expected
        assert self.taken(f, num_points=3) != expected

    def test_on_chosen_coordinates_alone(self):
        """With the same draw: the others stay as they are."""
        _, f = model("tanh", init_scale=3)
        noise = torch.randn(X.shape, dtype=torch.float64, generator=seeded(5))
        for (first, end), mask in {(2, None): [0, 0, 1, 1, 1, 1], (1, 3): [0, 1, 1, 0, 0, 0]}.items():
            moved = X + 3 * noise * torch.tensor(mask)
            expected = float((f(moved).argmax(1) == Y).double().mean())
            assert self.taken(f, scales=[3.0], coordinates=[first, end]) == [expected]
            shaped = self.taken(
                lambda x: f(x.flatten(1)), scales=[3.0], coordinates=[first, end], x=X.reshape(-1, 2, 3)
            )
            assert shaped == [expected]

    def test_the_coordinates_are_in_the_names(self):
        given = [{"name": "noise_accuracy", "scales": [0.5], "coordinates": each} for each in ([2, None], [1, 3])]
        probes = TypeAdapter(tuple[Probe, ...]).validate_python(given)
        names = [metric for probe in probes for metric in probe.metrics]
        assert names == ["test_noise_accuracy_0.5_from_2", "test_noise_accuracy_0.5_from_1_to_3"]
        with pytest.raises(ValidationError, match=r"\[3, 3\] is not allowed: the second should be larger"):
            TypeAdapter(Probe).validate_python(given[0] | {"coordinates": [3, 3]})

    @pytest.mark.parametrize("coordinates", [[64, None], [0, 65]])
    def test_there_must_be_such_coordinates(self, coordinates: list[int | None]):
        probe = {"name": "noise_accuracy", "coordinates": coordinates}
        with pytest.raises(ValidationError, match="coordinates: an example of data digits has 64"):
            TrialConfig.model_validate(TINY | {"probes": [probe]})

    def test_of_a_threshold_is_known(self):
        """f says class 0 where x_1 > 0. At x_1 = 1 it errs where the noise is below -1 / s: the chance is Phi(-1 / s),
        0.1587 at s = 1 and 0.3085 at s = 2 (tables of the normal distribution). With 10,000 points, four standard
        deviations are below 0.02: one seed in 10,000 fails by luck, and this one is fixed.
        """
        x, y = torch.ones(10_000, 1, dtype=torch.float64), torch.zeros(10_000, dtype=torch.long)
        (probe,) = TypeAdapter(tuple[Probe, ...]).validate_python([{"name": "noise_accuracy", "scales": [1.0, 2.0]}])
        values = probe.measure(seen(lambda x: torch.cat([x, -x], 1), x=x, y=y))
        assert float(values["test_noise_accuracy_1.0"]) == pytest.approx(1 - 0.1587, abs=0.02)
        assert float(values["test_noise_accuracy_2.0"]) == pytest.approx(1 - 0.3085, abs=0.02)
