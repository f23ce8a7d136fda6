"""What all tests share: their own home, so that nobody's studies are touched, and CI's rule about skipped tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

NO_SKIPS = "GROKGRID_TEST_NO_SKIPS"
"""Set where every service and data set is meant to be there: a skipped test is then a failure."""


def pytest_configure() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and what tests start would ignore it likewise."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_home_of_a_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROKGRID_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("GROKGRID_STORAGE", raising=False)
        patch.delenv("GROKGRID_ARTIFACTS", raising=False)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty grokgrid home for one test."""
    monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As MLflow makes one at the first run, which takes it seconds."""
    from grokgrid.tracking.client import Client

    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    Client(f"sqlite:///{path}").experiments("none yet")
    return path


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(NO_SKIPS) and reporter is not None and reporter.stats.get("skipped") and not session.exitstatus:
        reporter.write_line(f"{NO_SKIPS} is set: skipped tests count as failed")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
