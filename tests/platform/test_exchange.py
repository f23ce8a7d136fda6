"""Trials taken from one MLflow to another: nothing of what a report shows is lost, and nothing runs again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from driver_studies import Watched, drive, folders, same, settled, study, view

from grokgrid import api
from grokgrid.planning import Need
from grokgrid.tracking import Tracking
from grokgrid.view import View
from search_spaces import Study, to_yaml
from trainables.mistakes import Mistakes
from trainables.records import Snapshot

ELSEWHERE = "grokgrid.imported"


@pytest.fixture
def away(tmp_path: Path, ready_home: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> View:
    """The view of a study that was run at another home and exported to `exported`; here nothing was run."""
    drive(study())
    seen = view(study())
    assert api.export(study(), tmp_path / "exported") == 6
    (tmp_path / "another").mkdir()
    shutil.copyfile(empty_database, tmp_path / "another" / "mlflow.db")
    monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "another"))
    return seen


def records(of: Study) -> list:
    return list(Tracking().find([trial.key for trial in of.trials]).values())


def test_an_export_is_three_files(away: View, tmp_path: Path):
    names = {path.name for path in (tmp_path / "exported").iterdir()}
    assert names == {"study.yaml", "trials.parquet", "curves.parquet"}
    with pytest.raises(Mistakes, match="none of its 6 trials has been run yet"):
        api.export(study(), tmp_path / "another")
    api.import_trials(tmp_path / "exported")
    with pytest.raises(FileExistsError):
        api.export(study(), tmp_path / "exported")


def test_what_was_imported_is_as_it_was_and_is_not_run_again(away: View, tmp_path: Path):
    imported = api.import_trials(tmp_path / "exported")
    assert (imported.num_new, imported.num_known) == (6, 0)
    same(view(study()), away)
    assert list(view(study()).trials["seconds"]) == list(away.trials["seconds"])
    settled([trial.key for trial in study().trials])
    for record in records(study()):
        assert record.tags[ELSEWHERE] == "exported"
        assert record.place is not None and record.started.year > 2000
    watched = Watched()
    drive(study(), watched)
    assert not watched.blocks


def test_importing_twice_adds_nothing(away: View, tmp_path: Path):
    api.import_trials(tmp_path / "exported")
    runs = {record.run_id for record in records(study())}
    again = api.import_trials(tmp_path / "exported")
    assert (again.num_new, again.num_known) == (0, 6)
    assert {record.run_id for record in records(study())} == runs


def test_what_is_further_stays(away: View, tmp_path: Path):
    drive(study(trial={"budget": {"updates": 90, "look_every": 5}}))
    further = view(study(trial={"budget": {"updates": 90, "look_every": 5}}))
    api.import_trials(tmp_path / "exported")
    same(view(study(trial={"budget": {"updates": 90, "look_every": 5}})), further)
    same(view(study()), away)


def test_to_go_on_it_starts_anew_and_equals_what_was_never_exported(away: View, tmp_path: Path, undisturbed):
    api.import_trials(tmp_path / "exported")
    longer = study(trial={"budget": {"updates": 90, "look_every": 5}})
    # Without checkpoints they start anew, and a plan says so.
    assert api.plan(longer).needs == {Need.NOTHING: 4, Need.START: 2}
    assert len(drive(longer).finished) == 6
    same(view(longer), undisturbed(longer))
    assert folders() == set()


def run_by_a_worker(study: Study, folder: Path) -> None:
    """The study's one trial, without the platform, into `folder / "trials"`."""
    (trial,) = study.trials
    snapshot = Snapshot(folder)
    snapshot.write_config(trial)
    command = [sys.executable, "-m", "trainables", str(snapshot.config_path), "--out", str(folder / "trials")]
    subprocess.run(command, check=True, timeout=120)


def test_what_trainables_wrote_can_be_imported_and_goes_on(away: View, tmp_path: Path, undisturbed):
    slow = study(seeds=1, arms={"slow": study().arms["slow"]})
    run_by_a_worker(slow, tmp_path)
    assert api.import_trials(tmp_path / "trials").num_new == 1
    same(view(slow), undisturbed(slow))

    longer = study(seeds=1, arms=slow.arms, trial={"budget": {"updates": 90, "look_every": 5}})
    watched = Watched()
    drive(longer, watched)
    same(view(longer), undisturbed(longer))
    assert len(watched.events) < 90 / 5, "it went on from its checkpoint"


class TestWhatIsNoTrial:
    def test_an_empty_folder(self, ready_home: Path, tmp_path: Path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(Mistakes, match="holds no trials"):
            api.import_trials(tmp_path / "empty")

    def test_half_an_export(self, away: View, tmp_path: Path):
        (tmp_path / "exported" / "curves.parquet").unlink()
        with pytest.raises(Mistakes, match=r"no trials.parquet and curves.parquet beside it"):
            api.import_trials(tmp_path / "exported")

    def test_trials_of_other_settings(self, away: View, tmp_path: Path):
        """The key is worked out from the settings: results cannot be passed off as those of others."""
        other = study(trial={"batch_size": 20})
        (tmp_path / "exported" / "study.yaml").write_text(to_yaml(other))
        with pytest.raises(Mistakes, match="holds 6 trials that are none of its study.yaml's"):
            api.import_trials(tmp_path / "exported")
        assert not records(study()) and not records(other)

    def test_a_worker_s_trial_whose_settings_were_changed(self, away: View, tmp_path: Path):
        slow = study(seeds=1, arms={"slow": study().arms["slow"]})
        run_by_a_worker(slow, tmp_path)
        (config,) = (tmp_path / "trials").glob("*/at-*/config.yaml")
        config.write_text(config.read_text().replace("lr: 0.002", "lr: 0.003"))
        with pytest.raises(Mistakes, match="its settings are those of trial"):
            api.import_trials(tmp_path / "trials")
