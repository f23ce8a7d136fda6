"""Studies with plugins: docs/extending.md as written, what is kept, what is refused, shipping to Ray."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from driver_studies import SMALL, drive, folders, results, same, study

from grokgrid import api, home
from grokgrid.engine import InlineEngine
from grokgrid.engine.interface import Block, Failed, Finished
from grokgrid.engine.work import work
from grokgrid.planning import Need
from search_spaces import Study, digest, narrow, read_study
from trainables.data.load import load
from trainables.data.place import DataError
from trainables.datasets.plugin import PluginDataset
from trainables.plugins.source import read_source
from trainables.records import WorkFolder
from trainables.run import WorkRun
from trainables.validation import ValidationErrors

EXTENDING = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()

pytestmark = pytest.mark.usefixtures("ready_home")

PLUGIN = "def shrink(step, *, strength):\n    return strength * step.outputs.square().mean()\n"


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", EXTENDING, flags=re.DOTALL | re.MULTILINE)
    return [text for told, text in found if told == language]


def grokgrid(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("grokgrid")), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "my_plugin.py"
    path.write_text(PLUGIN)
    return path


def with_plugin(plugin: Path, **settings: object):
    regulariser = {"name": f"{plugin}:shrink", "strength": 0.1, **settings}
    return study(arms={"baseline": {}, "shrunk": {"regulariser": regulariser}}, seeds=1)


class TestTheDocumentation:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "extending"
        folder.mkdir()
        (folder / "my_plugins.py").write_text("\n\n".join(blocks("python")))
        (folder / "my-study.yaml").write_text(blocks("yaml")[0])
        return folder

    def test_each_plugin_is_short(self):
        assert len(blocks("python")) == 6
        assert all(len(block.splitlines()) < 30 for block in blocks("python"))

    @pytest.mark.slow
    def test_its_commands_do_what_they_are_there_for(self, folder: Path):
        commands = [line for block in blocks("") for line in block.splitlines() if line.startswith("grokgrid ")]
        assert len(commands) == 3
        for command in commands:
            done = grokgrid(*command.split()[1:], cwd=folder)
            assert done.returncode == 0, done.stderr
            last = done.stdout
        assert "train_effective_rank" in last
        trials = results(read_study(folder / "my-study.yaml")).trials
        assert list(trials["state"]) == ["finished"] * 12
        # By its definition between 1 and the number of classes.
        assert trials["final/train_effective_rank"].between(1, 10).all()
        # Due at the first of the evaluations at 1, 6 and 11; once more where the trial ends.
        assert (trials["final/train_Distance_count"] == 2).all() and (trials["final/train_Distance_total"] > 0).all()


class TestKept:
    def test_the_source_is_an_artifact_and_params_name_no_folder(self, plugin: Path):
        drive(with_plugin(plugin))
        records = results(with_plugin(plugin)).trial_results.records.values()
        (record,) = (r for r in records if "regularisers.shrink.strength" in r.params)
        assert record.params["regularisers.shrink.name"] == "my_plugin.py:shrink"
        kept = yaml.safe_load((Path(record.artifact_uri.removeprefix("file://")) / "plugins.yaml").read_text())
        assert kept == {
            record.params["regularisers.shrink.source"]: {"object": "shrink", "files": {"my_plugin.py": PLUGIN}}
        }

    def test_an_edited_plugin_is_another_trial_and_another_version_of_the_study(self, plugin: Path):
        drive(with_plugin(plugin))
        before = digest(with_plugin(plugin))
        plugin.write_text(PLUGIN + "# edited\n")
        after = with_plugin(plugin)
        assert digest(after) != before
        assert list(results(after).trials["state"]) == ["reached", "missing"]

    def test_the_page_names_no_folder(self, plugin: Path, tmp_path: Path):
        drive(with_plugin(plugin))
        report = api.report(with_plugin(plugin), folder=tmp_path / "report")
        page = report.path.read_text()
        assert "my_plugin.py:shrink" in page
        assert str(plugin.parent) not in page


class TestRefused:
    """Nothing has started: no trial is there."""

    @pytest.mark.parametrize("verb", ["plan", "run"])
    def test_what_cannot_be_called(self, plugin: Path, verb: str):
        with pytest.raises(ValidationErrors, match="arms.shrunk.regulariser.strenght: is not a setting of shrink"):
            getattr(api, verb)(with_plugin(plugin, strenght=1))
        assert set(results(with_plugin(plugin)).trials["state"]) == {"missing"}

    def test_what_fails_in_rehearsal(self, plugin: Path):
        plugin.write_text("def shrink(step, *, strength):\n    return step.outputs @ step.outputs\n")
        with pytest.raises(ValidationErrors, match="my_plugin.py, line 2: RuntimeError"):
            api.run(with_plugin(plugin), engine=InlineEngine)
        assert set(results(with_plugin(plugin)).trials["state"]) == {"missing"}

    def test_from_the_command_line_in_sentences(self, plugin: Path):
        file = plugin.with_name("s.yaml")
        settings = {**SMALL, "arms": {"mine": {"regulariser": {"name": "my_plugin.py:shrink"}}}}
        file.write_text(yaml.safe_dump(settings))
        done = grokgrid("plan", "s.yaml", cwd=plugin.parent)
        assert (done.returncode, done.stdout) == (2, "")
        assert "arms.mine.regulariser.strength: is missing: shrink needs it" in done.stderr
        assert "Traceback" not in done.stderr

    def test_reading_and_reporting_run_nothing_of_it(self, plugin: Path):
        drive(with_plugin(plugin))
        plugin.write_text(PLUGIN)
        plugin.with_name("s.yaml").write_text(
            yaml.safe_dump(with_plugin(plugin).model_dump(mode="json", exclude_defaults=True))
        )
        code = f"""
