"""MLflow cannot be reached for a while: calls say so soon, and repeating them later loses and doubles nothing."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy
from mlflow.exceptions import MlflowException
from test_tracking_contract import mlflow_client, runs_in_mlflow
from tracking_rivals import never
from tracking_trials import Folders, keys, trial

from grokgrid.tracking import Tracking, TrackingAway, redact
from grokgrid.tracking.away import hide, is_away

PATIENCE_S = 100
"""On its own, MLflow's client goes on asking for minutes."""


class Line:
    """A network line to a server on this machine, that can be cut, or made to swallow the answers."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self.is_cut = self.swallows_answers = self._is_gone = False
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def mend(self) -> None:
        self.is_cut = self.swallows_answers = False

    def close(self) -> None:
        self._is_gone = True
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with self._listener:
            while not self._is_gone:
                with contextlib.suppress(TimeoutError):
                    near, _ = self._listener.accept()
                    self._start(self._pass_on, near)

    def _pass_on(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._server_port)) as far, contextlib.suppress(OSError):
            while not (self.is_cut or self._is_gone):
                for source in select.select([near, far], [], [], 0.05)[0]:
                    data = source.recv(1 << 16)
                    if not data or (source is far and self.swallows_answers):
                        return
                    (far if source is near else near).sendall(data)


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.service), "http"])
def near_uri(request: pytest.FixtureRequest) -> str:
    place = request.getfixturevalue(request.param)
    return place if isinstance(place, str) else place.uri


@pytest.fixture
def line(near_uri: str) -> Iterator[Line]:
    line = Line(int(near_uri.rpartition(":")[2].partition("/")[0]))
    yield line
    line.close()


@pytest.fixture
def far_uri(near_uri: str, line: Line) -> str:
    head, _, tail = near_uri.rpartition(":")
    return f"{head}:{line.port}/{tail.partition('/')[2]}".rstrip("/")


def is_away_now(call: Callable[[], object]) -> None:
    start = time.monotonic()
    with pytest.raises(TrackingAway) as raised:
        call()
    assert time.monotonic() - start < PATIENCE_S
    assert raised.value.__cause__ is not None


def test_a_result_waits_until_mlflow_is_back(
    near_uri: str, far_uri: str, line: Line, study: str, folders: Folders
) -> None:
    subject = trial()
    tracking = Tracking(far_uri)
    report = tracking.open_report(study, "digest")
    held = tracking.claim(report, [subject.key], never).won[subject.key]
    snapshot = folders.finished(subject)
    line.is_cut = True
    time.sleep(0.2)
    is_away_now(lambda: tracking.ingest(held, snapshot))
    is_away_now(report.renew)
    is_away_now(lambda: tracking.find([subject.key]))
    line.mend()
    report.renew()
    tracking.ingest(held, snapshot)
    assert runs_in_mlflow(near_uri, subject.key) == [("FINISHED", "finished")]
    report.abandon()


def test_a_claim_whose_report_got_lost_is_ours(
    near_uri: str, far_uri: str, line: Line, study: str, folders: Folders
) -> None:
    """The run was created, but nobody told us; MLflow's client sends some requests twice."""
    subject = trial()
    tracking = Tracking(far_uri)
    report = tracking.open_report(study, "digest")
    line.swallows_answers = True
    is_away_now(lambda: tracking.claim(report, [subject.key], never))
    line.mend()
    held = tracking.claim(report, [subject.key], never).won[subject.key]
    assert runs_in_mlflow(near_uri, subject.key) == [("RUNNING", "running")]

    line.swallows_answers = True
    snapshot = folders.finished(subject)
    is_away_now(lambda: tracking.ingest(held, snapshot))
    line.mend()
    tracking.ingest(held, snapshot)
    assert runs_in_mlflow(near_uri, subject.key) == [("FINISHED", "finished")]
    report.abandon()


def test_nothing_listens(study: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for uri in (f"http://127.0.0.1:{port}", f"postgresql://me:hidden%40@127.0.0.1:{port}/db"):
        tracking = Tracking(uri)
        is_away_now(tracking.connect)
        with pytest.raises(TrackingAway) as raised:
            tracking.open_report(study, "digest")
        assert "hidden" not in str(raised.value) and "hidden" not in tracking.place
        assert str(port) in str(raised.value)


def test_a_problem_is_not_taken_for_being_away(tracking: Tracking, uri: str) -> None:
    with pytest.raises(MlflowException) as raised:
        mlflow_client(uri).get_run("no-such-run")
    assert not is_away(raised.value)


def test_what_counts_as_away() -> None:
    locked = sqlalchemy.exc.OperationalError("INSERT", {}, Exception("database is locked"))
    wrapped = MlflowException("database is locked")
    wrapped.__cause__ = locked
    assert is_away(wrapped)
    assert not is_away(MlflowException("Invalid metric name"))
    assert not is_away(ValueError("x"))
    # What was being handled when MLflow was called is no part of the reason.
    later = ValueError("y")
    later.__context__ = locked
    assert is_away(later) and not is_away(later, handled=locked)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://me:pass@host/path", "https://me:***@host/path"),
        ("postgresql+psycopg2://me:p:a/ss@host:5432/db", "postgresql+psycopg2://me:***@host:5432/db"),
        (
            "postgresql://host/db?user=me&password=pass&sslmode=on",
            "postgresql://host/db?user=me&password=***&sslmode=on",
        ),
    ],
)
def test_passwords_are_not_shown(uri: str, shown: str) -> None:
    assert redact(uri) == shown
    assert "pass" not in hide("https://me:p%20ass@host", "cannot log in with p%20ass or p ass")


def test_passwords_are_not_stored(tracking: Tracking, uri: str, study: str) -> None:
    report = tracking.open_report(study, "digest")
    (key,) = keys(1)
    held = tracking.claim(report, [key], never).won[key]
    password = uri.rpartition("@")[0].rpartition(":")[2]
    for run_id in (report.run_id, held.run_id):
        run = mlflow_client(uri).get_run(run_id)
        assert not password or not any(password in value for value in run.data.tags.values())
    report.abandon()
