"""Damaged files: what was damaged is set aside with a sentence, and results are the undisturbed ones all the same."""

import importlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from driver_studies import Watched, drive, folders, results, same, study
from mlflow.tracking import MlflowClient

from grokgrid import api, home
from grokgrid.engine import InlineEngine
from grokgrid.planning import Need
from grokgrid.running import Driver
from grokgrid.tracking import Tracking, TrackingError
from grokgrid.tracking.trials import ingest
from search_spaces import Study
from trainables import checksums
from trainables.records import WorkFolder
from trainables.run import How, WorkRun

ROOT = Path(__file__).parents[2]
SLOW = study(seeds=1, arms={"slow": study().arms["slow"]})
LONGER = study(seeds=1, arms=SLOW.arms, trial={"budget": {"steps": 90}, "evaluate": {"every": 5}})


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module("damage")


@pytest.mark.slow
@pytest.mark.parametrize("driven", [False, True])
def test_fifty_damaged_snapshots_lead_to_the_undisturbed_result(benchmark: ModuleType, driven: bool):
    """Each kind of damage at each point of a trial's life. The benchmark does a thousand.

    driven: also what a driver reads, and what lies in MLflow
    """
    tally = benchmark.damage_snapshots(50, seed=1, driven=driven)
    assert not tally.wrong, tally.wrong[0]
    outcomes = sum(tally.counts.values(), start=type(tally.counts[benchmark.OF_BEFORE])())
    assert outcomes["went on from a whole one"] > 10 and outcomes["started anew"] > 10


def test_fifty_mutated_studies_are_refused_or_mean_what_they_say(benchmark: ModuleType):
    """The benchmark mutates two thousand."""
    tally = benchmark.mutate_studies(50, seed=1)
    assert not tally.wrong, tally.wrong[0]
    assert sum(count["refused"] for count in tally.counts.values()) > 10
    assert sum(count["accepted"] for count in tally.counts.values()) > 0


def artifacts(of: Study) -> Path:
    (record,) = Tracking().find([trial.key for trial in of.trials]).values()
    return Path(record.artifact_uri.removeprefix("file://"))


def change_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda file: os.truncate(file, 100),
    "a byte": change_a_byte,
    "missing": Path.unlink,
}


class TestATrialInMlflow:
    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    def test_whose_curves_are_damaged_is_run_again(
        self, ready_home: Path, undisturbed, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
    ):
        drive(SLOW)
        run_id = artifacts(SLOW).parent.name
        damage(artifacts(SLOW) / "curves.parquet")
        assert set(results(SLOW).trials["state"]) == {"missing"}
        assert f"MLflow run {run_id} of trial {SLOW.trials[0].key} is damaged: curves.parquet " in caplog.text
        assert "It is set aside (as a deleted run), and `grokgrid run` runs the trial again." in caplog.text
        assert api.plan(SLOW).needs == {Need.START: 1}
        drive(SLOW)
        same(results(SLOW), undisturbed(SLOW))
        assert MlflowClient(home.tracking_uri()).get_run(run_id).info.lifecycle_stage == "deleted"

    @pytest.mark.slow
    def test_is_run_again_by_the_run_that_notices(self, ready_home: Path, undisturbed):
        drive(SLOW)
        change_a_byte(artifacts(SLOW) / "curves.parquet")
        report = api.run(SLOW, engine=InlineEngine)
        same(report.results, undisturbed(SLOW))

    def test_stays_where_its_files_cannot_be_reached_from_here(self, ready_home: Path):
        """A folder that is not mounted is no reason to run anything again."""
        drive(SLOW)
        place = artifacts(SLOW)
        place.rename(place.with_name("elsewhere"))
        with pytest.raises(TrackingError, match="No file is at .*, as seen from this machine"):
            results(SLOW)
        place.with_name("elsewhere").rename(place)
        assert set(results(SLOW).trials["state"]) == {"censored"}

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    @pytest.mark.parametrize("name", ["state.safetensors", "curves.parquet", "summary.json"])
    def test_whose_checkpoint_is_damaged_starts_anew_when_more_is_asked_for(
        self, ready_home: Path, undisturbed, name: str, damage: Callable[[Path], object], caplog
    ):
        drive(SLOW)
        damage(artifacts(SLOW) / name)
        watched = Watched()
        drive(LONGER, watched)
        assert watched.steps(SLOW.trials[0].key)[0] == 1, "it started anew"
        assert f": {name} " in caplog.text and "The trial starts anew." in caplog.text
        same(results(LONGER), undisturbed(LONGER))


