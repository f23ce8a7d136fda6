"""A home with a database in it, and processes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver_processes import Zygote
from driver_studies import Grokgrid, drive, results
from typer.testing import CliRunner, Result

from grokgrid.cli import app
from grokgrid.results import Results
from search_spaces import Study, digest


@pytest.fixture
def ready_home(home: Path, empty_database: Path) -> Path:
    """A home of its own for a test, in which nothing was run."""
    home.mkdir()
    shutil.copyfile(empty_database, home / "mlflow.db")
    return home


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Callable[[Study], Results]:
    """What a study looks like that was run in one go in a home of its own."""
    found: dict[str, Results] = {}

    def run(study: Study) -> Results:
        if digest(study) not in found:
            with pytest.MonkeyPatch.context() as patch:
                home = tmp_path_factory.mktemp("undisturbed")
                patch.setenv("GROKGRID_HOME", str(home))
                patch.delenv("MLFLOW_TRACKING_URI", raising=False)
                shutil.copyfile(empty_database, home / "mlflow.db")
                drive(study)
                found[digest(study)] = results(study)
        return found[digest(study)]

    return run


@pytest.fixture
def grokgrid(monkeypatch: pytest.MonkeyPatch) -> Grokgrid:
    """Runs a command line in this process. Exceptions that would end in a traceback are raised."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return run
