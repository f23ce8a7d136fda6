"""What grokgrid does with a real Ray cluster, from outside: jobs, attached runs, the doctor; and what is refused."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from driver_processes import Zygote
from driver_studies import Grokgrid, failing, folders, npz, results, same, settled, study
from ray_cluster import Cluster

from grokgrid import bundle
from grokgrid.results import Results
from grokgrid.tracking import Tracking
from search_spaces import Study, read_study, to_yaml


@pytest.fixture(scope="module")
def cluster_home(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """Its only node's, and, to look into what it has done, that of the tests."""
    home = tmp_path_factory.mktemp("of-the-cluster")
    shutil.copyfile(empty_database, home / "mlflow.db")
    return home


@pytest.fixture(scope="module")
def cluster(cluster_home: Path) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    # No data sets, wherever this machine has some. Room for several attached engines, as each keeps its workers.
    env = {"GROKGRID_HOME": str(cluster_home), "GROKGRID_DATA": str(cluster_home / "data")}
    cluster = Cluster(folder, env, num_cpus=16)
    try:
        cluster.wait_for_nodes(1)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def grokgrid(grokgrid: Grokgrid, monkeypatch: pytest.MonkeyPatch) -> Grokgrid:
    monkeypatch.setenv("COLUMNS", "120")
    return grokgrid


@pytest.fixture
def some(tmp_path: Path) -> Study:
    """Two trials of a second or more on plugin data, and one that fails."""
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "own.npz"
    data = {"name": "npz", "path": str(path), "digest": npz(path)}
    return study(
        seeds=1,
        trial={
            "data": data,
            "budget": {"steps": 5_000},
            "evaluate": {"every": 25},
            "goal": {"metric": "train_loss", "below": 0.0},
        },
        arms={"baseline": {}, "slow": study().arms["slow"], "broken": failing(tmp_path)},
    )


