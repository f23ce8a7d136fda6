"""Ray clusters of several nodes on this machine, each node a `ray start` of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

BIN = Path(sys.executable).parent


def free_ports(num: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(num)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """A head with a job server, and nodes that can be added and killed; all in `folder`, whose path must be short."""

    def __init__(self, folder: Path, env: dict[str, str], *, num_cpus: int = 2) -> None:
        self._folder, self._env = folder, env
        port, dashboard, client, *agent = free_ports(6)
        self.address = f"http://127.0.0.1:{dashboard}"
        self.client_address = f"ray://127.0.0.1:{client}"
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._start(
            "--head",
            f"--port={port}",
            f"--dashboard-port={dashboard}",
            "--dashboard-host=127.0.0.1",
            f"--ray-client-server-port={client}",
            *_of_any_node(num_cpus, agent),
        )
        self.gcs_address = f"127.0.0.1:{port}"

    def add_node(self, num_cpus: int = 2) -> int:
        """Starts another node; returns its number, by which it can be killed. It takes some seconds to join."""
        return self._start(f"--address={self.gcs_address}", *_of_any_node(num_cpus, free_ports(3)))

    def kill_node(self, number: int) -> None:
        """As when a machine is switched off: nobody is told, nothing is saved."""
        os.killpg(self._nodes[number].pid, signal.SIGKILL)
        self._nodes[number].wait()

    def kill_server_of_next_client(self, timeout_s: float = 120) -> None:
        """As soon as the head starts a server for whoever connects to it."""
        deadline = time.monotonic() + timeout_s
        port = self.gcs_address.rpartition(":")[2].encode()
        while True:
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    command = (process / "cmdline").read_bytes()
                    if b":%b\0" % port in command and b"--mode=specific-server" in command:
                        os.kill(int(process.name), signal.SIGKILL)
                        return
            assert time.monotonic() < deadline, self.log()

    def num_nodes(self) -> int:
        """Those that are alive to the cluster."""
        try:
            nodes = self._get("/nodes?view=summary")["data"]["summary"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)

    def wait_for_nodes(self, num: int, timeout_s: float = 120) -> None:
        deadline = time.monotonic() + timeout_s
        while self.num_nodes() != num:
            assert self._nodes[0].poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.3)

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("node-*.log")))

    def stop(self) -> None:
        for number, node in enumerate(self._nodes):
            if node.poll() is None:
                self.kill_node(number)

    def _start(self, *options: str) -> int:
        number = len(self._nodes)
        # A node's Python has to come first on its PATH: a job's `python` is looked for there.
        env = {**os.environ, **self._env, "PATH": f"{BIN}:{os.environ['PATH']}"}
        env |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0", "RAY_worker_niceness": "0"}
        # Else it hangs on whether a Ray has run here before, and left a token.
        env |= {"RAY_AUTH_MODE": "disabled"}
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"node-{number}.log").open("w") as log:
            # A node that shares its files with another one removes and unpacks anew what a job is just reading.
            command = [str(BIN / "ray"), "start", "--block", f"--temp-dir={self._folder / str(number)}", *options]
            node = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=self._folder, start_new_session=True)
        self._nodes.append(node)
        return number

    def _get(self, path: str) -> dict:
        with urllib.request.urlopen(self.address + path, timeout=5) as answer:
            return json.load(answer)


def _of_any_node(num_cpus: int, agent_ports: list[int]) -> list[str]:
    http, grpc, metrics = agent_ports
    return [
        f"--num-cpus={num_cpus}",
        "--object-store-memory=100000000",
        f"--dashboard-agent-listen-port={http}",
        f"--dashboard-agent-grpc-port={grpc}",
        f"--metrics-export-port={metrics}",
        # Whichever is free: nodes on one machine would dispute the default range.
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]
