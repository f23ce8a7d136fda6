"""Evaluations from step 0 on, kept networks and tables: through a study, into MLflow and its report, and back."""

import io
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from driver_records import evaluations, record
from driver_studies import Watched, drive, results, same, study
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from grokgrid import api
from grokgrid.analyses import make_report
from grokgrid.analyses.ends import end_values
from grokgrid.analyses.times import budget_in_steps, goal_times, phase_times
from grokgrid.results import Results, State, results_of
from grokgrid.tracking import Tracking
from search_spaces import Study
from trainables import checksums
from trainables.records import WorkFolder
from trainables.run import WorkRun
from trainables.validation import ValidationErrors

FROM_ZERO = study(
    trial={
        "evaluate": {"at": [0, 5, 10, 30]},
        # It holds at step 0 already, and at every evaluation after it.
        "goal": {"metric": "train_loss", "above": 0.0},
        "probes": [{"name": "jacobian_norm", "num_points": 20, "every": 10}],
    },
    arms={"baseline": {}, "slow": {"optimiser": {"lr": 0.002}}},
    analyses=[
        {"kind": "acceleration", "baseline": "baseline"},
        {"kind": "curves", "metrics": ["test_accuracy", "train_jacobian_norm_mean"]},
        {"kind": "measurements", "metrics": ["max/train_loss"]},
    ],
)
"""The Jacobian's norm is due at step 0 and where a trial ends, and nowhere else."""


def drawn_steps(axes: Axes) -> np.ndarray:
    """Of all curves, and of their means."""
    segments = [
        np.asarray(each)
        for those in axes.collections
        if isinstance(those, LineCollection)
        for each in those.get_segments()
    ]
    return np.concatenate([*(each[:, 0] for each in segments), *(np.asarray(line.get_xdata()) for line in axes.lines)])


@contextmanager
def warnings_said() -> Iterator[list[str]]:
    """What grokgrid warns of meanwhile."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("grokgrid").addHandler(handler)
    yield said
    logging.getLogger("grokgrid").removeHandler(handler)


class TestBeforeTraining:
    """What was measured at step 0 of a trial that is evaluated at 0, 5, 10, 15, 20."""

    falling = {0: 0.9, 5: 0.1, 10: 0.3, 15: 0.7, 20: 0.2}

    @pytest.fixture
    def one(self) -> Study:
        goal = {"metric": "test_accuracy", "above": 0.6}
        return study(
            seeds=1,
            arms={"baseline": {}},
            trial={"goal": goal, "budget": {"steps": 20}, "evaluate": {"first": 0, "every": 5}},
        )

    def seen(self, study: Study, accuracies: dict[int, float]) -> Results:
        (trial,) = study.trials
        return results_of(study, {trial.key: record(trial, accuracies)}, evaluations(trial, accuracies))

    def test_no_goal_is_met(self, one: Study):
        found = self.seen(one, self.falling)
        (cell,) = one.cells
        assert list(found.trials["state"]) == [State.REACHED]
        assert list(found.curves["steps"]) == [0, 5, 10, 15]
        for column, time in (("steps", 15.0), ("epochs", 7.5), ("seconds", 0.15)):
            assert goal_times(found, cell, column).value.tolist() == [time]

    def test_no_phase_begins(self, one: Study):
        (cell,) = one.cells
        assert phase_times(self.seen(one, self.falling), cell, 0.2).value.tolist() == [pytest.approx(0.05)]

    def test_no_extreme_is_found(self, one: Study):
        (cell,) = one.cells
        assert end_values(self.seen(one, self.falling), cell, "max/test_accuracy").to_dict() == {0: 0.7}

    def test_the_first_value_is_found(self, one: Study):
        (cell,) = one.cells
        assert end_values(self.seen(one, self.falling), cell, "first/test_accuracy").to_dict() == {0: 0.9}
        assert end_values(self.seen(one, self.falling), cell, "first/train_r2").empty

    def test_a_trial_that_has_not_ended_has_no_first_value(self, one: Study):
        (cell,) = one.cells
        assert end_values(self.seen(one, {0: 0.9, 5: 0.1}), cell, "first/test_accuracy").empty

    def test_a_first_value_that_is_no_number_is_none(self, one: Study):
        """What came later is not the first."""
        (cell,) = one.cells
        found = self.seen(one, self.falling | {0: math.nan})
        assert end_values(found, cell, "first/test_accuracy").empty

    def test_a_trial_that_did_nothing_else_is_not_seen(self, one: Study):
        """It has no time: a time of 0 would be one that was censored, and has no logarithm."""
        found = self.seen(one, {0: 0.9})
        (cell,) = one.cells
        assert list(found.trials["state"]) == [State.STOPPED]
        assert goal_times(found, cell, "steps").n == 0

    def test_an_epoch_has_as_many_steps_as_later(self):
        in_epochs = study(
            seeds=1, arms={"baseline": {}}, trial={"budget": {"epochs": 10}, "evaluate": {"first": 0, "every": 5}}
        )
        (cell,) = in_epochs.cells
        assert budget_in_steps(self.seen(in_epochs, {0: 0.1, 10: 0.2}), cell) == 20
        assert budget_in_steps(self.seen(in_epochs, {0: 0.1}), cell) is None


@pytest.mark.slow
def test_a_study_from_step_0_on_is_run_reported_exported_and_imported(
    ready_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path
):
    drive(FROM_ZERO)
    found = results(FROM_ZERO)
    assert list(found.trials["state"]) == [State.REACHED] * 4
    assert list(found.curves["steps"]) == [0, 5] * 4
    for known in Tracking().find([trial.key for trial in FROM_ZERO.trials]).values():
        assert [steps for steps, _ in known.reached.values()] == [5]
        assert known.summary is not None and known.summary.high["train_loss"] == known.summary.last["train_loss"]
    report = make_report(found)
    figures = {figure.name: figure for section in report.sections for figure in section.figures}
    assert "curves-test_accuracy" in figures and "curves-train_jacobian_norm_mean" not in figures
    assert set(drawn_steps(figures["curves-test_accuracy"].draw().axes[0])) == {5.0}

    api.export(FROM_ZERO, tmp_path / "exported")
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "mlflow.db").write_bytes(empty_database.read_bytes())
    monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "another"))
    assert api.import_trials(tmp_path / "exported").num_new == 4
    same(results(FROM_ZERO), found)


KEEPING = study(
    seeds=1,
    trial={"goal": None, "evaluate": {"every": 1, "first": 0}, "keep": {"every": 1, "first": 0}},
    arms={"baseline": {}},
)
"""61 networks a trial: more than have room in a tag."""


def files(study: Study) -> dict[str, bytes]:
    """Those in folders, of the study's one trial in MLflow, by their names, but for the checksums."""
    folders = [path for path in artifacts(study).iterdir() if path.is_dir()]
    found = {f"{path.parent.name}/{path.name}": path.read_bytes() for folder in folders for path in folder.iterdir()}
    return {name: content for name, content in found.items() if not name.endswith(checksums.NAME)}


