"""A process that has imported all that is slow to import, and forks a `grokgrid` for each line that it is sent.

Starting `grokgrid run` takes five to ten seconds, nearly all of them imports: too long for tests that kill it a dozen
times. A fork starts at once, and is a process like any other: it has its own signals, and can be killed.

A line asks, in JSON, either for a start (args, env, log; `die` names a moment at which to be killed) and is answered
with the pid, or to wait for a pid and is answered with its exit code, negative for a signal, None if it still runs.
"""

import importlib
import json
import os
import signal
import sys
import time
from typing import Any

SLOW = (
    "grokgrid.analyses",
    "grokgrid.api",
    "grokgrid.cli",
    "grokgrid.report.files",
    "grokgrid.report.html",
    "grokgrid.report.terminal",
    "grokgrid.running",
    "jinja2",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "mlflow.store.artifact.artifact_repository_registry",
    "mlflow.store.tracking.rest_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "sklearn.datasets._base",
    "torch._dynamo",
    "trainables.run",
)


def serve() -> None:
    for name in SLOW:
        importlib.import_module(name)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = wait(request["wait"], request["timeout_s"]) if "wait" in request else start(request)
        print(json.dumps(answer), flush=True)


def start(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(request["env"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request["die"]:
            die_at(**request["die"])
        code = command(request["args"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(args: list[str]) -> int:
    from grokgrid.cli import main

    sys.argv = ["grokgrid", *args]
    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


def die_at(call: str, when: str, nth: int) -> None:
    """Has this process killed before or after the nth call of `module:attribute`."""
    module, _, path = call.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def wait(pid: int, timeout_s: float) -> int | None:
    until = time.monotonic() + timeout_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended or time.monotonic() > until:
            return os.waitstatus_to_exitcode(status) if ended else None
        time.sleep(0.02)


if __name__ == "__main__":
    serve()
