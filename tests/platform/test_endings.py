"""However a run ends, nothing of its Ray is left; and while it runs, nothing of it reports to a stranger."""

import ipaddress
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import grpc
import pytest
from driver_studies import study

from grokgrid import home
from search_spaces import to_yaml

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

LONG = study(
    seeds=1,
    trial={"budget": {"steps": 2_000_000}, "evaluate": {"every": 100}, "goal": None},
    arms={"a": {}, "b": {"optimiser": {"lr": 0.02}}},
)
LEFT_WITHIN_S = 60.0
"""A limit against hanging: a quiet machine needs less than ten seconds, a busy one more."""


class Ran:
    """A `grokgrid run` with two workers; its processes are known by a mark in their environment."""

    def __init__(self, folder: Path, *command: str, terminal: bool = False) -> None:
        self._mark = f"GROKGRID_TEST_MARK={folder}"
        self.log = folder / "log"
        environment = {**os.environ, "TMPDIR": str(folder), "GROKGRID_TEST_MARK": str(folder)}
        (folder / "long.yaml").write_text(to_yaml(LONG))
        run = [sys.executable, "-m", "grokgrid", "run", str(folder / "long.yaml"), "--slots", "2"]
        run += ["--checkpoint-every", "600"]
        self.terminal, end = pty.openpty() if terminal else (None, None)
        self._shows_progress = terminal and "nohup" not in command
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["setsid", "--ctty", *command, *run] if terminal else [*command, *run],
                stdin=end,
                stdout=end if terminal else log,
                stderr=end if terminal else log,
                env=environment,
                cwd=folder,
                start_new_session=not terminal,
            )
        if end is not None:
            os.close(end)

    def until(self, condition: Callable[[], object], timeout_s: float = 120) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def until_workers_train(self) -> None:
        if self._shows_progress:
            assert self.terminal is not None
            shown = bytearray()
            while not (b"of the budget" in shown and b"2 running" in shown):
                shown += os.read(self.terminal, 10_000)
        self.until(lambda: [name for name in self.alive().values() if name.startswith("ray::_Worker.")])
        assert {"raylet", "gcs_server"} <= set(self.alive().values())

    def alive(self) -> dict[int, str]:
        """Process -> its name, of all that it has started and that still run, but for itself."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                marked = self._mark.encode() in (process / "environ").read_bytes().split(b"\0")
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                if marked and state != "Z" and int(process.name) != self.process.pid:
                    found[int(process.name)] = (process / "comm").read_text().strip()
            except OSError:
                continue
        return found

    def left(self) -> dict[int, str]:
        """What is left some seconds after its end."""
        until = time.monotonic() + LEFT_WITHIN_S
        while (alive := self.alive()) and time.monotonic() < until:
            time.sleep(0.05)
        return alive


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Ray's sockets fit into it, wherever pytest has its folders."""
    with tempfile.TemporaryDirectory(prefix="e-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def start(short_folder: Path, ready_home: Path) -> Iterator[Callable[..., Ran]]:
    started: list[Ran] = []

    def start(*command: str, terminal: bool = False) -> Ran:
        started.append(Ran(short_folder, *command, terminal=terminal))
        started[-1].until_workers_train()
        return started[-1]

    yield start
    for each in started:
        for pid in {each.process.pid, *each.alive()}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        each.process.wait()


def own_folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(("grokgrid-ray-", "grokgrid-tune-")))


ENDS = {
    "Ctrl-C": lambda ran: os.killpg(ran.process.pid, signal.SIGINT),
    "SIGTERM to all of the group, twice, as timeout does": lambda ran: [
        os.killpg(ran.process.pid, signal.SIGTERM) for _ in range(2)
    ],
}


@pytest.mark.parametrize("how", ENDS)
def test_a_signal_ends_it_cleanly(how: str, start: Callable[..., Ran], short_folder: Path):
    ran = start()
    ENDS[how](ran)
    assert ran.process.wait(60) == 130, ran.log.read_text()
    assert ran.left() == {}
    assert own_folders(short_folder) == []
    assert ran.log.read_text().splitlines()[-1].startswith("Stopped."), ran.log.read_text()


