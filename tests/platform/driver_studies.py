"""Small studies, running them in this process, and what must hold afterwards."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
from rich.console import Console
from typer.testing import Result

from grokgrid import home
from grokgrid.engine import Block, Engine, Evaluated, Event, InlineEngine
from grokgrid.progress import Progress
from grokgrid.results import Results, load_results
from grokgrid.running import Driver, How
from grokgrid.sources import Outcome, WholeStudy
from grokgrid.tracking import TRIALS, Tracking
from search_spaces import Study, digest
from trainables.data.arrays import digest as data_digest

Grokgrid = Callable[..., Result]
"""The command line, run in this process."""

SMALL: dict[str, Any] = {
    "name": "small",
    "question": "Does it run?",
    "seeds": 2,
    "trial": {
        "data": {"name": "digits", "num_train": 100, "num_test": 100},
        "model": {"name": "mlp", "width": 8, "depth": 2},
        "loss": "cross_entropy",
        "optimiser": {"name": "adamw", "lr": 0.01},
        "batch_size": 50,
        "shuffle": True,
        "budget": {"steps": 60},
        "evaluate": {"every": 5},
        "goal": {"metric": "test_accuracy", "above": 0.55},
    },
    "arms": {"baseline": {}, "slow": {"optimiser": {"lr": 0.002}}, "wild": {"optimiser": {"name": "sgd", "lr": 1e30}}},
    "analyses": [],
}
"""Trials that take about 20 ms. Baseline reaches the goal, slow comes to its budget's end, wild diverges."""


def study(*, trial: dict[str, Any] | None = None, **changes: Any) -> Study:
    """SMALL, with other fields, or other settings of its trial."""
    return Study.model_validate({**SMALL, **changes, "trial": {**SMALL["trial"], **(trial or {})}})


FAILING = """
def failing(step):
    if step.number == 7:
        raise RuntimeError("not any more")
    return 0 * step.outputs.sum()
"""


def failing(folder: Path) -> dict[str, Any]:
    """An arm whose trials fail at a step that no rehearsal makes."""
    (folder / "failing.py").write_text(FAILING)
    return {"regulariser": {"name": f"{folder / 'failing.py'}:failing"}}


@dataclass
class Watched:
    """The in-process engine, and what it was given and did."""

    blocks: list[Block] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    engine: Engine = field(default_factory=InlineEngine)

    @property
    def num_slots(self) -> int:
        return self.engine.num_slots

    def submit(self, block: Block) -> None:
        self.blocks.append(block)
        self.engine.submit(block)

    def poll(self, timeout_s: float) -> list[Event]:
        events = self.engine.poll(timeout_s)
        self.events += events
        return events

    def close(self) -> None:
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def keys(self) -> list[str]:
        return [trial.key for block in self.blocks for trial in block.work]

    def steps(self, key: str) -> list[int]:
        """At which it was looked."""
        return [event.evaluation.steps for event in self.events if isinstance(event, Evaluated) and event.key == key]


def drive(
    study: Study, engine: Engine | None = None, *, told: io.StringIO | None = None, uri: str | None = None, **how: Any
) -> Outcome:
    """Runs a study without writing a report."""
    tracking, storage = Tracking(uri), home.storage_root()
    storage.mkdir(parents=True, exist_ok=True)
    tracking.connect()
    tracking.clean_up()
    report = tracking.open_report(study.name, digest(study))
    console = Console(file=told or io.StringIO())
    try:
        with engine or InlineEngine() as engine, Progress(study.name, engine.num_slots, console) as progress:
            source, settings = WholeStudy(study, tracking), How(storage=storage, **how)
            return Driver(source, engine, tracking, report, progress, settings).run()
    finally:
        report.abandon()


def results(study: Study, uri: str | None = None) -> Results:
    return load_results(study, Tracking(uri))


def table(results: Results) -> pd.DataFrame:
    """All that must not depend on how a study came to be run: everything but times and MLflow's ids."""
    return results.trials.drop(columns=["seconds", "run_id"])


def same(one: Results, other: Results) -> None:
    """Asserts that two results show the same trials, to the last digit."""
    pd.testing.assert_frame_equal(table(one), table(other), check_exact=True)
    mine, theirs = (
        results.curves.drop(columns="seconds").sort_values(["cell", "seed", "steps"], ignore_index=True)
        for results in (one, other)
    )
    pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def settled(keys: Iterable[str] | None = None, uri: str | None = None) -> None:
    """Asserts that nothing is open in MLflow, deleted runs included, and that no trial is there twice."""
    from mlflow.entities import ViewType
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri or home.tracking_uri())
    experiments = client.search_experiments(view_type=ViewType.ALL)
    runs = client.search_runs([e.experiment_id for e in experiments], run_view_type=ViewType.ALL, max_results=5000)
    assert {run.info.status for run in runs} <= {"FINISHED", "FAILED", "KILLED"}
    (trials,) = (experiment.experiment_id for experiment in experiments if experiment.name == TRIALS)
    live = [run for run in runs if run.info.lifecycle_stage == "active" and run.info.experiment_id == trials]
    recorded = [run.data.tags["grokgrid.key"] for run in live]
    assert sorted(recorded) == sorted(set(recorded)), "a trial is recorded twice"
    assert {run.info.status for run in live} <= {"FINISHED", "FAILED"}
    if keys is not None:
        assert set(recorded) == set(keys)


def folders() -> set[str]:
    """The trials on storage."""
    return {path.name for path in home.storage_root().glob("*")}


def npz(path: Path, seed: int = 0) -> str:
    """Writes a small data set, and returns its digest."""
    random = np.random.default_rng(seed)
    arrays = {
        "x_train": random.normal(size=(20, 4)),
        "y_train": np.arange(20) % 2,
        "x_test": random.normal(size=(10, 4)),
        "y_test": np.arange(10) % 2,
    }
    np.savez(path, **arrays)
    return data_digest(arrays)
