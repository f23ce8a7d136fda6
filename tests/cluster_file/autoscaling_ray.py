"""A Ray on this machine that grows and shrinks as cluster.yaml says, by Ray's own fake provider of nodes.

Everything is the file's own (its node types, their resources, how many) but the provider, which starts processes in the
place of machines, and what is said of images, networks and set-up. Ray's `AutoscalingCluster` would do the same, and
first stop every other Ray on this machine.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from processes import end_all_with
from ray._private.services import get_node_ip_address
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID, FAKE_HEAD_NODE_TYPE
from ray.autoscaler._private.util import prepare_config

ROOT = Path(__file__).parents[2]

_MARK = "GROKGRID_TEST_AUTOSCALING"

# In a process of its own, for Ray remembers in a process how it is to say who it is.
_OBSERVE = """
import collections, json, sys, time
from ray._raylet import GcsClient
gcs = GcsClient(address=sys.argv[1])
while True:
    alive = [node for node in gcs.get_all_node_info().values() if node.state == 0]
    total = collections.Counter()
    for node in alive:
        total.update({name: int(amount) for name, amount in node.resources_total.items()})
    print(json.dumps({"nodes": len(alive), "CPU": total["CPU"], "GPU": total["GPU"]}), flush=True)
    time.sleep(0.5)
"""


def read() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return config


class AutoscalingRay:
    """address: host:port. `idle_timeout_s`: how long a node stays that nothing runs on."""

    def __init__(self, folder: Path, *, port: int, idle_timeout_s: float) -> None:
        self._folder = folder
        self.address = f"{get_node_ip_address()}:{port}"
        head_resources, config = self._faked(idle_timeout_s)
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "token").write_text(secrets.token_hex(16))
        self._log = folder / "ray.log"
        self._observed = folder / "observed"
        self._observer: subprocess.Popen[bytes] | None = None
        self._environment = os.environ | ray_environment() | {"RAY_AUTH_TOKEN_PATH": str(folder / "token")}
        environment = {
            _MARK: str(folder),
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
        }
        command = [
            Path(sys.executable).with_name("ray"),
            "start",
            "--head",
            "--block",
            f"--num-cpus={head_resources['CPU']}",
            f"--port={port}",
            f"--temp-dir={folder / 'ray'}",
            f"--autoscaling-config={folder / 'config.json'}",
            "--include-dashboard=false",
            "--object-store-memory=80000000",
            "--dashboard-agent-listen-port=0",
            "--dashboard-agent-grpc-port=0",
            "--min-worker-port=0",
            "--max-worker-port=0",
        ]
        with self._log.open("w") as log:
            self._head = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment | environment)

    def _faked(self, idle_timeout_s: float) -> tuple[dict[str, float], dict[str, Any]]:
        config = prepare_config(read())
        types = config["available_node_types"]
        head = types.pop(config["head_node_type"])
        config["head_node_type"] = FAKE_HEAD_NODE_TYPE
        types[FAKE_HEAD_NODE_TYPE] = head
        for node_type in types.values():
            node_type["node_config"] = {}
            node_type["resources"] |= {"object_store_memory": 80_000_000}
        config |= {"idle_timeout_minutes": idle_timeout_s / 60, "file_mounts": {}}
        config["provider"] = {
            "type": "fake_multinode",
            "gcs_address": self.address,
            # Its nodes share an address, and are no machines to log in to.
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        }
        return head["resources"], config

    def resources(self) -> dict[str, int]:
        """Of all nodes that are alive, by the latest look at them."""
        if self._observer is None:
            command = [sys.executable, "-c", _OBSERVE, self.address]
            with self._observed.open("w") as observed:
                self._observer = subprocess.Popen(command, stdout=observed, env=self._environment)
        lines = self._observed.read_text().splitlines()
        found: dict[str, int] = json.loads(lines[-1]) if lines else {}
        return found

    def wait_until_up(self, timeout_s: float = 120) -> None:
        deadline = time.monotonic() + timeout_s
        while "Ray runtime started" not in self.log():
            assert self._head.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.2)

    def log(self) -> str:
        return self._log.read_text()

    @property
    def environment(self) -> dict[str, str]:
        """What a driver needs that is to work with it."""
        return self._environment

    def stop(self) -> None:
        """Ends the head and all that it started, which are known by their environment: other Rays may run here."""
        if self._observer is not None:
            self._observer.kill()
            self._observer.wait()
        self._head.send_signal(signal.SIGTERM)
        self._head.wait(60)
        end_all_with(_MARK, str(self._folder))


def ray_environment() -> dict[str, str]:
    """What cluster/ray.env says."""
    lines = (ROOT / "cluster" / "ray.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
