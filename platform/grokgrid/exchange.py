"""Taking trials from one MLflow to another, or from machines that have none.

An export of a study is a folder of four files: study.yaml, the trials, the assessments of their networks and the
evaluations of both as a report keeps them
(`tracking/trial_results.py`), and SHA256SUMS, the checksums of these; with the source of plugins under files/, and the
tables that probes have measured under tables/KEY/. It
holds no checkpoints and no networks that were kept on the way, and is small enough to be published beside a paper: a
trial of some hundred evaluations takes some ten kilobytes. What is imported can be reported, compared and counted as
done; should it have to go on, it starts anew.

A folder that `python -m trainables` has written can be imported too, checkpoints and kept networks included.
"""

import csv
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from grokgrid.assessments import wanted
from grokgrid.results import results_of
from grokgrid.tracking import ReportRun, Tracking, WorkRecord
from grokgrid.tracking.curves import POSITION, from_csv, to_csv
from grokgrid.tracking.kept import read_table
from grokgrid.tracking.records import WITHOUT_CHECKPOINT
from grokgrid.tracking.trial_results import CURVES, TrialResults, keep, read_kept, told
from search_spaces import Study, pinned, read_study, to_portable_yaml
from trainables import checksums
from trainables.__main__ import read_work
from trainables.assessment_config import TABLE, AssessmentConfig
from trainables.checksums import Damaged
from trainables.evaluations import NOT_YET
from trainables.gradient_config import GradientConfig
from trainables.names import IMPORTS_EXPERIMENT
from trainables.records import Snapshot, Summary, WorkFolder, ending
from trainables.validation import Problem, ValidationErrors
from trainables.work import Work

if TYPE_CHECKING:
    import pyarrow

_STUDY = "study.yaml"
_TABLES = "tables"
_IMPORTED = "grokgrid.imported"


@dataclass(frozen=True)
class Imported:
    """How many trials were recorded, and how many were there already, as far or further."""

    num_new: int
    num_known: int


def export(study: Study, trial_results: TrialResults, folder: Path, tracking: Tracking) -> int:
    """Writes a study's trials to a new folder; returns how many there are.

    Raises:
        FileExistsError: there is such a folder.
    """
    folder.mkdir(parents=True)
    text, files = to_portable_yaml(pinned(study))
    (folder / _STUDY).write_text(text)
    for place, file in files.items():
        # Data may be large, and somebody else's; code is what the trials were computed with.
        if file.suffix == ".py":
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / place)
    keep(replace(trial_results, evaluations_in={}), folder, "")
    work = _work_of(study, trial_results)
    for key, record in trial_results.records.items():
        if record.summary is not None and _tables_of(work[key]):
            tracking.copy_tables(record, folder / _TABLES / key)
    checksums.write(folder)
    done = {key for key, record in trial_results.records.items() if record.summary is not None}
    return len(done & study.trials_by_key.keys())


def import_trials(folder: Path, tracking: Tracking) -> Imported:
    """Records the trials of an export, or of a folder that `python -m trainables` wrote.

    Raises:
        ValidationErrors: it is neither, or a trial in it is not what it says it is; nothing was recorded.
    """
    with tempfile.TemporaryDirectory() as temporary:
        is_export = (folder / _STUDY).exists()
        found = list(_of_export(folder, Path(temporary)) if is_export else _of_storage(folder))
        if not found:
            raise ValidationErrors(
                str(folder), [Problem((), "holds no trials, neither exported ones nor those of a worker")]
            )
        tracking.connect()
        tracking.clean_up()
        owner = tracking.open_report(IMPORTS_EXPERIMENT, folder.resolve().name)
        try:
            num_new = sum(_record(snapshot, tags, tracking, owner) for snapshot, tags in found)
        finally:
            owner.abandon()
        return Imported(num_new, len(found) - num_new)


def _record(snapshot: Snapshot, tags: Mapping[str, str], tracking: Tracking, owner: ReportRun) -> bool:
    summary = snapshot.summary()

    def has_as_much(known: WorkRecord) -> bool:
        return known.summary is not None and known.summary.steps >= summary.steps

    known = tracking.find([summary.key]).get(summary.key)
    if known is not None and has_as_much(known):
        return False
    held = tracking.claim(owner, [summary.key], has_as_much).won.get(summary.key)
    return held is not None and tracking.ingest(held, snapshot, tags) is not None