import sys
from grokgrid import api, home
api.results({str(plugin.with_name("s.yaml"))!r})
print([name for name in sys.modules if name.startswith("my_plugin")])
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
        assert done.stdout == "[]\n"


TABLE = """
import numpy as np
from pathlib import Path

def table():
    x = np.loadtxt(Path(__file__).with_name("table.csv"))
    y = np.arange(60) % 3
    return {"x_train": x[:40], "y_train": y[:40], "x_test": x[40:], "y_test": y[40:]}
"""


class TestDataThatAFunctionReads:
    """One study, one data: from another table come other trials, or none."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        (tmp_path / "reads.py").write_text(TABLE)
        self.fill(tmp_path / "table.csv", 0)
        return tmp_path / "table.csv"

    def fill(self, table: Path, seed: int) -> None:
        np.savetxt(table, np.random.default_rng(seed).normal(size=(60, 5)))
        # As in another process: this one has loaded the data already.
        load.cache_clear()

    def made(self, table: Path, seeds: int = 1, **settings: Any) -> Study:
        data = {"name": f"{table.with_name('reads.py')}:table", **settings}
        trial = {"data": data, "batch_size": 10, "goal": None, "budget": {"steps": 20}, "evaluate": {"every": 5}}
        return study(trial=trial, arms={"baseline": {}}, seeds=seeds)

    def digests(self, made: Study) -> set[str | None]:
        trial_results = results(made).trial_results
        assert trial_results is not None
        return {record.summary.data_digest for record in trial_results.records.values() if record.summary is not None}

    def test_its_digest_is_kept_with_every_trial(self, table: Path):
        drive(self.made(table, seeds=2))
        (digest,) = self.digests(self.made(table, seeds=2))
        config = self.made(table).trials[0].config.data
        assert isinstance(config, PluginDataset) and digest == config.inspect().digest

    def test_a_worker_that_gets_other_data_fails_and_says_so(self, table: Path, tmp_path: Path):
        trial = self.made(table).trials[0]
        expected = "sha256:" + 64 * "0"
        (tmp_path / "storage").mkdir()
        block = Block(id="b", work=(trial,), storage=tmp_path / "storage", data_digests={trial.key: expected})
        failed = list(work(block))[-1]
        assert isinstance(failed, Failed)
        assert "reads.py:table made other data here than elsewhere for this study" in failed.log
        assert expected in failed.log

    def test_a_trial_is_not_continued_on_other_data(self, table: Path, tmp_path: Path):
        trial = self.made(table).trials[0]
        evaluations = WorkRun(trial, WorkFolder(tmp_path / "storage", trial.key))
        next(evaluations)
        evaluations.close()
        self.fill(table, 1)
        with pytest.raises(DataError, match="made other data here than until step 1 of this trial"):
            list(WorkRun(trial, WorkFolder(tmp_path / "storage", trial.key)))

    @pytest.mark.slow
    def test_trials_on_other_data_are_not_mixed_in(self, table: Path):
        """The rehearsal finds the new digest before anything starts; a declared one makes other trials."""
        drive(self.made(table))
        before = self.digests(self.made(table))
        self.fill(table, 1)
        with pytest.raises(ValidationErrors, match="made other data for trial .* give data.digest: sha256:") as raised:
            api.run(self.made(table, seeds=2), engine=InlineEngine)
        with pytest.raises(ValidationErrors, match="made other data for trial"):
            api.plan(self.made(table, seeds=2))
        assert api.plan(self.made(table)).needs == {Need.NOTHING: 1}, "nothing would run"
        assert list(results(self.made(table, seeds=2)).trials["state"]) == ["finished", "missing"]
        declared = re.search("give data.digest: (sha256:[0-9a-f]{64})", str(raised.value))
        assert declared is not None
        again = self.made(table, seeds=2, digest=declared[1])
        drive(again)
        assert self.digests(again) == {declared[1]} != before

    def test_nor_where_nobody_has_rehearsed(self, table: Path):
        """As on a cluster whose data is not where the driver is: the first trial says what the data is."""
        drive(self.made(table))
        self.fill(table, 1)
        outcome = drive(self.made(table, seeds=3))
        assert len(outcome.finished) == 1 and len(outcome.failed) == 2
        assert all("made other data here than elsewhere" in reason for reason in outcome.failed.values())

    def test_nor_what_a_worker_left_on_storage(self, table: Path):
        drive(self.made(table))
        self.fill(table, 1)
        trial = self.made(table, seeds=2).trials[1]
        list(WorkRun(trial, WorkFolder(home.storage_root(), trial.key)))
        outcome = drive(self.made(table, seeds=2))
        assert "made other data for trial" in outcome.failed[trial.key]
        assert folders() == set()


def test_plan_refuses_what_a_rehearsal_finds(plugin: Path):
    plugin.write_text("def shrink(step, *, strength):\n    return strength * step.outputs.square().mean().detach()\n")
    with pytest.raises(
        ValidationErrors, match=r"arms.shrunk.regulariser.name: shrink \(my_plugin.py, line 1\) returned"
    ):
        api.plan(with_plugin(plugin))


def test_plan_says_which_plugins_it_could_not_rehearse(plugin: Path, tmp_path: Path):
    data = {"name": "npz", "path": str(tmp_path / "none.npz"), "digest": f"sha256:{'0' * 64}"}
    arms = {"baseline": {}, "shrunk": {"regulariser": {"name": f"{plugin}:shrink", "strength": 0.1}}}
    planned = api.plan(study(arms=arms, seeds=1, trial={"data": data}))
    assert planned.warnings == ("the plugins of arms.shrunk are not rehearsed here, for their data is not here",)
    assert [str(tmp_path / "none.npz") in each for each in planned.not_yet] == [True]


def test_the_driver_hands_the_source_on_and_workers_need_no_file(plugin: Path, tmp_path: Path):
    """A worker in a process of its own, with nothing but the block: the file is gone by then."""
    import pickle

    made = with_plugin(plugin)
    trial = made.trials[1]
    source = read_source(f"{plugin}:shrink")
    block = Block(id="b", work=(trial,), storage=tmp_path / "storage", sources=(source,))
    without = Block(id="w", work=(trial,), storage=tmp_path / "elsewhere")
    for each in (block, without):
        each.storage.mkdir()
    plugin.unlink()
    (tmp_path / "blocks").write_bytes(pickle.dumps((block, without)))
    code = f"""
