"""cluster.yaml's shape, run: a head without work, machines that come for a study and go after it."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoscaling_ray import AutoscalingRay, read

pytestmark = [pytest.mark.ray, pytest.mark.slow]

GPU_NODE = read()["available_node_types"]["gpu"]["resources"]


@pytest.fixture
def cluster() -> Iterator[AutoscalingRay]:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # Ray's sockets lie in it: pytest's paths are too long for them.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = AutoscalingRay(folder, port=port, idle_timeout_s=10)
    try:
        cluster.wait_until_up()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(cluster: AutoscalingRay, *, num_workers: int, timeout_s: float) -> None:
    expected = {"nodes": 1 + num_workers, **{name: num_workers * GPU_NODE[name] for name in ("CPU", "GPU")}}
    deadline = time.monotonic() + timeout_s
    while cluster.resources() != expected:
        assert time.monotonic() < deadline, (cluster.resources(), cluster.log())
        time.sleep(0.2)


def test_machines_come_for_a_study_and_go_after_it(cluster: AutoscalingRay, home: Path):
    wait_for(cluster, num_workers=0, timeout_s=60)

    # Two do not fit on one machine, and have no end, for both machines to be seen: the first would else do it all.
    run = [Path(sys.executable).with_name("grokgrid"), "run", "demo", "--seeds", "2", "--arms", "baseline"]
    how = ["--address", cluster.address, "--slots", "2", "--cpus", str(GPU_NODE["CPU"] - 1)]
    endless = ["--set", "trial.goal.above=1", "--set", "trial.budget.epochs=100000000"]
    with subprocess.Popen(
        [*run, *how, *endless], env=cluster.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        wait_for(cluster, num_workers=2, timeout_s=180)
        driver.terminate()
        _, told = driver.communicate(timeout=120)
    assert driver.returncode == 130, told
    short = ["--set", "trial.budget.epochs=20"]
    ended = subprocess.run([*run, *how, *short], env=cluster.environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

    wait_for(cluster, num_workers=0, timeout_s=120)
