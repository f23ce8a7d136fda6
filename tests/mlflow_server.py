"""An MLflow server to test against."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


class Server:
    """An MLflow server on a port of this machine's loopback, over the database at `store`, or an SQLite of its own."""

    def __init__(self, folder: Path, store: str | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._store = store or f"sqlite:///{folder / 'server.db'}"

    def start(self, **otherwise: str) -> None:
        """otherwise: variables of its environment that differ."""
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--log-level=error",
        ]
        # What `mlflow server` starts, without the seconds that its command line takes and without its job runner.
        settings = {
            "_MLFLOW_SERVER_FILE_STORE": self._store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self._folder / "artifacts"),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **otherwise,
        }
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, "mlflow.server.fastapi_app:app"], env={**os.environ, **settings}, stdout=log, stderr=log
            )

    def wait(self) -> None:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except (urllib.error.URLError, ConnectionError):
                assert self._process.poll() is None, (self._folder / "server.log").read_text()
                time.sleep(0.1)
        raise TimeoutError((self._folder / "server.log").read_text())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
