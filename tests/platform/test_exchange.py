"""Trials taken from one MLflow to another: nothing of what a report shows is lost, and nothing runs again."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pytest
from driver_studies import Watched, drive, folders, results, same, settled, study

from grokgrid import api
from grokgrid.planning import Need
from grokgrid.results import Results
from grokgrid.tracking import Tracking
from search_spaces import Study, to_yaml
from trainables import checksums
from trainables.records import Snapshot
from trainables.validation import ValidationErrors

ELSEWHERE = "grokgrid.imported"


@pytest.fixture
def away(tmp_path: Path, ready_home: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """The results of a study that was run at another home and exported to `exported`; here nothing was run."""
    drive(study())
    seen = results(study())
    assert api.export(study(), tmp_path / "exported") == 6
    (tmp_path / "another").mkdir()
    shutil.copyfile(empty_database, tmp_path / "another" / "mlflow.db")
    monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "another"))
    return seen


def records(of: Study) -> list:
    return list(Tracking().find([trial.key for trial in of.trials]).values())


def test_an_export_is_four_files(away: Results, tmp_path: Path):
    names = {path.name for path in (tmp_path / "exported").iterdir()}
    assert names == {"study.yaml", "trials.parquet", "curves.parquet", "SHA256SUMS"}
    with pytest.raises(ValidationErrors, match="none of its 6 trials has been run yet"):
        api.export(study(), tmp_path / "another")
    api.import_trials(tmp_path / "exported")
    with pytest.raises(FileExistsError):
        api.export(study(), tmp_path / "exported")


def test_what_was_imported_is_as_it_was_and_is_not_run_again(away: Results, tmp_path: Path):
    imported = api.import_trials(tmp_path / "exported")
    assert (imported.num_new, imported.num_known) == (6, 0)
    same(results(study()), away)
    assert list(results(study()).trials["seconds"]) == list(away.trials["seconds"])
    settled([trial.key for trial in study().trials])
    for record in records(study()):
        assert record.tags[ELSEWHERE] == "exported"
        assert record.place is not None and record.started.year > 2000
    watched = Watched()
    drive(study(), watched)
    assert not watched.blocks


def test_importing_twice_adds_nothing(away: Results, tmp_path: Path):
    api.import_trials(tmp_path / "exported")
    runs = {record.run_id for record in records(study())}
    again = api.import_trials(tmp_path / "exported")
    assert (again.num_new, again.num_known) == (0, 6)
    assert {record.run_id for record in records(study())} == runs


def test_what_is_further_stays(away: Results, tmp_path: Path):
    drive(study(trial={"budget": {"steps": 90}, "evaluate": {"every": 5}}))
    further = results(study(trial={"budget": {"steps": 90}, "evaluate": {"every": 5}}))
    api.import_trials(tmp_path / "exported")
    same(results(study(trial={"budget": {"steps": 90}, "evaluate": {"every": 5}})), further)
    same(results(study()), away)


def test_to_go_on_it_starts_anew_and_equals_what_was_never_exported(away: Results, tmp_path: Path, undisturbed):
    api.import_trials(tmp_path / "exported")
    longer = study(trial={"budget": {"steps": 90}, "evaluate": {"every": 5}})
    # Without checkpoints they start anew, and a plan says so.
    assert api.plan(longer).needs == {Need.NOTHING: 4, Need.START: 2}
    assert len(drive(longer).finished) == 6
    same(results(longer), undisturbed(longer))
    assert folders() == set()


def run_by_a_worker(study: Study, folder: Path) -> None:
    """The study's one trial, without the platform, into `folder / "trials"`."""
    (trial,) = study.trials
    snapshot = Snapshot(folder)
    snapshot.write_config(trial)
    command = [sys.executable, "-m", "trainables", str(snapshot.config_path), "--out", str(folder / "trials")]
    subprocess.run(command, check=True, timeout=120)


@pytest.mark.slow
def test_what_trainables_wrote_can_be_imported_and_goes_on(away: Results, tmp_path: Path, undisturbed):
    slow = study(seeds=1, arms={"slow": study().arms["slow"]})
    run_by_a_worker(slow, tmp_path)
    assert api.import_trials(tmp_path / "trials").num_new == 1
    same(results(slow), undisturbed(slow))

    longer = study(seeds=1, arms=slow.arms, trial={"budget": {"steps": 90}, "evaluate": {"every": 5}})
    watched = Watched()
    drive(longer, watched)
    same(results(longer), undisturbed(longer))
    assert len(watched.events) < 90 / 5, "it went on from its checkpoint"