def artifacts(study: Study) -> Path:
    """Of the study's one trial in MLflow."""
    (known,) = Tracking().find([trial.key for trial in study.trials]).values()
    return Path(unquote(urlsplit(known.artifact_uri).path))


def networks(*steps: int) -> set[str]:
    return {f"kept/{step:09d}.safetensors" for step in steps}


def longer(shorter: Study) -> Study:
    return study(seeds=1, arms={"baseline": {}}, trial=shorter.trial | {"budget": {"steps": 70}})


class TestKeptNetworks:
    def test_arrive_in_mlflow_and_go_on_with_the_trial(
        self, ready_home: Path, undisturbed: Callable[[Study], Results], tmp_path: Path
    ):
        drive(KEEPING)
        before = files(KEEPING)
        assert before.keys() == networks(*range(61))
        watched = Watched()
        drive(longer(KEEPING), watched)
        (key,) = {trial.key for trial in KEEPING.trials}
        assert watched.steps(key) == [*range(61, 71)], "it went on from its checkpoint"
        after = files(longer(KEEPING))
        assert after.keys() == networks(*range(71))
        assert {name: after[name] for name in before} == before
        same(results(longer(KEEPING)), undisturbed(longer(KEEPING)))

    def test_arrive_where_checkpoints_do_not(self, ready_home: Path):
        drive(KEEPING, keep_checkpoints=False)
        assert files(KEEPING).keys() == networks(*range(61))
        (known,) = Tracking().find([trial.key for trial in KEEPING.trials]).values()
        assert not known.can_continue and not (artifacts(KEEPING) / "state.safetensors").exists()

    @pytest.mark.parametrize("name", ["kept/000000007.safetensors", "kept/SHA256SUMS"])
    @pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"another")])
    def test_that_are_damaged_are_made_anew(self, ready_home: Path, name: str, damage: Callable[[Path], None]):
        drive(KEEPING)
        before = files(KEEPING)
        damage(artifacts(KEEPING) / name)
        with warnings_said() as said:
            drive(longer(KEEPING))
        assert any(name in sentence and "The trial starts anew" in sentence for sentence in said)
        after = files(longer(KEEPING))
        assert after.keys() == networks(*range(71)) and {each: after[each] for each in before} == before

    def test_of_a_worker_s_folder_are_imported(self, ready_home: Path, tmp_path: Path):
        (trial,) = KEEPING.trials
        list(WorkRun(trial, WorkFolder(tmp_path / "trials", trial.key)))
        assert api.import_trials(tmp_path / "trials").num_new == 1
        assert files(KEEPING).keys() == networks(*range(61))
        watched = Watched()
        drive(longer(KEEPING), watched)
        assert watched.steps(trial.key) == [*range(61, 71)]
        assert files(longer(KEEPING)).keys() == networks(*range(71))

    def test_are_left_out_of_exports_as_checkpoints_are(self, ready_home: Path, tmp_path: Path):
        drive(KEEPING)
        api.export(KEEPING, tmp_path / "exported")
        assert not any("kept" in str(path) for path in (tmp_path / "exported").rglob("*"))


