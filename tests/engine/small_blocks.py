"""Blocks for the engines to run, and what comes of them."""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from grokgrid.engine import Block, Engine, Evaluated, Event, Failed, Finished, Lost
from trainables.laid_networks import write_networks
from trainables.records import WorkFolder
from trainables.training import Training
from trainables.trial import Trial, TrialConfig
from trainables.work import Work


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


def other_data(folder: Path) -> dict[str, Any]:
    """It is not what it is declared to be."""
    path = folder / "other.npz"
    path.write_bytes(b"not the data set it was")
    return {"name": "npz", "path": path, "digest": f"sha256:{'0' * 64}"}


def failing_trial(folder: Path) -> Trial:
    return trial(0, data=other_data(folder))


def assessment(storage: Path, seed: int, **settings: Any) -> Work:
    """Of the network that the trial starts with, which is laid where a worker finds it: 20 examples an evaluation."""
    settings = {"name": "pgd", "sizes": [0.1], "steps": 4, "num_examples": 100, "batch_size": 20, **settings}
    work = Work.model_validate(
        {"config": {"trial": trial(seed).config, "step": 0, "assessment": settings}, "seed": seed}
    )
    folder = WorkFolder(storage, work.key)
    if not folder.networks_path.exists():
        state = Training(trial(seed), torch.device("cpu")).state()
        folder.path.mkdir(parents=True, exist_ok=True)
        write_networks(folder.networks_path, lambda path: save_file(state, path / work.needs[0].file_name))
    return work


@dataclass(frozen=True)
class Kind:
    """A kind of work, for the contract to be tried on.

    item     (storage, seed) -> some milliseconds of work
    failing  fails at once
    long     some seconds
    steps    at the evaluations of an item
    stride   steps from one evaluation of the long one to the next
    """

    item: Callable[[Path, int], Work]
    failing: Callable[[Path], Work]
    long: Callable[[Path], Work]
    steps: tuple[int, ...]
    stride: int


KINDS = {
    "trial": Kind(
        item=lambda storage, seed: trial(seed),
        failing=failing_trial,
        long=lambda storage: long_trial(),
        steps=(1, 6, 11, 16, 21),
        stride=5,
    ),
    "assessment": Kind(
        item=assessment,
        failing=lambda storage: assessment(storage, 0, on=other_data(storage)),
        long=lambda storage: assessment(storage, 0, num_examples=None, batch_size=1, steps=4000),
        steps=(20, 40, 60, 80, 100),
        stride=1,
    ),
}


def block(id: str, storage: Path, *work: Work, checkpoint_every_s: float = 60) -> Block:
    return Block(id=id, work=work, storage=storage, checkpoint_every_s=checkpoint_every_s)


def collect(engine: Engine, done: Callable[[list[Event]], bool], *, timeout_s: float = 240) -> list[Event]:
    """Polls until `done` says so of all events since."""
    events: list[Event] = []
    deadline = time.monotonic() + timeout_s
    while not done(events):
        assert time.monotonic() < deadline, f"still waiting after {timeout_s} s; so far {events[-20:]}"
        events += engine.poll(0.1)
    return events


def ended(*work: Work) -> Callable[[list[Event]], bool]:
    keys = {item.key for item in work}
    return lambda events: keys <= {event.key for event in events if isinstance(event, Finished | Failed | Lost)}


def looking(item: Work) -> Callable[[list[Event]], bool]:
    """Until it is in its midst."""

    def done(events: list[Event]) -> bool:
        assert not ended(item)(events), f"it has ended already: {of(item, events)[-1]}"
        return any(isinstance(event, Evaluated) for event in of(item, events))

    return done


def of(item: Work, events: list[Event]) -> list[Event]:
    return [event for event in events if event.key == item.key]


def curves(storage: Path, item: Work) -> list[dict[str, str]]:
    """The curves as they were written, without the times, which no two runs share."""
    snapshot = WorkFolder(storage, item.key).latest()
    assert snapshot is not None
    with snapshot.curves_path.open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
