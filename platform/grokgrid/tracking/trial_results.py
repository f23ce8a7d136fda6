"""What is known of a study's trials, read in few, large pieces.

Searching MLflow costs some milliseconds a run, and a file of curves a trial as much again. So a report keeps, beside
its tables, what it rests on: `results/trials.parquet`, a row a trial, and `results/curves.parquet`, the evaluations of
those
trials that no earlier report of the study has kept. A later report reads these, and from MLflow only what is newer:

    trials.parquet   key, run_id, `evaluations_in`: the report whose curves.parquet has its evaluations, and its
                     WorkRecord as JSON
    curves.parquet   key, steps, epochs, seconds and the metrics, a row an evaluation

Both are checked against the report's SHA256SUMS: what is damaged is read from the trials' own runs, as is what is
newer. A kept trial is trusted unless a run of it has ended since, or its run was deleted. (A run that is removed for
good, by `mlflow gc`, leaves no trace: what a report kept of it stays in reports until `grokgrid run` looks for the
trial.)
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from grokgrid.plurals import plural
from grokgrid.tracking import curves as curve_tables
from grokgrid.tracking import trials
from grokgrid.tracking.away import TrackingError
from grokgrid.tracking.client import Client, RunGone
from grokgrid.tracking.kept import checked_file_of_report
from grokgrid.tracking.records import KEY, TRIALS, WorkRecord
from grokgrid.tracking.runs import find
from trainables.checksums import Damaged
from trainables.records import warn
from trainables.validation import Problem, ValidationErrors, problems_of

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from grokgrid.tracking.report_runs import Report

FOLDER = "results"
_TRIALS, CURVES, _READ_AT = "trials.parquet", "curves.parquet", b"grokgrid.read_at"

_CLOCKS_DIFFER_BY = timedelta(minutes=2)
"""The times at which runs end are of the clocks of whoever ended them."""

_RECORD = TypeAdapter(WorkRecord)


@dataclass(frozen=True)
class TrialResults:
    """Trials and their curves as they stood at a time.

    records   by key; those of which nothing is known are left out
    evaluations     a table: key (a dictionary), steps, epochs, seconds, metrics; null where a probe was not due, NaN
                    where
              it gave none
    evaluations_in  key -> the report that keeps its evaluations already
    """

    records: Mapping[str, WorkRecord]
    evaluations: "pyarrow.Table"
    evaluations_in: Mapping[str, str]
    read_at: datetime

    def and_also(self, other: "TrialResults") -> "TrialResults":
        """With those of the other, which has other keys."""
        return TrialResults(
            {**self.records, **other.records},
            curve_tables.concat([self.evaluations, other.evaluations]),
            {**self.evaluations_in, **other.evaluations_in},
            min(self.read_at, other.read_at),
        )

    @property
    def curves(self) -> "pandas.DataFrame":
        """The evaluations as a DataFrame: NaN where a probe was not due, and where it gave none."""
        return self.evaluations.unify_dictionaries().to_pandas()  # type: ignore[no-any-return]

    def of(self, key: str) -> "pyarrow.Table":
        """The evaluations of one trial."""
        import pyarrow.compute

        return self.evaluations.filter(pyarrow.compute.equal(self.evaluations["key"], key))


def load(client: Client, report: "Report | None", keys: Iterable[str]) -> TrialResults:
    """What MLflow has of these trials now, `report` being the one that may have kept most of them."""
    wanted, read_at = set(keys), datetime.now(UTC)
    kept = _kept(client, report, wanted) if report is not None else None
    rest = find(client, wanted - kept.records.keys() if kept else wanted)
    evaluations, damaged = trials.evaluations(
        client, [record for record in rest.values() if record.summary is not None]
    )
    rest = {key: record for key, record in rest.items() if key not in damaged}
    if kept is None:
        return TrialResults(rest, evaluations, {}, read_at)
    return TrialResults(
        {**kept.records, **rest}, curve_tables.concat([kept.evaluations, evaluations]), kept.evaluations_in, read_at
    )


def keep(trial_results: TrialResults, folder: Path, report: str) -> None:
    """Writes the two files, for the report of that run id."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    records = [record for record in trial_results.records.values() if record.summary is not None]
    columns = {
        "key": [record.key for record in records],
        "run_id": [record.run_id for record in records],
        "evaluations_in": [trial_results.evaluations_in.get(record.key, report) for record in records],
        "record": [_RECORD.dump_json(record).decode() for record in records],
    }
    table = pyarrow.table(columns, schema=pyarrow.schema([(name, pyarrow.string()) for name in columns]))
    table = table.replace_schema_metadata({_READ_AT: trial_results.read_at.isoformat().encode()})
    kept = pyarrow.array(list(trial_results.evaluations_in), pyarrow.string())
    new = trial_results.evaluations.filter(
        pyarrow.compute.invert(pyarrow.compute.is_in(trial_results.evaluations["key"], kept))
    )
    pyarrow.parquet.write_table(table, folder / _TRIALS, compression="zstd")
    # The first bytes of measurements are much alike, the last ones noise: apart they take two thirds of the room.
    numbers = [field.name for field in new.schema if pyarrow.types.is_floating(field.type)]
    pyarrow.parquet.write_table(
        new,
        folder / CURVES,
        compression="zstd",
        use_dictionary=["key"],
        column_encoding=dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"),
    )


