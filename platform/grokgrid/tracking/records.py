"""A work item, a trial say, as MLflow keeps it, and how one becomes an MLflow run and is read back.

run name                        what people call it: jacobian strength=0.01 seed 3
tags grokgrid.key, .cell_key    its key, and the beginning that all seeds of its configuration share
tags grokgrid.arm, .cell, .seed, .work    as the study has them that asked first; work: trial, or an assessment's title
tag grokgrid.study.NAME         of every study that asked for it: what it is called there
tag grokgrid.status             a WorkStatus
tag grokgrid.owner              the report run of the `grokgrid run` that claimed it
tags grokgrid.end, .goal, .diverged_at, .reason, .segments, .data_digest, .next_evaluation, .device, .device_name,
.host, .torch_version
params                          the settings, flat: data.num_train, regulariser.strength, …; and the seed
metrics steps, epochs, seconds, wall_seconds
        final/M, min/M, max/M   every metric M at the end, and its extremes over all evaluations
        steps_to/GOAL, seconds_to/GOAL    if the goal was reached: at the first evaluation that met it
        M                       a sparse curve for MLflow's own pages; all of it is in curves.parquet
files   config.yaml, curves.parquet, summary.json, state.safetensors; failure.log of a failed one
        kept/STEPS.safetensors, if networks were kept on the way, with a SHA256SUMS of that folder
        tables/NAME.parquet, if probes measure tables, likewise
tag grokgrid.checksums              of these files, as a SHA256SUMS has them; of a folder, that of its SHA256SUMS: a tag
                                    has not the room for many files
tag grokgrid.without_checkpoint     it was imported, or recorded, without state.safetensors
"""

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from grokgrid.tracking.client import Run
from trainables.names import MAX_TAG, TRIALS_EXPERIMENT
from trainables.plugins.config import is_plugin
from trainables.records import End, Segment, Summary

TRIALS = TRIALS_EXPERIMENT

KEY, STATUS, OWNER, REASON = "grokgrid.key", "grokgrid.status", "grokgrid.owner", "grokgrid.reason"
CELL_KEY, ARM, RUN_NAME = "grokgrid.cell_key", "grokgrid.arm", "mlflow.runName"
CELL_LENGTH = 24
"""So many first characters of a key are common to all seeds of a configuration."""

CHECKSUMS = "grokgrid.checksums"
WITHOUT_CHECKPOINT = "grokgrid.without_checkpoint"
_END, _GOAL, _DIVERGED_AT, _SEGMENTS = "grokgrid.end", "grokgrid.goal", "grokgrid.diverged_at", "grokgrid.segments"
_DATA_DIGEST, _NEXT_EVALUATION = "grokgrid.data_digest", "grokgrid.next_evaluation"


@dataclass(frozen=True)
class Label:
    """What people call a work item.

    study  that asks for it
    cell   the arm and its settings: "jacobian strength=0.01"
    work   trial, or the title of an assessment
    """

    study: str
    arm: str
    cell: str
    seed: int
    work: str = "trial"

    @property
    def name(self) -> str:
        return f"{self.cell} seed {self.seed}" + (f" {self.work}" if self.work != "trial" else "")

    @property
    def study_tag(self) -> str:
        return f"grokgrid.study.{self.study}"

    @property
    def tags(self) -> dict[str, str]:
        own = {"arm": self.arm, "cell": self.cell, "seed": str(self.seed), "work": self.work}
        fit = {f"grokgrid.{name}": value[:MAX_TAG] for name, value in own.items()}
        return {**fit, self.study_tag: self.name[:MAX_TAG]}


class WorkStatus(StrEnum):
    """How far a trial's run is. `finished` and `failed` are for good; the others last as long as their owner."""

    CLAIMING = "claiming"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class WorkRecord:
    """What MLflow knows of a trial.

    summary     of a finished trial; `trainables.records.ending(config, summary)` says whether it is enough for a study.
                Its `last` is its `final`
    reason      why it failed
    failed_run  the run with the log of the latest failure: of a failed trial its own, of a finished one that of an
                attempt to continue it
    reached     `goal_name` -> (steps, seconds) of the first evaluation that met it, for the goals it was run towards
    """

    key: str
    run_id: str
    status: WorkStatus
    owner: str
    summary: Summary | None
    reason: str | None
    failed_run: str | None
    reached: Mapping[str, tuple[float, float]]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    artifact_uri: str
    started: datetime
    ended: datetime | None

    @property
    def can_continue(self) -> bool:
        """From its checkpoint; otherwise it would start anew."""
        return self.summary is not None and WITHOUT_CHECKPOINT not in self.tags

    @property
    def place(self) -> Segment | None:
        """Where a finished trial ran last."""
        return self.summary.segments[-1] if self.summary is not None and self.summary.segments else None


def status(run: Run) -> WorkStatus | None:
    """None for a run that is not of our making."""
    text = run.tags.get(STATUS)
    return WorkStatus(text) if KEY in run.tags and text in set(WorkStatus) else None


def record(runs: Iterable[Run]) -> WorkRecord | None:
    """What the runs of one key say together: the best finished one, else a failed one, else a claim."""
    finished = [run for run in runs if status(run) is WorkStatus.FINISHED]
    failed = [run for run in runs if status(run) is WorkStatus.FAILED]
    claims = [run for run in runs if status(run) in (WorkStatus.RUNNING, WorkStatus.CLAIMING)]
    told = min(finished, key=rank, default=None) or max(failed or claims, key=lambda run: run.started_ms, default=None)
    if told is None:
        return None
    told_status = status(told)
    assert told_status is not None
    latest_failure = max(failed, key=lambda run: run.started_ms, default=None)
    return WorkRecord(
        key=told.tags[KEY],
        run_id=told.id,
        status=told_status,
        owner=told.tags.get(OWNER, ""),
        summary=_summary(told) if finished else None,
        reason=(latest_failure or told).tags.get(REASON),
        failed_run=latest_failure.id if latest_failure is not None else None,
        reached=_reached(told.metrics),
        params=told.params,
        tags=told.tags,
        artifact_uri=told.artifact_uri,
        started=datetime.fromtimestamp(told.started_ms / 1000, UTC),
        ended=datetime.fromtimestamp(told.ended_ms / 1000, UTC) if told.ended_ms is not None else None,
    )


