"""Variables of other programs neither break nor change a run, whatever they are set to."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from driver_studies import drive, study
from refusing_server import Answer, refusing_server
from rich.console import Console

from grokgrid import api
from grokgrid.doctor import Mark, examine
from grokgrid.engine import InlineEngine
from grokgrid.environment import KEPT, cleaned
from search_spaces import read_study, to_yaml
from trainables.validation import ValidationErrors

HOSTILE = {
    # A display that is not there, a style and a folder for fonts that cannot be used.
    "MPLBACKEND": "bogus",
    "MPLCONFIGDIR": "/proc/matplotlib",
    # Other servers and experiments, retries for hours, no number where there should be one.
    "MLFLOW_EXPERIMENT_NAME": "mine",
    "MLFLOW_EXPERIMENT_ID": "12345",
    "MLFLOW_RUN_ID": "f" * 32,
    "MLFLOW_REGISTRY_URI": "http://127.0.0.1:9",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "many",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "0",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "none",
    "MLFLOW_SQLALCHEMYSTORE_ECHO": "true",
    "MLFLOW_LOGGING_LEVEL": "DEBUG",
    "MLFLOW_TRUNCATE_LONG_VALUES": "false",
    "MLFLOW_TRACKING_TOKEN": "of another server",
    # Another Ray, and hooks that are not there.
    "RAY_ADDRESS": "127.0.0.1:9",
    "RAY_NAMESPACE": "mine",
    "RAY_RUNTIME_ENV_HOOK": "no.such.module",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "of another cluster",
    "RAY_TMPDIR": f"/tmp/{'long' * 40}",
    "RAY_DEDUP_LOGS": "0",
    "RAY_BACKEND_LOG_LEVEL": "debug",
    "RAY_memory_usage_threshold": "0.01",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "1",
    "TUNE_RESULT_DIR": "/proc/tune",
    "TUNE_GLOBAL_CHECKPOINT_S": "often",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "none",
    # Threads and kernels, which decide the last bits.
    "OMP_NUM_THREADS": "abc",
    "MKL_NUM_THREADS": "7",
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Prescott",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    "TORCH_LOGS": "no_such_artifact",
    "PYTORCH_JIT": "0",
    # Python's own, of which it has read some before any module of ours.
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHASHSEED": "12",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
    "PYTHONDEVMODE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSTARTUP": "/no/such/file.py",
    "LC_ALL": "C",
    # The terminal, the clock, folders.
    "COLUMNS": "0",
    "LINES": "none",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "TERMINAL_WIDTH": "wide",
    "TZ": "No/Such/Zone",
    "TMPDIR": "/no/such/folder",
    "OPTUNA_STORAGE": "mysql://127.0.0.1:9/optuna",
    "SQLALCHEMY_WARN_20": "1",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """With an analysis and thus a figure, and with letters that ASCII lacks."""
    path = tmp_path / "small.yaml"
    analyses = [{"kind": "acceleration", "baseline": "baseline"}, {"kind": "curves", "metrics": ["test_accuracy"]}]
    path.write_text(to_yaml(study(question="Läuft es?", analyses=analyses)), encoding="utf-8")
    return path


def grokgrid(*arguments: object, home: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, in a folder with matplotlib settings that cannot be read."""
    folder = home.with_name(f"in {home.name}")
    folder.mkdir(exist_ok=True)
    if not (folder / "matplotlibrc").exists():
        (folder / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\n")
    command = [sys.executable, "-m", "grokgrid", *map(str, arguments)]
    environment = {**os.environ, "GROKGRID_HOME": str(home), **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=400
    )


def results(file: Path, page: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, bytes]]:
    """All but when, where and how fast, and the figures."""
    found = api.results(file)
    figures = {path.name: path.read_bytes() for path in page.parent.glob("*.svg")}
    trials = found.trials.drop(columns=["run_id", "seconds", "host"])
    return trials, found.curves.drop(columns="seconds"), figures


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_none_of_them_breaks_or_changes_a_run(
    engine: str, file: Path, ready_home: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = results(file, api.run(file, engine=InlineEngine, console=Console(file=io.StringIO())).path)
    other_home = ready_home.with_name("other home")
    other_home.mkdir()
    shutil.copyfile(empty_database, other_home / "mlflow.db")
    with refusing_server(lambda _: Answer(502)) as proxy:
        variables = {**HOSTILE, "http_proxy": proxy, "HTTPS_PROXY": proxy}
        ran = grokgrid("run", file, "--engine", engine, home=other_home, **variables)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr and "arning" not in ran.stderr and "Läuft es?" in ran.stdout
    monkeypatch.setenv("GROKGRID_HOME", str(other_home))
    hostile = results(file, Path(ran.stdout.splitlines()[-1]))
    for expected, found in zip(plain[:2], hostile[:2], strict=True):
        pd.testing.assert_frame_equal(expected, found, check_exact=True)
    assert plain[2] and plain[2] == hostile[2]


@pytest.mark.slow
def test_figures_that_cannot_be_drawn_are_missing_with_a_note(file: Path, ready_home: Path):
    """As of a settings file that Matplotlib cannot read, so that it does not even load."""
    drive(read_study(file))
    folder = ready_home.with_name(f"in {ready_home.name}")
    folder.mkdir()
    (folder / "matplotlibrc").write_bytes(b"\xff\n")
    ran = grokgrid("report", file, "--out", "out", home=ready_home)
    assert ran.returncode == 0, ran.stderr
    assert "is missing, for it cannot be drawn: UnicodeDecodeError" in " ".join(ran.stdout.split())
    kinds = {path.suffix for path in (folder / "out").iterdir()}
    assert kinds == {".html", ".csv", ".parquet", ".tex"}
    assert "cannot be drawn" in (folder / "out" / "report.html").read_text()


def test_a_module_that_hides_a_library_is_named(file: Path, tmp_path: Path):
    (tmp_path / "yaml.py").write_text("import this_is_mine")
    ran = grokgrid("plan", file, home=tmp_path / "home", PYTHONPATH=str(tmp_path))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"{tmp_path / 'yaml.py'}: hides a library. Rename it, or take its folder off")


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("GROKGRID_HOME", "~nobody-of-that-name/home", "there is no such user"),
        ("GROKGRID_STORAGE", "~nobody-of-that-name/storage", "there is no such user"),
        ("GROKGRID_STORAGE_DAYS", "a week", "it should be a number of days"),
    ],
)
def test_our_own_are_checked(
    variable: str, text: str, sentence: str, file: Path, ready_home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, text)
    with pytest.raises(ValidationErrors, match=f"{variable}: {text!r} is not allowed: {sentence}"):
        api.run(file, engine=InlineEngine)
    assert [str(each) for each in examine() if each.mark is Mark.BAD and variable in str(each)]


