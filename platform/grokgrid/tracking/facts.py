"""What is known of a study's trials, read in few, large pieces.

Searching MLflow costs some milliseconds a run, and a file of curves a trial as much again. So an answer keeps, beside
its tables, what it rests on: `facts/trials.parquet`, a row a trial, and `facts/curves.parquet`, the looks of those
trials that no earlier answer of the study has kept. A later report reads these, and from MLflow only what is newer:

    trials.parquet   key, run_id, `looks_in`: the answer whose curves.parquet has its looks, and its TrialRecord as JSON
    curves.parquet   key, updates, passes, seconds and the metrics, a row a look

A kept trial is trusted unless a run of it has ended since, or its run was deleted. (A run that is removed for good, by
`mlflow gc`, leaves no trace: what an answer kept of it stays in reports until `grokgrid run` looks for the trial.)
"""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from grokgrid.tracking import curves as curve_tables
from grokgrid.tracking import trials
from grokgrid.tracking.client import Client, RunGone
from grokgrid.tracking.records import KEY, TRIALS, TrialRecord
from grokgrid.tracking.runs import find

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from grokgrid.tracking.answers import Answer

FOLDER = "facts"
_TRIALS, _CURVES, _READ_AT = "trials.parquet", "curves.parquet", b"grokgrid.read_at"

_CLOCKS_DIFFER_BY = timedelta(minutes=2)
"""The times at which runs end are of the clocks of whoever ended them."""

_RECORD = TypeAdapter(TrialRecord)


@dataclass(frozen=True)
class Facts:
    """Trials and their curves as they stood at a time.

    records   by key; those of which nothing is known are left out
    looks     a table: key (a dictionary), updates, passes, seconds, metrics; null where a probe was not due, NaN where
              it gave none
    looks_in  key -> the answer that keeps its looks already
    """

    records: Mapping[str, TrialRecord]
    looks: "pyarrow.Table"
    looks_in: Mapping[str, str]
    read_at: datetime

    @property
    def curves(self) -> "pandas.DataFrame":
        """The looks as a DataFrame: NaN where a probe was not due, and where it gave none."""
        return self.looks.unify_dictionaries().to_pandas()  # type: ignore[no-any-return]

    def of(self, key: str) -> "pyarrow.Table":
        """The looks of one trial."""
        import pyarrow.compute

        return self.looks.filter(pyarrow.compute.equal(self.looks["key"], key))


def load(client: Client, answer: "Answer | None", keys: Iterable[str]) -> Facts:
    """What MLflow has of these trials now, `answer` being the one that may have kept most of them."""
    wanted, read_at = set(keys), datetime.now(UTC)
    kept = _kept(client, answer, wanted) if answer is not None else None
    rest = find(client, wanted - kept.records.keys() if kept else wanted)
    looks = trials.looks(client, [record for record in rest.values() if record.summary is not None])
    if kept is None:
        return Facts(rest, looks, {}, read_at)
    return Facts({**kept.records, **rest}, curve_tables.concat([kept.looks, looks]), kept.looks_in, read_at)


def keep(facts: Facts, folder: Path, answer: str) -> None:
    """Writes the two files, for the answer of that run id."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    records = [record for record in facts.records.values() if record.summary is not None]
    columns = {
        "key": [record.key for record in records],
        "run_id": [record.run_id for record in records],
        "looks_in": [facts.looks_in.get(record.key, answer) for record in records],
        "record": [_RECORD.dump_json(record).decode() for record in records],
    }
    table = pyarrow.table(columns, schema=pyarrow.schema([(name, pyarrow.string()) for name in columns]))
    table = table.replace_schema_metadata({_READ_AT: facts.read_at.isoformat().encode()})
    kept = pyarrow.array(list(facts.looks_in), pyarrow.string())
    new = facts.looks.filter(pyarrow.compute.invert(pyarrow.compute.is_in(facts.looks["key"], kept)))
    pyarrow.parquet.write_table(table, folder / _TRIALS, compression="zstd")
    # The first bytes of measurements are much alike, the last ones noise: apart they take two thirds of the room.
    numbers = [field.name for field in new.schema if pyarrow.types.is_floating(field.type)]
    pyarrow.parquet.write_table(
        new,
        folder / _CURVES,
        compression="zstd",
        use_dictionary=["key"],
        column_encoding=dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"),
    )


def read_kept(folder: Path) -> Facts | None:
    """What `keep` wrote, all of it in this folder; None if it is not there."""
    import pyarrow.parquet

    if not ((folder / _TRIALS).exists() and (folder / _CURVES).exists()):
        return None
    table = pyarrow.parquet.read_table(folder / _TRIALS)
    records = [_RECORD.validate_json(text) for text in table["record"].to_pylist()]
    looks = pyarrow.parquet.read_table(folder / _CURVES, read_dictionary=["key"])
    return Facts({record.key: record for record in records}, looks, {}, _read_at(table))


def _read_at(table: "pyarrow.Table") -> datetime:
    return datetime.fromisoformat(table.schema.metadata[_READ_AT].decode())


def _kept(client: Client, answer: "Answer", wanted: set[str]) -> Facts | None:
    """What an answer keeps of these trials and is still so."""
    import pyarrow.compute

    table = _read(client, answer.artifact_uri, _TRIALS)
    if table is None:
        return None
    read_at = _read_at(table)
    experiment = [client.experiment(TRIALS, "trials")]
    since_ms = int((read_at - _CLOCKS_DIFFER_BY).timestamp() * 1000)
    rows = [row for row in table.to_pylist() if row["key"] in wanted]
    known = {row["run_id"] for row in rows}
    ended_since = client.search(experiment, f"attributes.end_time >= {since_ms}")
    changed = {run.tags.get(KEY) for run in ended_since if run.id not in known}
    deleted = {run.id for run in client.search(experiment, "attributes.status = 'FINISHED'", deleted=True)}
    rows = [row for row in rows if row["key"] not in changed and row["run_id"] not in deleted]
    parts, complete = [], set()
    for source in sorted({row["looks_in"] for row in rows}):
        uri = answer.artifact_uri if source == answer.run_id else _artifacts(client, source)
        part = _read(client, uri, _CURVES) if uri is not None else None
        if part is not None:
            mine = pyarrow.array([row["key"] for row in rows if row["looks_in"] == source], pyarrow.string())
            parts.append(part.filter(pyarrow.compute.is_in(part["key"], mine)))
            complete.add(source)
    rows = [row for row in rows if row["looks_in"] in complete]
    records = {row["key"]: _RECORD.validate_json(row["record"]) for row in rows}
    return Facts(records, curve_tables.concat(parts), {row["key"]: row["looks_in"] for row in rows}, read_at)


def _artifacts(client: Client, run_id: str) -> str | None:
    try:
        run = client.run(run_id)
    except RunGone:
        return None
    return run.artifact_uri if run.live else None


def _read(client: Client, artifact_uri: str, name: str) -> "pyarrow.Table | None":
    import pyarrow.parquet

    path = f"{FOLDER}/{name}"
    if path not in client.files(artifact_uri, FOLDER):
        return None
    with tempfile.TemporaryDirectory() as folder:
        # There may be millions of looks, and each key is told once.
        return pyarrow.parquet.read_table(client.file(artifact_uri, path, Path(folder)), read_dictionary=["key"])
