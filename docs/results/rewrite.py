"""Renames the fields and keys of exports that were written before the fields were renamed; their numbers stay.

    python docs/results/rewrite.py docs/results/*/

An export is renamed in its study.yaml, in the columns and the records of its tables, and in SHA256SUMS. A trial finds
its new key by its settings: they are those of one cell of the study. What is renamed already stays as it is.
"""

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import TypeAdapter

from grokgrid.tracking import TrialRecord
from grokgrid.tracking.curves import POSITION
from grokgrid.tracking.records import params
from grokgrid.tracking.trial_results import TrialResults, keep, read_kept
from search_spaces import Cell, read_study
from trainables import checksums
from trainables.reading import read_yaml
from trainables.trial import SHORT_FORMS

NAMES = {
    "updates": "steps",
    "passes": "epochs",
    "from_updates": "from_steps",
    "looks_in": "evaluations_in",
    "input_noise": "input_transform",
}
EVALUATE = {"look_every": "every", "looks_per_decade": "per_decade"}
"""Fields of `budget` -> fields of `evaluate`."""

PROSE = {"at every pass": "at every epoch"}


def rewrite(folder: Path) -> int:
    """Returns how many trials the export holds."""
    checksums.check(folder)
    study_path, trials_path, curves_path = (
        folder / name for name in ("study.yaml", "trials.parquet", "curves.parquet")
    )
    content = renamed_study(read_yaml(study_path).content)
    study_path.write_text(
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    )
    cells = read_study(study_path).cells

    trials = pq.read_table(trials_path)
    rows = [renamed_record(json.loads(text), cells) for text in trials["record"].to_pylist()]
    new_keys = dict(zip(trials["key"].to_pylist(), (record["key"] for record in rows), strict=True))
    assert len(set(new_keys.values())) == len(new_keys), f"{folder}: two trials would have the same key"

    curves = pq.read_table(curves_path)
    columns = [NAMES.get(name, name) for name in curves.column_names]
    assert columns[1:4] == list(POSITION)
    keys = pa.array([new_keys[key] for key in curves["key"].to_pylist()], pa.string())
    curves = curves.rename_columns(columns).set_column(0, "key", keys.dictionary_encode())

    records = TypeAdapter(dict[str, TrialRecord]).validate_python({record["key"]: record for record in rows})
    read_at = trials.schema.metadata[b"grokgrid.read_at"].decode()
    keep(TrialResults(records, curves, {}, datetime.fromisoformat(read_at)), folder, "")
    checksums.write(folder)
    assert read_kept(folder) is not None
    return len(rows)


def renamed_study(content: dict[str, Any]) -> dict[str, Any]:
    content = _renamed(content)
    for settings in (content["trial"], *content["arms"].values()):
        _move_evaluate(settings)
    return content


def renamed_record(record: dict[str, Any], cells: Iterable[Cell]) -> dict[str, Any]:
    record["params"] = renamed_params(record["params"])
    settings = {(name, value) for name, value in record["params"].items() if name != "seed"}
    (key,) = {
        cell.key_of(record["summary"]["seed"])
        for cell in cells
        if settings <= params(cell.config.model_dump(mode="json")).items()
    }
    tags, summary = record["tags"], record["summary"]
    record["key"] = summary["key"] = tags["grokgrid.key"] = tags["mlflow.runName"] = key
    tags["grokgrid.segments"] = json.dumps(_renamed(json.loads(tags["grokgrid.segments"])))
    # The names of measurements are data.
    summary |= {NAMES.get(name, name): summary.pop(name) for name in list(summary)}
    summary["segments"] = _renamed(summary["segments"])
    return record


def renamed_params(old: dict[str, str]) -> dict[str, str]:
    """`regulariser.strength` -> `regularisers.jacobian.strength`."""
    new: dict[str, str] = {}
    for path, value in old.items():
        field, _, setting = _renamed_path(path).partition(".")
        if field not in SHORT_FORMS:
            new[f"{field}.{setting}" if setting else field] = value
            continue
        component = next(v for p, v in old.items() if _renamed_path(p) == f"{field}.name").rpartition(":")[2]
        if component == "none":
            new[SHORT_FORMS[field]] = "none"
        else:
            new[f"{SHORT_FORMS[field]}.{component}.{setting}"] = value
    return new


def _renamed(value: Any) -> Any:
    """Names of fields, dotted paths and values that name a field."""
    match value:
        case dict():
            return {_renamed_path(name): _renamed(inner) for name, inner in value.items()}
        case list():
            return [_renamed(inner) for inner in value]
        case str():
            for old, new in PROSE.items():
                value = value.replace(old, new)
            return NAMES.get(value, value)
        case _:
            return value


def _renamed_path(path: str) -> str:
    for old, new in EVALUATE.items():
        if path == f"budget.{old}":
            return f"evaluate.{new}"
    return ".".join(NAMES.get(part, part) for part in path.split("."))


def _move_evaluate(settings: dict[str, Any]) -> None:
    """From the budget to a field after it."""
    budget = settings.get("budget", {})
    evaluate = {new: budget.pop(old) for old, new in EVALUATE.items() if old in budget}
    if evaluate:
        fields = list(settings.items())
        settings.clear()
        for name, value in fields:
            settings[name] = value
            if name == "budget":
                settings["evaluate"] = evaluate
        if not settings["budget"]:
            del settings["budget"]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(f"{argument}: {rewrite(Path(argument))} trials")
