"""What travels to a cluster: a folder with the study, the files that it names, and grokgrid itself.

    study.yaml              with all that the command line changed in it
    files/0/own.npz …       the user's own files
    grokgrid/ search_spaces/ trainables/ grokgrid-….dist-info/

That is what a wheel of grokgrid would unpack to, and not the wheel: Ray would have pip install one, which fetches all
that grokgrid needs anew, from the network, for every job. So a cluster needs what grokgrid needs, but not grokgrid, and
one that has another version of it works with the one that was sent.

Settings travel in the job's environment, which whoever reaches the dashboard can read.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from grokgrid.provenance import COMMIT, provenance
from grokgrid.tracking import redact
from search_spaces import Study, to_portable_yaml
from trainables.validation import Problem, ValidationErrors

STUDY_FILE = "study.yaml"

TRAVELS = ("MLFLOW_TRACKING_URI", "GROKGRID_STORAGE", "GROKGRID_ARTIFACTS", "GROKGRID_OPTUNA")
"""Settings that say where results go, and so mean the same everywhere. All else is each machine's own."""

MAX_BYTES = 500 * 2**20
"""Ray keeps what is sent in its head's memory, and takes no more than 512 MiB."""

_PACKAGES = ("grokgrid", "search_spaces", "trainables")


def write_code(folder: Path) -> None:
    """This grokgrid, into a folder from which Python can import it."""
    for package in _PACKAGES:
        found = find_spec(package)
        assert found is not None and found.submodule_search_locations is not None
        shutil.copytree(
            next(iter(found.submodule_search_locations)),
            folder / package,
            ignore=shutil.ignore_patterns("__pycache__", ".*"),
        )
    installed = distribution("grokgrid")
    metadata = folder / f"grokgrid-{installed.version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(installed.read_text("METADATA") or "")


def write_study(study: Study, folder: Path) -> None:
    """The study, and the files that it names.

    Raises:
        ValidationErrors: they are more than a cluster takes.
    """
    text, files = to_portable_yaml(study)
    num_bytes = sum(file.stat().st_size for file in files.values())
    if num_bytes > MAX_BYTES:
        wrong = (
            f"the files that it names are {num_bytes / 2**20:,.0f} MiB; {MAX_BYTES / 2**20:,.0f} MiB can be sent along."
            " Lay them where all nodes see them, and start there: `grokgrid run --address auto`"
        )
        raise ValidationErrors(study.name, [Problem((), wrong)])
    (folder / STUDY_FILE).write_text(text)
    for place, file in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / place)


def settings() -> dict[str, str]:
    """The settings that travel, as they are here.

    Raises:
        ValidationErrors: there is a password in one of them.
    """
    given = {name: os.environ[name] for name in TRAVELS if os.environ.get(name)}
    problems = [_secret(name, given[name]) for name in _with_secrets(given)]
    if problems:
        raise ValidationErrors("submit", problems)
    return {name: _absolute(value) for name, value in given.items()} | of_code()


def of_code() -> dict[str, str]:
    """What goes with the code, which is no checkout there."""
    commit = provenance().get("grokgrid.commit")
    return {COMMIT: commit} if commit else {}


def _absolute(place: str) -> str:
    return place if ":" in place else str(Path(place).expanduser().absolute())


def _with_secrets(given: Mapping[str, str]) -> Iterable[str]:
    for name, value in given.items():
        is_web = urlsplit(value).scheme in ("http", "https")
        if redact(value) != value or is_web and "@" in urlsplit(value).netloc:
            yield name


def _secret(name: str, value: str) -> Problem:
    before, _, after = redact(value).rpartition("@")
    shown = f"{before.partition('://')[0]}://***@{after}" if before else redact(value)
    return Problem(
        (name,),
        f"{shown} holds a password, and Ray's dashboard would show it. Set it in the cluster's own environment, where"
        " `ray start` runs, and unset it here",
    )
