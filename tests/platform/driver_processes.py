"""`grokgrid` as processes of its own, to be interrupted and killed; see driver_zygote."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Grokgrid:
    """A `grokgrid` that was started."""

    pid: int
    log: Path
    _zygote: "Zygote"

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = 120) -> int:
        """Its exit code, negative if a signal ended it."""
        code = self._zygote.wait(self.pid, timeout_s)
        if code is None:
            self.signal(signal.SIGKILL)
            self._zygote.wait(self.pid, 10)
            raise TimeoutError(f"still running after {timeout_s} s\n{self.log.read_text()}")
        return code

    def ended_within(self, timeout_s: float) -> int | None:
        """Its exit code; None if it is running after that time."""
        return self._zygote.wait(self.pid, timeout_s)


class Zygote:
    def __init__(self) -> None:
        # Threads of numerical libraries do not survive a fork.
        env = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "driver_zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A Ray that a test has started in this process leaves settings behind that are of no other; with a variable
            # of Python's among them, a `grokgrid` would start anew, and be no fork any more.
            env={k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTHONBREAKPOINT"))} | env,
        )
        self._is_ready = False

    def start(self, *args: str, log: Path, die: dict[str, Any] | None = None, **env: str) -> Grokgrid:
        """A `grokgrid` with these arguments, in this process's environment and `env`."""
        if not self._is_ready:
            assert self._report() == "ready"
            self._is_ready = True
        given = {name: value for name, value in os.environ.items() if name.startswith(("GROKGRID", "MLFLOW"))}
        log.touch()
        pid = self._ask(args=args, env={**given, **env}, log=str(log), die=die)
        return Grokgrid(pid, log, self)

    def wait(self, pid: int, timeout_s: float) -> int | None:
        return self._ask(wait=pid, timeout_s=timeout_s)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._report()

    def _report(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the zygote has ended: {self._process.poll()}"
        return json.loads(line)
