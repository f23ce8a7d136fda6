"""What MLflow might tell of trials that nobody trained."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from grokgrid.tracking import WorkRecord, WorkStatus
from trainables.records import End, Segment, Summary
from trainables.trial import Trial

PLACE = Segment(
    from_steps=0,
    host="elsewhere",
    device="cpu",
    device_name="an abacus",
    num_threads=1,
    share=1.0,
    torch_version="2.0.0",
    python_version="3.11.0",
)


def record(
    trial: Trial,
    accuracies: Mapping[int, float] | None = None,
    *,
    status: WorkStatus = WorkStatus.FINISHED,
    diverged_at: int | None = None,
    failed_run: str | None = None,
    wall_seconds: float = 10.0,
    final: Mapping[str, float] | None = None,
    steps: int | None = None,
) -> WorkRecord:
    """Of a finished trial: its test accuracy after so many steps, two an epoch; it ended at the last of these
    evaluations.
    """
    summary = None
    if accuracies is not None:
        last = steps if steps is not None else max(accuracies)
        values = [value for steps, value in accuracies.items() if steps] or [float("nan")]
        summary = Summary(
            key=trial.key,
            seed=trial.seed,
            steps=last,
            epochs=last / 2,
            seconds=last / 100,
            wall_seconds=wall_seconds,
            end=End.BUDGET,
            goal=None,
            diverged_at=diverged_at,
            low={"test_accuracy": min(values)},
            high={"test_accuracy": max(values)},
            last=dict(final or {}),
            final=dict(final or {}),
            segments=(PLACE,),
        )
    return WorkRecord(
        key=trial.key,
        run_id=f"run of {trial.key}",
        status=status,
        owner="somebody",
        summary=summary,
        reason="it did not work" if failed_run is not None else None,
        failed_run=failed_run,
        reached={},
        params={},
        tags={},
        artifact_uri="nowhere",
        started=datetime(2026, 1, 1, tzinfo=UTC),
        ended=None,
    )


def evaluations(trial: Trial, accuracies: Mapping[int, float], **metrics: Mapping[int, float]) -> pd.DataFrame:
    """The curves of such a trial; other metrics where they were measured."""
    rows: list[dict[str, Any]] = [
        {
            "key": trial.key,
            "steps": steps,
            "epochs": steps / 2,
            "seconds": steps / 100,
            "train_accuracy": accuracy,
            "test_accuracy": accuracy,
            "train_loss": 1 - accuracy,
            "test_loss": 1 - accuracy,
            **{name: values.get(steps) for name, values in metrics.items()},
        }
        for steps, accuracy in accuracies.items()
    ]
    columns = ["key", "steps", "epochs", "seconds", "train_accuracy", "test_accuracy", "train_loss", "test_loss"]
    return pd.DataFrame(rows, columns=[*columns, *metrics])