def _of_export(folder: Path, temporary: Path) -> Iterator[tuple[Snapshot, Mapping[str, str]]]:
    """Snapshots as the trials left them, but for their checkpoints."""
    try:
        checksums.check(folder)
    except Damaged as error:
        raise ValidationErrors(str(folder), [Problem((), f"{error}: this is not all that was exported")]) from None
    study, trial_results = read_study(folder / _STUDY), read_kept(folder)
    if trial_results is None:
        raise ValidationErrors(
            str(folder), [Problem((), "has a study.yaml, but no trials.parquet and curves.parquet beside it")]
        )
    trials = _work_of(study, trial_results)
    if strange := [key for key in trial_results.records if key not in trials]:
        wrong = f"holds {len(strange)} trials that are none of its study.yaml's: {', '.join(strange[:3])}"
        raise ValidationErrors(str(folder), [Problem((), wrong)])
    found: list[tuple[str, str]] = []
    wrong_tables: list[tuple[str, str]] = []
    for key, record in trial_results.records.items():
        assert record.summary is not None
        evaluations = trial_results.of(key)
        tables = folder / _TABLES / key
        if (what := _contradiction(trials[key], record.summary, evaluations)) is not None:
            found.append((key, what))
        elif (what := _wrong_table(trials[key], tables, evaluations)) is not None:
            wrong_tables.append((key, what))
        else:
            yield _snapshot(trials[key], record.summary, evaluations, temporary, tables), _tags(record, folder)
    if found or wrong_tables:
        raise ValidationErrors(str(folder), told(CURVES, found) + told(_TABLES, wrong_tables))


def _work_of(study: Study, trial_results: TrialResults) -> dict[str, Work]:
    """The study's trials, and the assessments that have been made of their networks, by key."""
    work: dict[str, Work] = dict(study.trials_by_key)
    records = {key: record for key, record in trial_results.records.items() if key in work}
    others = [record for key, record in trial_results.records.items() if key not in work]
    steps = frozenset(int(record.params["step"]) for record in others if record.params.get("step", "").isdecimal())
    if study.assessments and others:
        found = results_of(study, records, trial_results.curves)
        # The networks themselves are not here.
        wants = wanted(study, found.trials, records, lambda record: steps)
        work |= {each.work.key: each.work for each in wants if each.work is not None}
    return work


def _contradiction(trial: Work, summary: Summary, evaluations: "pyarrow.Table") -> str | None:
    """What shows that these are not all the evaluations that the summary was made of; None if nothing does.

    A trial that ended was evaluated wherever its schedule says, and last where it ended; a diverged one ended where it
    would have been evaluated next.
    """
    import numpy

    metrics, budget = trial.config.metrics or tuple(summary.last), trial.config.budget
    next_after = trial.config.evaluate.next_after if isinstance(trial.config, GradientConfig) else None
    if missing := [name for name in (*POSITION, *metrics) if name not in evaluations.column_names]:
        return f"the evaluations have no column {', '.join(missing)}"
    if any(evaluations[name].null_count for name in POSITION):
        return f"there are evaluations without {', '.join(POSITION)}"
    steps, epochs, seconds = (evaluations[name].to_pylist() for name in POSITION)
    position: float = NOT_YET
    for reached in epochs if budget.unit == "epochs" else steps:
        if next_after is not None and reached != next_after(position):
            return "evaluations are missing, or are not in order"
        position = reached
    if any(before >= after for before, after in pairwise([NOT_YET, *steps])):
        return "steps do not increase"

    last = (steps[-1], epochs[-1], seconds[-1]) if steps else (0, 0.0, 0.0)
    if summary.diverged_at is None:
        is_end = last == (summary.steps, summary.epochs, summary.seconds)
    else:
        end = budget.position(steps=summary.steps, epochs=summary.epochs)
        is_end = (
            next_after is not None and last[0] < summary.diverged_at <= summary.steps and end == next_after(position)
        )
    if not is_end:
        return "the last evaluation is not where it ended"

    for name in metrics:
        values = evaluations[name].to_numpy()
        values = values[~numpy.isnan(values) & (evaluations["steps"].to_numpy() > 0)]
        extremes = (values.min(), values.max()) if len(values) else (None, None)
        if extremes != (summary.low.get(name), summary.high.get(name)):
            return f"the extremes of {name} are not those of its evaluations"
    return None


