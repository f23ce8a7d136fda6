"""Where grokgrid keeps things: one home folder outside any checkout.

    <home>/mlflow.db        MLflow's database, unless MLFLOW_TRACKING_URI names another
    <home>/artifacts/       what MLflow keeps as files, unless GROKGRID_ARTIFACTS names another place
    <home>/storage/trials/  folders of trials in flight, unless GROKGRID_STORAGE names another place
    <home>/optuna.journal   candidates of searches, unless GROKGRID_OPTUNA names another file or a server's database

On a cluster, storage must be a folder that every node sees. Artifacts matter where MLFLOW_TRACKING_URI is a database
that several machines share without an MLflow server; a server decides by itself where artifacts go.
"""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    return _path("GROKGRID_HOME", Path(platformdirs.user_data_dir("grokgrid", appauthor=False)))


def storage_root() -> Path:
    return _path("GROKGRID_STORAGE", home() / "storage") / "trials"


def artifact_root() -> str:
    """A URI, for artifacts may also go to an object store."""
    given = os.environ.get("GROKGRID_ARTIFACTS", "")
    return given if "://" in given else _path("GROKGRID_ARTIFACTS", home() / "artifacts").as_uri()


def optuna_storage() -> str:
    """The URL of a server's database, or the path of a journal file."""
    given = os.environ.get("GROKGRID_OPTUNA", "")
    return given if "://" in given else str(_path("GROKGRID_OPTUNA", home() / "optuna.journal"))


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def _path(variable: str, default: Path) -> Path:
    given = os.environ.get(variable)
    return Path(given).expanduser().absolute() if given else default
