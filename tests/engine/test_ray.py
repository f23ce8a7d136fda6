"""What is particular to Ray: its workers, their loss, and its own end."""

import os
import platform
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_blocks import block, collect, curves, ended, long_trial, looking, of, trial

from grokgrid.engine import Block, Engine, Evaluated, Finished, Lost, OutOfMemory
from trainables.records import WorkFolder

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, set[int]]]:
    """Block -> process ids of the workers that have reported on it, as Tune's results hold them."""
    from grokgrid.engine import ray

    workers: dict[str, set[int]] = defaultdict(set)
    pass_on = ray._Courier.on_trial_result

    def note(self: Any, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
        workers[trial.config["block"].id].add(result["pid"])
        pass_on(self, iteration, trials, trial, result, **info)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray._Courier, "on_trial_result", note)
        yield workers


@pytest.fixture(scope="module")
def engine(new_ray_engine: Callable[[], Engine], workers: dict[str, set[int]]) -> Iterator[Engine]:
    """An engine whose workers have not started when the first test begins."""
    with new_ray_engine() as engine:
        yield engine


@pytest.mark.slow
def test_short_blocks_use_all_slots(engine: Engine, workers: dict[str, set[int]], tmp_path: Path) -> None:
    trials = [trial(seed) for seed in range(40)]
    for number, one in enumerate(trials):
        engine.submit(block(f"short-{number}", tmp_path, one))
    collect(engine, ended(*trials))
    used = [frozenset(workers[f"short-{number}"]) for number in range(40)]
    assert all(len(pids) == 1 for pids in used)
    assert len(set(used)) == engine.num_slots == 2
    # The first worker goes on while the second starts, which takes it seconds; it must still come up and do its part.

    # These trials are over, so that all that takes time is the engine.
    for number, one in enumerate(trials):
        engine.submit(block(f"over-{number}", tmp_path, one))
    collect(engine, ended(*trials))
    counts = [sum(pid in workers[f"over-{number}"] for number in range(40)) for pid in set.union(*map(set, used))]
    assert min(counts) >= 10, counts


@pytest.mark.slow
def test_a_lost_workers_block_goes_on_from_its_snapshots(
    engine: Engine, workers: dict[str, set[int]], tmp_path: Path, long_curves: list[dict[str, str]]
) -> None:
    trials = [trial(1), long_trial(), trial(2)]
    engine.submit(block("robbed", tmp_path, *trials, checkpoint_every_s=0.1))
    folder = WorkFolder(tmp_path, long_trial().key)
    events = collect(engine, lambda _: folder.latest() is not None)
    (pid,) = workers["robbed"]
    os.kill(pid, signal.SIGKILL)
    events += collect(engine, lambda more: ended(*trials)(events + more))

    for one in trials:
        assert [type(event) for event in of(one, events)].count(Finished) == 1
        steps = [event.evaluation.steps for event in of(one, events) if isinstance(event, Evaluated)]
        assert steps == sorted(set(steps))
    latest = folder.latest()
    assert latest is not None
    first, second = latest.summary().segments
    assert first.from_steps == 0 < second.from_steps, "the long trial is too short for this test"
    assert curves(tmp_path, long_trial()) == long_curves


@pytest.mark.slow
def test_a_worker_lost_without_work_costs_nothing(engine: Engine, workers: dict[str, set[int]], tmp_path: Path) -> None:
    engine.submit(block("before", tmp_path, trial(0)))
    collect(engine, ended(trial(0)))
    (pid,) = workers["before"]
    os.kill(pid, signal.SIGKILL)
    trials = [trial(seed) for seed in (1, 2, 3)]
    for one in trials:
        engine.submit(block(f"after-{one.seed}", tmp_path, one))
    events = collect(engine, ended(*trials))
    assert sum(isinstance(event, Finished) for event in events) == 3


def test_when_retries_are_spent_what_is_left_is_lost(
    engine: Engine, workers: dict[str, set[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grokgrid.engine.ray.MAX_LOST_WORKERS", 0)
    done, running, waiting = trial(1), long_trial(), trial(2)
    engine.submit(block("doomed", tmp_path, done, running, waiting))
    events = collect(engine, looking(running))
    (pid,) = workers["doomed"]
    os.kill(pid, signal.SIGKILL)
    events += collect(engine, lambda more: ended(done, running, waiting)(events + more))
    assert isinstance(of(done, events)[-1], Finished)
    for one in (running, waiting):
        lost = of(one, events)[-1]
        assert isinstance(lost, Lost) and "died" in lost.reason


def test_a_worker_that_the_kernel_kills_for_memory_is_not_lost(
    engine: Engine, workers: dict[str, set[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's count of such kills is made up: no test can make this machine short of memory."""
    running, waiting = long_trial(), trial(1)
    engine.submit(block("hungry", tmp_path, running, waiting))
    events = collect(engine, looking(running))
    (pid,) = workers["hungry"]
    monkeypatch.setattr("grokgrid.engine.ray.num_killed_for_memory", lambda: 1_000_000)
    os.kill(pid, signal.SIGKILL)
    events += collect(engine, lambda more: ended(waiting)(events + more))
    assert isinstance(of(running, events)[-1], OutOfMemory)
    assert isinstance(of(waiting, events)[-1], Finished)


def test_a_block_without_room_for_a_worker_waits_for_one_without_work(
    new_ray_engine: Callable[[], Engine], workers: dict[str, set[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grokgrid.engine.ray import RayEngine

    monkeypatch.setattr("grokgrid.engine.ray.PATIENCE_S", 0.5)
    trials = [trial(0), trial(1)]
    with RayEngine(num_cpus_per_trial=9, num_slots=2) as engine:  # Of 16.
        for one in trials:
            engine.submit(block(f"crowded-{one.seed}", tmp_path, one))
        collect(engine, ended(*trials))
    assert len(workers["crowded-0"] | workers["crowded-1"]) == 1


def test_a_failure_of_tune_itself_is_raised_by_poll(new_ray_engine: Callable[[], Engine], tmp_path: Path) -> None:
    with new_ray_engine() as engine:
        # Tune copies what the searcher suggests; a lock cannot be copied.
        engine.submit(replace(block("not to be copied", tmp_path, trial(0)), storage=threading.Lock()))  # type: ignore[arg-type]
        for _ in range(2):
            with pytest.raises(RuntimeError, match="Tune broke down"):
                collect(engine, ended(trial(0)))


def test_a_worker_has_the_standard_librarys_platform(new_ray_engine: Callable[[], Engine]) -> None:
    import ray

    @ray.remote
    def where() -> tuple[str, str]:
        import platform

        import grokgrid

        return platform.__file__, grokgrid.__file__

    found, grokgrid = ray.get(where.remote())
    assert found == platform.__file__
    assert grokgrid.endswith("platform/grokgrid/__init__.py")


def test_what_does_not_fit_is_refused(new_ray_engine: Callable[[], Engine], engine: Engine, tmp_path: Path) -> None:
    from grokgrid.engine.ray import RayEngine

    with pytest.raises(ValueError, match="no room for a trial.* 0.5 GPUs"):
        RayEngine(num_gpus_per_trial=0.5)
    with pytest.raises(ValueError, match="'cuda'.* no GPU"):
        engine.submit(Block(id="cuda", work=(trial(0),), storage=tmp_path, device="cuda"))