import pickle
from pathlib import Path
from grokgrid.engine.work import work
from grokgrid.planning import Need
block, without = pickle.loads(Path({str(tmp_path / "blocks")!r}).read_bytes())
print(type(list(work(without))[-1]).__name__, type(list(work(block))[-1]).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == [Failed.__name__, Finished.__name__]
    assert "is not there" in (WorkFolder(tmp_path / "elsewhere", trial.key).failure() or "")


@pytest.mark.slow
@pytest.mark.ray
def test_under_ray_a_plugin_may_be_edited_while_its_study_runs(plugin: Path, tmp_path: Path):
    """What was read at the start is what all trials compute with, whenever they start."""
    from grokgrid.engine.ray import RayEngine

    made = with_plugin(plugin)

    class Edits(RayEngine):
        def submit(self, block: Block) -> None:
            plugin.write_text("raise RuntimeError('edited')\n")
            super().submit(block)

    report = api.run(made, engine=lambda: Edits(num_slots=1), folder=tmp_path / "report")
    assert list(report.results.trials["state"]) == ["reached", "reached"]


@pytest.mark.parametrize("where", ["my_plugin.py", "package/my_plugin.py"])
def test_an_export_stands_by_itself(where: str, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch):
    """Elsewhere, where the plugin is in no other place, its trials are known, and more of them can be run."""
    plugin = tmp_path / "here" / where
    plugin.parent.mkdir(parents=True)
    plugin.write_text(PLUGIN)
    if "/" in where:
        (plugin.parent / "__init__.py").write_text("")
    made = with_plugin(plugin)
    drive(made)
    seen = results(made)
    exported = tmp_path / "exported"
    assert api.export(made, exported) == 2
    shutil.rmtree(tmp_path / "here")
    (tmp_path / "another").mkdir()
    shutil.copyfile(empty_database, tmp_path / "another" / "mlflow.db")
    monkeypatch.setenv("GROKGRID_HOME", str(tmp_path / "another"))
    assert api.import_trials(exported).num_new == 2
    there = read_study(exported / "study.yaml")
    same(results(there), seen)
    assert str(tmp_path) not in (exported / "study.yaml").read_text()
    drive(narrow(there, seeds=2))
    assert list(results(narrow(there, seeds=2)).trials["state"]) == ["reached"] * 4


def test_a_metric_without_a_number_is_no_end_of_the_report(tmp_path: Path):
    plugin = tmp_path / "endless.py"
    plugin.write_text("def endless(evaluation):\n    return float('inf')\n")
    probes = [{"name": f"{plugin}:endless", "every": 1}]
    analyses = [{"kind": "curves", "metrics": ["train_endless", "test_accuracy"]}]
    made = study(arms={"baseline": {}}, trial={"probes": probes}, seeds=1, analyses=analyses)
    drive(made)
    report = api.report(made, folder=tmp_path / "report")
    assert (tmp_path / "report" / "curves-test_accuracy.svg").exists()
    assert not (tmp_path / "report" / "curves-train_endless.svg").exists()
    assert report.path.exists()