class TestWhatIsNoTrial:
    def test_an_empty_folder(self, ready_home: Path, tmp_path: Path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValidationErrors, match="holds no trials"):
            api.import_trials(tmp_path / "empty")

    def test_half_an_export(self, away: Results, tmp_path: Path):
        (tmp_path / "exported" / "curves.parquet").unlink()
        with pytest.raises(
            ValidationErrors, match=r"exported: curves.parquet is missing: this is not all that was exported"
        ):
            api.import_trials(tmp_path / "exported")
        checksums.write(tmp_path / "exported")
        with pytest.raises(ValidationErrors, match=r"no trials.parquet and curves.parquet beside it"):
            api.import_trials(tmp_path / "exported")

    def test_trials_of_other_settings(self, away: Results, tmp_path: Path):
        """The key is worked out from the settings: results cannot be passed off as those of others."""
        other = study(trial={"batch_size": 20})
        (tmp_path / "exported" / "study.yaml").write_text(to_yaml(other))
        checksums.write(tmp_path / "exported")
        with pytest.raises(ValidationErrors, match="holds 6 trials that are none of its study.yaml's"):
            api.import_trials(tmp_path / "exported")
        assert not records(study()) and not records(other)

    def test_a_worker_s_trial_whose_settings_were_changed(self, away: Results, tmp_path: Path):
        slow = study(seeds=1, arms={"slow": study().arms["slow"]})
        run_by_a_worker(slow, tmp_path)
        (config,) = (tmp_path / "trials").glob("*/at-*/config.yaml")
        config.write_text(config.read_text().replace("lr: 0.002", "lr: 0.003"))
        checksums.write(config.parent)
        with pytest.raises(ValidationErrors, match="its settings are those of trial"):
            api.import_trials(tmp_path / "trials")


EXPORTED = study(
    trial={"budget": {"epochs": 28}, "evaluate": {"every": 3}},
    arms={**study().arms, "later": {"loss": "mean_squared_error", "optimiser": {"name": "sgd", "lr": 60.0}}},
)
"""Beside those that reach their goal, come to their budget's end or diverge at once some that diverge after
evaluations.
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """An export of EXPORTED."""
    home = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROKGRID_HOME", str(home))
        shutil.copyfile(empty_database, home / "mlflow.db")
        drive(EXPORTED)
        seen = results(EXPORTED)
        assert set(seen.trials["state"]) == {"reached", "censored", "diverged"}
        assert len(set(seen.trials["steps"][seen.trials["state"] == "diverged"])) > 1
        api.export(EXPORTED, home / "exported")
    return home / "exported"


@pytest.fixture(scope="module")
def of_a_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worker")
    run_by_a_worker(study(seeds=1, arms={"slow": study().arms["slow"]}), folder)
    return folder / "trials"


def keep(table: pyarrow.Table, rows: Callable[[pyarrow.Table], Any]) -> pyarrow.Table:
    """Of each trial's evaluations some."""
    parts = [table.filter(pyarrow.compute.equal(table["key"], key)) for key in table["key"].unique()]
    return pyarrow.concat_tables(part.take(list(rows(part))) for part in parts)


def put(name: str, values: Callable[[pyarrow.Table], Any]) -> Callable[[pyarrow.Table], pyarrow.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, pyarrow.array(values(table)))


def record(change: Callable[[dict[str, Any]], Any]) -> Callable[[pyarrow.Table], pyarrow.Table]:
    """Each record changed in place."""

    def texts(table: pyarrow.Table) -> list[str]:
        found = [json.loads(text) for text in table["record"].to_pylist()]
        for each in found:
            change(each)
        return [json.dumps(each) for each in found]

    return put("record", texts)