def read_kept(folder: Path) -> TrialResults | None:
    """What `keep` wrote, all of it in this folder; None if it is not there.

    Raises:
        ValidationErrors: a file is damaged, or the two are not of the same trials.
    """
    import pyarrow

    if not ((folder / _TRIALS).exists() and (folder / CURVES).exists()):
        return None
    text, number = pyarrow.string(), pyarrow.float64()
    evaluation = {"key": pyarrow.dictionary(pyarrow.int32(), text), "steps": pyarrow.int64()}
    columns = {_TRIALS: {"key": text, "record": text}, CURVES: evaluation | {"epochs": number, "seconds": number}}
    tables, problems = {}, []
    for name, types in columns.items():
        try:
            tables[name] = _whole(folder / name, types, number if name == CURVES else text)
        except ValueError as error:
            problems.append(Problem((name,), str(error)))
    if problems:
        raise ValidationErrors(str(folder), problems)

    records, wrong = {}, []
    for row in tables[_TRIALS].select(["key", "record"]).to_pylist():
        try:
            record = _record(row["key"], row["record"])
            wrong += [(record.key, "the record is there twice")] if record.key in records else []
            records[record.key] = record
        except ValueError as error:
            wrong.append((row["key"], str(error)))
    try:
        read_at = _read_at(tables[_TRIALS])
    except (TypeError, KeyError, ValueError):
        problems.append(Problem((_TRIALS,), "does not say when the trials were read from MLflow"))
    problems += told(_TRIALS, wrong)
    # Of a record that cannot be read the evaluations are not strange as well.
    strange = set(tables[CURVES]["key"].unique().to_pylist()).difference(records, (key for key, _ in wrong))
    problems += told(CURVES, [(key, "there are evaluations, but no record") for key in sorted(strange, key=str)])
    if problems:
        raise ValidationErrors(str(folder), problems)
    return TrialResults(records, tables[CURVES], {}, read_at)


def told(name: str, wrong: Iterable[tuple[str, str]]) -> list[Problem]:
    """Problems in a file of many trials from pairs of a key and what is wrong there: one for each thing that
    is.
    """
    keys: dict[str, list[str]] = defaultdict(list)
    for key, what in wrong:
        keys[what].append(str(key))
    return [
        Problem((name,), f"of {plural(len(those), 'trial')} {what}: {', '.join(those[:3])}{', …' * (len(those) > 3)}")
        for what, those in keys.items()
    ]


def in_words(error: ValidationError) -> str:
    """The first thing that is wrong with a JSON text."""
    if error.errors(include_url=False)[0]["type"] == "json_invalid":
        return "is no JSON"
    return f"is not whole: {problems_of(error)[0]}"


def _whole(path: Path, columns: Mapping[str, "pyarrow.DataType"], others: "pyarrow.DataType") -> "pyarrow.Table":
    """A Parquet file with these columns, and others of one type.

    Raises:
        ValueError: what is wrong with it.
    """
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, read_dictionary=["key"])
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError):
        raise ValueError("is no Parquet file, or not all of one") from None
    if missing := columns.keys() - table.column_names:
        raise ValueError(f"has no column {', '.join(sorted(missing))}")
    for index, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        wanted = columns.get(name, others)
        try:
            table = table.set_column(index, name, column.cast(wanted))
        except pyarrow.ArrowException:
            raise ValueError(f"its column {name} holds {column.type}, where {wanted} should be") from None
        if name in columns and column.null_count:
            raise ValueError(f"its column {name} has blanks")
    return table


def _record(key: str, text: str) -> WorkRecord:
    """Raises:
    ValueError: what is wrong with it.
    """
    try:
        record = _RECORD.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"the record {in_words(error)}") from None
    if record.summary is None or not record.summary.segments:
        raise ValueError("the record does not say how far it came, or where")
    if not key == record.key == record.summary.key:
        raise ValueError("the record is of another trial")
    return record


def _read_at(table: "pyarrow.Table") -> datetime:
    return datetime.fromisoformat(table.schema.metadata[_READ_AT].decode())


def _kept(client: Client, report: "Report", wanted: set[str]) -> TrialResults | None:
    """What a report keeps of these trials and is still so."""
    import pyarrow.compute

    table = _read(client, report.artifact_uri, _TRIALS)
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
    for source in sorted({row["evaluations_in"] for row in rows}):
        uri = report.artifact_uri if source == report.run_id else _artifacts(client, source)
        part = _read(client, uri, CURVES) if uri is not None else None
        if part is not None:
            mine = pyarrow.array([row["key"] for row in rows if row["evaluations_in"] == source], pyarrow.string())
            parts.append(part.filter(pyarrow.compute.is_in(part["key"], mine)))
            complete.add(source)
    rows = [row for row in rows if row["evaluations_in"] in complete]
    records = {row["key"]: _RECORD.validate_json(row["record"]) for row in rows}
    return TrialResults(
        records, curve_tables.concat(parts), {row["key"]: row["evaluations_in"] for row in rows}, read_at
    )


def _artifacts(client: Client, run_id: str) -> str | None:
    try:
        run = client.run(run_id)
    except RunGone:
        return None
    return run.artifact_uri if run.live else None


def _read(client: Client, artifact_uri: str, name: str) -> "pyarrow.Table | None":
    """None if it is missing or damaged."""
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = checked_file_of_report(client, artifact_uri, f"{FOLDER}/{name}", Path(folder))
        except (Damaged, TrackingError) as error:
            warn(f"{artifact_uri}: {error}. What it told is read from the trials' own runs.")
            return None
        # There may be millions of evaluations, and each key is told once.
        return pyarrow.parquet.read_table(path, read_dictionary=["key"])