def test_ctrl_c_twice(start: Callable[..., Ran], short_folder: Path):
    ran = start()
    os.killpg(ran.process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(ran.process.pid, signal.SIGINT)
    ran.process.wait(60)
    assert ran.left() == {}


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_killed_alone_or_with_its_group(kill: Callable[[int, int], None], start: Callable[..., Ran]):
    ran = start()
    kill(ran.process.pid, signal.SIGKILL)
    ran.process.wait(60)
    assert ran.left() == {}


def test_all_of_it_killed(start: Callable[..., Ran], short_folder: Path):
    """As a container's end: nobody is left to tidy up but the next run."""
    ran = start()
    for pid in (ran.process.pid, *ran.alive()):
        os.kill(pid, signal.SIGKILL)
    ran.process.wait(60)
    assert ran.left() == {}
    assert own_folders(short_folder)
    next_one = start()
    assert len(own_folders(short_folder)) == 2, "its own"
    next_one.process.terminate()
    assert next_one.process.wait(60) == 130
    assert own_folders(short_folder) == []


def test_a_terminal_that_is_closed(start: Callable[..., Ran], short_folder: Path):
    """Ends it as SIGTERM does, though all that it prints goes to a terminal that is no more."""
    ran = start(terminal=True)
    assert ran.terminal is not None
    os.close(ran.terminal)
    assert ran.process.wait(60) == 130
    assert ran.left() == {}
    assert own_folders(short_folder) == []
    storage = home.storage_root()
    assert len(list(storage.glob("*/at-*"))) == 2, "each running trial has saved a snapshot"


def test_a_terminal_that_is_closed_under_nohup(start: Callable[..., Ran], short_folder: Path):
    ran = start("nohup", terminal=True)
    assert ran.terminal is not None
    os.close(ran.terminal)
    time.sleep(2)
    assert ran.process.poll() is None
    assert {"raylet", "gcs_server"} <= set(ran.alive().values())


def test_a_thread_that_a_part_has_left_holds_nothing_up(ready_home: Path, tmp_path: Path):
    """Python would wait for it for ever. It starts after the rehearsal, which would end it."""
    (tmp_path / "mine.py").write_text(
        "import threading\nimport time\n\ndef part(step):\n    if step.number == 40:\n"
        "        threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "    return 1e-3 * step.outputs.square().mean()\n"
    )
    mine = study(seeds=1, arms={"a": {"regulariser": {"name": f"{tmp_path}/mine.py:part"}}})
    (tmp_path / "mine.yaml").write_text(to_yaml(mine))
    run = [sys.executable, "-m", "grokgrid", "run", str(tmp_path / "mine.yaml"), "--engine", "inline"]
    assert subprocess.run(run, cwd=tmp_path, timeout=120).returncode == 0


def listeners(pids: set[int]) -> dict[tuple[str, int], int]:
    """(address, port) -> process, of all TCP sockets on which these processes listen."""
    owners = {}
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                owners[os.readlink(descriptor)] = pid
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            (
                _,
                local,
                _,
                state,
                *_,
            ) = fields = line.split()
            if state == "0A" and (pid := owners.get(f"socket:[{fields[9]}]")) is not None:
                address, port = local.split(":")
                words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
                found[str(ipaddress.ip_address(b"".join(words))), int(port, 16)] = pid
    return found


def http(port: int, method: str, path: str) -> int | None:
    """The status; None if no HTTP is spoken there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except (HTTPException, OSError):
        return None
    finally:
        connection.close()


def grpc_status(port: int, method: str) -> grpc.StatusCode:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=10)
        except grpc.RpcError as error:
            return error.code()  # type: ignore[no-any-return,attr-defined]
    return grpc.StatusCode.OK


METHODS = [
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.InternalKVGcsService/InternalKVKeys",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.CoreWorkerService/GetCoreWorkerStats",
]


def test_no_listener_reports_without_the_token(start: Callable[..., Ran]):
    ran = start()
    found = listeners({ran.process.pid, *ran.alive()})
    assert {name for pid, name in ran.alive().items() if pid in found.values()} >= {"raylet", "gcs_server"}
    for (address, port), pid in found.items():
        who = f"{address}:{port}, {Path(f'/proc/{pid}/comm').read_text().strip()}"
        ip = ipaddress.ip_address(address)
        assert (getattr(ip, "ipv4_mapped", None) or ip).is_loopback, who
        asked = [
            http(port, "GET", "/"),
            http(port, "GET", "/metrics"),
            http(port, "POST", "/get_or_create_runtime_env"),
        ]
        if asked == [None] * 3:
            statuses = {method: grpc_status(port, method) for method in METHODS}
            print(who, "gRPC", statuses)
            assert set(statuses.values()) <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED}, who
            assert grpc.StatusCode.UNAUTHENTICATED in statuses.values(), who
        else:
            print(who, "HTTP", asked)
            assert set(asked) <= {401, 403}, who


def test_its_token_and_sockets_are_for_its_user_alone(start: Callable[..., Ran], short_folder: Path):
    ran = start()
    (folder,) = short_folder.glob("grokgrid-ray-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    token = (folder / "token").read_text()
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    sockets = [
        line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if str(short_folder) in line
    ]
    assert sockets and all(Path(each).is_relative_to(folder) for each in sockets)
    for pid in (ran.process.pid, *ran.alive()):
        assert token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    logs = [file for file in folder.rglob("*") if file.is_file() and file != folder / "token"]
    assert logs and not [file for file in logs if token.encode() in file.read_bytes()]
