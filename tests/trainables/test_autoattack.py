"""AutoAttack: that it is called as its authors call it, that only what counts is counted, that nothing else notices."""

import sys
from typing import Any

import numpy as np
import pyautoattack
import pytest
import torch
from attacked import assert_same_rows, assessment, at_size, metrics, network, seen, trained
from torch import Tensor

from trainables.assessments._autoattack import image_shape, logits, seed_at, unnoticed
from trainables.assessments._balls import Ball, distances
from trainables.assessments.autoattack import STANDARD
from trainables.assessments.base import AssessmentInput
from trainables.configuration import decisive
from trainables.validation import ValidationErrors

QUICK = ("apgd-ce", "fab-t")
FLOAT = torch.float32


def theirs(at: AssessmentInput, size: float, norm: str = "linf", **settings: Any) -> Tensor:
    """What pyautoattack returns when it is called as its README says, on the examples that are not misclassified."""
    ball = Ball("linf" if norm == "linf" else "l2", size)
    right = at.network(at.x).argmax(1) == at.y
    with unnoticed():
        made = pyautoattack.AutoAttack(
            logits(at.network, at.x.shape[1:]),
            norm={"linf": "Linf", "l2": "L2"}[norm],
            eps=size,
            seed=seed_at(at.seed, ball, int(at.examples[0])),
            **settings,
        )
        made.verbose = False
        points = at.x.float().clone()
        points[right], _ = made.run_standard_evaluation(points[right], at.y[right], batch_size=len(points))
    return points


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "size"), [("linf", 0.1), ("l2", 0.5)])
def test_the_standard_version_is_pyautoattacks_own(norm: str, size: float):
    at = seen(trained(0, dtype=FLOAT), num=25)
    points = theirs(at, size, norm, version="standard")
    fooled = (at.network(points).argmax(1) != at.y).numpy()
    rows = at_size(assessment("autoattack", sizes=[size], norm=norm).assess(at), size)
    assert 3 < fooled.sum() < 25
    np.testing.assert_array_equal(rows["is_fooled"], fooled)
    np.testing.assert_array_equal(rows["prediction"], at.network(points).argmax(1))
    clean = (at.network(at.x).argmax(1) != at.y).numpy()
    np.testing.assert_array_equal(rows["distance"][fooled], distances(points, at.x, norm).numpy()[fooled])
    assert (rows["distance"][clean] == 0).all() and np.isnan(rows["distance"][~fooled]).all()


def test_named_parts_run_as_in_the_standard_version():
    """pyautoattack itself gives apgd-ce, which takes 100 steps, five restarts as soon as it is named."""
    calls = []
    of = trained(0, dtype=FLOAT)

    def f(x: Tensor) -> Tensor:
        calls.append(len(x))
        return of(x)

    at = seen(network(f, 10, FLOAT), num=40)

    def steps() -> int:
        num = len(calls)
        calls.clear()
        return num // 100

    rows = assessment("autoattack", sizes=[0.05], parts=["apgd-ce"]).assess(at)
    assert not rows["is_fooled"].all() and steps() == 1
    again = at_size(assessment("autoattack", sizes=[0.05], parts=["apgd-ce"], restarts=5).assess(at), 0.05)
    assert steps() == 5
    points = theirs(at, 0.05, version="custom", attacks=["apgd-ce"])
    assert steps() == 5
    np.testing.assert_array_equal(again["is_fooled"], (of(points).argmax(1) != at.y).numpy())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fools_at_least_as_many_as_pgd(norm: str):
    at = seen(trained(0, 4, FLOAT), num=60)
    sizes = {"linf": [0.1, 0.2], "l2": [0.5, 1.0]}[norm]
    auto = metrics(at, "autoattack", norm=norm, sizes=sizes, parts=["apgd-ce", "apgd-t", "fab-t"])
    pgd = metrics(at, "pgd", norm=norm, sizes=sizes)
    clean, small, large = (f"accuracy_at_{size:g}" for size in (0, *sizes))
    assert auto[small] <= pgd[small] and auto[large] <= pgd[large]
    assert auto[large] < auto[small] < auto[clean]