def of_the_diverged(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda record: change(record["summary"]) if record["summary"]["diverged_at"] is not None else None


EVALUATIONS: dict[str, tuple[Callable[[pyarrow.Table], pyarrow.Table], str]] = {
    "none": (lambda table: table[:0], "of 6 trials the last evaluation is not where it ended: "),
    "half of them": (lambda table: keep(table, lambda of: range(0, len(of), 2)), "of 6 trials evaluations are missing"),
    "not the first": (lambda table: keep(table, lambda of: range(1, len(of))), "of 6 trials evaluations are missing"),
    "not the last": (
        lambda table: keep(table, lambda of: range(len(of) - 1)),
        "of 6 trials the last evaluation is not",
    ),
    "backwards": (
        lambda table: keep(table, lambda of: range(len(of))[::-1]),
        "of 6 trials evaluations are missing, or",
    ),
    "of one step": (put("steps", lambda table: [2] * len(table)), "of 6 trials steps do not increase"),
    "of other times": (
        put("seconds", lambda table: [1.0] * len(table)),
        "of 4 trials the last evaluation is not where it",
    ),
    "of other results": (put("test_loss", lambda table: [1.0] * len(table)), "of 6 trials the extremes of test_loss"),
    "without results": (
        put("test_loss", lambda table: pyarrow.nulls(len(table), pyarrow.float64())),
        "of 6 trials the extremes of test_loss",
    ),
    "without a metric": (
        lambda table: table.drop(["test_loss"]),
        "of 8 trials the evaluations have no column test_loss",
    ),
    "without times": (
        put("seconds", lambda table: [None] * len(table)),
        "curves.parquet: its column seconds has blanks",
    ),
    "steps in words": (put("steps", lambda table: ["many"] * len(table)), "its column steps holds string, where"),
    "without keys": (lambda table: table.drop(["key"]), "curves.parquet: has no column key"),
    "keys overwritten": (put("key", lambda table: [0] * len(table)), "curves.parquet: its column key holds int64"),
    "of nobody": (put("key", lambda table: ["0"] * len(table)), "of 1 trial there are evaluations, but no record: 0"),
}

RECORDS: dict[str, tuple[Callable[[pyarrow.Table], pyarrow.Table], str]] = {
    "some": (lambda table: table[:2], "of [456] trials there are evaluations, but no record"),
    "one twice": (lambda table: pyarrow.concat_tables([table, table[:1]]), "of 1 trial the record is there twice: "),
    "no JSON": (
        put("record", lambda table: ["{"] * len(table)),
        r"of 8 trials the record is no JSON: \w+, \w+, \w+, …$",
    ),
    "lack a field": (record(lambda each: each["summary"].pop("low")), "is not whole: summary.low: is missing: "),
    "without results": (record(lambda each: each.update(summary=None)), "does not say how far it came, or where"),
    "ran nowhere": (record(lambda each: each["summary"].update(segments=[])), "does not say how far it came, or where"),
    "of others": (put("key", lambda table: table["key"].to_pylist()[::-1]), "of 8 trials the record is of another"),
    "of other results": (record(lambda each: each["summary"].update(key="0")), "of 8 trials the record is of another"),
    "of later ends": (
        record(lambda each: each["summary"].update(steps=60)),
        "the last evaluation is not where it ended",
    ),
    "diverged later": (
        record(of_the_diverged(lambda end: end.update(epochs=60.0))),
        "of 4 trials the last evaluation is not",
    ),
    "diverged before": (
        record(of_the_diverged(lambda end: end.update(diverged_at=0))),
        "of 4 trials the last evaluation is",
    ),
    "without the column": (lambda table: table.drop(["record"]), "trials.parquet: has no column record"),
    "without a time": (lambda table: table.replace_schema_metadata(), "does not say when the trials were read"),
}

FILES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "garbage": lambda content: b"\xff" * len(content),
    "empty": lambda content: b"",
}


class TestADamagedExport:
    """Nothing of it is recorded, whether its checksums show what was damaged or were made for what is damaged."""

    @pytest.fixture
    def exported(self, sound: Path, tmp_path: Path, ready_home: Path) -> Path:
        shutil.copytree(sound, tmp_path / "exported")
        return tmp_path / "exported"

    @staticmethod
    def refused(folder: Path, wrong: str) -> None:
        with pytest.raises(ValidationErrors, match=wrong):
            api.import_trials(folder)
        assert not records(EXPORTED)

    def test_undamaged_is_imported(self, exported: Path):
        assert api.import_trials(exported).num_new == 8

    @pytest.mark.parametrize(
        ("name", "change", "wrong"),
        [
            *(pytest.param("curves.parquet", *case, id=f"evaluations {name}") for name, case in EVALUATIONS.items()),
            *(pytest.param("trials.parquet", *case, id=f"records {name}") for name, case in RECORDS.items()),
        ],
    )
    def test_tables(self, exported: Path, name: str, change: Callable[[pyarrow.Table], pyarrow.Table], wrong: str):
        table = pyarrow.parquet.read_table(exported / name)
        pyarrow.parquet.write_table(change(table), exported / name)
        self.refused(exported, f"exported: {name} does not match its checksum: this is not all that was exported")
        checksums.write(exported)
        self.refused(exported, wrong)

    @pytest.mark.parametrize("name", ["trials.parquet", "curves.parquet"])
    @pytest.mark.parametrize("damage", FILES.values(), ids=FILES)
    def test_files(self, exported: Path, name: str, damage: Callable[[bytes], bytes]):
        (exported / name).write_bytes(damage((exported / name).read_bytes()))
        self.refused(exported, f"exported: {name} does not match its checksum")
        checksums.write(exported)
        self.refused(exported, f"exported: {name}: is no Parquet file, or not all of one")

    def test_one_in_the_place_of_the_other_and_all_is_told_at_once(self, exported: Path):
        (exported / "curves.parquet").rename(exported / "trials.parquet")
        (exported / "curves.parquet").write_bytes(b"")
        checksums.write(exported)
        both = "2 problems\n  trials.parquet: has no column record\n  curves.parquet: is no Parquet file"
        self.refused(exported, both)


