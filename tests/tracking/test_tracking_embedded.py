"""What holds for the embedded database, and before there is any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tracking_rivals import connect, never
from tracking_trials import keys

from grokgrid import home
from grokgrid.tracking import Tracking, TrackingError


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_importing_it_is_cheap() -> None:
    ran = run_python(
        "import sys, grokgrid.tracking\n"
        "print({'mlflow', 'pandas', 'pyarrow', 'numpy', 'torch', 'ray', 'sqlalchemy'} & set(sys.modules))"
    )
    assert ran.stdout == "set()\n", ran.stderr


@pytest.mark.slow
def test_it_says_nothing(tmp_path: Path) -> None:
    """No progress of migrations, no warnings, no links to runs; and MLflow tells nobody that it is used."""
    code = """
from grokgrid.tracking import Tracking
tracking = Tracking()
tracking.open_report("quiet", "digest").abandon()
from mlflow.telemetry.utils import is_telemetry_disabled
assert is_telemetry_disabled()
"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # Under a CI service MLflow's telemetry is off anyway.
    ran = run_python(
        f"import os; os.chdir({str(elsewhere)!r}); os.environ.pop('CI', None)" + code, GROKGRID_HOME=str(tmp_path)
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (tmp_path / "mlflow.db").exists()
    assert list(elsewhere.iterdir()) == []


def test_looking_creates_nothing(tmp_path: Path) -> None:
    tracking = Tracking(f"sqlite:///{tmp_path / 'none.db'}")
    assert tracking.find(keys(3)) == {}
    assert tracking.last_report("study") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_processes_may_create_the_database_at_once(tmp_path: Path, processes) -> None:
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    both = [processes.start(connect, uri) for _ in range(2)]
    for process in both:
        process.join(timeout=120)
        assert process.exitcode == 0
    tracking = Tracking(uri)
    report = tracking.open_report("study", "digest")
    assert tracking.claim(report, keys(1), never).won
    assert [path.name for path in tmp_path.iterdir()] == ["new.db"]


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "/tmp/mlruns"])
def test_folders_are_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match="MLflow no longer keeps runs in folders. Supported are SQLite"):
        Tracking(uri)


def test_a_missing_database_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(TrackingError, match=r"needs the Python package psycopg2, .* install 'grokgrid\[postgres\]'"):
        Tracking("postgresql+psycopg2://me:secret@127.0.0.1/db").connect()


def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "my home"))
    assert home.home() == tmp_path / "my home"
    assert home.storage_root() == tmp_path / "my home" / "storage" / "trials"
    assert home.tracking_uri() == f"sqlite:///{tmp_path}/my home/mlflow.db"
    assert home.artifact_root() == f"file://{tmp_path}/my%20home/artifacts"
    monkeypatch.setenv("GROKGRID_STORAGE", "/scratch")
    monkeypatch.setenv("GROKGRID_ARTIFACTS", "s3://bucket/grokgrid")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert home.storage_root() == Path("/scratch/trials")
    assert home.artifact_root() == "s3://bucket/grokgrid"
    assert home.tracking_uri() == "http://host:5000"
