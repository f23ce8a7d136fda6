"""White noise, FGSM, PGD and transfer: against foolbox, against closed forms, and where gradients are masked.

foolbox is an independent implementation of the same attacks. It returns the last point of a run, and knows nothing of
examples that were fooled on the way, so that it is compared with `run` and with the columns of the last point.
"""

import os
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from attacked import (
    assert_same_rows,
    assessment,
    at_size,
    digits,
    learned,
    metrics,
    network,
    seen,
    sorted_rows,
    trained,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.assessments._balls import Ball, distances, norms, steepest, uniform
from trainables.assessments._curves import Found, attacked
from trainables.assessments._pgd import run
from trainables.assessments.base import AssessedNetwork, AssessmentInput
from trainables.data.load import load
from trainables.datasets.mnist import Mnist
from trainables.validation import ValidationErrors

ATTACKS = ("fgsm", "pgd", "transfer")
ALL = ("white_noise", *ATTACKS)
SIZES = (0.03, 0.1, 0.2)


def with_source(**settings: Any) -> AssessmentInput:
    return seen(trained(0), source=trained(1), **settings)


def by_foolbox(attack: str, at: AssessmentInput, size: float, **settings: Any) -> Tensor:
    """The points that an attack of foolbox ends at."""
    with warnings.catch_warnings():
        # It imports from a namespace that SciPy is about to remove.
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox

    class Module(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return at.network(x)

    model = foolbox.PyTorchModel(Module().eval(), bounds=(0, 1), device="cpu")
    points = getattr(foolbox.attacks, attack)(**settings).run(
        model, at.x, foolbox.criteria.Misclassification(at.y), epsilon=size
    )
    assert isinstance(points, Tensor)
    return points


def mnist() -> AssessmentInput:
    """200 test images, and a network that was trained on 2,000 others."""
    if "GROKGRID_DATA" not in os.environ:
        pytest.skip("GROKGRID_DATA does not say where the MNIST files are")
    data = load(Mnist(num_train=2000, num_test=200), torch.float64, torch.device("cpu"))
    x_train, x_test = ((0.1307 + 0.3081 * x).clamp(0, 1) for x in (data.x_train, data.x_test))
    f = learned(x_train, data.y_train, num_outputs=10, seed=0, steps=60)
    return seen(network(f, 10), x_test, data.y_test)


@pytest.fixture(scope="module", params=["digits", "mnist"])
def at(request: pytest.FixtureRequest) -> AssessmentInput:
    return seen(trained(0), num=200) if request.param == "digits" else mnist()


class TestAgainstFoolbox:
    @pytest.mark.parametrize("size", [0.02, 0.1, 0.3])
    def test_fgsm(self, at: AssessmentInput, size: float):
        points = by_foolbox("LinfFastGradientAttack", at, size)
        rows = at_size(assessment("fgsm", sizes=[size]).assess(at), size)
        clean = at.network(at.x).argmax(1) == at.y
        theirs = (at.network(points).argmax(1) != at.y)[clean].numpy()
        assert 0 < theirs.sum()
        np.testing.assert_array_equal(rows["is_fooled"][clean], theirs)
        far = distances(points, at.x, "l2")[clean].numpy()
        np.testing.assert_allclose(rows["distance_l2"][clean][theirs], far[theirs], rtol=1e-9)

    @pytest.mark.parametrize(
        ("norm", "attack", "size"),
        [("linf", "LinfProjectedGradientDescentAttack", 0.1), ("l2", "L2ProjectedGradientDescentAttack", 0.6)],
    )
    @pytest.mark.parametrize("step", [{"step_size": 1 / 255}, {"relative_step": 0.1}, {}], ids=str)
    def test_pgd(self, at: AssessmentInput, norm: str, attack: str, size: float, step: dict[str, float]):
        pgd = assessment("pgd", norm=norm, sizes=[size], steps=20, random_start=False, **step)
        length = step.get("step_size", step.get("relative_step", 2.5 / 20) * size)
        points = by_foolbox(attack, at, size, steps=20, abs_stepsize=length, random_start=False)
        torch.testing.assert_close(run(at.network, at, Ball(norm, size), pgd, 0).last, points, rtol=0, atol=1e-9)

        clean = (at.network(at.x).argmax(1) == at.y).numpy()
        rows = at_size(pgd.assess(at), size)
        theirs = (at.network(points).argmax(1) != at.y).numpy()
        np.testing.assert_array_equal(rows["is_fooled_late"][clean], theirs[clean])
        assert (rows["is_fooled"] >= theirs)[clean].all()

    def test_zero_gradients_leave_a_point_where_it_is(self):
        at = seen(network(lambda x: 0 * x.flatten(1)[:, :10] + torch.arange(10.0, dtype=x.dtype), 10))
        for norm in ("linf", "l2"):
            pgd = assessment("pgd", norm=norm, sizes=[0.5], random_start=False)
            assert torch.equal(run(at.network, at, Ball(norm, 0.5), pgd, 0).last, at.x)


class TestWhiteNoise:
    def noisy(self, x: Tensor, *sizes: float) -> list[Tensor]:
        """The inputs that a network gets at each size."""
        inputs = []

        def f(x: Tensor) -> Tensor:
            inputs.append(x)
            return x.flatten(1)[:, :10]

        assessment("white_noise", sizes=sizes).assess(seen(network(f, 10), x, torch.zeros(len(x), dtype=torch.int64)))
        return inputs[1:]

    def test_is_gaussian_of_the_given_standard_deviation(self):
        # 0.5 is ten standard deviations from 0 and from 1, so that nothing is clipped. The seed is fixed.
        x = torch.full((50, 1, 10, 20), 0.5, dtype=torch.float64)
        for size, noisy in zip((0.02, 0.05), self.noisy(x, 0.02, 0.05), strict=True):
            draws = ((noisy - x) / size).flatten().numpy()
            assert scipy.stats.kstest(draws, "norm").pvalue > 0.01
            assert draws.mean() == pytest.approx(0, abs=4 / 100)
            assert draws.std() == pytest.approx(1, abs=4 / 141)

    def test_is_drawn_anew_for_each_example_and_size(self):
        x = torch.full((2, 1, 100, 100), 0.5, dtype=torch.float64)
        draws = [(noisy - x).flatten(1) for noisy in self.noisy(x, 0.02, 0.05)]
        each = torch.corrcoef(torch.cat(draws))
        assert (each - torch.eye(4)).abs().max() < 5 / 100  # five standard errors

    def test_is_clipped(self):
        (noisy,) = self.noisy(digits()[0][:50], 0.5)
        assert noisy.min() == 0 and noisy.max() == 1

    def test_may_fool_at_one_size_and_not_at_a_larger_one(self):
        rows = assessment("white_noise", sizes=[0.3, 0.31]).assess(seen(trained(0), num=200))
        small, large = (at_size(rows, size)["is_fooled"] for size in (0.3, 0.31))
        assert (small & ~large).any()

    def test_distance_is_that_of_the_noise_where_it_fools(self):
        rows = assessment("white_noise", sizes=[0.3]).assess(seen(trained(0), num=200))
        clean, noisy = at_size(rows, 0), at_size(rows, 0.3)
        assert clean["is_fooled"].any()
        np.testing.assert_array_equal(np.isnan(noisy["distance"]), ~noisy["is_fooled"])
        both = clean["is_fooled"] & noisy["is_fooled"]
        assert (noisy["distance"][both] == 0).all()
        # Of 64 pixels, some of which are clipped.
        assert (noisy["distance"][noisy["is_fooled"] & ~both] < 0.3 * 8 * 1.3).all()


class TestLinear:
    """f(x) = w'x + b > 0 for class 1. The boundary is |f| / |w|_1 away in l-inf, and |f| / |w|_2 in l2 (Hölder's
    inequality). Pixels start at 0.4 to 0.6, so that sizes up to 0.4 meet no bound of pixels.
    """

    @given(seed=st.integers(0, 10_000), size=st.floats(0.001, 0.4), random_start=st.booleans())
    @settings(deadline=None, max_examples=40)
    @pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
    def test_pgd_fools_whatever_is_nearer_than_the_size(
        self, norm: str, dual: int, seed: int, size: float, random_start: bool
    ):
        rng = torch.Generator().manual_seed(seed)
        w, b = torch.randn(12, dtype=torch.float64, generator=rng), 0.1 * torch.randn((), generator=rng).double()
        x = 0.4 + 0.2 * torch.rand(20, 12, dtype=torch.float64, generator=rng)
        w = w - w.mean()  # So that f(x) is not far from 0.
        f = x @ w + b
        y = (f > 0).long()
        near = (f.abs() / torch.linalg.vector_norm(w, dual)).numpy()
        at = seen(network(lambda x: (x @ w + b)[:, None], 1), x, y)
        # Ten sizes long: each step shortens a random start's part along the boundary by a fifth, once it is at the rim.
        found = assessment("pgd", norm=norm, sizes=[size], random_start=random_start, relative_step=0.25).assess(at)
        rows = at_size(found, size)
        clear = np.abs(near / size - 1) > 1e-4
        np.testing.assert_array_equal(rows["is_fooled"][clear], (near < size)[clear])
        fooled = rows["is_fooled"]
        assert (rows["distance"][fooled] >= near[fooled] * (1 - 1e-9)).all()

    def test_short_steps_from_the_clean_example_measure_its_distance(self):
        """As Hoffman et al. (2019, Appendix F) measure fooling distances: too long by less than a step."""
        rng = torch.Generator().manual_seed(0)
        w = torch.randn(12, dtype=torch.float64, generator=rng)
        x = 0.4 + 0.2 * torch.rand(50, 12, dtype=torch.float64, generator=rng)
        w, y = w - w.mean(), torch.zeros(50, dtype=torch.int64)
        f = x @ w - 0.3
        at = seen(network(lambda x: (x @ w - 0.3)[:, None], 1), x, y)
        pgd = assessment("pgd", sizes=["32/255"], step_size="1/255", random_start=False)
        rows = at_size(pgd.assess(at), 32 / 255)
        near = (-f / w.abs().sum()).clamp(min=0).numpy()
        fooled = near < 32 / 255
        np.testing.assert_array_equal(rows["is_fooled"], fooled)
        assert 5 < fooled.sum()
        beyond = (rows["distance"] - near)[fooled & (near > 0)]
        assert (beyond >= -1e-9).all() and (beyond <= 1 / 255 + 1e-9).all()
        assert (rows["distance"][near == 0] == 0).all()


@pytest.mark.parametrize("name", ALL)
class TestTheTable:
    def test_has_a_row_for_each_example_and_size_clean_ones_first(self, name: str):
        at = with_source(num=40)
        rows = assessment(name, sizes=SIZES).assess(at)
        np.testing.assert_array_equal(rows["size"], np.repeat([0, *SIZES], 40))
        np.testing.assert_array_equal(rows["example"], np.tile(np.arange(40), 4))
        np.testing.assert_array_equal(rows["label"], np.tile(at.y, 4))
        clean = at_size(rows, 0)
        np.testing.assert_array_equal(clean["prediction"], at.network(at.x).argmax(1))
        np.testing.assert_array_equal(rows["is_fooled"], rows["prediction"] != rows["label"])
        np.testing.assert_array_equal(np.isnan(clean["distance"]), ~clean["is_fooled"])
        assert (clean["distance"][clean["is_fooled"]] == 0).all()
        assert all(values.dtype.kind in "biuf" for values in rows.values())

    def test_its_accuracies_are_the_metrics(self, name: str):
        chosen = assessment(name, sizes=SIZES)
        rows = chosen.assess(with_source())
        found = chosen.summarise(rows)
        assert list(found)[:4] == ["accuracy_at_0", "accuracy_at_0.03", "accuracy_at_0.1", "accuracy_at_0.2"]
        for size in (0, *SIZES):
            assert found[f"accuracy_at_{size}"] == np.mean(~at_size(rows, size)["is_fooled"])

    def test_does_not_depend_on_batches_nor_on_their_order(self, name: str):
        chosen = assessment(name, sizes=SIZES)
        at = with_source(num=50)
        shuffled = torch.randperm(50, generator=torch.Generator().manual_seed(0))
        parts = [
            chosen.assess(replace(at, x=at.x[part], y=at.y[part], examples=at.examples[part]))
            for part in shuffled.split(7)
        ]
        assert_same_rows(sorted_rows(*parts), sorted_rows(chosen.assess(at)))

    def test_is_the_seeds(self, name: str):
        chosen = assessment(name, sizes=[0.1])
        one, again, other = (chosen.assess(with_source(num=200, seed=seed)) for seed in (1, 1, 2))
        assert_same_rows(one, again)
        # FGSM draws nothing.
        assert (name == "fgsm") == all(np.array_equal(one[column], other[column], equal_nan=True) for column in one)

    def test_is_of_one_output_too(self, name: str):
        at = seen(trained(0, 1), source=trained(1, 1), num=60)
        found = metrics(at, name, sizes=[0.05, 0.5])
        assert found["accuracy_at_0"] > 0.95
        assert found["accuracy_at_0.5"] < 0.5 or name == "white_noise"

    def test_leaves_no_gradients_and_no_graphs(self, name: str):
        w = torch.randn(10, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        of = network(lambda x: x.flatten(1) @ w.T, 10)
        at = seen(of, source=of)
        rows = assessment(name, sizes=[0.1]).assess(at)
        assert w.grad is None and not at.x.requires_grad
        assert rows["is_fooled"].any()

    def test_of_what_are_no_pixels_is_an_error_of_ours(self, name: str):
        at = with_source()
        with pytest.raises(AssertionError, match="outside"):
            assessment(name, sizes=[0.1]).assess(replace(at, x=at.x - 0.5))

    def test_needs_pixels_and_classes(self, name: str):
        chosen = type(assessment(name, sizes=[0.1]))
        assert chosen.needs_pixels and "regression" not in chosen.serves
        assert chosen.needs_source == (name == "transfer")


@pytest.mark.parametrize(
    ("name", "settings"),
    [("fgsm", {})]
    + [
        (name, settings)
        for name in ("pgd", "transfer")
        for settings in ({}, {"norm": "l2", "sizes": (0.3, 0.6, 1.0)}, {"restarts": 3})
    ],
)
def test_who_is_fooled_stays_so_at_larger_sizes_at_the_first_distance(name: str, settings: dict[str, Any]):
    chosen = assessment(name, **{"sizes": SIZES} | settings)
    rows = chosen.assess(with_source(num=100))
    sizes = (0.0, *chosen.sizes)
    for smaller, larger in zip(sizes[:-1], sizes[1:], strict=True):
        small, large = at_size(rows, smaller), at_size(rows, larger)
        fooled = small["is_fooled"]
        assert large["is_fooled"][fooled].all() and fooled.sum() < large["is_fooled"].sum()
        for column in ("distance", "distance_l2", "prediction"):
            np.testing.assert_array_equal(large[column][fooled], small[column][fooled])
        # Censored: neither 0 nor the size.
        np.testing.assert_array_equal(np.isnan(large["distance"]), ~large["is_fooled"])
        newly = large["is_fooled"] & ~fooled
        assert (large["distance"][newly] <= larger * (1 + 1e-5)).all()


class TestRuns:
    def test_more_restarts_fool_more(self):
        few, many = (metrics(with_source(num=400), "pgd", sizes=[0.1], steps=5, restarts=n) for n in (1, 8))
        assert many["accuracy_at_0.1"] < few["accuracy_at_0.1"]
        assert many["late_accuracy_at_0.1"] == few["late_accuracy_at_0.1"]

    def test_early_is_after_a_quarter_of_the_steps_and_late_after_all(self):
        at = seen(trained(0), num=200)
        steps = {"sizes": [0.1], "relative_step": 0.1}
        whole = metrics(at, "pgd", steps=20, **steps)
        quarter = metrics(at, "pgd", steps=5, **steps)
        assert whole["early_accuracy_at_0.1"] == quarter["late_accuracy_at_0.1"] > whole["late_accuracy_at_0.1"]

    def test_one_step_is_early_and_late(self):
        found = metrics(seen(trained(0)), "pgd", sizes=[0.1], steps=1)
        assert found["early_accuracy_at_0.1"] == found["late_accuracy_at_0.1"] >= found["accuracy_at_0.1"]

    def test_early_and_late_are_as_before_where_nothing_is_attacked(self):
        rows = assessment("pgd", sizes=[0.1, 0.2]).assess(seen(trained(0), num=100))
        before, now = (at_size(rows, size) for size in (0.1, 0.2))
        for flag in ("early", "late"):
            assert now[f"is_fooled_{flag}"][before["is_fooled"]].all()

    def test_start_anew_at_each_size_and_restart(self):
        at = seen(trained(0))
        pgd = assessment("pgd", sizes=[0.1, 0.2], steps=1, relative_step=1e-9)
        inside = torch.full_like(at.x, 0.5)
        starts = [
            (run(at.network, replace(at, x=inside), Ball("linf", size), pgd, restart).last - inside) / size
            for size, restart in ((0.1, 0), (0.2, 0), (0.1, 1))
        ]
        each = torch.corrcoef(torch.stack([start.flatten() for start in starts]))
        assert (each - torch.eye(3)).abs().max() < 5 / 62  # five standard errors of 3,840 draws

    def test_pixels_saturate(self):
        at = seen(trained(0), num=100)
        pgd = assessment("pgd", norm="l2", sizes=[1.0], saturation=0.05)
        last = run(at.network, at, Ball("l2", 1.0, 0.05), pgd, 0).last
        assert distances(last, at.x, "linf").max() == pytest.approx(0.05)
        free = metrics(at, "pgd", norm="l2", sizes=[1.0])
        assert free["accuracy_at_1"] < metrics(at, "pgd", norm="l2", sizes=[1.0], saturation=0.05)["accuracy_at_1"]
        bound = metrics(at, "pgd", sizes=[0.05, 0.2], saturation=0.05)
        assert bound["accuracy_at_0.2"] == pytest.approx(bound["accuracy_at_0.05"], abs=0.03)

    def test_transfer_tries_points_of_the_other_network_on_this_one(self):
        at = with_source(num=100)
        transfer = assessment("transfer", sizes=[0.1])
        rows = at_size(transfer.assess(at), 0.1)
        clean = (at.network(at.x).argmax(1) == at.y).numpy()
        points = run(trained(1), at, Ball("linf", 0.1), transfer, 0).last
        theirs = (at.network(points).argmax(1) != at.y).numpy()
        np.testing.assert_array_equal(rows["is_fooled"], theirs | ~clean)

    def test_transfer_from_the_network_itself_is_its_own_attack(self):
        at = seen(trained(0), source=trained(0), num=100)
        own, transferred = (metrics(at, name, sizes=[0.1]) for name in ("pgd", "transfer"))
        assert transferred["accuracy_at_0.1"] == own["late_accuracy_at_0.1"]

    def test_a_network_that_gives_no_numbers_is_assessed(self):
        of = network(lambda x: x.flatten(1)[:, :10] * torch.nan, 10)
        found = metrics(seen(of), "pgd", sizes=[0.1])
        assert 0 <= found["accuracy_at_0.1"] <= found["accuracy_at_0"]


class TestMaskedGradients:
    """Three signs, none of which an ordinary network shows (Athalye et al. 2018, section 3.1; Carlini et al. 2019):
    white noise fools more than PGD does, examples of another network fool more, or fewer steps fool more.
    """

    SIZE = 0.15

    def figures(self, of: AssessedNetwork) -> dict[str, float]:
        at = seen(of, source=trained(1, dtype=of.dtype), num=400)
        pgd = metrics(at, "pgd", sizes=[self.SIZE])
        others = {name: metrics(at, name, sizes=[self.SIZE]) for name in ("white_noise", "transfer", "fgsm")}
        found = {"pgd": pgd[f"accuracy_at_{self.SIZE}"]}
        found |= {flag: pgd[f"{flag}_accuracy_at_{self.SIZE}"] for flag in ("early", "late")}
        return found | {name: each[f"accuracy_at_{self.SIZE}"] for name, each in others.items()}

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_an_ordinary_network_shows_none(self, dtype: torch.dtype):
        found = self.figures(trained(0, dtype=dtype))
        assert found["pgd"] < found["fgsm"] < found["white_noise"]
        assert found["pgd"] < found["transfer"]
        assert found["late"] < found["early"]

    def test_rounded_inputs_show_in_noise_and_in_transfer(self):
        """Their gradient is 0 almost everywhere, so that PGD stays where it starts."""
        of = trained(0)
        found = self.figures(replace(of, outputs=lambda x: of((4 * x).round() / 4)))
        assert found["white_noise"] < found["pgd"]
        assert found["transfer"] < found["pgd"]

    @pytest.mark.parametrize("scale", [1e4, 1e6])
    def test_scaled_logits_show_in_transfer(self, scale: float):
        """In float32 the softmax is 1 for the label, and the gradient of the cross-entropy 0."""
        of = trained(0, dtype=torch.float32)
        found = self.figures(replace(of, outputs=lambda x: scale * of(x)))
        assert found["transfer"] < found["pgd"]
        ordinary = self.figures(of)
        assert found["white_noise"] == ordinary["white_noise"] and found["transfer"] == ordinary["transfer"]
        assert found["pgd"] > ordinary["pgd"] + 0.3

    def test_a_loss_that_rises_beyond_the_misclassified_shows_in_fewer_steps(self):
        """One pixel t and three classes, with probabilities in proportion to 1 (the label), A and B. With t, A + B and
        so the loss rises, up to 1.98 at t = 1. But A is above 1 between t = 0.55 and 0.63 alone; from 0.68 on, A = B.
        """

        def f(x: Tensor) -> Tensor:
            t = x[:, 0]
            both = 1.23 + torch.where(t < 0.6, 5 * (t - 0.6), 0.75 * (t - 0.6) / 0.4)
            share = (0.5 * (t - 0.6) / 0.08).clamp(1e-6, 0.5)
            return torch.stack([torch.zeros_like(t), ((1 - share) * both).log(), (share * both).log()], dim=1)

        x = torch.full((20, 1), 0.5, dtype=torch.float64)
        at = seen(network(f, 3), x, torch.zeros(20, dtype=torch.int64))
        found = metrics(at, "pgd", sizes=[0.5], step_size=0.0125, steps=40, random_start=False)
        assert found["early_accuracy_at_0.5"] == 0 < found["late_accuracy_at_0.5"] == 1
        assert found["accuracy_at_0.5"] == 0, "it passed where it is misclassified"


class TestBalls:
    @given(
        seed=st.integers(0, 10_000),
        norm=st.sampled_from(["linf", "l2"]),
        size=st.floats(1e-4, 2.0),
        saturation=st.none() | st.floats(1e-3, 1.0),
        dtype=st.sampled_from([torch.float32, torch.float64]),
    )
    @settings(deadline=None)
    def test_projection_ends_inside_and_keeps_what_is_there(self, seed, norm, size, saturation, dtype):
        rng = torch.Generator().manual_seed(seed)
        x = torch.rand(5, 1, 4, 4, dtype=dtype, generator=rng).round(decimals=1)
        ball = Ball(norm, size, saturation)
        point = ball.project(x + 2 * size * torch.randn(x.shape, dtype=dtype, generator=rng), x)
        assert ball.contains(point, x).all()
        torch.testing.assert_close(ball.project(point, x), point, rtol=1e-5, atol=1e-6)
        assert torch.equal(ball.project(x, x), x)

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    def test_start_is_uniform(self, norm: str):
        """In dimension 2 of the l2 ball, the share within radius r is r squared; l-inf has r squared as well."""
        rng = torch.Generator().manual_seed(0)
        points = torch.stack([uniform(torch.Size([2]), torch.float64, norm, rng) for _ in range(4000)])
        assert scipy.stats.kstest(norms(points, norm).flatten().numpy() ** 2, "uniform").pvalue > 0.01
        angle = torch.atan2(points[:, 0], points[:, 1]).numpy() / (2 * np.pi) + 0.5
        assert norm == "linf" or scipy.stats.kstest(angle, "uniform").pvalue > 0.01

    @pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
    def test_direction_does_not_depend_on_the_gradients_length(self, scale: float):
        gradient = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
        for norm in ("linf", "l2"):
            direction = steepest(scale * gradient, norm)
            torch.testing.assert_close(direction, steepest(gradient, norm))
            torch.testing.assert_close(norms(direction, norm), torch.ones(3, 1))

    def test_directions_of_what_is_no_number_are_numbers(self):
        gradient = torch.tensor([[torch.nan, 1.0], [torch.inf, 1.0], [0.0, 0.0]])
        for norm in ("linf", "l2"):
            assert steepest(gradient, norm).isfinite().all()

    def test_an_attack_that_leaves_its_ball_is_an_error_of_ours(self):
        at = seen(trained(0))
        with pytest.raises(AssertionError, match="left its ball"):
            attacked(at, (0.1,), "linf", lambda at, ball: Found((at.x + 0.2).clamp(0, 1)))
        with pytest.raises(AssertionError, match="left its ball"):
            attacked(at, (0.1,), "linf", lambda at, ball: Found(at.x - 0.05))

    def test_only_what_the_network_misclassifies_counts(self):
        at = seen(trained(0))
        rows = attacked(at, (0.1,), "linf", lambda at, ball: Found(at.x))
        assert (at_size(rows, 0.1)["is_fooled"] == at_size(rows, 0)["is_fooled"]).all()


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "settings", "told"),
        [
            ("fgsm", {"sizes": []}, "sizes"),
            ("fgsm", {"sizes": [0.0, 0.1]}, "greater than 0"),
            ("fgsm", {"sizes": [0.2, 0.1]}, "should be larger than the one before it"),
            ("fgsm", {"sizes": [0.1, 0.1000001]}, "both would be the metric accuracy_at_0.1"),
            ("pgd", {"sizes": [0.1], "step_size": 0.01, "relative_step": 0.1}, "one of the two"),
            ("pgd", {"sizes": [0.1], "restarts": 2, "random_start": False}, "restarts need random_start"),
            ("transfer", {"sizes": [0.1], "norm": "l1"}, "norm"),
        ],
    )
    def test_wrong_ones_are_named(self, name: str, settings: dict[str, Any], told: str):
        with pytest.raises(ValueError) as error:
            assessment(name, **settings)
        assert told in str(error.value)

    def test_sizes_may_be_fractions(self):
        assert assessment("fgsm", sizes=["8/255", 0.1]).metrics[1] == "accuracy_at_0.03137"

    def test_the_steps_together_are_two_and_a_half_sizes_long(self):
        assert assessment("pgd", sizes=[0.1], steps=50).step_at(0.1) == pytest.approx(2.5 * 0.1 / 50)
        assert assessment("pgd", sizes=[0.1], relative_step=0.25).step_at(0.4) == 0.1
        assert assessment("pgd", sizes=[0.1], step_size="1/255").step_at(0.4) == 1 / 255


class TestPlugins:
    SOURCE = """
import torch


def confidence(at, *, scale=1.0):
    p = torch.softmax(scale * at.network(at.x), dim=1)
    at.x.zero_()
    return {"confidence": p.amax(1)}


def several(at):
    x = at.x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(at.network(x).sum(), x)
    return {"slope": gradient.flatten(1).norm(dim=1), "drawn": at.draw("one", lambda g: torch.rand((), generator=g))}


def short(at):
    return {"value": torch.zeros(3)}


def none(at):
    return 3


def taken(at):
    return {"example": at.y}
"""

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "own_assessments.py"
        path.write_text(self.SOURCE)
        return path

    def test_its_metric_is_the_mean_of_its_column(self, file):
        at = seen(trained(0))
        chosen = assessment(f"{file}:confidence", scale=2.0)
        rows = chosen.assess(at)
        expected = torch.softmax(2 * at.network(at.x), dim=1).amax(1)
        np.testing.assert_allclose(rows["confidence"], expected)
        np.testing.assert_array_equal(rows["example"], np.arange(60))
        assert chosen.summarise(rows) == {"mean": pytest.approx(float(expected.mean()))}
        assert chosen.metrics == ("mean",) and chosen.title == "confidence"

    def test_metrics_are_the_columns_that_it_gives(self, file):
        chosen = assessment(f"{file}:several", gives=["slope"], label="steepness")
        rows = chosen.assess(seen(trained(0)))
        assert list(rows) == ["example", "slope", "drawn"] and chosen.title == "steepness"
        assert chosen.summarise(rows) == {"slope": rows["slope"].mean()} and chosen.metrics == ("slope",)

    @pytest.mark.parametrize(
        ("name", "settings", "told"),
        [
            ("several", {}, "should return a dict of one column"),
            ("several", {"gives": ["height"]}, "among them those in `gives`, height"),
            ("short", {}, "a value for each of 60 examples, it returned 3"),
            ("none", {}, "dict of columns"),
            ("taken", {}, "column example"),
        ],
    )
    def test_what_is_wrong_with_it_is_said(self, file, name: str, settings: dict[str, Any], told: str):
        chosen = assessment(f"{file}:{name}", **settings)
        with pytest.raises(ValidationErrors) as error:
            chosen.assess(seen(trained(0)))
        assert told in str(error.value)

    @pytest.mark.parametrize("gives", [["slope", "slope"], ["example"], ["a" * 300]])
    def test_names_are_checked(self, file, gives: list[str]):
        with pytest.raises(ValueError):
            assessment(f"{file}:several", gives=gives)
