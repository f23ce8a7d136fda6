"""A machine that is about to go: trials save a snapshot, go on while they can, and come out the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from metadata_server import MetadataServer, metadata_server
from small_blocks import block, collect, curves, ended, long_trial, looking

from grokgrid.engine import Engine, InlineEngine
from grokgrid.engine.notices import ask_for_snapshots
from trainables.records import Snapshot, WorkFolder

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    with metadata_server() as server:
        yield server


@pytest.fixture
def watcher(metadata: MetadataServer) -> Iterator[subprocess.Popen[str]]:
    """As cluster.yaml starts it on every worker node."""
    command = [sys.executable, "-m", "grokgrid.engine.notices", "--metadata", metadata.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watcher:
        yield watcher
        watcher.kill()


def snapshot_of_the_long_trial(storage: Path) -> Snapshot | None:
    return WorkFolder(storage, long_trial().key).latest()


def assert_it_goes_on_as_if_nothing_had_been(engine: Engine, storage: Path, long_curves: list[dict[str, str]]) -> None:
    snapshot = snapshot_of_the_long_trial(storage)
    assert snapshot is not None and snapshot.summary().end is None, "the long trial is too short for this test"
    collect(engine, ended(long_trial()))
    assert curves(storage, long_trial()) == long_curves
    latest = snapshot_of_the_long_trial(storage)
    assert latest is not None
    assert [segment.from_steps for segment in latest.summary().segments] == [0], "nobody had to take it up again"


def test_in_this_process_the_signal_asks_for_a_snapshot(tmp_path: Path, long_curves: list[dict[str, str]]):
    with InlineEngine() as engine:
        engine.submit(block("long", tmp_path, long_trial(), checkpoint_every_s=600))
        collect(engine, looking(long_trial()))
        assert snapshot_of_the_long_trial(tmp_path) is None
        os.kill(os.getpid(), signal.SIGUSR1)
        engine.poll(0)
        assert_it_goes_on_as_if_nothing_had_been(engine, tmp_path, long_curves)


@pytest.mark.slow
@LINUX
@pytest.mark.ray
def test_a_spot_notice_has_workers_save(
    new_ray_engine: Callable[[], Engine],
    metadata: MetadataServer,
    watcher: subprocess.Popen[str],
    tmp_path: Path,
):
    with new_ray_engine() as engine:
        deadline = time.monotonic() + 90
        while not metadata.num_asked:
            assert watcher.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        engine.submit(block("long", tmp_path, long_trial(num_evaluations=100_000), checkpoint_every_s=600))
        collect(engine, looking(long_trial(num_evaluations=100_000)))
        assert snapshot_of_the_long_trial(tmp_path) is None
        metadata.is_going = True
        collect(engine, lambda _: snapshot_of_the_long_trial(tmp_path) is not None, timeout_s=90)
    assert watcher.poll() is None, "it asks again, for as long as there is a machine"


@pytest.mark.slow
@LINUX
@pytest.mark.ray
def test_asked_at_once_workers_save_and_go_on(
    new_ray_engine: Callable[[], Engine], tmp_path: Path, long_curves: list[dict[str, str]]
):
    with new_ray_engine() as engine:
        engine.submit(block("long", tmp_path, long_trial(), checkpoint_every_s=600))
        collect(engine, looking(long_trial()))
        assert ask_for_snapshots()
        collect(engine, lambda _: snapshot_of_the_long_trial(tmp_path) is not None, timeout_s=90)
        assert_it_goes_on_as_if_nothing_had_been(engine, tmp_path, long_curves)


@LINUX
def test_only_who_waits_for_the_signal_gets_it():
    """It would end any other process. Both of these go by the name of a worker."""
    wait = "import time; print('ready', flush=True); time.sleep(60)"
    handles = f"import signal; signal.signal(signal.SIGUSR1, lambda *_: print('asked', flush=True)); {wait}"
    started = []
    for code in (wait, handles):
        command = ["ray::_Worker.step", "-c", code]
        started.append(subprocess.Popen(command, executable=sys.executable, stdout=subprocess.PIPE, text=True))
    deaf, waiting = started
    try:
        for each in started:
            assert each.stdout is not None and each.stdout.readline() == "ready\n"
        assert waiting.pid in ask_for_snapshots()
        assert waiting.stdout is not None and waiting.stdout.readline() == "asked\n"
        assert deaf.poll() is None
    finally:
        for each in started:
            each.kill()
            each.communicate()
