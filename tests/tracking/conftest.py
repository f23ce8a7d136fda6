"""Every kind of place that MLflow keeps runs in: an embedded SQLite, a PostgreSQL, a server over HTTP."""

import multiprocessing
import secrets
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from mlflow_server import Server
from postgres import database
from tracking_trials import Folders

from grokgrid.tracking import Tracking

# MLflow's modules take seconds to import: processes forked from one that has them start at once.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store", "tracking_rivals"])


def pytest_configure(config: pytest.Config) -> None:
    # These tests also use MLflow's own client, whose database models are built with a deprecated option of SQLAlchemy.
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True, scope="session")
def grokgrid_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # With a space, as on macOS.
    home = tmp_path_factory.mktemp("grokgrid home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROKGRID_HOME", str(home))
        for name in ("MLFLOW_TRACKING_URI", "GROKGRID_STORAGE", "GROKGRID_ARTIFACTS"):
            patch.delenv(name, raising=False)
        yield home


@pytest.fixture(autouse=True, scope="session")
def starting_server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Starts while the tests of the other places run."""
    server = Server(tmp_path_factory.mktemp("server"))
    if any("http" in item.name for item in request.session.items):
        server.start()
        yield server
        server.stop()
    else:
        yield server


@pytest.fixture(scope="session")
def http(starting_server: Server) -> Server:
    starting_server.wait()
    return starting_server


@pytest.fixture(scope="session")
def sqlite(grokgrid_home: Path) -> str:
    return f"sqlite:///{grokgrid_home / 'mlflow.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with database() as uri:
        yield uri


@pytest.fixture(
    scope="session",
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.service), "http"],
    ids=lambda name: name,
)
def uri(request: pytest.FixtureRequest) -> str:
    """Each kind of place in turn."""
    place = request.getfixturevalue(request.param)
    return place.uri if isinstance(place, Server) else place


@pytest.fixture(scope="session")
def tracking(uri: str) -> Tracking:
    return Tracking(uri)


@pytest.fixture
def study() -> str:
    """A name no other test uses, for all tests share one database."""
    return f"study-{secrets.token_hex(4)}"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "trials")


class Processes:
    """Other processes on this machine, none of which outlives its test."""

    def __init__(self) -> None:
        self._started: list[BaseProcess] = []

    def start(self, target: Callable[..., None], *args: object) -> BaseProcess:
        process = _PROCESSES.Process(target=target, args=args, daemon=True)
        process.start()
        self._started.append(process)
        return process

    def queue(self) -> Any:
        return _PROCESSES.Queue()

    def barrier(self, parties: int) -> Any:
        # A party that dies shall not keep the rest.
        return _PROCESSES.Barrier(parties, timeout=60)

    def event(self) -> Any:
        return _PROCESSES.Event()

    def kill_all(self) -> None:
        for process in self._started:
            process.kill()
            process.join()


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.kill_all()
