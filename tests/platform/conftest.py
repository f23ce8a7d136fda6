"""A home with a database in it, and processes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver_processes import Zygote
from driver_studies import drive, results

from grokgrid.results import Results
from grokgrid.tracking.client import Client
from search_spaces import Study, digest


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As MLflow makes one at the first run, which takes it seconds."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    Client(f"sqlite:///{path}").experiments("none yet")
    return path


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