def _tables_of(trial: Work) -> set[str]:
    """The names of the files of all tables that it may have."""
    if isinstance(trial.config, AssessmentConfig):
        return {f"{TABLE}.parquet"}
    if not isinstance(trial.config, GradientConfig):
        return set()
    return {f"{name}.parquet" for probe in trial.config.all_probes for name in probe.table_names}


def _wrong_table(trial: Work, folder: Path, evaluations: "pyarrow.Table") -> str | None:
    """Why these are not the trial's tables; None if they are, or there are none."""
    steps = set(evaluations["steps"].to_pylist())
    for path in sorted(folder.glob("*")):
        if path.name not in _tables_of(trial):
            return f"there is a table {path.stem}, which no probe measures"
        try:
            table = read_table(path, path.name)
        except Damaged as error:
            return str(error)
        if isinstance(trial.config, AssessmentConfig):
            continue
        if table.column_names[:2] != list(POSITION[:2]) or not steps.issuperset(table["steps"].to_pylist()):
            return f"the table {path.stem} has rows of no evaluation"
    return None


def _snapshot(trial: Work, summary: Summary, evaluations: "pyarrow.Table", root: Path, tables: Path) -> Snapshot:
    def fill(snapshot: Snapshot) -> None:
        snapshot.write_config(trial)
        to_csv(
            evaluations.select(["steps", "epochs", "seconds", *(trial.config.metrics or summary.last)]),
            snapshot.curves_path,
        )
        snapshot.write_summary(summary)
        if tables.exists():
            shutil.copytree(tables, snapshot.tables_path)

    return WorkFolder(root, trial.key).write(summary.steps, fill)


def _of_storage(folder: Path) -> Iterator[tuple[Snapshot, Mapping[str, str]]]:
    for path in sorted(folder.iterdir()):
        snapshots = WorkFolder(folder, path.name).snapshots() if path.is_dir() else []
        if not snapshots:
            continue
        snapshot = snapshots[-1]
        _check_files(snapshot, path.name)
        summary, trial = snapshot.summary(), read_work(snapshot.config_path)
        if trial.key != path.name:
            wrong = f"its settings are those of trial {trial.key}, its summary is of {summary.key}"
            raise ValidationErrors(str(path), [Problem((), wrong)])
        if ending(trial.config, summary) is not None:
            _check(snapshot, trial, summary)
            without = {} if snapshot.state_path.exists() else {WITHOUT_CHECKPOINT: "true"}
            yield snapshot, {_IMPORTED: folder.resolve().name} | without


def _check_files(snapshot: Snapshot, key: str) -> None:
    """Without its checkpoint it can be imported all the same."""
    try:
        snapshot.check(key, may_lack=(snapshot.state_path.name,))
    except Damaged as error:
        raise ValidationErrors(str(snapshot.path), [Problem((), f"the snapshot is damaged: {error}")]) from None


def _check(snapshot: Snapshot, trial: Work, summary: Summary) -> None:
    """Refuses what matches its checksums, but was not written by a worker."""
    if not summary.segments:
        raise ValidationErrors(str(snapshot.summary_path), [Problem((), "does not say where it ran")])
    try:
        wrong = _contradiction(trial, summary, from_csv(snapshot.curves_path))
    except (ValueError, StopIteration, csv.Error):
        wrong = "is no table of evaluations, or not all of one"
    if wrong is not None:
        raise ValidationErrors(str(snapshot.curves_path), [Problem((), wrong)])
    if (wrong := _wrong_table(trial, snapshot.tables_path, from_csv(snapshot.curves_path))) is not None:
        raise ValidationErrors(str(snapshot.tables_path), [Problem((), wrong)])


def _tags(record: WorkRecord, folder: Path) -> Mapping[str, str]:
    """Who ran it stays; that it was imported, and without its checkpoint, is added."""
    own = {name: value for name, value in record.tags.items() if name in ("grokgrid.version", "grokgrid.commit")}
    return own | {_IMPORTED: folder.resolve().name, WITHOUT_CHECKPOINT: "true"}
