"""Snapshots are complete or not there, whoever is killed, whenever."""

import itertools
import json
import math
import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import pytest
from tiny_trials import latest, run, run_for, tiny_trial

from trainables.records import End, Evaluation, Segment, Snapshot, Summary, WorkFolder
from trainables.run import _read_curves, _write_curves

SEGMENT = Segment(
    from_steps=0,
    host="h",
    device="cpu",
    device_name="c",
    num_threads=1,
    share=1.0,
    torch_version="t",
    python_version="p",
)


def summary(**changes) -> Summary:
    values = {"fine": 0.1 + 0.2, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}
    fields = {
        "key": "k",
        "seed": 3,
        "steps": 12,
        "epochs": 4 / 3,
        "seconds": 1e-9,
        "wall_seconds": 7.5,
        "end": End.DIVERGED,
        "goal": "m > 0.85",
        "diverged_at": 11,
        "low": values,
        "high": values,
        "last": values,
        "final": {},
        "segments": (SEGMENT, SEGMENT),
    }
    return Summary.model_validate(fields | changes)


def test_a_summary_survives_the_file_with_what_is_not_finite(tmp_path: Path):
    written = summary()
    Snapshot(tmp_path).write_summary(written)
    read = Snapshot(tmp_path).summary()
    assert math.isnan(read.last["nan"]) and read.last["inf"] == math.inf and read.last["-inf"] == -math.inf
    assert read.last["fine"] == 0.1 + 0.2 and read.epochs == 4 / 3 and read.end is End.DIVERGED
    assert read.model_dump_json() == written.model_dump_json()
    # Python's own reader takes it too.
    assert math.isnan(json.loads((tmp_path / "summary.json").read_text())["last"]["nan"])


def test_curves_survive_the_file_with_blanks_and_what_is_not_finite(tmp_path: Path):
    evaluations = [
        Evaluation(1, 1 / 3, 1e-9, {"a": 0.1 + 0.2, "b": math.inf}),
        Evaluation(5, 5 / 3, 0.25, {"a": -math.inf}),
        Evaluation(9, 3.0, 1e300, {"b": 5e-324}),
        Evaluation(11, 11 / 3, 2e300, {}),
    ]
    _write_curves(Snapshot(tmp_path), ("a", "b"), evaluations)
    assert _read_curves(Snapshot(tmp_path)) == evaluations
    lines = Snapshot(tmp_path).curves_path.read_text().splitlines()
    assert lines[0] == "steps,epochs,seconds,a,b" and lines[3] == "9,3.0,1e+300,,5e-324"

    _write_curves(Snapshot(tmp_path), ("a",), [Evaluation(1, 1.0, 1.0, {"a": math.nan})])
    assert math.isnan(_read_curves(Snapshot(tmp_path))[0].values["a"])


