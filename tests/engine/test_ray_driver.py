"""Ctrl-C at the driver, and its sudden death, tried on a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import descendants, parents
from small_blocks import long_trial

from trainables.records import WorkFolder

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("driver_to_disturb.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as driver:
        try:
            yield driver
        finally:
            driver.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_while_ray_starts_leaves_no_process(driver: subprocess.Popen[str]):
    assert driver.stdout is not None and driver.stderr is not None
    assert driver.stdout.readline() == "starting\n"
    until = time.monotonic() + 60
    while not any(name(pid) == "gcs_server" for pid in descendants(driver.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    names = {pid: name(pid) for pid in descendants(driver.pid)}
    assert "gcs_server" in names.values() and "raylet" not in names.values()

    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(60) == -signal.SIGINT
    assert driver.stderr.read().endswith("\nKeyboardInterrupt\n")
    assert not names.keys() & parents().keys(), names


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_saves_and_sudden_death_leaves_no_process(driver: subprocess.Popen[str], tmp_path: Path):
    assert driver.stdout is not None and driver.stderr is not None
    assert driver.stdout.readline() == "starting\n"
    assert driver.stdout.readline() == "looking\n"

    # As a terminal does it: to the driver and all that it started.
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.stdout.readline() == "interrupted\n"
    left = WorkFolder(tmp_path, long_trial().key).latest()
    assert left is not None and left.summary().end is None

    # The second engine goes on.
    assert driver.stdout.readline() == "looking\n"
    names = {pid: name(pid) for pid in descendants(driver.pid)}
    assert {"raylet", "gcs_server"} <= set(names.values())
    assert any(name.startswith("ray::_Worker") for name in names.values()), names
    driver.kill()

    until = time.monotonic() + 60
    while names.keys() & parents().keys() and time.monotonic() < until:
        time.sleep(0.1)
    assert not names.keys() & parents().keys(), [names[pid] for pid in names.keys() & parents().keys()]
    assert driver.stderr.read() == "", "what a user would have seen in the terminal"
