"""Finding out whether MLflow takes what will be given to it, before hours of training depend on it."""

import tempfile
import time
from pathlib import Path

from grokgrid.tracking.away import TrackingAway, TrackingError
from grokgrid.tracking.client import Client, Point
from grokgrid.tracking.records import TRIALS

_NAME = "doctor.txt"


def try_out(client: Client) -> None:
    """Writes a run with a metric and a file, reads both again, and deletes the run.

    Raises:
        TrackingError: what was written cannot be read, or the file cannot be written; says where files go.
    """
    run = client.create_run(client.experiment(TRIALS, "trials"), "doctor", {})
    try:
        client.log(run.id, points=[Point("doctor", 1.0, 0, time.time_ns() // 1_000_000)])
        if client.run(run.id).metrics != {"doctor": 1.0}:
            raise TrackingError("a metric that was written is not there")
        with tempfile.TemporaryDirectory() as folder:
            written, read = Path(folder) / "written", Path(folder) / "read"
            written.mkdir()
            read.mkdir()
            (written / _NAME).write_text(run.id)
            try:
                client.upload(run.artifact_uri, written)
                is_there = client.file(run.artifact_uri, _NAME, read).read_text() == run.id
            except TrackingAway:
                raise
            except Exception as error:  # Of whatever store the files go to.
                reason = str(error).strip().partition("\n")[0]
                raise TrackingError(f"a file cannot be written to {run.artifact_uri}: {reason}") from error
            if not is_there:
                raise TrackingError(f"a file that was written to {run.artifact_uri} is not there")
    finally:
        client.discard(run.id)