def test_where_things_are_and_what_lets_us_in_stays():
    given = dict.fromkeys(KEPT | {"GROKGRID_HOME", "AWS_PROFILE", "PGPASSWORD", "CUDA_VISIBLE_DEVICES", "HOME"}, "x")
    assert given.items() <= cleaned(given).items()
    assert cleaned(HOSTILE)["MLFLOW_TRACKING_TOKEN"] and "MLFLOW_RUN_ID" not in cleaned(HOSTILE)


def test_a_job_of_a_cluster_keeps_what_ray_has_set():
    job = {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}", "RAY_RAYLET_PID": "7", "TUNE_RESULT_DIR": "x"}
    assert cleaned(job).keys() >= {"RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RAYLET_PID"}
    assert "TUNE_RESULT_DIR" not in cleaned(job)


@pytest.mark.parametrize(
    ("given", "bypassed"),
    [
        ({}, None),
        ({"NO_PROXY": "host"}, None),
        ({"https_proxy": "http://p"}, "localhost,127.0.0.1,::1"),
        ({"HTTP_PROXY": "http://p", "no_proxy": "host,127.0.0.1"}, "host,127.0.0.1,localhost,::1"),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "*"}, None),
    ],
)
def test_no_proxy_stands_before_this_machine(given: dict[str, str], bypassed: str | None):
    found = cleaned(given)
    if bypassed is None:
        assert found.get("NO_PROXY") == given.get("NO_PROXY") and "no_proxy" not in found
    else:
        assert found["NO_PROXY"] == found["no_proxy"] == bypassed
