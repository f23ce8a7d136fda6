"""What somebody must put right, MLflow's address, credentials or database, is a sentence that says how."""

import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy
from mlflow_server import Server
from postgres import database
from refusing_server import Answer, Request, refusing_server
from tracking_rivals import never
from tracking_trials import Folders, trial

from grokgrid.tracking import Tracking, TrackingAway, TrackingError, TrackingRefused
from grokgrid.tracking.connection import with_driver

LOGIN = "<html><head><title>Sign in to Example</title></head><body>Password:</body></html>"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@pytest.fixture
def whole(empty_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(empty_database, tmp_path / "whole.db"))


def refused(uri: str, call: Callable[[Tracking], object] = lambda tracking: tracking.find(["a" * 16])) -> str:
    """The sentence, of one line and without a password."""
    with pytest.raises(TrackingError) as raised:
        call(Tracking(uri))
    sentence = str(raised.value)
    assert sentence.isprintable() and "hidden" not in sentence
    return sentence


class TestServers:
    @pytest.mark.parametrize(
        ("answer", "parts"),
        [
            (Answer(401), ["requires credentials (status 401)", "export MLFLOW_TRACKING_TOKEN="]),
            (Answer(401, '{"detail": "Not authenticated"}'), ["status 401", "Not authenticated"]),
            (Answer(401, "\x1b[31mno\x1b[0m\n" * 1000), ["status 401", "[31mno"]),
            (Answer(403, "Forbidden"), ["denies permission (status 403)", "It says: Forbidden", "MLFLOW_TRACKING_"]),
            (
                Answer(403, "Invalid Host header - possible DNS rebinding attack detected"),
                ["host name", "mlflow server --allowed-hosts"],
            ),
            (Answer(404, LOGIN), ["status 404", "Sign in to Example", "export MLFLOW_TRACKING_URI="]),
            (Answer(405), ["status 405", "export MLFLOW_TRACKING_URI="]),
            (Answer(407), ["proxy", "status 407", "NO_PROXY"]),
            (Answer(418, "teapot"), ["not MLflow's: “teapot”", "export MLFLOW_TRACKING_URI="]),
            (Answer(200, LOGIN), ["not MLflow's: “Sign in to Example”", "page to log in", "MLFLOW_TRACKING_TOKEN"]),
            (Answer(200), ["not MLflow's, and empty", "export MLFLOW_TRACKING_URI="]),
            (Answer(200, "[1, 2]"), ["not MLflow's: “[1, 2]”"]),
            (Answer(200, '{"jobs": []}'), ["not MLflow's", "jobs"]),
            (Answer(400, "The plain HTTP request was sent to HTTPS port"), ["export MLFLOW_TRACKING_URI=https://"]),
        ],
        ids=lambda value: f"{value.status} {value.body[:12]!r}" if isinstance(value, Answer) else "",
    )
    def test_that_refuse_are_named_with_what_mends_it(self, answer: Answer, parts: list[str]):
        with refusing_server(lambda _: answer) as uri:
            sentence = refused(uri)
        assert uri.removeprefix("http://") in sentence
        assert all(part in sentence for part in parts), sentence
        assert len(sentence) < 600

    @pytest.mark.parametrize("body", ['{"experiment": null}', '{"experiment": {}}', "{}"])
    def test_that_know_no_experiments_are_not_mlflows(self, body: str):
        """Though they answer the first question as an empty MLflow does."""
        with refusing_server(lambda request: Answer(200, "{}" if "search" in request.path else body)) as uri:
            assert "is not MLflow's: “an experiment" in refused(uri)
            assert "is not MLflow's" in refused(uri, lambda tracking: tracking.connect())

    def test_that_know_no_runs_are_not_mlflows(self):
        def without_ids(request: Request) -> Answer:
            if "experiments" in request.path:
                experiment = '{"experiment_id": "1", "name": "x", "lifecycle_stage": "active"}'
                return Answer(200, "{}" if "search" in request.path else f'{{"experiment": {experiment}}}')
            return Answer(200, '{"runs": [{}]}')

        with refusing_server(without_ids) as uri:
            assert "is not MLflow's: “a run without an id”" in refused(uri)

    def test_the_credentials_that_were_given_are_named(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hidden")
        with refusing_server(lambda _: Answer(401)) as uri:
            assert "does not accept the credentials in MLFLOW_TRACKING_TOKEN" in refused(uri)
            monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
            with_password = uri.replace("://", "://me:hidden@")
            assert "does not accept the credentials in MLFLOW_TRACKING_URI" in refused(with_password)

    def test_a_redirect_says_where_to(self):
        def to_login(request: Request) -> Answer:
            return Answer(200, LOGIN) if request.path == "/login" else Answer(302, headers={"Location": "/login"})

        with refusing_server(to_login) as uri:
            assert f"redirects to {uri}/login" in refused(uri)
        with refusing_server(lambda _: Answer(302, headers={"Location": "/again"})) as uri:
            assert "redirects in circles" in refused(uri)

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
    def test_trouble_that_epochs_is_no_refusal(self, status: int):
        with refusing_server(lambda _: Answer(status, LOGIN)) as uri, pytest.raises(TrackingAway) as raised:
            Tracking(uri).find(["a" * 16])
        assert str(raised.value).isprintable()

    @pytest.mark.parametrize(
        ("uri", "part"),
        [
            ("http://no-such-host.invalid:5000", "no host of that name is known"),
            ("postgresql://me:hidden@no-such-host.invalid/db", "no host of that name is known"),
            ("http://127.0.0.1:99999", "is not the address of a server"),
            ("http://[::1", "is not the address of a server"),
            ("htp://host", "knows no such database"),
            ("sqlite://", "a database in memory"),
            ("sqlite:///:memory:", "a database in memory"),
            (
                "databricks",
                "a Databricks workspace, which grokgrid does not support. Supported are SQLite (sqlite:///FILE)",
            ),
            ("databricks://profile", "a Databricks workspace, which grokgrid does not support"),
            ("databricks-uc", "Databricks' Unity Catalog, which grokgrid does not support"),
            ("databricks-uc://profile", "Databricks' Unity Catalog, which grokgrid does not support"),
            ("uc:http://127.0.0.1:9", "a Unity Catalog, which grokgrid does not support"),
            ("localhost:5000", "A server: http://localhost:5000"),
            ("postgresql://me:hidden@127.0.0.1:port/db", "knows no such database"),
        ],
    )
    def test_addresses_that_cannot_be(self, uri: str, part: str):
        assert part in refused(uri)

    def test_certificates(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl to make a certificate with")
        subprocess.run([*made, "-keyout", tmp_path / "key", "-out", tmp_path / "cert"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
        with refusing_server(lambda _: Answer(200), context) as uri:
            sentence = refused(uri)
            assert "certificate" in sentence and "self-signed" in sentence
            assert "export MLFLOW_TRACKING_SERVER_CERT_PATH=FILE" in sentence
        with refusing_server(lambda _: Answer(200)) as uri:
            assert f"does not speak https: export MLFLOW_TRACKING_URI={uri}" in refused(uri.replace("http:", "https:"))

    def test_a_proxy_that_wants_credentials(self, monkeypatch: pytest.MonkeyPatch):
        with refusing_server(lambda _: Answer(407)) as proxy:
            for name in ("HTTP_PROXY", "HTTPS_PROXY"):
                monkeypatch.setenv(name, proxy)
            for scheme in ("http", "https"):
                sentence = refused(f"{scheme}://mlflow.invalid")
                assert "status 407" in sentence and "HTTPS_PROXY or HTTP_PROXY=http://NAME:PASSWORD" in sentence

    def test_a_login_that_expires(self, http: Server, folders: Folders, study: str):
        """All that follows is refused likewise, and goes through as it is once somebody has logged in again."""
        subject, expired = trial(), False

        def pass_on(request: Request) -> Answer:
            if expired:
                return Answer(401, LOGIN)
            asked = urllib.request.Request(
                f"{http.uri}{request.path}", request.body or None, dict(request.headers), method=request.method
            )
            try:
                with urllib.request.urlopen(asked) as found:
                    return Answer(found.status, found.read().decode())
            except urllib.error.HTTPError as error:
                return Answer(error.code, error.read().decode())

        with refusing_server(pass_on) as uri:
            tracking = Tracking(uri)
            report = tracking.open_report(study, "digest")
            held = tracking.claim(report, [subject.key], never).won[subject.key]
            snapshot = folders.finished(subject)
            expired = True
            for call in (report.renew, lambda: tracking.ingest(held, snapshot), lambda: tracking.find([subject.key])):
                with pytest.raises(TrackingRefused, match="requires credentials"):
                    call()
            expired = False
            assert tracking.ingest(held, snapshot) is not None
            report.abandon()

    def test_a_file_that_is_too_large(self, http: Server, study: str):
        with refusing_server(lambda _: Answer(413)) as uri:
            sentence = refused(uri)
        assert "keep_checkpoints: false" in sentence and "client_max_body_size" in sentence

    @pytest.mark.slow
    def test_a_server_that_keeps_no_files(self, tmp_path: Path):
        """It says so by a status of passing trouble, 503."""
        server = Server(tmp_path)
        server.start(_MLFLOW_SERVER_SERVE_ARTIFACTS="false")
        server.wait()
        try:
            assert "--no-serve-artifacts" in refused(server.uri, Tracking.try_out)
        finally:
            server.stop()


class TestDatabases:
    @pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
    def empty(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
        """A database without tables."""
        if request.param == "sqlite":
            (tmp_path / "a.db").touch()
            yield f"sqlite:///{tmp_path}/a.db"
        else:
            with database() as uri:
                yield uri

    def test_of_an_older_mlflow_is_not_upgraded_unasked(self, empty: str):
        """A server of the older version would then refuse it."""
        make_older(empty)
        before = content(empty)
        sentence = refused(empty)
        assert "was made by an older MLflow" in sentence and "mlflow db upgrade '" in sentence
        assert content(empty) == before

    @pytest.mark.slow
    def test_of_an_older_mlflow_is_upgraded_by_the_command_that_is_given(self, empty: str):
        make_older(empty)
        command = re.search("mlflow db upgrade '[^']*'", refused(empty))
        assert command is not None
        subprocess.run(
            command[0].replace("***", empty.rpartition("@")[0].rpartition(":")[2]),
            shell=True,
            check=True,
            capture_output=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
        Tracking(empty).connect()

    def test_of_a_newer_mlflow(self, empty: str):
        Tracking(empty).connect()
        change(empty, "UPDATE alembic_version SET version_num = 'fffffffffff1'")
        sentence = refused(empty)
        assert "newer MLflow" in sentence and "fffffffffff1" in sentence
        assert "pip install --upgrade mlflow" in sentence

    def test_of_another_program_stays_as_it_is(self, empty: str):
        change(empty, "CREATE TABLE invoices (id integer)", "CREATE TABLE alembic_version (version_num varchar(32))")
        before = content(empty)
        assert "the database of another program, with the tables invoices and not" in refused(empty)
        assert content(empty) == before

    def test_a_file_that_is_damaged(self, whole: Path, tmp_path: Path):
        for name, damage in {
            "cut": lambda bytes: bytes[:5000],
            "garbage": lambda bytes: bytes[:100] + b"x" * 9000 + bytes[9100:],
            "text": lambda bytes: b"not a database at all",
        }.items():
            path = tmp_path / f"{name}.db"
            path.write_bytes(damage(whole.read_bytes()))
            assert str(path) in (sentence := refused(f"sqlite:///{path}"))
            assert "MLFLOW_TRACKING_URI" in sentence or "GROKGRID_HOME" in sentence

    def test_a_file_that_cannot_be_written_to(self, empty_database: Path, monkeypatch: pytest.MonkeyPatch):
        """It can still be read."""
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as artifacts:
            Path(artifacts).chmod(0o777)
            monkeypatch.setenv("GROKGRID_ARTIFACTS", artifacts)
            path = shutil.copyfile(empty_database, Path(folder) / "mlflow.db")
            for each, mode in ((path, 0o444), (Path(folder), 0o555)):
                each.chmod(mode)

            def read_and_write() -> str:
                tracking = Tracking(f"sqlite:///{path}")
                assert tracking.find(["a" * 16]) == {}
                return refused(f"sqlite:///{path}", Tracking.try_out)

            assert "can be read, but not written to" in as_nobody(read_and_write)

    @pytest.mark.service
    def test_what_postgresql_refuses(self):
        with database() as uri:
            parts = urlsplit(uri)
            change(uri, f"CREATE ROLE guest{(name := parts.path[1:])} LOGIN PASSWORD 'hidden'")
            guest = f"postgresql://guest{name}:hidden@{parts.hostname}:{parts.port}{parts.path}"
            wrong = f"postgresql://grokgrid:hidden@{parts.hostname}:{parts.port}{parts.path}"
            assert "does not accept the name and the password" in refused(wrong)
            assert "does not exist: create it" in refused(f"{uri}_not")
            assert "GRANT ALL ON SCHEMA public" in refused(guest, Tracking.connect)
            assert "does not speak TLS" in refused(f"{uri}?sslmode=require")
            change(uri, f"DROP ROLE guest{name}")


class TestArtifacts:
    @pytest.mark.parametrize(
        ("root", "parts"),
        [
            ("/proc/artifacts", ["/proc/artifacts", "GROKGRID_ARTIFACTS"]),
            ("s3://bucket/folder", ["Unable to locate credentials", "AWS_ACCESS_KEY_ID"]),
            ("sftp://127.0.0.1/folder", ["pip install pysftp"]),
            ("nonsense://bucket", ["nonsense", "GROKGRID_ARTIFACTS"]),
        ],
    )
    def test_that_cannot_be_written(
        self, root: str, parts: list[str], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("GROKGRID_ARTIFACTS", root)
        sentence = refused(f"sqlite:///{whole}", Tracking.try_out)
        assert all(part in sentence for part in parts), sentence

    def test_whose_folder_has_become_a_file(self, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GROKGRID_ARTIFACTS", str(tmp_path / "kept"))
        tracking = Tracking(f"sqlite:///{whole}")
        tracking.try_out()
        assert not list((tmp_path / "kept").rglob("*.txt"))
        shutil.rmtree(tmp_path / "kept")
        (tmp_path / "kept").touch()
        with pytest.raises(TrackingError, match=f"artifacts cannot be written to {tmp_path}/kept"):
            tracking.try_out()


def as_nobody(call: Callable[[], str]) -> str:
    """What it returns in a process without the rights of root, whom no file's mode keeps out."""
    mine, childs = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
                tempfile.tempdir = None  # root's own may be closed to nobody, who then looks for another.
            os.write(childs, call().encode())
        except BaseException as error:
            os.write(childs, repr(error).encode())
        os._exit(0)
    os.close(childs)
    with os.fdopen(mine) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


def make_older(uri: str) -> None:
    """MLflow's tables as they were some versions ago, by MLflow's own migrations."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = sqlalchemy.create_engine(with_driver(uri))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = _get_alembic_config(str(engine.url))
        config.attributes["connection"] = connection
        command.upgrade(config, "c48cb773bb87")
    engine.dispose()


def change(uri: str, *statements: str) -> None:
    engine = sqlalchemy.create_engine(with_driver(uri))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()


def content(uri: str) -> dict[str, list[str]]:
    """Names of tables and columns."""
    engine = sqlalchemy.create_engine(with_driver(uri))
    inspector = sqlalchemy.inspect(engine)
    found = {name: [column["name"] for column in inspector.get_columns(name)] for name in inspector.get_table_names()}
    engine.dispose()
    return found
