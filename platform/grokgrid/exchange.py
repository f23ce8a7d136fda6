"""Taking trials from one MLflow to another, or from machines that have none.

An export of a study is a folder of three files: study.yaml, and the trials and their looks as an answer keeps them
(`tracking/facts.py`); with the source of parts of people's own under files/. It holds no checkpoints, and is small
enough to be published beside a paper: a trial of some hundred looks takes some ten kilobytes. What is imported can be
reported, compared and counted as done; should it have to go on, it starts anew.

A folder that `python -m trainables` has written can be imported too, checkpoints included.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grokgrid.tracking import AnswerRun, Tracking, TrialRecord
from grokgrid.tracking.curves import to_csv
from grokgrid.tracking.facts import Facts, keep, read_kept
from grokgrid.tracking.records import WITHOUT_CHECKPOINT
from search_spaces import Study, pinned, read_study, to_portable_yaml
from trainables.__main__ import read_trial
from trainables.mistakes import Mistake, Mistakes
from trainables.records import Snapshot, Summary, TrialFolder, ending
from trainables.trial import Trial

if TYPE_CHECKING:
    import pyarrow

_STUDY = "study.yaml"
_IMPORTED, _IMPORTS = "grokgrid.imported", "grokgrid-imports"


@dataclass(frozen=True)
class Imported:
    """How many trials were recorded, and how many were there already, as far or further."""

    num_new: int
    num_known: int


def export(study: Study, facts: Facts, folder: Path) -> int:
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
    keep(replace(facts, looks_in={}), folder, "")
    return sum(record.summary is not None for record in facts.records.values())


def import_trials(folder: Path, tracking: Tracking) -> Imported:
    """Records the trials of an export, or of a folder that `python -m trainables` wrote.

    Raises:
        Mistakes: it is neither, or a trial in it is not what it says it is; nothing was recorded.
    """
    with tempfile.TemporaryDirectory() as temporary:
        is_export = (folder / _STUDY).exists()
        found = list(_of_export(folder, Path(temporary)) if is_export else _of_storage(folder))
        if not found:
            raise Mistakes(str(folder), [Mistake((), "holds no trials, neither exported ones nor those of a worker")])
        tracking.connect()
        tracking.clean_up()
        owner = tracking.open_answer(_IMPORTS, folder.resolve().name)
        try:
            num_new = sum(_record(snapshot, tags, tracking, owner) for snapshot, tags in found)
        finally:
            owner.abandon()
        return Imported(num_new, len(found) - num_new)


def _record(snapshot: Snapshot, tags: Mapping[str, str], tracking: Tracking, owner: AnswerRun) -> bool:
    summary = snapshot.summary()

    def has_as_much(known: TrialRecord) -> bool:
        return known.summary is not None and known.summary.updates >= summary.updates

    known = tracking.find([summary.key]).get(summary.key)
    if known is not None and has_as_much(known):
        return False
    held = tracking.claim(owner, [summary.key], has_as_much).won.get(summary.key)
    return held is not None and tracking.ingest(held, snapshot, tags) is not None


def _of_export(folder: Path, temporary: Path) -> Iterator[tuple[Snapshot, Mapping[str, str]]]:
    """Snapshots as the trials left them, but for their checkpoints."""
    study, facts = read_study(folder / _STUDY), read_kept(folder)
    if facts is None:
        raise Mistakes(
            str(folder), [Mistake((), "has a study.yaml, but no trials.parquet and curves.parquet beside it")]
        )
    trials = study.trials_by_key
    if strange := [key for key in facts.records if key not in trials]:
        wrong = f"holds {len(strange)} trials that are none of its study.yaml's: {', '.join(strange[:3])}"
        raise Mistakes(str(folder), [Mistake((), wrong)])
    for key, record in facts.records.items():
        assert record.summary is not None
        yield _snapshot(trials[key], record.summary, facts.of(key), temporary), _tags(record, folder)


def _snapshot(trial: Trial, summary: Summary, looks: "pyarrow.Table", root: Path) -> Snapshot:
    def fill(snapshot: Snapshot) -> None:
        snapshot.write_config(trial)
        to_csv(looks.select(["updates", "passes", "seconds", *trial.config.metrics]), snapshot.curves_path)
        snapshot.write_summary(summary)

    return TrialFolder(root, trial.key).write(summary.updates, fill)


def _of_storage(folder: Path) -> Iterator[tuple[Snapshot, Mapping[str, str]]]:
    for path in sorted(folder.iterdir()):
        snapshot = TrialFolder(folder, path.name).latest() if path.is_dir() else None
        if snapshot is None:
            continue
        summary, trial = snapshot.summary(), read_trial(snapshot.config_path)
        if not trial.key == summary.key == path.name:
            wrong = f"its settings are those of trial {trial.key}, its summary is of {summary.key}"
            raise Mistakes(str(path), [Mistake((), wrong)])
        if ending(trial.config, summary) is not None:
            yield snapshot, {_IMPORTED: folder.resolve().name}


def _tags(record: TrialRecord, folder: Path) -> Mapping[str, str]:
    """Who ran it stays; that it was imported, and without its checkpoint, is added."""
    own = {name: value for name, value in record.tags.items() if name in ("grokgrid.version", "grokgrid.commit")}
    return own | {_IMPORTED: folder.resolve().name, WITHOUT_CHECKPOINT: "true"}