class TestAReport:
    @pytest.mark.parametrize("name", ["results/trials.parquet", "results/curves.parquet", "SHA256SUMS"])
    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    def test_of_which_the_results_are_damaged_is_made_from_the_trials(
        self, reported: Path, undisturbed, name: str, damage: Callable[[Path], object], caplog
    ):
        damage(reported / name)
        same(results(SLOW), undisturbed(SLOW))
        assert "What it told is read from the trials' own runs." in caplog.text

    def test_that_is_damaged_is_followed_by_another(self, reported: Path):
        first = Tracking().last_report(SLOW.name)
        change_a_byte(reported / "keys.parquet")
        with pytest.raises(TrackingError, match="keys.parquet does not match its checksum"):
            first.keys()
        api.run(SLOW, engine=InlineEngine)
        second = Tracking().last_report(SLOW.name)
        assert second.run_id != first.run_id and len(second.keys()) == 1
        api.run(SLOW, engine=InlineEngine)
        assert Tracking().last_report(SLOW.name).run_id == second.run_id

    @pytest.fixture
    def reported(self, ready_home: Path) -> Path:
        """The artifacts of a report on SLOW."""
        api.run(SLOW, engine=InlineEngine)
        return Path(Tracking().last_report(SLOW.name).artifact_uri.removeprefix("file://"))


class TestADriver:
    def test_runs_on_what_was_damaged_as_it_was_recorded(
        self, ready_home: Path, undisturbed, monkeypatch: pytest.MonkeyPatch
    ):
        """Between the worker's last word and MLflow."""
        (trial,) = SLOW.trials
        times = iter([True, True, False])

        def damaged_ingest(client, held, snapshot, tags):
            if next(times):
                change_a_byte(snapshot.state_path)
            return ingest(client, held, snapshot, tags)

        monkeypatch.setattr("grokgrid.tracking.trials.ingest", damaged_ingest)
        monkeypatch.setattr("grokgrid.running._ELSEWHERE_CHECKED_EVERY_S", 0.0)
        told = io.StringIO()
        assert drive(SLOW, told=told).finished == {trial.key}
        assert told.getvalue().count("the snapshot is damaged: state.safetensors does not match its checksum") == 2
        same(results(SLOW), undisturbed(SLOW))
        assert folders() == set()

    def test_gives_up_where_every_snapshot_is_damaged(self, ready_home: Path, monkeypatch: pytest.MonkeyPatch):
        (trial,) = SLOW.trials
        finished = Driver._finished

        def damaged(driver: Driver, key: str) -> None:
            change_a_byte(WorkFolder(home.storage_root(), key).snapshots()[-1].state_path)
            finished(driver, key)

        monkeypatch.setattr(Driver, "_finished", damaged)
        monkeypatch.setattr("grokgrid.running._ELSEWHERE_CHECKED_EVERY_S", 0.0)
        outcome = drive(SLOW)
        assert "its last snapshot was damaged 4 times: is the disk of" in outcome.lost[trial.key]

    def test_tells_what_a_worker_set_aside(self, ready_home: Path, undisturbed):
        (trial,) = SLOW.trials
        running = WorkRun(trial, WorkFolder(home.storage_root(), trial.key), How(checkpoint_every_s=0.0))
        for _ in range(3):
            next(running)
        _, two = WorkFolder(home.storage_root(), trial.key).snapshots()
        os.truncate(two.state_path, 100)
        told, watched = io.StringIO(), Watched()
        drive(SLOW, watched, told=told)
        assert f"{two.path.parent}: a snapshot is damaged: state.safetensors does not match" in told.getvalue()
        assert "set aside as damaged-at-000000011. The trial goes on after step 6" in told.getvalue()
        assert watched.steps(trial.key)[0] == 11
        same(results(SLOW), undisturbed(SLOW))
        assert folders() == set(), "what was set aside goes with the trial's folder"


def test_the_exports_beside_the_documentation_are_whole():
    exports = [path.parent for path in (ROOT / "docs" / "results").glob("*/trials.parquet")]
    assert len(exports) >= 6
    for folder in exports:
        checksums.check(folder)
