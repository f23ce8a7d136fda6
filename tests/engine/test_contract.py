"""What every engine promises, tried on each, with both kinds of work."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_blocks import KINDS, Kind, block, collect, curves, ended, looking, of, trial

from grokgrid.engine import Engine, Evaluated, Failed, Finished, Lost, Started
from trainables.records import WorkFolder


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def test_work_starts_evaluations_come_in_order_and_it_finishes(engine: Engine, kind: Kind, tmp_path: Path) -> None:
    work = [kind.item(tmp_path, seed) for seed in range(3)]
    engine.submit(block("two", tmp_path, *work[:2]))
    engine.submit(block("one", tmp_path, work[2]))
    events = collect(engine, ended(*work))
    for one in work:
        started, *looked, finished = of(one, events)
        assert started == Started(one.key)
        assert [evaluation.evaluation.steps for evaluation in looked] == list(kind.steps)
        assert [str(evaluation.evaluation.steps) for evaluation in looked] == [
            row["steps"] for row in curves(tmp_path, one)
        ]
        assert finished == Finished(one.key)
        latest = WorkFolder(tmp_path, one.key).latest()
        assert latest is not None and latest.summary().end == "budget"


def test_failing_work_leaves_its_block_mates_alone(engine: Engine, kind: Kind, tmp_path: Path) -> None:
    before, failing, after = kind.item(tmp_path, 0), kind.failing(tmp_path), kind.item(tmp_path, 1)
    engine.submit(block("with a failure", tmp_path, before, failing, after))
    events = collect(engine, ended(before, failing, after))
    assert isinstance(of(before, events)[-1], Finished)
    assert isinstance(of(after, events)[-1], Finished)
    started, failed = of(failing, events)
    assert isinstance(started, Started) and isinstance(failed, Failed)
    assert "Traceback" in failed.log and "DataError" in failed.log
    assert WorkFolder(tmp_path, failing.key).failure() == failed.log


def test_a_failure_is_forgotten_when_it_succeeds(engine: Engine, kind: Kind, tmp_path: Path) -> None:
    item = kind.item(tmp_path, 0)
    WorkFolder(tmp_path, item.key).write_failure("of another day")
    engine.submit(block("again", tmp_path, item))
    collect(engine, ended(item))
    assert WorkFolder(tmp_path, item.key).failure() is None


def test_a_block_is_taken_while_another_runs(engine: Engine, kind: Kind, tmp_path: Path) -> None:
    long, late = kind.long(tmp_path), kind.item(tmp_path, 1)
    engine.submit(block("long", tmp_path, long))
    events = collect(engine, looking(long))
    engine.submit(block("late", tmp_path, late))
    events += collect(engine, ended(late))
    events += collect(engine, lambda more: ended(long)(events + more))
    for one in (long, late):
        assert isinstance(of(one, events)[0], Started)
        assert sum(isinstance(event, Finished | Failed | Lost) for event in of(one, events)) == 1


def test_work_that_is_over_finishes_at_once(engine: Engine, kind: Kind, tmp_path: Path) -> None:
    item = kind.item(tmp_path, 0)
    engine.submit(block("the same", tmp_path, item))
    collect(engine, ended(item))
    engine.submit(block("the same", tmp_path, item))
    assert collect(engine, ended(item)) == [Started(item.key), Finished(item.key)]


def test_more_budget_continues_a_trial(engine: Engine, tmp_path: Path) -> None:
    engine.submit(block("small", tmp_path, trial(0)))
    collect(engine, ended(trial(0)))
    engine.submit(block("large", tmp_path, trial(0, num_evaluations=8)))
    events = collect(engine, ended(trial(0)))
    assert [event.evaluation.steps for event in events if isinstance(event, Evaluated)] == [26, 31, 36]


@pytest.mark.slow
def test_what_a_closed_engine_leaves_another_one_continues(
    new_engine: Callable[[], Engine], kind: Kind, tmp_path: Path, undisturbed: Callable[[Kind], list[dict[str, str]]]
) -> None:
    first, second = kind.long(tmp_path), kind.item(tmp_path, 1)
    with new_engine() as engine:
        engine.submit(block("both", tmp_path, first, second))
        collect(engine, looking(first))
    engine.close()  # Closing twice does no harm.
    snapshot = WorkFolder(tmp_path, first.key).latest()
    assert snapshot is not None
    left = snapshot.summary()
    assert left.end is None, "the long one is too short for this test"
    assert WorkFolder(tmp_path, second.key).latest() is None  # Its turn had not come.

    with new_engine() as engine:
        engine.submit(block("both", tmp_path, first, second))
        events = collect(engine, ended(first, second))
    steps = [event.evaluation.steps for event in of(first, events) if isinstance(event, Evaluated)]
    assert steps[0] == left.steps + kind.stride
    assert curves(tmp_path, first) == undisturbed(kind)
