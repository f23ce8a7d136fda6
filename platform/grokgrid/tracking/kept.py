"""The files of trials in MLflow, checked against the checksums that were recorded with them.

A file that has changed since, or is missing where others of its trial are there, is damaged: its run is set aside, that
is deleted as MLflow's pages do it, and the trial counts as not run. Where no file of a run can be found, the place of
the files is not reachable from here, and nothing is set aside.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from grokgrid.tracking.away import TrackingAway, TrackingError
from grokgrid.tracking.client import Client, RunGone
from grokgrid.tracking.records import CHECKSUMS, REASON, WorkRecord
from trainables import checksums
from trainables.checksums import Damaged
from trainables.records import warn

if TYPE_CHECKING:
    import pyarrow


def checksums_of(finished: WorkRecord) -> Mapping[str, str]:
    """By file name; none of a trial that was recorded before there were checksums.

    Raises:
        Damaged: they are not as they were recorded.
    """
    text = finished.tags.get(CHECKSUMS)
    return checksums.from_text(text) if text is not None else {}


def checked_file(client: Client, finished: WorkRecord, name: str, into: Path) -> Path:
    """A file of a finished trial.

    Raises:
        Damaged: it is missing, or not the one that was recorded.
        TrackingError: no file of the trial can be found from here.
    """
    wanted = checksums_of(finished).get(name)
    path = _fetched(client, finished.artifact_uri, name, into)
    if wanted is not None:
        checksums.check_file(path, wanted, name)
    return path


def checked_file_of_report(client: Client, artifact_uri: str, name: str, into: Path) -> Path:
    """A file of a report, which has a SHA256SUMS of its own. Errors are those of `checked_file`."""
    sums = checksums.read(_fetched(client, artifact_uri, checksums.NAME, into).parent)
    if name not in sums:
        raise Damaged(f"{name} is missing")
    path = _fetched(client, artifact_uri, name, into)
    checksums.check_file(path, sums[name], name)
    return path


def _fetched(client: Client, artifact_uri: str, name: str, into: Path) -> Path:
    try:
        path = client.file(artifact_uri, name, into)
        if path.exists():
            return path
        reason: Exception | None = None
    except TrackingAway:
        raise
    except Exception as error:  # Of whatever store the files lie in.
        reason = error
    folder = name.rpartition("/")[0] or None
    found = client.files(artifact_uri, folder)
    if reason is not None and name in found:
        raise reason
    if not found:
        raise TrackingError(
            f"No file is at {artifact_uri}, as seen from this machine: is that place within reach? If its files are"
            f" lost, delete the MLflow run they belong to, {artifact_uri.split('/')[-2]}, and run the study again."
        ) from reason
    raise Damaged(f"{name} is missing")


def read_table(path: Path, name: str) -> "pyarrow.Table":
    """Raises:
    Damaged: it is no Parquet file, which its checksum would have shown if there were one.
    """
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError):
        raise Damaged(f"{name} is no Parquet file, or not all of one") from None


def set_aside(client: Client, finished: WorkRecord, error: Damaged) -> None:
    with suppress(RunGone):
        client.log(finished.run_id, tags={REASON: f"damaged: {error}"})
        client.delete(finished.run_id)
    warn(
        f"{where(finished)} is damaged: {error}. It is set aside (as a deleted run), and `grokgrid run` runs the trial"
        " again."
    )


def where(finished: WorkRecord) -> str:
    return f"MLflow run {finished.run_id} of trial {finished.key}"