@pytest.mark.ray
class TestAJob:
    @pytest.mark.slow
    def test_cancelled_and_gone_on_with(
        self,
        cluster: Cluster,
        cluster_home: Path,
        grokgrid: Grokgrid,
        some: Study,
        undisturbed: Callable[[Study], Results],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        expected = undisturbed(some)
        monkeypatch.setattr(bundle, "provenance", lambda: {"grokgrid.commit": "as sent"})
        (tmp_path / "mine" / "some.yaml").write_text(to_yaml(some))

        def submit(*options: str) -> str:
            submitted = grokgrid("submit", tmp_path / "mine" / "some.yaml", "--address", cluster.address, *options)
            assert submitted.exit_code == 0, submitted.output
            assert "the cluster's own MLFLOW_TRACKING_URI" in submitted.stderr
            return submitted.stdout.strip()

        first = submit("--slots", "2", "--checkpoint-every", "600")
        assert first.startswith("small-20")
        deadline = time.monotonic() + 90
        while "1 running" not in (log := grokgrid("logs", first, "--address", cluster.address).stdout):
            assert time.monotonic() < deadline, log
            time.sleep(0.3)
        assert "a file on" in log and "gone when that machine is" in log
        time.sleep(1)
        assert "running" in grokgrid("status", first, "--address", cluster.address).stdout
        cancelled = grokgrid("cancel", first, "--address", cluster.address)
        assert cancelled.exit_code == 0 and f"{first} stopped" in cancelled.stderr
        monkeypatch.setenv("GROKGRID_HOME", str(cluster_home))
        settled()
        assert folders(), "of what was running there are snapshots"
        assert "Stopped. What was done is kept" in grokgrid("logs", first, "--address", cluster.address).stdout

        second = submit("--slots", "2")
        shutil.rmtree(tmp_path / "mine")  # The machine that submitted is not needed any more.
        followed = grokgrid("logs", second, "--follow", "--address", cluster.address)
        assert followed.exit_code == 1 and f"{second} failed" in followed.stderr, followed.output
        assert "1 of 3 trials are not over: 1 failed" in followed.stdout
        told = grokgrid("status", second, "--address", cluster.address).stdout
        assert "1 of 3 trials are not over: 1 failed" in told
        assert all(job in grokgrid("status", "--address", cluster.address).stdout for job in (first, second))

        same(results(some), expected)
        settled({trial.key for trial in some.trials})
        # Both the driver and its workers have run what was sent.
        tracking = Tracking()
        broken = tracking.find(some.cells[2].key_of(seed) for seed in some.seed_list).values()
        assert [record.tags["grokgrid.commit"] for record in broken] == ["as sent"]
        for record in broken:
            assert "working_dir_files" in tracking.failure_log(record)

    @pytest.mark.slow
    def test_that_does_not_exist(self, cluster: Cluster, grokgrid: Grokgrid):
        for command in ("status", "logs", "cancel"):
            told = grokgrid(command, "small-1", "--address", cluster.address)
            assert told.exit_code == 2 and "job 'small-1'" in told.stderr, told.output


@pytest.mark.slow
@pytest.mark.ray
class TestAttached:
    def test_keeps_what_every_engine_promises(self, cluster: Cluster):
        """In a process of its own, for one process can be connected to one Ray; and though a connection fails."""
        contract = Path(__file__).parents[1] / "engine" / "test_contract.py"
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(contract)],
            env={**os.environ, "GROKGRID_TEST_RAY_CLIENT": cluster.client_address},
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            cluster.kill_server_of_next_client()
            told, _ = running.communicate(timeout=500)
        assert running.returncode == 0 and "13 passed" in told, told

    def test_needs_storage_that_both_see(self, cluster: Cluster, ready_home: Path, tmp_path: Path):
        # A folder that is another one to every process stands for one that is another to every machine.
        (tmp_path / "small.yaml").write_text(to_yaml(study()))
        run = subprocess.run(
            [sys.executable, "-m", "grokgrid", "run", "small.yaml", "--address", cluster.client_address],
            cwd=tmp_path,
            env={**os.environ, "GROKGRID_STORAGE": "/proc/self/cwd"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == 2, run.stderr
        told = run.stderr.splitlines()[-1]
        assert "storage /proc/self/cwd: the cluster has another one" in told and "grokgrid submit" in told
        settled(())


class TestWhatTravels:
    def test_a_study_finds_its_files_beside_itself(self, some: Study, tmp_path: Path):
        folder = tmp_path / "bundle"
        folder.mkdir()
        bundle.write_study(some, folder)
        shutil.rmtree(tmp_path / "mine")
        read = read_study(folder / bundle.STUDY_FILE)
        paths = {cell.config.data.path for cell in read.cells}  # type: ignore[union-attr]
        assert paths == {folder / "files" / "0" / "own.npz"}
        assert [trial.key for trial in read.trials] == [trial.key for trial in some.trials]

    def test_files_of_the_same_name_stay_apart(self, tmp_path: Path):
        arms = {}
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            digest = npz(tmp_path / name / "own.npz", seed=len(arms))
            arms[name] = {"data": {"name": "npz", "path": str(tmp_path / name / "own.npz"), "digest": digest}}
        bundle.write_study(study(arms=arms), tmp_path)
        sent = {cell.config.data.path for cell in read_study(tmp_path / bundle.STUDY_FILE).cells}  # type: ignore[union-attr]
        assert {path.read_bytes() for path in sent} == {(tmp_path / n / "own.npz").read_bytes() for n in ("one", "two")}

    @pytest.mark.parametrize("name", ["{folder}/mine/part.py:shrink", "mine.part:shrink"])
    def test_example_plugins_with_what_they_import(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "helper.py").write_text("HALF = 0.5\n")
        helper = "helper" if name.startswith("{") else "mine.helper"
        (tmp_path / "mine" / "part.py").write_text(
            f"from {helper} import HALF\n\ndef shrink(step, *, strength):\n    return HALF * step.outputs.sum()\n"
        )
        regulariser = {"name": name.format(folder=tmp_path), "strength": 0.1}
        own = study(arms={"baseline": {}, "shrunk": {"regulariser": regulariser}})
        (tmp_path / "bundle").mkdir()
        bundle.write_study(own, tmp_path / "bundle")
        shutil.rmtree(tmp_path / "mine")
        monkeypatch.chdir(tmp_path / "bundle")
        read = read_study(bundle.STUDY_FILE)
        assert [trial.key for trial in read.trials] == [trial.key for trial in own.trials]
        assert len(list((tmp_path / "bundle").rglob("*.py"))) == 2

    def test_the_code_is_all_that_a_wheel_would_hold(self, tmp_path: Path):
        bundle.write_code(tmp_path)
        root = Path(__file__).parents[2]
        for package, place in {"grokgrid": root / "platform", "search_spaces": root, "trainables": root}.items():
            files = {path.relative_to(place) for path in (place / package).rglob("*") if path.is_file()}
            assert {path for path in files if "__pycache__" not in path.parts} == {
                path.relative_to(tmp_path) for path in (tmp_path / package).rglob("*") if path.is_file()
            }
        assert metadata.Distribution.at(next(tmp_path.glob("*.dist-info"))).version == metadata.version("grokgrid")

    def test_more_than_ray_takes_is_refused(self, some: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(bundle, "MAX_BYTES", 1000)
        with pytest.raises(ValueError, match="can be sent along. Lay them where all nodes see them"):
            bundle.write_study(some, tmp_path)

    def test_settings(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
        monkeypatch.setenv("GROKGRID_STORAGE", "storage")
        monkeypatch.setenv("GROKGRID_DATA", "/of/this/machine")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
        sent = bundle.settings()
        assert sent.pop("GROKGRID_COMMIT", "") is not None
        assert sent == {"MLFLOW_TRACKING_URI": "http://127.0.0.1:5000", "GROKGRID_STORAGE": str(tmp_path / "storage")}


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("MLFLOW_TRACKING_URI", "postgresql://me:hunter2@host/db"),
            ("MLFLOW_TRACKING_URI", "https://hunter2@host"),
            ("GROKGRID_OPTUNA", "postgresql://host/db?user=me&password=hunter2"),
            ("GROKGRID_ARTIFACTS", "sftp://me:hunter2@host/folder"),
        ],
    )
    def test_passwords(self, name: str, value: str, grokgrid: Grokgrid, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv(name, value)
        refused = grokgrid("submit", "demo", "--address", "http://127.0.0.1:9")
        assert refused.exit_code == 2 and not refused.stdout
        assert name in refused.stderr and "hunter2" not in refused.stderr
        assert "Set it in the cluster's own environment" in refused.stderr

    def test_a_wrong_study_before_anything_else(self, grokgrid: Grokgrid):
        refused = grokgrid("submit", "demo", "--set", "trial.model.width=no", "--address", "http://127.0.0.1:9")
        assert refused.exit_code == 2 and "trial.model.width" in refused.stderr

    def test_a_search_without_settings_to_search(self, grokgrid: Grokgrid):
        refused = grokgrid("submit", "demo", "--optimise", "--address", "http://127.0.0.1:9")
        assert refused.exit_code == 2 and "search: is missing" in refused.stderr

    @pytest.mark.ray
    @pytest.mark.parametrize(
        ("address", "why"), [("http://127.0.0.1:9", "no job server answers there"), ("auto", "http://HEAD:8265")]
    )
    def test_an_address_without_a_job_server(self, address: str, why: str, grokgrid: Grokgrid):
        for command in (("submit", "demo"), ("status",), ("logs", "a"), ("cancel", "a")):
            refused = grokgrid(*command, "--address", address)
            assert refused.exit_code == 2 and why in refused.stderr


class TestDoctor:
    """The lines of `grokgrid doctor`."""

    @pytest.mark.slow
    @pytest.mark.ray
    def test_of_a_cluster_in_order(self, cluster: Cluster, grokgrid: Grokgrid):
        told = grokgrid("doctor", "demo", "--address", cluster.address)
        assert told.exit_code == 0, told.output
        for check in ("versions", "Optuna", "home", "versions of nodes", "data"):
            assert f"✓ {check}: " in told.stdout
        assert "✓ Ray: 1 node: " in told.stdout
        assert "is one folder for all nodes" in told.stdout
        assert "✓ clocks: agree to within" in told.stdout
        assert "! MLflow: written to and read again at sqlite:" in told.stdout

    @pytest.mark.slow
    @pytest.mark.ray
    def test_of_a_cluster_out_of_order(self, cluster: Cluster, zygote: Zygote, ready_home: Path, tmp_path: Path):
        # A folder that is another one to every process stands for one that is another to every node.
        doctor = zygote.start(
            *("doctor", "table1-ce", "--address", cluster.gcs_address),
            log=tmp_path / "log",
            GROKGRID_STORAGE="/proc/self/cwd",
            GROKGRID_DATA=str(tmp_path),
            RAY_AUTH_MODE="disabled",
        )
        assert doctor.wait() == 1, doctor.log.read_text()
        told = doctor.log.read_text()
        assert "✗ storage: /proc/self/cwd" in told and "GROKGRID_STORAGE must name a folder that all nodes see" in told
        assert "✗ data: " in told and "data mnist: not found under" in told
        assert "✓ clocks" in told

    def test_of_this_machine(self, ready_home: Path, grokgrid: Grokgrid):
        told = grokgrid("doctor", "demo")
        assert told.exit_code == 0, told.output
        assert {line[0] for line in told.stdout.splitlines()} == {"✓"}
        settled()

    def test_of_this_machine_out_of_order(self, tmp_path: Path, grokgrid: Grokgrid, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GROKGRID_STORAGE", str(tmp_path / "file" / "storage"))
        monkeypatch.setenv("GROKGRID_OPTUNA", str(tmp_path / "file"))
        (tmp_path / "file").write_text("no\njournal\n")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        monkeypatch.setenv("GROKGRID_DATA", str(tmp_path))
        told = grokgrid("doctor", "table1-ce")
        assert told.exit_code == 1
        wrong = {line.partition(":")[0] for line in told.stdout.splitlines() if line.startswith("✗")}
        assert wrong == {"✗ MLflow", "✗ Optuna", "✗ storage", "✗ data"}

    @pytest.mark.ray
    @pytest.mark.slow
    def test_of_a_cluster_that_is_not_there(self, zygote: Zygote, ready_home: Path, tmp_path: Path):
        doctor = zygote.start("doctor", "--address", "127.0.0.1:9", log=tmp_path / "log")
        assert doctor.wait() == 1
        assert "✗ Ray: address '127.0.0.1:9': no Ray is to be had there" in doctor.log.read_text()