MEASURING = study(
    seeds=1,
    trial={
        "goal": None,
        "evaluate": {"every": 5, "first": 0},
        "budget": {"steps": 20},
        "keep": {"at": [10]},
        "probes": [{"name": "ntk", "num_points": 5, "every": 2}, {"name": "noise_accuracy"}],
    },
    arms={"baseline": {}},
)
SPECTRUM = "tables/train_ntk_spectrum.parquet"


def steps_of(content: bytes) -> list[int]:
    """Of a table's rows."""
    return pyarrow.parquet.read_table(io.BytesIO(content))["steps"].to_pylist()


class TestTables:
    def test_arrive_with_networks_and_states_and_go_on(self, ready_home: Path, tmp_path: Path):
        drive(MEASURING)
        found = files(MEASURING)
        assert found.keys() == networks(10) | {SPECTRUM}
        assert steps_of(found[SPECTRUM]) == [step for step in (0, 10, 20) for _ in range(5)]
        drive(longer(MEASURING))
        found = files(longer(MEASURING))
        whole = WorkRun(longer(MEASURING).trials[0], WorkFolder(tmp_path, "whole"))
        list(whole)
        snapshot = WorkFolder(tmp_path, "whole").snapshots()[-1]
        assert found == {
            f"{path.parent.name}/{path.name}": path.read_bytes()
            for path in (*snapshot.kept_path.iterdir(), *snapshot.tables_path.iterdir())
        }
        assert (artifacts(longer(MEASURING)) / "state.safetensors").read_bytes() == snapshot.state_path.read_bytes()

    @pytest.fixture
    def exported(
        self, ready_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path
    ) -> tuple[Path, bytes]:
        """And the table that was."""
        drive(MEASURING)
        api.export(MEASURING, tmp_path / "exported")
        table = files(MEASURING)[SPECTRUM]
        (tmp_path / "another").mkdir()
        (tmp_path / "another" / "mlflow.db").write_bytes(empty_database.read_bytes())
        monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "another"))
        return tmp_path / "exported", table

    def test_go_along_with_an_export(self, exported: tuple[Path, bytes], tmp_path: Path):
        folder, table = exported
        (key,) = (trial.key for trial in MEASURING.trials)
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        four = {"study.yaml", "trials.parquet", "curves.parquet", "SHA256SUMS"}
        assert names == four | {f"tables/{key}/train_ntk_spectrum.parquet"}
        assert api.import_trials(folder).num_new == 1
        assert files(MEASURING) == {SPECTRUM: table}
        api.export(MEASURING, tmp_path / "again")
        assert (tmp_path / "again" / "tables" / key / "train_ntk_spectrum.parquet").read_bytes() == table
        # Without its checkpoint it starts anew, and has all again.
        drive(longer(MEASURING))
        assert files(longer(MEASURING)).keys() == networks(10) | {SPECTRUM}

    @pytest.mark.parametrize(
        ("damage", "wrong"),
        [
            (lambda file: file.write_bytes(b"?"), "train_ntk_spectrum.parquet is no Parquet file, or not all of one"),
            (lambda file: file.rename(file.with_name("other.parquet")), "there is a table other, which no probe"),
            (
                lambda file: pyarrow.parquet.write_table(pyarrow.table({"steps": [7], "epochs": [1.0]}), file),
                "the table train_ntk_spectrum has rows of no evaluation",
            ),
            (
                lambda file: pyarrow.parquet.write_table(pyarrow.table({"index": [7]}), file),
                "the table train_ntk_spectrum has rows of no evaluation",
            ),
        ],
    )
    def test_that_are_not_the_trial_s_are_refused(
        self, exported: tuple[Path, bytes], damage: Callable[[Path], None], wrong: str
    ):
        folder, _ = exported
        (file,) = folder.glob("tables/*/*")
        damage(file)
        with pytest.raises(ValidationErrors, match="this is not all that was exported"):
            api.import_trials(folder)
        checksums.write(folder)
        with pytest.raises(ValidationErrors, match=f"tables: of 1 trial {wrong}"):
            api.import_trials(folder)

    def test_that_are_damaged_are_left_out_of_an_export(self, ready_home: Path, tmp_path: Path):
        drive(MEASURING)
        (artifacts(MEASURING) / SPECTRUM).write_bytes(b"?")
        with warnings_said() as said:
            assert api.export(MEASURING, tmp_path / "exported") == 1
        assert any("does not match its checksum. The table is left out" in sentence for sentence in said)
        assert not list((tmp_path / "exported").rglob("*spectrum*"))
