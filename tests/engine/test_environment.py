"""What is the environment's fault while a trial runs: it waits, goes on, and equals the undisturbed trial."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from small_blocks import block, collect, curves, ended, long_trial, looking, of, trial

from grokgrid.engine import Engine, Evaluated, Event, Failed, Finished, InlineEngine, OutOfMemory, Started, Waits
from trainables.records import Snapshot, WorkFolder
from trainables.trial import Trial, TrialConfig


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.run.RETRIED_EVERY_S", 0.01)
    monkeypatch.setattr("grokgrid.engine.work.RETRIED_EVERY_S", 0.01)


def waiting(num: int) -> Callable[[list[Event]], bool]:
    return lambda events: sum(isinstance(event, Waits) for event in events) >= num


def with_plugin(folder: Path, code: str) -> Trial:
    """A trial with a regulariser that consists of this code."""
    (folder / "part.py").write_text(
        f"import torch\n\n\ndef part(step):\n    {code}\n    return 0 * step.outputs.sum()\n"
    )
    config = trial(0).config.model_dump()
    return Trial(
        config=TrialConfig.model_validate({**config, "regulariser": {"name": f"{folder / 'part.py'}:part"}}), seed=0
    )


@contextmanager
def no_large_files() -> Iterator[None]:
    """The kernel refuses to write on, as it does when a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def gone(storage: Path) -> Iterator[None]:
    """As a mount that was lost."""
    elsewhere = storage.rename(storage.with_name("elsewhere"))
    try:
        yield
    finally:
        elsewhere.rename(storage)


@contextmanager
def no_file_handles() -> Iterator[None]:
    """All that are allowed are taken."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, before[1]))
    try:
        while True:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def failing_write(number: int) -> Callable[[pytest.MonkeyPatch], None]:
    """An error that no test can cause for real."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def write(snapshot: Snapshot, *_: Any) -> None:
            raise OSError(number, os.strerror(number), str(snapshot.summary_path))

        monkeypatch.setattr(Snapshot, "write_summary", write)

    return patch


FAULTS = {
    "disk full": (no_large_files, "File too large"),
    "storage gone": (gone, "No such file or directory"),
    "no file handles": (no_file_handles, "Too many open files"),
}


class TestATrialWaits:
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Path:
        (tmp_path / "storage").mkdir()
        return tmp_path / "storage"

    @pytest.mark.parametrize("fault", FAULTS)
    def test_to_be_saved_at_its_end(self, fault: str, storage: Path, tmp_path: Path):
        make, words = FAULTS[fault]
        with InlineEngine() as engine:
            engine.submit(block("one", storage, trial(0)))
            events = [*engine.poll(0), *engine.poll(0)]
            assert isinstance(events[-1], Evaluated)
            with make(storage) if fault == "storage gone" else make():  # type: ignore[operator]
                events += collect(engine, waiting(3))
            events += collect(engine, ended(trial(0)))
        waits = [event for event in events if isinstance(event, Waits)]
        assert all(words in event.reason and str(storage) in event.reason for event in waits)
        assert isinstance(events[-1], Finished)
        assert [event.evaluation.steps for event in events if isinstance(event, Evaluated)] == [1, 6, 11, 16, 21]
        latest = WorkFolder(storage, trial(0).key).latest()
        assert latest is not None and len(latest.summary().segments) == 1, "it was trained in one go"

    @pytest.mark.parametrize("fault", FAULTS)
    def test_before_it_starts(self, fault: str, storage: Path):
        make, _ = FAULTS[fault]
        with InlineEngine() as engine:
            engine.submit(block("warm", storage, trial(1)))
            collect(engine, ended(trial(1)))
            engine.submit(block("one", storage, trial(0)))
            with make(storage) if fault == "storage gone" else make():  # type: ignore[operator]
                events = collect(engine, waiting(3))
            events += collect(engine, ended(trial(0)))
        assert isinstance(events[0], Started) and isinstance(events[-1], Finished)

    @pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.ENOSPC])
    def test_for_every_error_of_the_system(self, number: int, storage: Path, monkeypatch: pytest.MonkeyPatch):
        with InlineEngine() as engine:
            engine.submit(block("one", storage, trial(0)))
            with monkeypatch.context() as patch:
                failing_write(number)(patch)
                events = collect(engine, waiting(2))
            events += collect(engine, ended(trial(0)))
        assert os.strerror(number) in next(event.reason for event in events if isinstance(event, Waits))
        assert isinstance(events[-1], Finished)

    @pytest.mark.slow
    def test_while_it_trains_it_trains_on(self, storage: Path, long_curves: list[dict[str, str]]):
        long = long_trial()
        with InlineEngine() as engine:
            engine.submit(block("one", storage, long, checkpoint_every_s=0.0))
            events = collect(engine, looking(long))
            with no_large_files():
                events += collect(engine, lambda more: waiting(5)(more) and isinstance(more[-1], Evaluated))
            events += collect(engine, ended(long))
        steps = [event.evaluation.steps for event in events if isinstance(event, Evaluated)]
        assert steps == sorted(set(steps)) and len(steps) == 1000
        assert curves(storage, long) == long_curves

    def test_stopped_meanwhile_it_has_what_was_saved_before(self, storage: Path):
        long = long_trial()
        engine = InlineEngine()
        engine.submit(block("one", storage, long, checkpoint_every_s=0.0))
        collect(engine, looking(long))
        with no_large_files():
            collect(engine, waiting(1))
            engine.close()
        assert WorkFolder(storage, long.key).latest() is not None


@pytest.mark.parametrize("name", ["npz", "mnist"])
def test_data_that_are_gone_are_waited_for(name: str, tmp_path: Path):
    """They were there when the run started, which checks it. Their mount may come back."""
    where = (
        {"path": str(tmp_path / "x.npz"), "digest": f"sha256:{'0' * 64}"} if name == "npz" else {"root": str(tmp_path)}
    )
    # A part that no other test uses: processes share what they have read.
    mine = trial(0, data={"name": name, "num_train": 59_993, **where})
    with InlineEngine() as engine:
        engine.submit(block("one", tmp_path, mine))
        events = collect(engine, waiting(2))
    assert isinstance(events[-1], Waits) and str(tmp_path) in events[-1].reason


def test_what_a_part_of_ones_own_opens_is_its_own_affair(tmp_path: Path):
    mine = with_plugin(tmp_path, "__import__('pathlib').Path('/dev/full').write_text('x')")
    with InlineEngine() as engine:
        engine.submit(block("one", tmp_path, mine))
        events = collect(engine, ended(mine))
    assert [type(event) for event in events] == [Started, Failed]
    assert isinstance(events[-1], Failed) and "No space left on device" in events[-1].log


@pytest.mark.slow
def test_a_lack_of_memory_is_not_yet_a_failure(engine: Engine, tmp_path: Path):
    mine = with_plugin(tmp_path, "torch.empty(2**60)")
    engine.submit(block("two", tmp_path, mine, trial(1)))
    events = collect(engine, lambda events: any(isinstance(e, OutOfMemory) for e in events) and ended(trial(1))(events))
    assert isinstance(of(mine, events)[-1], OutOfMemory)
    assert isinstance(of(trial(1), events)[-1], Finished)
