"""Finding out whether MLflow takes what will be given to it, before hours of training depend on it."""

import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from grokgrid.tracking.away import TrackingAway, TrackingError, redact
from grokgrid.tracking.client import Client, Point
from grokgrid.tracking.owners import owner_tags
from grokgrid.tracking.records import TRIALS
from grokgrid.tracking.refusals import check_keeps_files, excerpt

_NAME = "doctor.txt"
_AWS = "pip install 'grokgrid[aws]'"
_S3 = (
    "Credentials: export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…, or AWS_PROFILE=…; a store other than Amazon's:"
    " export MLFLOW_S3_ENDPOINT_URL=https://HOST"
)
_ADVICE = {
    "s3": _S3,
    "gs": "Credentials: export GOOGLE_APPLICATION_CREDENTIALS=FILE",
    "wasbs": "Credentials: export AZURE_STORAGE_CONNECTION_STRING=…",
    "abfss": "Credentials: `az login`, or export AZURE_CLIENT_ID=… AZURE_TENANT_ID=… AZURE_CLIENT_SECRET=…",
    "mlflow-artifacts": "The MLflow server keeps it: see the server's --artifacts-destination and its log",
}
_PACKAGES = {
    "s3": _AWS,
    "gs": "pip install google-cloud-storage",
    "wasbs": "pip install azure-storage-blob azure-identity",
    "abfss": "pip install azure-storage-file-datalake azure-identity",
    "sftp": "pip install pysftp",
}


def try_out(client: Client, lease_s: float) -> None:
    """Writes a run with a metric and a file, reads both again, and deletes the run.

    Raises:
        TrackingError: what was written cannot be read, or the file cannot be written; says where files go.
    """
    run = client.create_run(client.experiment(TRIALS, "trials"), "doctor", owner_tags(lease_s))
    try:
        client.log(run.id, points=[Point("doctor", 1.0, 0, time.time_ns() // 1_000_000)])
        if client.run(run.id).metrics != {"doctor": 1.0}:
            raise TrackingError("a metric that was written is not there")
        _try_file(client, run.artifact_uri, run.id)
    finally:
        client.discard(run.id)


def _try_file(client: Client, artifact_uri: str, content: str) -> None:
    if client.is_remote and artifact_uri.startswith("mlflow-artifacts:"):
        check_keeps_files(client.uri)
    with tempfile.TemporaryDirectory() as folder:
        written, read = Path(folder) / "written", Path(folder) / "read"
        written.mkdir()
        read.mkdir()
        (written / _NAME).write_text(content)
        try:
            client.upload(artifact_uri, written)
            is_there = client.file(artifact_uri, _NAME, read).read_text() == content
            client.remove_files(artifact_uri)
        except TrackingError:
            raise
        except TrackingAway as error:
            # A run waits for a disk that fails under way. Before it starts, its user is there to mend it.
            is_local = (urlsplit(artifact_uri).scheme or "file") == "file"
            if is_local and isinstance(error.__cause__, OSError):
                raise TrackingError(_no_file(client, artifact_uri, error.__cause__)) from error
            raise
        except Exception as error:  # Of whatever store the files go to.
            raise TrackingError(_no_file(client, artifact_uri, error)) from error
        if not is_there:
            raise TrackingError(f"a file that was written to {redact(artifact_uri)} is not there")


def _no_file(client: Client, artifact_uri: str, error: Exception) -> str:
    """Artifacts go where their experiment was created to keep them: by GROKGRID_ARTIFACTS, or by the server."""
    scheme = urlsplit(artifact_uri).scheme or "file"
    is_local = scheme == "file" or isinstance(error, OSError) and error.filename is not None
    reason = error.strerror if isinstance(error, OSError) and error.strerror else excerpt(str(error))
    place = unquote(urlsplit(artifact_uri).path) if is_local else redact(artifact_uri)
    if isinstance(error, ImportError):
        advice = f"Install what it needs: {_PACKAGES.get(scheme, f'the Python package {error.name}')}"
    elif is_local and client.is_remote:
        advice = (
            "The MLflow server names a folder that this machine must see, too; `mlflow server --serve-artifacts"
            " --default-artifact-root mlflow-artifacts:/` keeps artifacts with the server"
        )
    elif is_local:
        advice = "Mend the rights on the folder; or, with another database, export GROKGRID_ARTIFACTS=FOLDER"
    else:
        advice = _ADVICE.get(scheme, "With another database, export GROKGRID_ARTIFACTS=FOLDER")
    return f"artifacts cannot be written to {place}: {reason}. {advice}"
