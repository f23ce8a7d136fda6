"""Trials in and out of MLflow: recording results and failures, reading curves, continuing a trial."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from grokgrid.tracking import curves as curve_tables
from grokgrid.tracking.claims import Claim, claim
from grokgrid.tracking.client import Client, Point, Run, RunGone, RunState
from grokgrid.tracking.kept import checked_file, checksums_of, read_table, set_aside, where
from grokgrid.tracking.records import (
    ARM,
    CHECKSUMS,
    KEY,
    OWNER,
    REASON,
    RUN_NAME,
    STATUS,
    WITHOUT_CHECKPOINT,
    Label,
    WorkRecord,
    WorkStatus,
    params,
    reached_metrics,
    record,
    status,
    summary_metrics,
    summary_tags,
)
from grokgrid.tracking.runs import complete, in_parallel
from trainables import checksums
from trainables.checksums import Damaged
from trainables.evaluations import Goal
from trainables.records import Snapshot, WorkFolder, warn
from trainables.validation import printable
from trainables.work import Work

if TYPE_CHECKING:
    import pyarrow

_TABLES, _KEPT = "tables/", "kept/"
CURVES, CHECKPOINT, FAILURE = "curves.parquet", "state.safetensors", "failure.log"


def ingest(client: Client, held: Claim, snapshot: Snapshot, tags: Mapping[str, str]) -> WorkRecord | None:
    """Records a finished trial, and deletes the older runs of it.

    Can be repeated until it returns. Dying in between leaves the claim of a dead owner, which is removed, or the result
    complete, which is kept: the status `finished` is set when all else is there, and the run closed after that.

    Returns what is recorded; None if the claim was lost to somebody who is running the trial now, so that this result
    is not needed. A claim that was lost to nobody is claimed again.

    Raises:
        Damaged: the snapshot is not as it was written; nothing was recorded.
    """
    try:
        return _ingest(client, held, snapshot, tags)
    except RunGone:
        steps = snapshot.summary().steps
        again = claim(client, held.owner, [held.key], lambda known: _has(known, steps))
    if held.key in again.won:
        return _ingest(client, again.won[held.key], snapshot, tags)
    return again.settled.get(held.key)


def fail(client: Client, held: Claim, work: Work, log: str, tags: Mapping[str, str]) -> None:
    """Records that a trial failed. An earlier result of it, which this was to continue, stays."""
    try:
        run = _held_run(client, held)
        if status(run) is not WorkStatus.FAILED:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / FAILURE).write_text(log)
                client.upload(run.artifact_uri, Path(folder))
            reason = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
            settings = params({**work.config.model_dump(mode="json"), "seed": work.seed})
            client.log(run.id, params=settings, tags={**tags, REASON: printable(reason)[:500]})
            run = _set_status(client, run, WorkStatus.FAILED)
        complete(client, run)
    except RunGone:
        pass


def failure_log(client: Client, failed: WorkRecord) -> str:
    assert failed.failed_run is not None, "this trial has not failed"
    with tempfile.TemporaryDirectory() as folder:
        return client.file(client.run(failed.failed_run).artifact_uri, FAILURE, Path(folder)).read_text(
            errors="replace"
        )


def restore(client: Client, finished: WorkRecord, folder: WorkFolder) -> None:
    """Lays a recorded trial's last snapshot into its folder, for a worker to continue from. A snapshot that is damaged,
    or of which no checksums were recorded, stays where it is, and the trial starts anew.
    """
    assert finished.summary is not None
    present = folder.latest()
    if present is not None and present.summary().steps >= finished.summary.steps:
        return
    try:
        if CHECKPOINT in checksums_of(finished):
            folder.write(finished.summary.steps, partial(_restore, client, finished))
    except Damaged as error:
        warn(f"{where(finished)}: {error}. The trial starts anew.")


def label(client: Client, found: WorkRecord, called: Label) -> WorkRecord:
    """Notes that a study asked for it; one that has no name yet gets that."""
    if called.study_tag in found.tags:
        return found
    has_name = ARM in found.tags
    tags = {called.study_tag: called.tags[called.study_tag]} if has_name else called.tags
    with suppress(RunGone):
        client.log(found.run_id, tags=tags if has_name else {**tags, RUN_NAME: called.name})
    return replace(found, tags={**found.tags, **tags})


def networks(client: Client, finished: WorkRecord) -> frozenset[int]:
    """The steps after which the trial's network is recorded: the last, and those that were kept on the way.

    Raises:
        TrackingError: no file of the trial can be found from here.
    """
    assert finished.summary is not None
    try:
        known = _all_checksums(client, finished) if f"{_KEPT}{checksums.NAME}" in checksums_of(finished) else {}
        last = {finished.summary.steps} if CHECKPOINT in checksums_of(finished) else set()
    except Damaged as error:
        warn(f"{where(finished)}: {error}. Its networks cannot be assessed.")
        return frozenset()
    kept = (name.removeprefix(_KEPT) for name in known if name.startswith(_KEPT))
    return frozenset({*last, *(int(name.partition(".")[0]) for name in kept)})


def copy_network(client: Client, finished: WorkRecord, step: int, target: Path) -> None:
    """The file of the network after so many steps, one of `networks`.

    Raises:
        Damaged: it is missing, or is not the one that was recorded.
    """
    assert finished.summary is not None
    sums = _all_checksums(client, finished)
    kept = f"{_KEPT}{step:09d}.safetensors"
    name = kept if kept in sums else CHECKPOINT
    if name == CHECKPOINT and (step != finished.summary.steps or name not in sums):
        raise Damaged(f"the network after step {step:,} is missing")
    with tempfile.TemporaryDirectory() as temporary:
        path = checked_file(client, finished, name, Path(temporary))
        shutil.copyfile(path, target)
    checksums.check_file(target, sums[name], name)


def copy_tables(client: Client, finished: WorkRecord, folder: Path) -> None:
    """See Tracking."""
    try:
        files = {name: wanted for name, wanted in _all_checksums(client, finished).items() if name.startswith(_TABLES)}
        for name, wanted in files.items():
            with tempfile.TemporaryDirectory() as temporary:
                path = checked_file(client, finished, name, Path(temporary))
                checksums.check_file(path, wanted, name)
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name.removeprefix(_TABLES))
    except Damaged as error:
        warn(f"{where(finished)}: {error}. The table is left out.")


def evaluations(client: Client, records: Iterable[WorkRecord]) -> tuple["pyarrow.Table", set[str]]:
    """Every evaluation of the given finished trials: columns key, steps, epochs, seconds and the metrics. And the keys
    of those of which the evaluations are damaged, so that they were set aside.

    A metric is null where its probe was not due, and NaN where it gave no number.
    """
    with tempfile.TemporaryDirectory() as temporary:

        def read(wanted: WorkRecord) -> tuple[str, "pyarrow.Table | None"]:
            into = Path(temporary) / wanted.run_id
            into.mkdir()
            try:
                return wanted.key, read_table(checked_file(client, wanted, CURVES, into), CURVES)
            except Damaged as error:
                set_aside(client, wanted, error)
                return wanted.key, None

        read_ones = dict(in_parallel(client, read, list(records)))
        whole = [(key, table) for key, table in read_ones.items() if table is not None]
        return curve_tables.join(whole), read_ones.keys() - dict(whole).keys()


def _restore(client: Client, finished: WorkRecord, snapshot: Snapshot) -> None:
    """Raises:
    Damaged: a file is missing, or is not the one that was recorded.
    """
    for name, wanted in _all_checksums(client, finished).items():
        with tempfile.TemporaryDirectory() as temporary:
            path = checked_file(client, finished, name, Path(temporary))
            if name == CURVES:
                curve_tables.to_csv(read_table(path, name), snapshot.curves_path)
            else:
                (snapshot.path / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(path, snapshot.path / name)
                checksums.check_file(snapshot.path / name, wanted, name)


def _all_checksums(client: Client, finished: WorkRecord) -> Mapping[str, str]:
    """Of the files in folders, too, of each of which only the SHA256SUMS is in the tag. Raises as `_restore`."""
    found: dict[str, str] = {}
    for name, wanted in checksums_of(finished).items():
        folder, _, file = name.rpartition("/")
        if file == checksums.NAME:
            with tempfile.TemporaryDirectory() as temporary:
                inside = checksums.read(checked_file(client, finished, name, Path(temporary)).parent)
            found |= {f"{folder}/{each}": its for each, its in inside.items()}
        else:
            found[name] = wanted
    return found


def _has(known: WorkRecord, steps: int) -> bool:
    return known.summary is not None and known.summary.steps >= steps


def _ingest(client: Client, held: Claim, snapshot: Snapshot, tags: Mapping[str, str]) -> WorkRecord | None:
    run = _held_run(client, held)
    if status(run) is WorkStatus.FINISHED:
        if run.state is RunState.RUNNING:
            complete(client, run)
    else:
        logged = _log_result(client, run, snapshot, tags, held.earlier)
        complete(client, _set_status(client, logged, WorkStatus.FINISHED), held.earlier)
    return record([client.run(run.id)])


def _held_run(client: Client, held: Claim) -> Run:
    """The run of a claim, if it is still ours or we recorded the trial in it already."""
    run = client.run(held.run_id)
    ours = run.live and run.tags[OWNER] == held.owner
    if not ours or (run.state is not RunState.RUNNING and status(run) is WorkStatus.RUNNING):
        raise RunGone(held.run_id)
    return run


def _set_status(client: Client, run: Run, new: WorkStatus) -> Run:
    client.log(run.id, tags={STATUS: new.value})
    return replace(run, tags={**run.tags, STATUS: new.value})


def _log_result(client: Client, run: Run, snapshot: Snapshot, tags: Mapping[str, str], earlier: Iterable[Run]) -> Run:
    """Everything but the status. Returns the run with that."""
    import pyarrow.parquet

    without = {snapshot.state_path.name} if WITHOUT_CHECKPOINT in tags else set()
    snapshot.check(run.tags[KEY], may_lack=without)
    sums = checksums.read(snapshot.path)
    summary = snapshot.summary()
    config = yaml.safe_load(snapshot.config_path.read_text())
    table = curve_tables.from_csv(snapshot.curves_path)

    with tempfile.TemporaryDirectory() as temporary:
        for name in sums.keys() - without - {snapshot.curves_path.name}:
            _link(snapshot.path / name, Path(temporary) / name)
        pyarrow.parquet.write_table(table, Path(temporary) / CURVES)
        kept = _listed(Path(temporary), sums)
        client.upload(run.artifact_uri, Path(temporary))

    metrics: dict[str, float] = {}
    for other in earlier:
        # Goals that the trial was run towards before are reached as ever.
        metrics |= {
            name: value for name, value in other.metrics.items() if name.startswith(("steps_to/", "seconds_to/"))
        }
    if config.get("goal") is not None:
        goal = Goal.model_validate(config["goal"])
        reached = curve_tables.first_reached(table, goal)
        metrics |= reached_metrics(str(goal), *reached) if reached is not None else {}
    metrics |= summary_metrics(summary)
    end_ms = run.started_ms + int(1000 * summary.seconds)
    client.log(
        run.id,
        points=[
            *(Point(name, value, summary.steps, end_ms) for name, value in metrics.items()),
            *curve_tables.sparse(table, run.started_ms),
        ],
        params=params(config),
        tags=(own := {**tags, **summary_tags(summary), CHECKSUMS: checksums.to_text(kept)}),
    )
    return replace(run, metrics=metrics, tags={**run.tags, **own})


def _listed(folder: Path, sums: Mapping[str, str]) -> Mapping[str, str]:
    """The checksums for the tag. Writes a SHA256SUMS into each folder below."""
    listed = {path.name: sums.get(path.name) or checksums.checksum(path) for path in folder.iterdir() if path.is_file()}
    for below in [path for path in folder.iterdir() if path.is_dir()]:
        inside = {path.name: sums[f"{below.name}/{path.name}"] for path in below.iterdir()}
        (below / checksums.NAME).write_text(checksums.to_text(inside), encoding="utf-8")
        listed[f"{below.name}/{checksums.NAME}"] = checksums.checksum(below / checksums.NAME)
    return listed


def _link(path: Path, target: Path) -> None:
    """Checkpoints may be large, and storage and the temporary folder on one disk."""
    target.parent.mkdir(exist_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
