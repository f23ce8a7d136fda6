"""The whole way on a cluster, for real: nodes that are killed, an MLflow server on PostgreSQL that goes away."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver_studies import folders, results, same, settled, study
from mlflow_server import Server
from postgres import database
from ray_cluster import Cluster

from grokgrid import api
from grokgrid.engine.jobs import Jobs, JobState
from grokgrid.results import Results
from grokgrid.tracking.connection import with_driver
from search_spaces import Study, pinned

pytestmark = [pytest.mark.ray, pytest.mark.service, pytest.mark.slow]

PART = """
from strengths import scaled


def shrink(step, *, strength):
    return scaled(strength) * step.outputs.square().mean()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with database() as store:
        server = Server(tmp_path, with_driver(store))
        server.start()
        server.wait()
        yield server
        server.stop()


@pytest.fixture
def cluster(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head on which nothing is computed, and two nodes for a trial each. Where things are, its own environment says;
    the submitting machine has a home of its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    settings = {
        "GROKGRID_HOME": str(folder / "home"),
        "GROKGRID_STORAGE": str(home / "storage"),
        "MLFLOW_TRACKING_URI": server.uri,
        # A node that does not answer is dead after 4 seconds in the place of 15.
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
    }
    cluster = Cluster(folder, settings, num_cpus=0)
    try:
        for number in range(1, 3):
            cluster.wait_for_nodes(number)
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes(3)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mine(tmp_path: Path) -> Study:
    """Four trials of some seconds, two of them with a regulariser plugin, in two files."""
    parts = tmp_path / "mine"
    parts.mkdir()
    (parts / "my_plugin.py").write_text(PART)
    (parts / "strengths.py").write_text("def scaled(strength):\n    return strength / 10\n")
    shrink = {"name": f"{parts / 'my_plugin.py'}:shrink", "strength": 0.1}
    mine = study(
        seeds=2,
        trial={"budget": {"steps": 4_000}, "evaluate": {"every": 20}, "goal": {"metric": "train_loss", "below": 0.0}},
        arms={"baseline": {}, "shrunk": {"regulariser": shrink}},
    )
    return pinned(mine)  # Its files do not stay.


def test_a_node_dies_and_the_server_goes_away(
    mine: Study, cluster: Cluster, server: Server, tmp_path: Path, undisturbed: Callable[[Study], Results]
):
    expected = undisturbed(mine)
    jobs = Jobs(cluster.address)
    job_id = api.submit(mine, cluster.address, num_slots=2, checkpoint_every_s=1.0).job_id
    shutil.rmtree(tmp_path / "mine")

    def wait_for(what: Callable[[str], bool], timeout_s: float = 180) -> None:
        deadline = time.monotonic() + timeout_s
        while not what(log := jobs.log(job_id)):
            assert time.monotonic() < deadline and not jobs.find(job_id).state.is_over, log + cluster.log()
            time.sleep(0.5)

    # Two trials have saved at least once.
    wait_for(lambda log: len({path.parent for path in (tmp_path / "home" / "storage" / "trials").glob("*/at-*")}) >= 2)
    cluster.kill_node(1)
    server.stop()
    wait_for(lambda log: "cannot be reached" in log)
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes(3)
    assert not jobs.find(job_id).state.is_over
    server.start()
    server.wait()

    log = "".join(jobs.follow(job_id))
    assert jobs.find(job_id).state is JobState.SUCCEEDED, log
    assert "MLflow is back" in log
    same(results(mine, server.uri), expected)
    settled({trial.key for trial in mine.trials}, server.uri)
    assert not folders()
