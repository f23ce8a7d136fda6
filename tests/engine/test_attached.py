"""What every engine promises, of the one that is attached through Ray's client."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ray_cluster import Cluster


@pytest.mark.ray
def test_the_contract():
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    cluster = Cluster(folder, {}, num_cpus=16)  # Room for several engines, as each keeps its workers.
    try:
        cluster.wait_for_nodes(1)
        contract = Path(__file__).with_name("test_contract.py")
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(contract)],
            env={**os.environ, "GROKGRID_TEST_RAY_CLIENT": cluster.client_address},
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert ran.returncode == 0, ran.stdout
        assert "7 passed" in ran.stdout
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