def summary(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps({**json.loads(content), **changes}).encode()


def lines(chosen: slice) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(content.splitlines(keepends=True)[chosen])


WORKERS: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    **{f"curves {name}": ("curves.csv", damage, "curves.csv: ") for name, damage in FILES.items()},
    "summary of nothing": ("summary.json", lambda content: b"{}", "summary.json is not one of this version"),
    "summary without a place": ("summary.json", summary(segments=[]), "summary.json: does not say where it ran"),
    "summary of more": ("summary.json", summary(steps=61), r"is of trial \w+ after step 61"),
    "summary of longer": (
        "summary.json",
        summary(seconds=61.0),
        "curves.csv: the last evaluation is not where it ended",
    ),
    "curves without evaluations": (
        "curves.csv",
        lines(slice(1)),
        "curves.csv: the last evaluation is not where it ended",
    ),
    "curves of half": (
        "curves.csv",
        lines(slice(None, None, 2)),
        "curves.csv: evaluations are missing, or are not in order",
    ),
    "curves within a line": ("curves.csv", lambda content: content[:-60], "curves.csv: is no table of evaluations"),
    "curves without times": (
        "curves.csv",
        lambda content: re.sub(rb"^(\d+,[\d.]+),[^,]+", rb"\1,", content, flags=re.MULTILINE),
        "curves.csv: there are evaluations without steps, epochs, seconds",
    ),
}


class TestADamagedFolderOfAWorker:
    @pytest.fixture
    def written(self, of_a_worker: Path, tmp_path: Path, ready_home: Path) -> Snapshot:
        shutil.copytree(of_a_worker, tmp_path / "trials")
        (snapshot,) = (tmp_path / "trials").glob("*/at-*")
        return Snapshot(snapshot)

    @pytest.mark.parametrize("name", ["config.yaml", "summary.json", "curves.csv", "state.safetensors"])
    @pytest.mark.parametrize("damage", FILES.values(), ids=FILES)
    def test_files(self, written: Snapshot, name: str, damage: Callable[[bytes], bytes]):
        file = written.path / name
        file.write_bytes(damage(file.read_bytes()))
        with pytest.raises(ValidationErrors, match=f"the snapshot is damaged: {name} does not match its checksum"):
            api.import_trials(written.path.parents[1])
        assert not records(study())

    @pytest.mark.parametrize(("name", "damage", "wrong"), WORKERS.values(), ids=WORKERS)
    def test_files_with_checksums_of_their_own(
        self, written: Snapshot, name: str, damage: Callable[[bytes], bytes], wrong: str
    ):
        file = written.path / name
        file.write_bytes(damage(file.read_bytes()))
        checksums.write(written.path)
        with pytest.raises(ValidationErrors, match=wrong):
            api.import_trials(written.path.parents[1])
        assert not records(study())

    @pytest.mark.parametrize("name", ["summary.json", "curves.csv", "SHA256SUMS"])
    def test_without_a_file(self, written: Snapshot, name: str):
        (written.path / name).unlink()
        with pytest.raises(ValidationErrors, match=f"the snapshot is damaged: {name} is missing"):
            api.import_trials(written.path.parents[1])
        assert not records(study())

    def test_without_its_checkpoint_it_would_start_anew(self, written: Snapshot):
        written.state_path.unlink()
        assert api.import_trials(written.path.parents[1]).num_new == 1
        (known,) = records(study())
        assert not known.can_continue
