"""A trial interrupted anywhere and continued equals the uninterrupted one: the same bits, on a CPU."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_trials import (
    ARMS,
    assert_same_bits,
    curves,
    kept,
    run,
    run_for,
    state,
    summary,
    tables,
    tiny_trial,
    without_seconds,
)

from trainables.records import Evaluation, Summary, WorkFolder
from trainables.run import How, WorkRun
from trainables.trial import Trial

_UNINTERRUPTED: dict[str, tuple[Trial, Path, list[Evaluation]]] = {}


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trials")


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("uninterrupted")
    _UNINTERRUPTED.clear()


def uninterrupted(arm: str, wholes: Path) -> tuple[Trial, Path, list[Evaluation]]:
    if arm not in _UNINTERRUPTED:
        trial = tiny_trial(seed=2, **ARMS[arm])
        _UNINTERRUPTED[arm] = trial, wholes, run(trial, wholes)
    return _UNINTERRUPTED[arm]


def comparable(summary: Summary) -> dict:
    return summary.model_dump(exclude={"seconds", "wall_seconds", "segments"})


def assert_equals_uninterrupted(arm: str, root: Path, wholes: Path) -> None:
    trial, whole, _ = uninterrupted(arm, wholes)
    assert_same_bits(state(trial, root), state(trial, whole))
    assert curves(trial, root) == curves(trial, whole)
    assert kept(trial, root) == kept(trial, whole)
    assert tables(trial, root) == tables(trial, whole)
    assert comparable(summary(trial, root)) == comparable(summary(trial, whole))


@pytest.mark.parametrize("arm", ARMS)
def test_two_runs_are_the_same_bits(arm: str, root: Path, wholes: Path):
    trial, _, evaluations = uninterrupted(arm, wholes)
    assert len(evaluations) >= 5
    assert without_seconds(run(trial, root)) == without_seconds(evaluations)
    assert_equals_uninterrupted(arm, root, wholes)


@pytest.mark.parametrize("arm", ARMS)
def test_interrupted_once_at_any_evaluation(arm: str, tmp_path: Path, wholes: Path):
    trial, _, evaluations = uninterrupted(arm, wholes)
    for at in range(1, len(evaluations)):
        root = tmp_path / str(at)
        run_for(trial, root, at)
        before = summary(trial, root)
        assert before.end is None and before.steps == evaluations[at - 1].steps
        assert without_seconds(run(trial, root)) == without_seconds(evaluations[at:])
        assert_equals_uninterrupted(arm, root, wholes)
        after = summary(trial, root)
        assert [segment.from_steps for segment in after.segments] == [0, before.steps]
        assert after.seconds > before.seconds and (before.seconds > 0) == (before.steps > 0)
        assert after.wall_seconds > before.wall_seconds > 0


@pytest.mark.parametrize("arm", ARMS)
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_interrupted_again_and_again(arm: str, tmp_path_factory: pytest.TempPathFactory, wholes: Path, data):
    trial, _, evaluations = uninterrupted(arm, wholes)
    stretches = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=6))
    root = tmp_path_factory.mktemp("again")
    for stretch in stretches:
        run_for(trial, root, stretch)
    run(trial, root)
    assert_equals_uninterrupted(arm, root, wholes)


@pytest.mark.parametrize(
    "arm", ["everything", "probes_seldom", "evaluations_from_zero", "probes_with_state_and_tables"]
)
def test_periodic_snapshots_and_a_worker_that_vanishes(arm: str, root: Path, wholes: Path):
    """What it left on storage, here a copy made while it ran, is continued; evaluations after it are taken again,
    alike.
    """
    trial, _, evaluations = uninterrupted(arm, wholes)
    running = WorkRun(trial, WorkFolder(root / "its", trial.key), How(checkpoint_every_s=0.0))
    for _ in range(3):
        next(running)
    left = shutil.copytree(root / "its", root / "left")
    assert summary(trial, left).steps == evaluations[2].steps
    assert without_seconds(run(trial, left)) == without_seconds(evaluations[3:])
    assert_equals_uninterrupted(arm, left, wholes)


def test_no_periodic_snapshot_before_it_is_due(root: Path):
    trial = tiny_trial()
    folder = WorkFolder(root, trial.key)
    running = WorkRun(trial, folder, How(checkpoint_every_s=3600.0))
    next(running)
    assert folder.latest() is None
    running.close()
    assert folder.latest() is not None


def test_a_snapshot_that_is_asked_for_is_saved_at_once(root: Path, wholes: Path):
    trial, _, evaluations = uninterrupted("everything", wholes)
    folder = WorkFolder(root, trial.key)
    asked = iter([False, True])
    running = WorkRun(trial, folder, How(checkpoint_every_s=3600.0, snapshot_asked=lambda: next(asked, False)))
    next(running)
    assert folder.latest() is None
    next(running)
    assert summary(trial, root).steps == evaluations[1].steps
    list(running)
    assert_equals_uninterrupted("everything", root, wholes)


def test_the_latest_snapshot_stays_and_the_one_before_it(root: Path):
    trial = tiny_trial()
    folder = WorkFolder(root, trial.key)
    seen = []
    for evaluation in WorkRun(trial, folder, How(checkpoint_every_s=0.0)):
        seen.append(evaluation.steps)
        assert [int(path.name[3:]) for path in sorted(folder.path.iterdir())] == seen[-2:]


def test_a_finished_trial_yields_nothing_and_is_not_touched(root: Path):
    trial = tiny_trial()
    run(trial, root)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}
    assert run(trial, root) == []
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()} == before


def test_an_iterator_that_was_never_started_leaves_nothing(root: Path):
    trial = tiny_trial()
    WorkRun(trial, WorkFolder(root, trial.key)).close()
    assert list(root.iterdir()) == []


def test_probes_keep_their_own_schedules_across_interruptions(root: Path, wholes: Path):
    trial, _, evaluations = uninterrupted("probes_seldom", wholes)
    for number, evaluation in enumerate(evaluations):
        assert ("test_accuracy" in evaluation.values) == (number % 2 == 0)
        assert ("test_jacobian_norm_mean" in evaluation.values) == (number % 2 == 0)
        assert ("train_centroid_alignment_mean" in evaluation.values) == (number % 3 == 0)
        assert "train_accuracy" in evaluation.values
    assert summary(trial, wholes).final.keys() == set(trial.config.metrics)
