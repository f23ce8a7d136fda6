"""Where grokgrid keeps things: one home folder outside any checkout.

    <home>/mlflow.db        MLflow's database, unless MLFLOW_TRACKING_URI names another
    <home>/artifacts/       what MLflow keeps as files, unless GROKGRID_ARTIFACTS names another place
    <home>/storage/trials/  folders of trials in flight, unless GROKGRID_STORAGE names another place
    <home>/optuna.journal   candidates of searches, unless GROKGRID_OPTUNA names another file or a server's database

What lies on storage and was not written to for GROKGRID_STORAGE_DAYS, by default 60, is removed when a study next
starts: trials that were stopped, and whose study nobody has run since. 0 keeps everything.

On a cluster, storage must be a folder that every node sees. Artifacts matter where MLFLOW_TRACKING_URI is a database
that several machines share without an MLflow server; a server decides by itself where artifacts go.
"""

import math
import os
from pathlib import Path
from urllib.parse import quote, unquote

import platformdirs

from trainables.validation import Problem, ValidationErrors


def home() -> Path:
    """Raises:
    ValidationErrors: it is not said where, and this user has no home folder, as in a container that runs as some
    number.
    """
    try:
        default = platformdirs.user_data_dir("grokgrid", appauthor=False)
    except RuntimeError:
        default = "~"
    folder = _path("GROKGRID_HOME", Path(default))
    if not folder.is_absolute():
        wrong = "is not set, and this user has no home folder. export GROKGRID_HOME=FOLDER"
        raise ValidationErrors("environment", [Problem(("GROKGRID_HOME",), wrong)])
    return folder


def storage_root() -> Path:
    return _path("GROKGRID_STORAGE", home() / "storage") / "trials"


def storage_days() -> float:
    """After how many days without a word a trial in flight is given up; infinite: never.

    Raises:
        ValidationErrors: GROKGRID_STORAGE_DAYS is no number of days.
    """
    text = os.environ.get("GROKGRID_STORAGE_DAYS") or "60"
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:
        wrong = f"{text!r} is not allowed: it should be a number of days, or 0 to keep everything"
        raise ValidationErrors("environment", [Problem(("GROKGRID_STORAGE_DAYS",), wrong)])
    return days or math.inf


def artifact_root() -> str:
    """A URI, for artifacts may also go to an object store."""
    given = os.environ.get("GROKGRID_ARTIFACTS", "")
    return given if "://" in given else _path("GROKGRID_ARTIFACTS", home() / "artifacts").as_uri()


def optuna_storage() -> str:
    """The URL of a server's database, or the path of a journal file."""
    given = os.environ.get("GROKGRID_OPTUNA", "")
    return given if "://" in given else str(_path("GROKGRID_OPTUNA", home() / "optuna.journal"))


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(home() / "mlflow.db")


def sqlite_uri(path: Path) -> str:
    """The URI of a database file that MLflow and SQLAlchemy read as this path.

    Both read `?` and `%` as syntax. SQLAlchemy decodes `%3F`, but MLflow creates the folder of the path before that; in
    SQLite's own form, which SQLite decodes once more, MLflow sees no folder.
    """
    text = str(path)
    if not {"?", "%"} & set(text):
        return f"sqlite:///{text}"
    return f"sqlite:///file:{quote(quote(str(path.absolute()), safe=''), safe='')}?uri=true"


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite database; None for any other, and for one in memory."""
    if not uri.startswith("sqlite:///"):
        return None
    text, _, options = uri.removeprefix("sqlite:///").partition("?")
    text = unquote(text)
    if text.startswith("file:") and "uri=true" in options.split("&"):
        text = unquote(text.removeprefix("file:"))
    return Path(text) if text and text != ":memory:" else None


def _path(variable: str, default: Path) -> Path:
    given = os.environ.get(variable)
    try:
        return Path(given).expanduser().absolute() if given else default
    except RuntimeError:
        wrong = f"{given!r} is not allowed: there is no such user"
        raise ValidationErrors("environment", [Problem((variable,), wrong)]) from None
