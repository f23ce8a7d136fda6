"""The sentences of Walker et al., of imagined trials with which each agrees, differs and is inconclusive."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from imagined_curves import Curve, Curves, jump, results_with, study_with

from grokgrid.analyses import make_report
from search_spaces.analyses import Statement
from search_spaces.library import walker_statements as walker

ACCURACY, NOISY = "test_accuracy", "test_noise_accuracy_0.6"
NORM, ALIGNMENT = "train_centroid_norm_mean", "train_centroid_alignment_mean"
# In the place of those at one training point.
POINT_NORM, POINT_ALIGNMENT = "train_centroid_norm_min", "train_centroid_alignment_min"
PREDICTED, MEASURED = "train_centroid_inner_product_mean", "test_centroid_inner_product_mean"

ORDER = ["agree", "differ", "inconclusive"]
EARLY, LATE, NEVER, EITHER = [101, 91, 111, 71, 151], [501, 401, 601, 301, 701], [2000] * 5, [51, 951, 11, 981, 401]


def around(value: float, spread: float = 0.1) -> list[float]:
    """Five seeds, whose 95% interval is this value ± 0.98 spread."""
    return [value * (1 + spread * each) for each in (-1, -0.5, 0, 0.5, 1)]


def in_order(cases: Sequence[Any]) -> list[tuple[Any, str]]:
    """With what comes of each."""
    return list(zip(cases, ORDER, strict=True))


def jumps(steps: Sequence[float]) -> list[Curve]:
    return [jump(step) for step in steps]


def rise_and_fall(peak: float, end: float) -> list[Curve]:
    """From 1 to a peak at step 501, and from there to the end."""
    return [lambda steps, p=p: np.interp(steps, [1, 501, 991], [1, p, end]) for p in around(peak, 0.05)]


def verdict(statement: Statement, curves: Curves, arms: Mapping[str, Any] | None = None) -> str:
    study = study_with([statement], arms=arms or {arm: {} for arm in curves})
    found = make_report(results_with(study, curves))
    (told,) = found.tables["statements"]["verdict"]
    words = {"agree": "agree with", "differ": "differ from", "inconclusive": "are inconclusive on"}
    assert found.headline.startswith(f"The results {words[told]} “{statement.sentence}” ({statement.source}): ")
    return str(told)


def deviating(share: Sequence[float]) -> Curves:
    """A measured change that reaches 1, and a prediction that is off by a share of it."""
    predicted = [lambda steps, s=s: np.cos(steps) * (1 + s) for s in share]
    return {"standard": {MEASURED: [np.cos] * 5, PREDICTED: predicted}}


@pytest.mark.parametrize(("shares", "told"), in_order([around(0.001), around(0.1), [0.001, 0.03, 0.001, 0.02, 0.001]]))
def test_theorem_6_holds(shares: list[float], told: str):
    statement = walker.theorem_6_holds(predicted=PREDICTED, measured=MEASURED)
    assert verdict(statement, deviating(shares)) == told


@pytest.mark.parametrize(("ends", "told"), in_order([around(2), around(0.5), [0.5, 2, 1.5, 0.7, 1]]))
def test_norms_increase(ends: list[float], told: str):
    assert verdict(walker.norms_increase(), {"standard": {NORM: [(1, end) for end in ends]}}) == told


@pytest.mark.parametrize(("jacobian", "told"), in_order([EARLY, [751, 601, 951, 501, 991], EITHER]))
def test_robustness_comes_sooner(jacobian: list[float], told: str):
    curves = {"weight_decay": {NOISY: jumps(LATE)}, "jacobian": {NOISY: jumps(jacobian)}}
    assert verdict(walker.robustness_comes_sooner(), curves) == told


def test_robustness_that_weight_decay_never_has_comes_sooner():
    curves = {"weight_decay": {NOISY: jumps(NEVER)}, "jacobian": {NOISY: jumps(EARLY)}}
    assert verdict(walker.robustness_comes_sooner(), curves) == "agree"
    assert verdict(walker.robustness_comes_sooner(arm="weight_decay", than="jacobian"), curves) == "differ"


@pytest.mark.parametrize(("clean", "told"), in_order([EARLY, [951] * 4 + [961], EITHER]))
def test_robustness_is_delayed(clean: list[float], told: str):
    curves = {"weight_decay": {ACCURACY: jumps(clean), NOISY: jumps(LATE)}}
    assert verdict(walker.robustness_is_delayed(), curves) == told


@pytest.mark.parametrize(
    ("memorised", "aligned", "told"),
    [
        (EARLY, around(0.12), "agree"),
        ([951] * 4 + [961], around(0.12), "differ"),
        (EARLY, around(0.05), "differ"),
        (EITHER, around(0.12), "inconclusive"),
    ],
)
def test_alignment_rises_after_memorising(memorised: list[float], aligned: list[float], told: str):
    alignments = [
        lambda steps, step=step, top=top: np.where(steps >= step, top, 0.01)
        for step, top in zip(LATE, aligned, strict=True)
    ]
    curves = {"weight_decay": {"train_accuracy": jumps(memorised), POINT_ALIGNMENT: alignments}}
    assert verdict(walker.alignment_rises_after_memorising(alignment=POINT_ALIGNMENT), curves) == told


@pytest.mark.parametrize(
    ("norms", "told"),
    [
        (rise_and_fall(3, 0.2), "agree"),
        (rise_and_fall(3, 2.99), "differ"),
        (rise_and_fall(1.03, 0.5), "differ"),
        ([*rise_and_fall(3, 0.2)[:3], (1, 2.0), (1, 3.0)], "inconclusive"),
    ],
)
def test_norms_rise_and_fall(norms: list[Curve], told: str):
    assert verdict(walker.norms_rise_and_fall(norm=POINT_NORM), {"weight_decay": {POINT_NORM: norms}}) == told


@pytest.mark.parametrize(
    ("minimised", "constrained", "told"),
    [
        (around(0.9, 0.02), around(0.3), "agree"),
        (around(0.9, 0.02), around(0.9, 0.02), "differ"),
        (around(0.4), around(0.3), "differ"),
        ([0.9, 0.2, 0.91, 0.9, 0.9], around(0.3), "inconclusive"),
    ],
)
def test_minimising_generalises(minimised: list[float], constrained: list[float], told: str):
    curves = {"minimised": {ACCURACY: minimised}, "constrained": {ACCURACY: constrained}}
    assert verdict(walker.minimising_generalises(), curves) == told


@pytest.mark.parametrize(
    ("norms", "accuracies", "told"),
    [
        (around(5), around(0.3), "agree"),
        (around(0.5), around(0.3), "differ"),
        (around(5), around(0.9, 0.02), "differ"),
        ([0.5, 2, 0.6, 1.5, 1], around(0.3), "inconclusive"),
    ],
)
def test_norms_are_kept_high(norms: list[float], accuracies: list[float], told: str):
    curves = {"minimised": {NORM: around(1)[::-1]}, "constrained": {NORM: norms, ACCURACY: accuracies}}
    assert verdict(walker.norms_are_kept_high(), curves) == told


@pytest.mark.parametrize(("low", "told"), in_order([around(0.1), around(0.9), [0.1, 0.9, 0.5, 0.4, 0.6]]))
def test_high_norms_prevent_alignment(low: list[float], told: str):
    curves = {"minimised": {ALIGNMENT: around(0.5)[::-1]}, "constrained": {ALIGNMENT: low}}
    assert verdict(walker.high_norms_prevent_alignment(), curves) == told


SCALED = {"standard": {"grid": {"model.init_scale": [0.1, 1.0], "model.output_scale": [0.1, 1.0]}}}
CELLS = [f"standard init_scale={weights} output_scale={output}" for weights in (0.1, 1.0) for output in (0.1, 1.0)]


@pytest.mark.parametrize(
    ("of_seeds", "told"),
    in_order(
        [
            [[4, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2, 1], [4, 3, 1, 2], [3, 4, 2, 1]],
            [[1, 2, 3, 4], [1, 2, 4, 3], [2, 1, 3, 4], [1, 2, 3, 4], [1, 3, 2, 4]],
            [[4, 3, 2, 1], [1, 2, 3, 4], [3, 4, 1, 2], [4, 1, 2, 3], [1, 3, 2, 4]],
        ]
    ),
)
def test_small_norms_align(of_seeds: list[list[float]], told: str):
    """of_seeds: of each seed the alignment in each cell, where the norms are 1, 2, 3, 4."""
    curves = {
        cell: {POINT_NORM: [num + 1.0] * 5, POINT_ALIGNMENT: [mine[num] / 10 for mine in of_seeds]}
        for num, cell in enumerate(CELLS)
    }
    statement = walker.small_norms_align(alignment=f"max/{POINT_ALIGNMENT}", initial_norm=POINT_NORM)
    assert verdict(statement, curves, SCALED) == told


@pytest.mark.parametrize(("scaled", "told"), in_order([around(0.9), around(0.1), [0.1, 0.9, 0.5, 0.4, 0.6]]))
def test_output_scaling_aligns_more(scaled: list[float], told: str):
    curves = {cell: {POINT_ALIGNMENT: around(0.5)[::-1]} for cell in CELLS}
    curves["standard init_scale=1.0 output_scale=0.1"] = {POINT_ALIGNMENT: scaled}
    statement = walker.output_scaling_aligns_more(0.1, alignment=f"max/{POINT_ALIGNMENT}")
    assert verdict(statement, curves, SCALED) == told
