"""The whole way, for real: the installed command, Ray's processes, an interrupt as a terminal sends it, a report."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_studies import failing, folders, results, same, settled, study

from grokgrid.results import Results
from search_spaces import Study, to_yaml

pytestmark = pytest.mark.ray

GROKGRID = Path(sys.executable).with_name("grokgrid")


def of_ours(home: Path, name: str = "") -> dict[int, str]:
    """Processes that were started with this home, and whose command holds the name: number -> command."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"GROKGRID_HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_text().replace("\0", " ")
            else:
                continue
        except OSError:
            continue
        if name in command:
            found[int(process.name)] = command
    return found


def assert_nothing_runs_on(home: Path) -> None:
    """Workers follow when Ray itself has gone."""
    deadline = time.monotonic() + 60
    while left := of_ours(home):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def wait_for_a_snapshot(grokgrid: subprocess.Popen[bytes], home: Path, log: Path) -> None:
    """A trial is in its midst then."""
    deadline = time.monotonic() + 240
    while not list((home / "storage" / "trials").glob("*/at-*")):
        assert grokgrid.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture
def some(tmp_path: Path) -> Study:
    """Four trials of a second or more, and one that fails."""
    return study(
        seeds=2,
        trial={"budget": {"steps": 5_000}, "evaluate": {"every": 25}, "goal": {"metric": "train_loss", "below": 0.0}},
        arms={"baseline": {}, "slow": study().arms["slow"], "broken": failing(tmp_path)},
    )


@pytest.mark.slow
def test_interrupted_and_gone_on_with(
    some: Study, tmp_path: Path, ready_home: Path, undisturbed: Callable[[Study], Results]
):
    (tmp_path / "some.yaml").write_text(to_yaml(some))
    command = [str(GROKGRID), "run", str(tmp_path / "some.yaml"), "--slots", "2", "--checkpoint-every", "0.5"]
    log = tmp_path / "log"

    with log.open("w") as file:
        grokgrid = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    wait_for_a_snapshot(grokgrid, ready_home, log)
    assert not Path("/proc").exists() or of_ours(ready_home, "raylet")
    # Ctrl-C goes to all that the terminal started, Ray's processes too.
    os.killpg(grokgrid.pid, signal.SIGINT)
    assert grokgrid.wait(240) == 130, log.read_text()
    assert log.read_text().splitlines()[-1] == "Stopped. What was done is kept: run it again to go on."
    assert "Traceback" not in log.read_text()
    assert_nothing_runs_on(ready_home)
    settled()
    assert folders(), "of what was running there are snapshots"

    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 1, ran.stderr
    assert "broken seed 1 failed: failing.py, line 4: RuntimeError" in ran.stderr or "1 failed" in log.read_text()
    assert "2 of 6 trials are not over: 2 failed" in ran.stderr.splitlines()[-1]
    assert "\x1b" not in ran.stdout + ran.stderr
    page = Path(ran.stdout.splitlines()[-1])
    assert page.name == "report.html" and page.exists()
    settled({trial.key for trial in some.trials})
    same(results(some), undisturbed(some))
    assert_nothing_runs_on(ready_home)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_ray_that_dies_is_started_again(
    tmp_path: Path, ready_home: Path, undisturbed: Callable[[Study], Results]
) -> None:
    some = study(
        seeds=2,
        trial={"budget": {"steps": 20_000}, "evaluate": {"every": 100}, "goal": {"metric": "train_loss", "below": 0.0}},
        arms={"baseline": {}},
    )
    (tmp_path / "some.yaml").write_text(to_yaml(some))
    command = [str(GROKGRID), "run", str(tmp_path / "some.yaml"), "--slots", "2", "--checkpoint-every", "0.5"]
    with (tmp_path / "log").open("w") as log:
        grokgrid = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    wait_for_a_snapshot(grokgrid, ready_home, tmp_path / "log")
    gcs = min(of_ours(ready_home, "gcs_server"))
    os.kill(gcs, signal.SIGKILL)

    assert grokgrid.wait(300) == 0, (tmp_path / "log").read_text()
    lines = (tmp_path / "log").read_text().splitlines()
    said = "Ray has broken down: one of its processes has died. It starts again; trials go on from their snapshots."
    assert lines.count(said) == 1
    progress = lines[: lines.index(next(line for line in lines if line.startswith("Trials and report are in")))]
    assert [line for line in progress if line != said and not line.startswith("small: ")] == [], "Ray's own words"
    same(results(some), undisturbed(some))
    settled({trial.key for trial in some.trials})
    assert not folders()
    assert_nothing_runs_on(ready_home)
