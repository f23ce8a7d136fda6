"""Getting connected: MLflow kept quiet, and its database there, complete and reachable."""

import hashlib
import importlib.util
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from grokgrid import home
from grokgrid.tracking.away import TrackingError
from grokgrid.tracking.databases import check_database
from grokgrid.tracking.refusals import check_server

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


_MAX_ARTIFACT_URI = 200
"""Characters of a run's `artifact_uri`, a run's id of 32 among them."""


def connect(uri: str) -> "MlflowClient":
    _be_quiet_and_quick()
    with warnings.catch_warnings():
        # What MLflow and SQLAlchemy tell each other about coming versions is not for our users.
        warnings.simplefilter("ignore", DeprecationWarning)
        from mlflow.tracking import MlflowClient

        _quieten_loggers()
        with _one_at_a_time(uri):
            _prepare_database(uri)
            return MlflowClient(uri, registry_uri=uri)


def with_driver(uri: str) -> str:
    """The URI as SQLAlchemy shall have it.

    By postgresql:// it means psycopg since 2.1, and before psycopg2: whichever is installed will do. And a connection
    whose other end fell silent would be waited for without end.
    """
    path = home.sqlite_path(uri)
    if path is not None and "?" not in uri:
        return home.sqlite_uri(path)
    scheme, _, rest = uri.partition("://")
    if not scheme.startswith("postgres"):
        return uri
    installed = [driver for driver in ("psycopg", "psycopg2") if importlib.util.find_spec(driver) is not None]
    if scheme in ("postgresql", "postgres") and installed:
        scheme = f"postgresql+{installed[0]}"
    if "keepalives" not in rest:
        limits = "keepalives_idle=15&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=30000"
        rest += ("&" if "?" in rest else "?") + limits
    return f"{scheme}://{rest}"


def check_sqlite(path: Path) -> None:
    """Raises:
    TrackingError: there is no such database, nor can there be one.
    """
    stray = next((folder for folder in path.parents if folder.exists()), path.parent)
    if not stray.is_dir():
        raise TrackingError(f"{path}: MLflow's database cannot lie there: {stray} is a file. {_who_says()}")
    if path.is_dir() or path.exists() and _first_bytes(path, 16) not in (b"", b"SQLite format 3\0"):
        raise TrackingError(f"{path}: is no SQLite database. {_who_says()}")


def artifact_root() -> str:
    """Where a new experiment's artifacts go; a folder of this machine is made at once."""
    root = home.artifact_root().rstrip("/")
    if root.startswith("file://"):
        folder = Path(url2pathname(urlsplit(root).path))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackingError(
                f"{folder}: artifacts cannot be kept there: {error.strerror}. GROKGRID_ARTIFACTS says where, by default"
                " under GROKGRID_HOME."
            ) from error
    return root


def check_artifacts_fit(location: str, uri: str) -> None:
    """Databases other than SQLite refuse longer places of artifacts than MLflow's tables have room for."""
    longest = _MAX_ARTIFACT_URI - len("/artifacts/") - 32
    if not uri.startswith("sqlite:") and len(location) > longest:
        raise TrackingError(
            f"{location}: the place of a study's artifacts is {len(location)} characters long; this database takes at"
            f" most {longest}. Set GROKGRID_ARTIFACTS to a shorter one."
        )


def check_artifacts_stay(location: str) -> None:
    """MLflow keeps where an experiment's artifacts go from when it was created."""
    given = os.environ.get("GROKGRID_ARTIFACTS")
    if given and not location.startswith(home.artifact_root().rstrip("/") + "/"):
        raise TrackingError(
            f"GROKGRID_ARTIFACTS is {given}, but this MLflow keeps artifacts at {location.rpartition('/')[0]} since its"
            " experiments were created. Unset it, or use another database."
        )


def _first_bytes(path: Path, num: int) -> bytes:
    with path.open("rb") as file:
        return file.read(num)


def _who_says() -> str:
    where = "MLFLOW_TRACKING_URI" if os.environ.get("MLFLOW_TRACKING_URI") else "GROKGRID_HOME"
    return f"{where} says where it lies."


def _be_quiet_and_quick() -> None:
    """Settings that MLflow reads from the environment, some of them when it is imported. A user's own stay."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        # MLflow retries for minutes. Meanwhile workers would wait for their next block; we come back by ourselves.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "PGCONNECT_TIMEOUT": "10",
    }.items():
        os.environ.setdefault(name, value)


def _quieten_loggers() -> None:
    for name, level in {
        "alembic": logging.WARNING,
        "mlflow": logging.WARNING,
        # It logs the traceback of every failed statement, which comes to us as an exception anyway.
        "mlflow.store.db.utils": logging.CRITICAL,
        "urllib3.connectionpool": logging.ERROR,
    }.items():
        logging.getLogger(name).setLevel(level)


@contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Two processes that create MLflow's tables at once disturb each other."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"grokgrid-{os.getuid()}-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prepare_database(uri: str) -> None:
    """Creates an embedded database, complete or not at all; finds out whether MLflow can use any other."""
    path = home.sqlite_path(uri)
    if path is not None:
        check_sqlite(path)
        if not path.exists():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                folder = Path(tempfile.mkdtemp(prefix=".creating-", dir=path.parent))
            except OSError as error:
                raise TrackingError(
                    f"{path}: MLflow's database cannot be created there: {error.strerror}. {_who_says()}"
                ) from error
            try:
                from mlflow.tracking import MlflowClient

                MlflowClient(home.sqlite_uri(folder / path.name))
                os.replace(folder / path.name, path)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            check_database(uri)
    elif uri.startswith(("http:", "https:")):
        check_server(uri)
    else:
        check_database(uri)