def rank(run: Run) -> tuple[float, bool, int, str]:
    """Of several finished runs of a key the first in this order counts: the longest; of equals the one with the most of
    its networks; and of these the lowest id.
    """
    num_files = run.tags.get(CHECKSUMS, "").count("\n")
    return (-run.metrics.get("steps", 0), WITHOUT_CHECKPOINT in run.tags, -num_files, run.id)


# Writing


def params(config: Mapping[str, Any]) -> dict[str, str]:
    """The settings that people compare, flat. Budget, goal, probes and what is kept only decide what is seen of a
    trial.
    """
    flat: dict[str, str] = {}
    for name, value in config.items():
        if name.rpartition(".")[2] in ("budget", "evaluate", "goal", "keep", "probes"):
            continue
        if isinstance(value, Mapping) and "name" in value:
            # Paths are of one machine.
            kept = {part: inner for part, inner in value.items() if part not in ("root", "path")}
            if is_plugin(kept["name"]):
                kept["name"] = Path(kept["name"]).name
            flat |= {f"{name}.{part}": str(inner) for part, inner in kept.items()}
        elif isinstance(value, Mapping):
            by_name = {f"{name}.{component}": inner for component, inner in value.items()}
            flat |= params(by_name) if by_name else {name: "none"}
        else:
            flat[name] = str(value)
    return flat


def summary_tags(summary: Summary) -> dict[str, str]:
    place = summary.segments[-1]
    return {
        _END: summary.end.value if summary.end is not None else "",
        _GOAL: summary.goal or "",
        _DIVERGED_AT: "" if summary.diverged_at is None else str(summary.diverged_at),
        _SEGMENTS: _segments_text(summary.segments),
        _DATA_DIGEST: summary.data_digest or "",
        _NEXT_EVALUATION: "" if summary.next_evaluation is None else str(summary.next_evaluation),
        "grokgrid.device": place.device,
        "grokgrid.device_name": place.device_name,
        "grokgrid.torch_version": place.torch_version,
        "grokgrid.host": place.host,
    }


def summary_metrics(summary: Summary) -> dict[str, float]:
    values = {
        "steps": float(summary.steps),
        "epochs": summary.epochs,
        "seconds": summary.seconds,
        "wall_seconds": summary.wall_seconds,
    }
    # A diverged trial is not measured once more at its end.
    for group, metrics in (("final", summary.final or summary.last), ("min", summary.low), ("max", summary.high)):
        values |= {f"{group}/{name}": value for name, value in metrics.items()}
    return values


def reached_metrics(goal: str, steps: float, seconds: float) -> dict[str, float]:
    return {f"steps_to/{goal_name(goal)}": steps, f"seconds_to/{goal_name(goal)}": seconds}


def goal_name(goal: str) -> str:
    """A goal's text as part of a metric's name: test_accuracy_above_0.85."""
    return re.sub(r"[^\w.-]", "_", goal.replace(">", "above").replace("<", "below"))


def _segments_text(segments: tuple[Segment, ...]) -> str:
    """As many as fit into a tag. A trial that was resumed very often tells the first stretch in each kind of place."""
    text = _dump(segments)
    if len(text) <= MAX_TAG:
        return text
    kinds = {segment.model_copy(update={"from_steps": 0}): segment for segment in reversed(segments)}
    chosen = sorted({*kinds.values(), segments[-1]}, key=lambda segment: segment.from_steps)
    while len(text := _dump(chosen)) > MAX_TAG:
        del chosen[1]
    return text


def _dump(segments: Iterable[Segment]) -> str:
    return json.dumps([segment.model_dump(mode="json") for segment in segments])


# Reading


def _summary(run: Run) -> Summary:
    metrics = {name: _unclipped(value) for name, value in run.metrics.items()}
    final = _group(metrics, "final")
    diverged_at = run.tags.get(_DIVERGED_AT)
    return Summary(
        key=run.tags[KEY],
        seed=int(run.params["seed"]),
        steps=int(metrics["steps"]),
        epochs=metrics["epochs"],
        seconds=metrics["seconds"],
        wall_seconds=metrics["wall_seconds"],
        end=End(run.tags[_END]) if run.tags.get(_END) else None,
        goal=run.tags.get(_GOAL) or None,
        diverged_at=int(diverged_at) if diverged_at else None,
        low=_group(metrics, "min"),
        high=_group(metrics, "max"),
        last=final,
        final=final,
        segments=tuple(Segment.model_validate(segment) for segment in json.loads(run.tags.get(_SEGMENTS, "[]"))),
        data_digest=run.tags.get(_DATA_DIGEST) or None,
        next_evaluation=float(run.tags[_NEXT_EVALUATION]) if run.tags.get(_NEXT_EVALUATION) else None,
    )


def _group(metrics: Mapping[str, float], group: str) -> dict[str, float]:
    return {name.removeprefix(f"{group}/"): value for name, value in metrics.items() if name.startswith(f"{group}/")}


def _reached(metrics: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    seconds = _group(metrics, "seconds_to")
    return {goal: (steps, seconds[goal]) for goal, steps in _group(metrics, "steps_to").items() if goal in seconds}


def _unclipped(value: float) -> float:
    """MLflow stores infinity as the largest double."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value
