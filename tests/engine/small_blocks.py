"""Blocks for the engines to run, and what comes of them."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grokgrid.engine import Block, Engine, Evaluated, Event, Failed, Finished, Lost
from trainables.records import TrialFolder
from trainables.trial import Trial, TrialConfig


def trial(seed: int, *, num_evaluations: int = 5, data: dict[str, Any] | None = None) -> Trial:
    """A small perceptron on a hundred digits: about 3 ms an evaluation of five steps."""
    config = {
        "data": data or {"name": "digits", "num_train": 100, "num_test": 100},
        "model": {"name": "mlp", "width": 8, "depth": 2},
        "loss": "cross_entropy",
        "optimiser": {"name": "adamw", "lr": 1e-3},
        "batch_size": 32,
        "shuffle": True,
        "budget": {"steps": 5 * num_evaluations},
        "evaluate": {"every": 5},
    }
    return Trial(config=TrialConfig.model_validate(config), seed=seed)


def long_trial(num_evaluations: int = 1000) -> Trial:
    """Some seconds, and many slices of a worker's time."""
    return trial(0, num_evaluations=num_evaluations)


def failing_trial(folder: Path) -> Trial:
    """Its data is not what it was declared to be."""
    path = folder / "other.npz"
    path.write_bytes(b"not the data set it was")
    return trial(0, data={"name": "npz", "path": path, "digest": f"sha256:{'0' * 64}"})


def block(id: str, storage: Path, *trials: Trial, checkpoint_every_s: float = 60) -> Block:
    return Block(id=id, work=trials, storage=storage, checkpoint_every_s=checkpoint_every_s)


def collect(engine: Engine, done: Callable[[list[Event]], bool], *, timeout_s: float = 240) -> list[Event]:
    """Polls until `done` says so of all events since."""
    events: list[Event] = []
    deadline = time.monotonic() + timeout_s
    while not done(events):
        assert time.monotonic() < deadline, f"still waiting after {timeout_s} s; so far {events[-20:]}"
        events += engine.poll(0.1)
    return events


def ended(*trials: Trial) -> Callable[[list[Event]], bool]:
    keys = {trial.key for trial in trials}
    return lambda events: keys <= {event.key for event in events if isinstance(event, Finished | Failed | Lost)}


def looking(trial: Trial) -> Callable[[list[Event]], bool]:
    """Until a trial is in its midst."""

    def done(events: list[Event]) -> bool:
        assert not ended(trial)(events), f"it has ended already: {of(trial, events)[-1]}"
        return any(isinstance(event, Evaluated) for event in of(trial, events))

    return done


def of(trial: Trial, events: list[Event]) -> list[Event]:
    return [event for event in events if event.key == trial.key]


def curves(storage: Path, trial: Trial) -> list[dict[str, str]]:
    """A trial's curves as they were written, without the times, which no two runs share."""
    snapshot = TrialFolder(storage, trial.key).latest()
    assert snapshot is not None
    with snapshot.curves_path.open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
