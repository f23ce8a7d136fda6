"""A Ray that breaks down under an engine: its processes are killed and stopped, one after the other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from processes import descendants, parents
from small_blocks import block, collect, curves, ended, long_trial, looking, of, trial

from grokgrid.engine import EngineError, EngineGone, Evaluated, Event, Finished, Restarted, Started, supervised
from grokgrid.engine.supervised import SupervisedRay
from trainables.records import WorkFolder

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]


@pytest.fixture
def engine() -> Iterator[SupervisedRay]:
    with SupervisedRay(num_slots=2) as engine:
        yield engine


def child(engine: SupervisedRay) -> int:
    """The process that uses Ray."""
    assert engine._child is not None
    return engine._child._process.pid


def named(name: str, engine: SupervisedRay) -> int:
    (pid,) = (pid for pid, each in names(descendants(child(engine))).items() if each == name)
    return pid


def names(pids: Iterable[int]) -> dict[int, str]:
    """Of those that run."""
    running = parents()
    return {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids if pid in running}


def restarted(num: int) -> Callable[[list[Event]], bool]:
    return lambda events: sum(isinstance(event, Restarted) for event in events) == num


def test_trials_go_on_from_their_snapshots_after_each_breakdown(
    engine: SupervisedRay, tmp_path: Path, long_curves: list[dict[str, str]]
) -> None:
    """Ray's node manager (raylet) dies, then its control service (GCS), then the process that uses them."""
    long, waiting = long_trial(), trial(1)
    engine.submit(block("both", tmp_path, long, waiting, checkpoint_every_s=0))
    events: list[Event] = []
    for number, name in enumerate(("raylet", "gcs_server", None), 1):
        events += collect(engine, looking(long))
        before = descendants(child(engine))
        os.kill(named(name, engine) if name else child(engine), signal.SIGKILL)
        events += collect(engine, restarted(1))
        # Ray may end the process that uses it before that has reported what it sees.
        ends = {"the process that uses it has died", *(["one of its processes has died"] if name else [])}
        assert isinstance(events[-1], Restarted) and events[-1].reason in ends
        assert not names(before), "a worker of the Ray before would write to the same folders"
        assert restarted(number)(events)
    events += collect(engine, lambda more: ended(long, waiting)(events + more))

    for one in (long, waiting):
        kinds = [type(event) for event in of(one, events)]
        assert (kinds.count(Started), kinds.count(Finished)) == (1, 1)
        steps = [event.evaluation.steps for event in of(one, events) if isinstance(event, Evaluated)]
        assert steps == sorted(set(steps))
    latest = WorkFolder(tmp_path, long.key).latest()
    assert latest is not None
    assert len(latest.summary().segments) == 4, "the long trial is too short for this test"
    assert curves(tmp_path, long) == long_curves


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_a_ray_that_hangs_has_broken_down_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "UNHEARD_S", 10.0)
    long = long_trial(num_evaluations=1_000_000)
    with SupervisedRay(num_slots=1) as engine:
        engine.submit(block("long", tmp_path, long, checkpoint_every_s=0.1))
        collect(engine, looking(long))
        os.kill(named(name, engine), signal.SIGSTOP)
        events = collect(engine, restarted(1))
        assert events[-1] == Restarted("it has not answered for 10 seconds")
        collect(engine, looking(long))


def test_a_start_that_fails_is_tried_again(
    engine: SupervisedRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = long_trial(num_evaluations=1_000_000)
    engine.submit(block("long", tmp_path, long, checkpoint_every_s=0.1))
    collect(engine, looking(long))
    monkeypatch.setattr(supervised, "_START_S", 0.01)
    os.kill(named("raylet", engine), signal.SIGKILL)
    events = collect(engine, restarted(2))
    assert events[-1] == Restarted("Ray does not start within 0.01 seconds")
    monkeypatch.undo()
    collect(engine, looking(long))


def test_once_too_often_is_the_end(engine: SupervisedRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_restarts", type(engine._restarts)([time.monotonic()] * 3, maxlen=3))
    engine.submit(block("one", tmp_path, long_trial()))
    collect(engine, looking(long_trial()))
    before = descendants(child(engine))
    os.kill(named("raylet", engine), signal.SIGKILL)
    with pytest.raises(EngineGone, match="broken down 4 times within an hour.*has died.*run the command again"):
        collect(engine, lambda _: False)
    assert not names(before)


def test_breakdowns_of_long_ago_do_not_count(engine: SupervisedRay) -> None:
    engine._restarts.extend([time.monotonic() - supervised.RESTARTS_COUNT_S - 1] * 3)
    os.kill(named("raylet", engine), signal.SIGKILL)
    collect(engine, restarted(1))


def test_what_ray_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no room for a trial.* 0.5 GPUs"):
        SupervisedRay(num_gpus_per_trial=0.5)
    with pytest.raises(EngineError, match="address '127.0.0.1:1': no Ray"):
        SupervisedRay(address="127.0.0.1:1")


def test_sudden_death_of_the_driver_leaves_no_process(tmp_path: Path) -> None:
    script = Path(__file__).with_name("driver_of_supervised_ray.py")
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "looking\n"
        left_behind = descendants(driver.pid)
        assert {"raylet", "gcs_server"} <= set(names(left_behind).values())
        driver.kill()
        until = time.monotonic() + 60
        while names(left_behind) and time.monotonic() < until:
            time.sleep(0.1)
        assert not names(left_behind)
    left = WorkFolder(tmp_path, long_trial().key).latest()
    assert left is not None and left.summary().steps > 0, "its trial had seconds to save a snapshot"