class TestFolder:
    def test_is_empty_at_first(self, tmp_path: Path):
        folder = WorkFolder(tmp_path, "k")
        assert (folder.latest(), folder.failure()) == (None, None)
        folder.remove()
        folder.clear_failure()
        assert list(tmp_path.iterdir()) == []

    def test_the_largest_number_of_steps_is_the_latest(self, tmp_path: Path):
        folder = WorkFolder(tmp_path, "k")
        for steps in (9, 10, 123456789, 1234567890):
            written = folder.write(steps, lambda snapshot, at=steps: snapshot.write_summary(summary(steps=at)))
            assert folder.latest() == written

    def test_a_writer_that_fails_leaves_the_earlier_snapshot_and_nothing_else(self, tmp_path: Path):
        folder = WorkFolder(tmp_path, "k")
        before = folder.write(1, lambda snapshot: snapshot.write_summary(summary(steps=1)))

        def fail(snapshot: Snapshot) -> None:
            snapshot.curves_path.write_text("half")
            raise OSError("No space left on device")

        with pytest.raises(OSError, match="No space left"):
            folder.write(2, fail)
        assert folder.latest() == before
        assert list(folder.path.iterdir()) == [before.path]

    def test_the_second_snapshot_after_the_same_step_is_the_latest(self, tmp_path: Path):
        """As when a study asks for less, and its trials turn out to be over where they are."""
        folder = WorkFolder(tmp_path, "k")
        for end in (None, End.BUDGET, End.GOAL):
            folder.write(7, lambda snapshot, end=end: snapshot.write_summary(summary(steps=7, end=end)))
            after = folder.latest()
            assert after is not None and after.summary().end is end
        assert [snapshot.path.name for snapshot in folder.snapshots()] == ["at-000000007-2", "at-000000007-3"]

    def test_the_latest_two_snapshots_stay(self, tmp_path: Path):
        folder = WorkFolder(tmp_path, "k")
        for steps in (1, 2, 3, 4):
            folder.write(steps, lambda snapshot, at=steps: snapshot.write_summary(summary(steps=at)))
        assert [snapshot.steps for snapshot in folder.snapshots()] == [3, 4]

    def test_others_may_read_it(self, tmp_path: Path):
        mask = os.umask(0o022)
        try:
            written = WorkFolder(tmp_path, "k").write(1, lambda snapshot: snapshot.write_summary(summary()))
        finally:
            os.umask(mask)
        assert stat.S_IMODE(written.path.stat().st_mode) == 0o755

    def test_failures_are_kept_until_cleared(self, tmp_path: Path):
        folder = WorkFolder(tmp_path, "k")
        folder.write_failure("first")
        folder.write_failure("Traceback: é")
        assert folder.failure() == "Traceback: é"
        assert folder.latest() is None
        folder.clear_failure()
        assert folder.failure() is None

    def test_remove_removes_everything(self, tmp_path: Path):
        folder = WorkFolder(tmp_path, "k")
        folder.write(1, lambda snapshot: snapshot.write_summary(summary()))
        folder.write_failure("log")
        folder.remove()
        assert list(tmp_path.iterdir()) == []


SIZE = 300_000


def write_for_ever(root: Path) -> None:
    """Snapshot after snapshot, each file in many small writes, now and then twice after the same step."""
    folder = WorkFolder(root, "k")
    found = folder.latest()
    steps = found.summary().steps if found is not None else 0

    def fill(snapshot: Snapshot) -> None:
        for path in (snapshot.config_path, snapshot.curves_path, snapshot.state_path):
            with path.open("wb", buffering=0) as file:
                for _ in range(30):
                    file.write(SIZE // 30 * str(steps % 10).encode())
        snapshot.write_summary(summary(steps=steps))

    while True:
        steps += 1
        folder.write(steps, fill)
        folder.write(steps, fill)


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_snapshot_or_none(tmp_path: Path):
    """Killed after 0, 1, 2… ms until many are through; each time the latest snapshot is whole and none older."""
    folder = WorkFolder(tmp_path, "k")
    fork = multiprocessing.get_context("fork")
    seen = [0]
    attempts = itertools.count()
    while (attempt := next(attempts)) < 40 or seen[-1] <= 20:
        writer = fork.Process(target=write_for_ever, args=(tmp_path,))
        writer.start()
        time.sleep(attempt / 1000)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        snapshot = folder.latest()
        if snapshot is None:
            assert seen == [0]
            continue
        steps = snapshot.summary().steps
        assert snapshot.steps == steps
        for path in (snapshot.config_path, snapshot.curves_path, snapshot.state_path):
            assert path.read_bytes() == SIZE * str(steps % 10).encode()
        seen.append(steps)
    assert seen == sorted(seen)


def test_what_killed_writers_left_is_swept_up(tmp_path: Path):
    """A `.writing-` folder that nobody has touched for a day is nobody's."""
    trial = tiny_trial()
    run_for(trial, tmp_path, 1)
    folder = WorkFolder(tmp_path, trial.key)
    old, new = folder.path / ".writing-old", folder.path / ".writing-new"
    for path in (old, new):
        path.mkdir()
        (path / "state.safetensors").write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    run(trial, tmp_path)
    assert [path.name for path in folder.path.glob(".*")] == [".writing-new"]


def test_a_snapshot_is_what_its_docstring_lists(tmp_path: Path):
    trial = tiny_trial()
    run(trial, tmp_path)
    names = {path.name for path in latest(trial, tmp_path).path.iterdir()}
    assert names == {"config.yaml", "curves.csv", "summary.json", "state.safetensors", "SHA256SUMS"}
