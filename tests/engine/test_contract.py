"""What every engine promises, tried on each."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_blocks import block, collect, curves, ended, failing_trial, long_trial, looking, of, trial

from grokgrid.engine import Engine, Evaluated, Failed, Finished, Lost, Started
from trainables.records import TrialFolder


def test_a_trial_starts_evaluations_in_order_and_finishes(engine: Engine, tmp_path: Path) -> None:
    trials = [trial(seed) for seed in range(3)]
    engine.submit(block("two", tmp_path, *trials[:2]))
    engine.submit(block("one", tmp_path, trials[2]))
    events = collect(engine, ended(*trials))
    for one in trials:
        started, *looked, finished = of(one, events)
        assert started == Started(one.key)
        assert [evaluation.evaluation.steps for evaluation in looked] == [1, 6, 11, 16, 21]
        assert [str(evaluation.evaluation.steps) for evaluation in looked] == [
            row["steps"] for row in curves(tmp_path, one)
        ]
        assert finished == Finished(one.key)
        latest = TrialFolder(tmp_path, one.key).latest()
        assert latest is not None and latest.summary().end == "budget"


def test_a_failing_trial_leaves_its_block_mates_alone(engine: Engine, tmp_path: Path) -> None:
    before, failing, after = trial(0), failing_trial(tmp_path), trial(1)
    engine.submit(block("with a failure", tmp_path, before, failing, after))
    events = collect(engine, ended(before, failing, after))
    assert isinstance(of(before, events)[-1], Finished)
    assert isinstance(of(after, events)[-1], Finished)
    started, failed = of(failing, events)
    assert isinstance(started, Started) and isinstance(failed, Failed)
    assert "Traceback" in failed.log and "DataError" in failed.log
    assert TrialFolder(tmp_path, failing.key).failure() == failed.log


def test_a_failure_is_forgotten_when_the_trial_succeeds(engine: Engine, tmp_path: Path) -> None:
    TrialFolder(tmp_path, trial(0).key).write_failure("of another day")
    engine.submit(block("again", tmp_path, trial(0)))
    collect(engine, ended(trial(0)))
    assert TrialFolder(tmp_path, trial(0).key).failure() is None


def test_a_block_is_taken_while_another_runs(engine: Engine, tmp_path: Path) -> None:
    long, late = long_trial(), trial(1)
    engine.submit(block("long", tmp_path, long))
    events = collect(engine, looking(long))
    engine.submit(block("late", tmp_path, late))
    events += collect(engine, ended(late))
    events += collect(engine, lambda more: ended(long)(events + more))
    for one in (long, late):
        assert isinstance(of(one, events)[0], Started)
        assert sum(isinstance(event, Finished | Failed | Lost) for event in of(one, events)) == 1


def test_a_trial_that_is_over_finishes_at_once(engine: Engine, tmp_path: Path) -> None:
    engine.submit(block("the same", tmp_path, trial(0)))
    collect(engine, ended(trial(0)))
    engine.submit(block("the same", tmp_path, trial(0)))
    events = collect(engine, ended(trial(0)))
    assert events == [Started(trial(0).key), Finished(trial(0).key)]


def test_more_budget_continues_a_trial(engine: Engine, tmp_path: Path) -> None:
    engine.submit(block("small", tmp_path, trial(0)))
    collect(engine, ended(trial(0)))
    engine.submit(block("large", tmp_path, trial(0, num_evaluations=8)))
    events = collect(engine, ended(trial(0)))
    assert [event.evaluation.steps for event in events if isinstance(event, Evaluated)] == [26, 31, 36]


@pytest.mark.slow
def test_what_a_closed_engine_leaves_another_one_continues(
    new_engine: Callable[[], Engine], tmp_path: Path, long_curves: list[dict[str, str]]
) -> None:
    first, second = long_trial(), trial(1)
    with new_engine() as engine:
        engine.submit(block("both", tmp_path, first, second))
        collect(engine, looking(first))
    engine.close()  # Closing twice does no harm.
    snapshot = TrialFolder(tmp_path, first.key).latest()
    assert snapshot is not None
    left = snapshot.summary()
    assert left.end is None, "the long trial is too short for this test"
    assert TrialFolder(tmp_path, second.key).latest() is None  # Its turn had not come.

    with new_engine() as engine:
        engine.submit(block("both", tmp_path, first, second))
        events = collect(engine, ended(first, second))
    steps = [event.evaluation.steps for event in of(first, events) if isinstance(event, Evaluated)]
    assert steps[0] == left.steps + 5
    assert curves(tmp_path, first) == long_curves