def test_nothing_else_notices(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    """It seeds global generators, ends tracing, and has warnings of a network whose outputs are probabilities."""
    of = trained(0, dtype=FLOAT)
    at = seen(network(lambda x: of(x).softmax(1), 10, FLOAT), num=10)
    before, tracing = torch.get_rng_state(), sys.gettrace()

    def trace(*_: object) -> None:
        return None

    sys.settrace(trace)
    try:
        assessment("autoattack", sizes=[0.1], parts=QUICK).assess(at)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(tracing)
    assert torch.equal(torch.get_rng_state(), before)
    assert capfd.readouterr() == ("", "") and not caplog.records


def test_is_the_seeds_and_the_batchs():
    chosen = assessment("autoattack", sizes=[0.1], parts=["apgd-ce"])
    of = trained(0, dtype=FLOAT)
    one = chosen.assess(seen(of, seed=1))
    torch.manual_seed(99)
    assert_same_rows(chosen.assess(seen(of, seed=1)), one)
    other = chosen.assess(seen(of, seed=2))
    later = chosen.assess(seen(of, seed=1, numbers=torch.arange(60) + 5))
    for differs in (other, later):
        assert not np.array_equal(differs["distance_l2"], one["distance_l2"], equal_nan=True)


def test_the_size_of_batches_is_part_of_the_key():
    assert "batch_size" in decisive(assessment("autoattack", sizes=[0.1], batch_size=50))
    assert "batch_size" not in decisive(assessment("pgd", sizes=[0.1], batch_size=50))


@pytest.mark.parametrize("norm", ["linf", pytest.param("l2", marks=pytest.mark.slow)])
def test_one_output_f_becomes_the_two_outputs_0_and_f(norm: str):
    """f(x) = w'x + b, whose distances are known (see TestLinear in test_attacks.py)."""
    rng = torch.Generator().manual_seed(0)
    w = torch.randn(36, generator=rng)
    w = w - w.mean()
    x = 0.4 + 0.2 * torch.rand(40, 1, 6, 6, generator=rng)
    f = x.flatten(1) @ w
    near = (f.abs() / torch.linalg.vector_norm(w, 1 if norm == "linf" else 2)).numpy()
    size = float(np.median(near))
    at = seen(network(lambda x: (x.flatten(1) @ w)[:, None], 1, FLOAT), x, (f > 0).long())
    parts = ["apgd-ce", "fab", "fab-t", "square"]
    rows = at_size(assessment("autoattack", norm=norm, sizes=[size], parts=parts).assess(at), size)
    clear = np.abs(near / size - 1) > 1e-3
    np.testing.assert_array_equal(rows["is_fooled"][clear], (near < size)[clear])


@pytest.mark.parametrize("part", ["apgd-ce", "apgd-dlr", "fab", "fab-t", "square"])
def test_three_classes_are_enough_for_most_parts(part: str):
    at = seen(trained(0, 3, FLOAT), num=30)
    found = metrics(at, "autoattack", sizes=[0.4], parts=[part])
    assert found["accuracy_at_0.4"] < 0.5 < found["accuracy_at_0"]


def test_a_float64_network_gets_float64_and_decides_what_counts():
    asked = []
    of = trained(0)

    def f(x: Tensor) -> Tensor:
        asked.append(x.dtype)
        return of(x)

    at = seen(network(f, 10), num=30)
    chosen = assessment("autoattack", sizes=[0.1], parts=QUICK)
    found = chosen.summarise(chosen.assess(at))
    assert set(asked) == {torch.float64} and chosen.computes_in == "float32"
    assert found["accuracy_at_0.1"] <= metrics(at, "pgd", sizes=[0.1])["accuracy_at_0.1"]


@pytest.mark.parametrize("what", ["outside of the ball", "outside of [0, 1]", "classified right", "no numbers"])
def test_what_it_returns_is_checked(what: str, monkeypatch: pytest.MonkeyPatch):
    at = seen(trained(0, dtype=FLOAT), num=30)

    def run(self: Any, x: Tensor, y: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
        wrong = {
            "outside of the ball": 1 - x,
            "outside of [0, 1]": x - 0.05,
            "classified right": x,
            "no numbers": x * torch.nan,
        }
        return wrong[what], y

    monkeypatch.setattr(pyautoattack.AutoAttack, "run_standard_evaluation", run)
    rows = assessment("autoattack", sizes=[0.1]).assess(at)
    np.testing.assert_array_equal(at_size(rows, 0.1)["is_fooled"], at_size(rows, 0)["is_fooled"])


def test_a_network_whose_outputs_are_its_inputs_is_attacked_as_any_other():
    """square writes into the outputs."""
    x = 0.4 + 0.2 * torch.rand(30, 1, 1, 10, generator=torch.Generator().manual_seed(0))
    at = seen(network(lambda x: x.flatten(1), 10, FLOAT), x, x.flatten(1).argmax(1))
    top = x.flatten(1).topk(2).values
    size = 0.03
    rows = at_size(assessment("autoattack", sizes=[size], parts=["square"]).assess(at), size)
    # The two largest pixels approach each other by the size each. Not all are found, for square draws at random.
    possible = (top[:, 0] - top[:, 1] < 2 * size).numpy()
    assert not (rows["is_fooled"] & ~possible).any()
    assert rows["is_fooled"].sum() > 0.8 * possible.sum()


class TestPartsThatNeedMoreClasses:
    def unfit(self, num_outputs: int, **settings: Any) -> str | None:
        task = "binary" if num_outputs == 1 else "classification"
        chosen = assessment("autoattack", sizes=[0.1], **settings)
        told: str | None = chosen.unfit(task=task, num_outputs=num_outputs, dtype="float32")
        return told

    def test_are_named_with_what_is_allowed(self):
        told = self.unfit(1)
        assert told is not None and "apgd-t needs 4 classes; there are 2" in told
        assert told.endswith("any of apgd-ce, fab, fab-t, square")
        both = self.unfit(2, parts=["square", "apgd-dlr", "apgd-t"])
        assert both is not None and "apgd-dlr needs 3 classes and apgd-t needs 4 classes" in both

    @pytest.mark.parametrize(("num_outputs", "parts"), [(3, ["apgd-dlr"]), (4, STANDARD), (1, QUICK), (2, ["square"])])
    def test_others_are_not(self, num_outputs: int, parts: list[str]):
        assert self.unfit(num_outputs, parts=parts) is None

    def test_four_classes_are_enough_for_all(self):
        at = seen(trained(0, 4, FLOAT), num=20)
        assert metrics(at, "autoattack", sizes=[0.4], parts=["apgd-t"])["accuracy_at_0.4"] < 0.5


class TestShapes:
    @pytest.mark.parametrize(
        ("shape", "image"),
        [((5, 3, 8, 9), (5, 3, 8, 9)), ((5, 8, 9), (5, 1, 8, 9)), ((5, 7), (5, 1, 1, 7))],
    )
    def test_everything_is_an_image(self, shape: tuple[int, ...], image: tuple[int, ...]):
        assert image_shape(torch.Size(shape)) == image

    def test_flat_examples_are_attacked(self):
        of = trained(0, dtype=FLOAT)
        x, y = (each[:20] for each in (seen(of).x.flatten(1), seen(of).y))
        found = metrics(seen(of, x, y), "autoattack", sizes=[0.2])
        assert found["accuracy_at_0.2"] < 0.3

    def test_square_in_l2_needs_images(self):
        of = trained(0, dtype=FLOAT)
        at = seen(of, seen(of).x.flatten(1), seen(of).y)
        with pytest.raises(ValidationErrors, match="square attacks images of at least 5 x 5 pixels in l2"):
            assessment("autoattack", norm="l2", sizes=[0.2], parts=["square"]).assess(at)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"parts": ["apgd-ce", "apgd-ce"]}, "apgd-ce is listed 2 times"),
        ({"parts": ["apgd"]}, "parts"),
        ({"parts": []}, "parts"),
        ({"version": "plus"}, "version"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], told: str):
    with pytest.raises(ValueError) as error:
        assessment("autoattack", sizes=[0.1], **settings)
    assert told in str(error.value)
