"""The command line: what it prints, what it refuses and how it ends."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from driver_studies import Grokgrid, drive, failing, folders, npz, results, settled, study, table
from refusing_server import Answer, refusing_server

from grokgrid import api
from search_spaces import Study, read_study, to_yaml
from search_spaces.library import LIBRARY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A study in a file, and in a folder with a long name."""
    path = tmp_path / "a folder with a name that is much too long for a line of a terminal" / "small.yaml"
    path.parent.mkdir()
    path.write_text(to_yaml(study(arms={"baseline": {}, "slow": {"grid": {"optimiser.lr": [0.002, 0.003]}}})))
    return path


HEAVY = (
    "torch",
    "ray",
    "mlflow",
    "optuna",
    "pandas",
    "scipy",
    "numpy",
    "pyarrow",
    "matplotlib",
    "sklearn",
    "sqlalchemy",
)


def imported_by(*arguments: str) -> tuple[set[str], str]:
    """What a command line imports in a fresh interpreter, and what it prints."""
    code = f"""
import atexit, sys
atexit.register(lambda: print(" ".join(sys.modules), file=sys.stderr))
sys.argv = {["grokgrid", *arguments]}
from grokgrid.cli import main
main()
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    return set(ran.stderr.split()), ran.stdout


class TestStartsQuickly:
    """How quickly is measured elsewhere; here, that nothing is imported that takes long."""

    def test_help(self, home: Path):
        modules, text = imported_by("--help")
        assert not modules & {*HEAVY, "pydantic", "yaml", "rich", "grokgrid.api", "search_spaces", "trainables"}
        assert all(verb in text for verb in ("list", "show", "plan", "run", "report", "query", "data"))

    @pytest.mark.parametrize(
        "arguments", [("list",), ("show", "demo"), ("plan", "demo", "--seeds", "2"), ("run", "--help")]
    )
    def test_what_runs_nothing(self, arguments: tuple[str, ...], home: Path):
        modules, text = imported_by(*arguments)
        assert not modules & set(HEAVY)
        assert text
        assert not home.exists()


def test_list_shows_every_study_of_the_library(grokgrid: Grokgrid):
    lines = grokgrid("list").stdout.splitlines()
    for name in LIBRARY:
        assert any(line.startswith(f"{name} ") and f" {len(read_study(name).trials)} " in line for line in lines)


class TestShow:
    @pytest.mark.parametrize("name", LIBRARY)
    def test_is_a_study_file(self, name: str, grokgrid: Grokgrid, tmp_path: Path):
        (tmp_path / "shown.yaml").write_text(grokgrid("show", name).stdout)
        assert read_study(tmp_path / "shown.yaml") == read_study(name)

    def test_of_a_changed_study_runs(self, grokgrid: Grokgrid, file: Path, tmp_path: Path, ready_home: Path):
        shown = grokgrid("show", file, "--seeds", "1", "--arms", "slow", "--set", "trial.budget.steps=20")
        (tmp_path / "shown.yaml").write_text(shown.stdout)
        ran = grokgrid("run", tmp_path / "shown.yaml", "--engine", "inline")
        assert ran.exit_code == 0, ran.output
        assert len(results(read_study(tmp_path / "shown.yaml")).over) == 2


class TestPlan:
    def test_counts_and_estimates(self, grokgrid: Grokgrid, file: Path, ready_home: Path):
        before = grokgrid("plan", file)
        assert before.exit_code == 0
        assert [line.split()[-1] for line in before.stdout.splitlines()[:4]] == ["run", "2", "2", "2"]
        assert "6 trials, each of at most 56 steps and 12 evaluations." in before.stdout
        assert "not known before a trial of each cell has run; --time estimates it." in before.stdout
        timed = " ".join(grokgrid("plan", file, "--time").stdout.split())
        assert "An estimate: at most 0:0" in timed and "It rests on: 3 cells by a second of training here." in timed
        assert grokgrid("run", file, "--engine", "inline").exit_code == 0
        after = grokgrid("plan", file, "--seeds", "3", "--set", "trial.budget.steps=500")
        lines = after.stdout.splitlines()
        assert lines[0].split() == ["cell", "done", "to", "run", "to", "continue"]
        assert lines[1].split() == ["baseline", "2", "1", "0"]
        assert lines[2].split() == ["slow", "lr=0.002", "0", "1", "2"]
        assert "At most 0:0" in after.stdout

    def test_tells_of_a_budget_that_evaluations_leave_unused(self, grokgrid: Grokgrid, file: Path, ready_home: Path):
        wide = grokgrid("plan", file, "--set", "trial.evaluate.every=500")
        assert "Of the 60 steps given, the last evaluation lies after 1." in wide.stdout
        assert "the last evaluation" not in grokgrid("plan", file).stdout

    @pytest.mark.parametrize(
        ("budget", "said"),
        [
            (
                300,
                [
                    "Of the 300 steps given, the last evaluation lies after 215.",
                    "The cosine schedule has 400 steps, and",
                ],
            ),
            (216, ["The cosine schedule has 400 steps, and the last evaluation lies after 215."]),
            (400, []),
        ],
    )
    def test_says_where_budget_evaluations_and_schedule_do_not_meet(
        self, budget: int, said: list[str], grokgrid: Grokgrid, tmp_path: Path
    ):
        trial = {
            "schedule": {"name": "cosine", "horizon": {"steps": 400}},
            "budget": {"steps": budget},
            "evaluate": {"at": [0, 1, 400]} if budget == 400 else {"per_decade": 6},
        }
        (tmp_path / "mine.yaml").write_text(to_yaml(study(trial=trial)))
        planned = grokgrid("plan", tmp_path / "mine.yaml").stdout
        assert all(line in planned for line in said)
        assert ("lies after" in planned) == bool(said)


class TestRun:
    def test_ends_with_the_page_on_a_line_of_its_own(self, grokgrid: Grokgrid, file: Path, ready_home: Path):
        out = file.parent / "where the report goes"
        ran = grokgrid("run", file, "--engine", "inline", "--out", out)
        assert ran.exit_code == 0
        assert ran.stdout.splitlines()[-1] == str(out / "report.html")
        assert (out / "report.html").read_text().startswith("<!")
        *_, progress, place = ran.stderr.splitlines()
        assert "small: 6/6 trials, 0 running" in progress
        assert place == f"Trials and report are in MLflow at sqlite:///{ready_home}/mlflow.db"
        assert "\x1b" not in ran.output

        again = grokgrid("run", file, "--engine", "inline")
        assert again.exit_code == 0 and "trials, 0 running" not in again.stderr
        page = Path(again.stdout.splitlines()[-1])
        assert page.is_relative_to(ready_home) and page.name == "report.html"
        told = grokgrid("report", file)
        assert told.exit_code == 0 and told.stdout == again.stdout
        settled()

    def test_with_failures_says_so_and_ends_with_1(
        self, grokgrid: Grokgrid, file: Path, tmp_path: Path, ready_home: Path
    ):
        content = yaml.safe_load(file.read_text())
        content["arms"]["broken"] = failing(tmp_path)
        file.write_text(yaml.safe_dump(content))
        for _ in range(2):
            ran = grokgrid("run", file, "--engine", "inline")
            assert ran.exit_code == 1
            assert ran.stderr.splitlines()[-1] == (
                "2 of 8 trials are not over: 2 failed. Run it again for what is missing, with --retry-failed for what"
                " failed."
            )
            assert Path(ran.stdout.splitlines()[-1]).exists()
            told = " ".join(ran.stdout.split())
            assert "2 trials failed: counted up to the last evaluation, if there was one (broken all seeds)" in told
            assert "RuntimeError: not any more" in told
        settled()

    def test_starts_no_engine_and_keeps_no_report_if_there_is_nothing_to_do(self, file: Path, ready_home: Path):
        first = api.run(file, engine=lambda: drive_inline())
        second = api.run(file, engine=never)
        assert first.path == second.path and first.path.exists()
        assert len(reports(read_study(file))) == 1
        # A second version of the study, of the same trials, is a second report.
        api.run(read_study(file).model_copy(update={"question": "Is it?"}), engine=never)
        assert len(reports(read_study(file))) == 2
        settled()

    def test_keeps_only_what_it_wrote(self, grokgrid: Grokgrid, file: Path, tmp_path: Path, ready_home: Path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "diary.txt").write_text("private")
        report = api.run(file, engine=drive_inline, folder=out)
        (kept,) = reports(read_study(file))
        names = {path.name for path in Path(kept.removeprefix("file://")).iterdir()}
        assert {"report.html", "study.yaml", "keys.parquet"} <= names
        assert "diary.txt" not in names
        assert {path.name for path in report.files} <= names

    def test_writes_figures_as_pdf_only_where_a_folder_is_named(self, file: Path, tmp_path: Path, ready_home: Path):
        api.run(file, engine=drive_inline)
        kinds = [{path.suffix for path in api.report(file, folder=each).files} for each in (None, tmp_path / "out")]
        assert kinds[0] == kinds[1] - {".pdf"} and ".pdf" in kinds[1]


def drive_inline():  # type: ignore[no-untyped-def]
    from grokgrid.engine import InlineEngine

    return InlineEngine()


def never():  # type: ignore[no-untyped-def]
    raise AssertionError("an engine was started")


def reports(study: Study) -> list[str]:
    """Where the files of a study's finished reports are."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(api.home.tracking_uri())
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    return [run.info.artifact_uri for run in runs]


class TestQuery:
    @pytest.fixture(autouse=True)
    def _run(self, file: Path, ready_home: Path) -> None:
        drive(read_study(file))

    def test_trials(self, grokgrid: Grokgrid, file: Path, tmp_path: Path):
        csv = pd.read_csv(io.StringIO(grokgrid("query", file).stdout))
        assert list(csv.columns[:6]) == ["arm", "cell", "optimiser.lr", "seed", "key", "state"]
        assert list(csv["key"]) == [trial for trial in table(results(read_study(file)))["key"]]
        assert csv["steps"].dtype == "int64"
        assert set(csv["state"]) == {"reached", "censored"}
        lines = [json.loads(line) for line in grokgrid("query", file, "--format", "json").stdout.splitlines()]
        assert [line["key"] for line in lines] == list(csv["key"])
        assert lines[0]["diverged_at"] is None and lines[0]["optimiser.lr"] is None
        out = tmp_path / "trials.parquet"
        assert grokgrid("query", file, "--format", "parquet", "--out", out).stdout == ""
        pd.testing.assert_frame_equal(pd.read_parquet(out), csv, check_dtype=False)

    def test_curves(self, grokgrid: Grokgrid, file: Path, tmp_path: Path):
        csv = pd.read_csv(io.StringIO(grokgrid("query", file, "--curves", "--arms", "slow").stdout))
        assert set(csv["cell"]) == {"slow lr=0.002", "slow lr=0.003"}
        assert (csv.groupby("key").size() <= 12).all() and "test_accuracy" in csv
        out = tmp_path / "curves.csv"
        grokgrid("query", file, "--curves", "--arms", "slow", "--out", out)
        pd.testing.assert_frame_equal(pd.read_csv(out), csv)

    def test_of_what_was_never_run(self, grokgrid: Grokgrid, file: Path):
        other = grokgrid("query", file, "--seeds", "7,8", "--arms", "baseline")
        assert other.exit_code == 0
        csv = pd.read_csv(io.StringIO(other.stdout))
        assert list(csv["state"]) == ["missing", "missing"]
        assert list(csv.columns) == list(
            pd.read_csv(io.StringIO(grokgrid("query", file).stdout)).columns.drop("optimiser.lr")
        )


MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown study": (["run", "dmeo"], "dmeo: is no study of the library and no .yaml file; did you mean 'demo'?"),
    "no such file": (["run", "{tmp}/none.yaml"], "none.yaml: cannot be read: No such file or directory"),
    "a folder": (["plan", "{tmp}"], "is no study of the library"),
    "--set of an unknown field": (
        ["run", "demo", "--set", "trial.budgett.epochs=2"],
        "trial.budgett: is not a setting here; did you mean 'budget'?",
    ),
    "--set of an unknown arm": (
        ["plan", "demo", "--set", "arms.jacobain.regulariser.strength=1"],
        "'jacobain' is no arm; did you mean 'jacobian'? Allowed: ",
    ),
    "--set without a value": (["run", "demo", "--set", "trial.budget"], "write it as path=value"),
    "--set of a wrong value": (["run", "demo", "--set", "trial.budget.epochs=many"], "trial.budget.epochs: 'many'"),
    "empty --set": (["run", "demo", "--set", ""], "write it as path=value"),
    "--seeds in words": (["run", "demo", "--seeds", "three"], "--seeds three: give a number of seeds"),
    "no --seeds": (["run", "demo", "--seeds", "0"], "seeds: 0"),
    "empty --seeds": (["run", "demo", "--seeds", ""], "give a number of seeds"),
    "--seeds twice the same": (["run", "demo", "--seeds", "1,1"], "seeds: holds 1 twice"),
    "unknown --arms": (["run", "demo", "--arms", "baseline,jacobain"], "did you mean 'jacobian'?"),
    "empty --arms": (["run", "demo", "--arms", ""], "--arms : is no arm"),
    "--out is a file": (["run", "demo", "--out", "{tmp}/file"], "is a file"),
    "report --out is a file": (["report", "demo", "--out", "{tmp}/file"], "is a file"),
    "query --out is a folder": (["query", "demo", "--out", "{tmp}"], "is a directory"),
    "slots of the inline engine": (
        ["run", "demo", "--engine", "inline", "--slots", "2"],
        "--slots 2: the inline engine runs one trial at a time",
    ),
    "report of nothing": (["report", "demo"], "demo: none of its 20 trials has been run yet: `grokgrid run` runs them"),
    "CSV named otherwise": (
        ["query", "demo", "--out", "{tmp}/t.parquet"],
        "the name says parquet; add --format parquet",
    ),
    "--set of nothing": (["run", "demo", "--set", "=3"], "--set =3: is no setting"),
    "parquet to the screen": (["query", "demo", "--format", "parquet"], "--format parquet needs a file: --out FILE"),
    "unknown --format": (["query", "demo", "--format", "xml"], "'--format': 'xml' is not one of"),
    "unknown --engine": (["run", "demo", "--engine", "slurm"], "'--engine': 'slurm' is not one of"),
    "no --slots": (
        ["run", "demo", "--slots", "0"],
        "'--slots': '0' is not allowed: it should be a whole number, at least 1",
    ),
    "--slots in words": (["run", "demo", "--slots", "all"], "'--slots': 'all' is not allowed: it should be a whole"),
    "no --threads": (["run", "demo", "--threads", "0"], "'--threads': '0' is not allowed: it should be a whole"),
    "no --cpus": (["run", "demo", "--cpus", "0"], "'--cpus': '0' is not allowed: it should be a number, at least 0.01"),
    "no number of --cpus": (["run", "demo", "--cpus", "nan"], "'--cpus': 'nan' is not allowed"),
    "negative --gpus": (
        ["run", "demo", "--gpus", "-1"],
        "'--gpus': '-1' is not allowed: it should be a number, at least 0",
    ),
    "negative --checkpoint-every": (["run", "demo", "--checkpoint-every", "-1"], "'--checkpoint-every': '-1' is not"),
    "unknown option": (["run", "demo", "--seed", "3"], "No such option: --seed"),
    "unknown command": (["runn", "demo"], "No such command 'runn'"),
    "unknown data": (["data", "get", "imagenet"], "'imagenet' is not"),
    "digest of nothing": (["data", "digest", "{tmp}/none.npz"], "none.npz"),
    "digest of text": (["data", "digest", "{tmp}/file"], "path must end in .npz, not 'file'"),
}


def arguments_of(verb: str, file: Path, folder: Path) -> list[str | Path]:
    """Of a command that would do something."""
    if verb == "import":
        exported = folder / "exported"
        exported.mkdir()
        return [exported]
    if verb == "optimise":
        return ["lambda-ce-small", "--engine", "inline"]
    return [file, *{"run": ["--engine", "inline"], "export": [folder / "new"]}.get(verb, [])]


class TestDebug:
    @pytest.mark.parametrize("arguments", [("--debug", "show", "dmeo"), ("show", "dmeo")])
    def test_adds_the_traceback_to_a_problem(self, arguments: tuple[str, ...], grokgrid: Grokgrid):
        ran = grokgrid(*arguments)
        assert ran.exit_code == 2
        *above, sentence = ran.stderr.splitlines()
        assert sentence.startswith("dmeo: is no study of the library")
        assert (above[:1] == ["Traceback (most recent call last):"]) is ("--debug" in arguments)

    @pytest.mark.parametrize("arguments", [["plan", "demo"], ["plan", "demo", "--debug"]])
    def test_an_error_that_nobody_foresaw_is_a_sentence(self, arguments: list[str], home: Path):
        """Of a bug, one of which is put in here; it may hold a password."""
        code = f"""
import sys
from grokgrid import api, cli
def plan(study, timed):
    raise KeyError("postgresql://me:hidden@host/db")
api.plan = plan
sys.argv = {["grokgrid", *arguments]}
cli.main()
"""
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert (ran.returncode, ran.stdout) == (1, "")
        *above, sentence, advice = ran.stderr.splitlines()
        assert sentence == "grokgrid stopped at an unexpected error. KeyError: 'postgresql://me:***@host/db'"
        assert ("--debug" in advice) is ("--debug" not in arguments)
        assert bool(above) is ("--debug" in arguments) and "hidden" not in ran.stderr


class TestValidationErrors:
    @pytest.mark.parametrize(("arguments", "sentence"), MISTAKES.values(), ids=MISTAKES)
    def test_are_told_and_nothing_is_started(
        self, arguments: list[str], sentence: str, grokgrid: Grokgrid, tmp_path: Path, home: Path
    ):
        (tmp_path / "file").write_text("not a folder")
        ran = grokgrid(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
        assert ran.exit_code == 2
        assert sentence in " ".join(ran.stderr.split())
        assert ran.stdout == ""
        assert not home.exists()

    def test_in_a_study_are_all_told_at_once(self, grokgrid: Grokgrid, file: Path, home: Path):
        text = file.read_text().replace("width: 8", "width: wide").replace("seeds: 2", "seeds: no")
        file.write_text(text.replace("evaluate:", "evaluat:"))
        for verb in ("show", "plan", "run", "report", "query"):
            ran = grokgrid(verb, file)
            assert ran.exit_code == 2 and ran.stdout == ""
            assert "3 problems" in ran.stderr
            for told in ("seeds: 'no'", "trial.model.width: 'wide'", "did you mean 'evaluate'?"):
                assert told in ran.stderr
            assert all("line " in line for line in ran.stderr.splitlines()[1:])
        assert not home.exists()

    def test_missing_data(self, grokgrid: Grokgrid, tmp_path: Path, ready_home: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GROKGRID_DATA", str(tmp_path))
        ran = grokgrid("run", "table1-ce", "--engine", "inline")
        assert ran.exit_code == 2
        assert f"data mnist: not found under {tmp_path}. `grokgrid data get mnist` downloads it" in ran.stderr
        settled(())
        assert grokgrid("plan", "table1-ce").exit_code == 0

    @pytest.mark.parametrize("verb", ["plan", "run", "report", "query"])
    @pytest.mark.parametrize(
        ("uri", "code", "sentence"),
        [
            ("http://127.0.0.1:9", 1, "127.0.0.1:9"),
            ("/some/folder", 2, "MLflow no longer keeps runs in folders"),
            ("gopher://somewhere", 2, "gopher"),
        ],
    )
    def test_in_where_mlflow_is(
        self,
        verb: str,
        uri: str,
        code: int,
        sentence: str,
        grokgrid: Grokgrid,
        file: Path,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        ran = grokgrid(verb, file)
        assert ran.exit_code == code
        assert sentence in ran.stderr and len(ran.stderr.splitlines()) == 1
        assert ran.stdout == "" and not home.exists()

    @pytest.mark.parametrize("verb", ["plan", "run", "optimise", "report", "query", "export", "doctor"])
    def test_an_mlflow_that_refuses(
        self, verb: str, grokgrid: Grokgrid, file: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ):
        with refusing_server(lambda _: Answer(401)) as uri:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
            ran = grokgrid(verb, *arguments_of(verb, file, tmp_path))
        sentence = f"MLflow at {uri} requires credentials (status 401). Set them: export MLFLOW_TRACKING_TOKEN="
        if verb == "doctor":
            assert ran.exit_code == 1 and f"✗ MLflow: {sentence}" in ran.stdout
        else:
            assert ran.exit_code == 2 and ran.stdout == ""
            assert ran.stderr.startswith(sentence) and len(ran.stderr.splitlines()) == 1
        assert not home.exists()

    @pytest.mark.parametrize("verb", ["plan", "run", "optimise", "report", "query", "export", "import", "doctor"])
    @pytest.mark.parametrize("place", ["/proc/home", "{tmp}/occupied/home", "{tmp}/occupied"])
    def test_a_home_that_cannot_be(
        self, verb: str, place: str, grokgrid: Grokgrid, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (tmp_path / "occupied").touch()
        home = place.format(tmp=tmp_path)
        monkeypatch.setenv("GROKGRID_HOME", home)
        ran = grokgrid(verb, *arguments_of(verb, file, tmp_path))
        above = "/proc" if home.startswith("/proc") else tmp_path / "occupied"
        sentence = f"GROKGRID_HOME: {home!r} is not allowed: {above} cannot be written to"
        if verb == "doctor":
            assert ran.exit_code == 1 and f"✗ home: {sentence}" in ran.stdout
        else:
            assert ran.exit_code == 2 and ran.stdout == ""
            assert ran.stderr.startswith(f"environment: {sentence}") and len(ran.stderr.splitlines()) == 1

    def test_a_report_that_cannot_be_written(self, grokgrid: Grokgrid, file: Path, tmp_path: Path, ready_home: Path):
        (tmp_path / "occupied").touch()
        ran = grokgrid("run", file, "--engine", "inline", "--out", tmp_path / "occupied" / "deeper")
        assert ran.exit_code == 2 and "Not a directory" in ran.stderr
        assert grokgrid("report", file).exit_code == 2, "nothing was run"

    def test_a_database_that_is_none(self, grokgrid: Grokgrid, file: Path, home: Path):
        home.mkdir()
        (home / "mlflow.db").write_text("hello")
        for command in ("run", "plan", "report"):
            ran = grokgrid(command, file)
            assert ran.exit_code == 2
            assert ran.stderr == f"{home / 'mlflow.db'}: is no SQLite database. GROKGRID_HOME says where it lies.\n"

    def test_artifacts_that_cannot_be_kept(
        self, grokgrid: Grokgrid, file: Path, tmp_path: Path, ready_home: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (tmp_path / "occupied").touch()
        with monkeypatch.context() as patch:
            patch.setenv("GROKGRID_ARTIFACTS", str(tmp_path / "occupied"))
            ran = grokgrid("run", file, "--engine", "inline")
            assert ran.exit_code == 2 and "occupied: artifacts cannot be kept there: File exists." in ran.stderr
        assert grokgrid("run", file, "--engine", "inline", "--seeds", "1").exit_code == 0
        # Where they go was settled when the first were written.
        monkeypatch.setenv("GROKGRID_ARTIFACTS", str(tmp_path / "elsewhere"))
        ran = grokgrid("run", file, "--engine", "inline")
        assert ran.exit_code == 2 and "since its experiments were created" in ran.stderr

    def test_artifacts_that_cannot_be_written_are_noticed_before_a_trial_trains(
        self, grokgrid: Grokgrid, file: Path, ready_home: Path
    ):
        """An experiment's stay where they were when it was created."""
        assert grokgrid("run", file, "--engine", "inline", "--seeds", "1").exit_code == 0
        kept = ready_home / "artifacts" / "grokgrid-trials"
        kept.rename(kept.with_name("moved"))
        kept.touch()
        ran = grokgrid("run", file, "--engine", "inline")
        assert ran.exit_code == 2 and len(ran.stderr.splitlines()) == 1
        assert ran.stderr.startswith(f"artifacts cannot be written to {kept}/")
        assert f"✗ MLflow: artifacts cannot be written to {kept}/" in grokgrid("doctor").stdout
        assert not folders()
        kept.unlink()
        kept.with_name("moved").rename(kept)
        assert grokgrid("run", file, "--engine", "inline").exit_code == 0
        settled()

    def test_data_that_is_not_what_was_declared(self, grokgrid: Grokgrid, file: Path, tmp_path: Path, ready_home: Path):
        content = yaml.safe_load(file.read_text())
        digest = npz(tmp_path / "own.npz")
        npz(tmp_path / "own.npz", seed=1)
        content["arms"]["own"] = {"data": {"name": "npz", "path": str(tmp_path / "own.npz"), "digest": digest}}
        file.write_text(yaml.safe_dump(content))
        ran = grokgrid("run", file, "--engine", "inline")
        assert ran.exit_code == 2 and f"the configuration declares {digest}" in ran.stderr
        settled(())
        content["arms"]["own"]["data"] |= {"digest": npz(tmp_path / "own.npz"), "num_train": 1_000_000}
        file.write_text(yaml.safe_dump(content))
        ran = grokgrid("run", file, "--engine", "inline")
        assert ran.exit_code == 2 and "num_train is 1000000, there are" in ran.stderr
        settled(())

    @pytest.mark.parametrize("engine", ["inline", "ray"])
    def test_gpus_where_there_are_none(
        self, engine: str, grokgrid: Grokgrid, file: Path, ready_home: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        ran = grokgrid("run", file, "--engine", engine, "--gpus", "0.5")
        assert ran.exit_code == 2
        assert ran.stderr == "torch finds no CUDA device here; with 0 GPUs a trial it trains on the CPU\n"
        settled(())
        planned = grokgrid("plan", file, "--set", "resources.gpus=0.5")
        assert planned.exit_code == 0 and "Not yet: torch finds no CUDA device here" in planned.stdout

    @pytest.mark.parametrize(
        ("address", "sentence"),
        [
            ("ray://127.0.0.1:9", "ray://127.0.0.1:9"),
            ("nonsense", "nonsense"),
            ("127.0.0.1:9", "127.0.0.1:9"),
        ],
    )
    def test_in_where_ray_is(self, address: str, sentence: str, grokgrid: Grokgrid, file: Path, ready_home: Path):
        ran = grokgrid("run", file, "--address", address)
        assert ran.exit_code == 2
        assert sentence in ran.stderr.splitlines()[-1]
        settled(())


def test_data_digest_is_the_one_that_a_study_declares(grokgrid: Grokgrid, tmp_path: Path):
    digest = npz(tmp_path / "own.npz")
    assert grokgrid("data", "digest", tmp_path / "own.npz").stdout == f"{digest}\n"


def test_a_closed_pipe_is_no_problem(file: Path, ready_home: Path):
    """`grokgrid query STUDY | head -1`."""
    command = f"{sys.executable} -c 'from grokgrid.cli import main; main()' show demo | true"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env={**os.environ}, timeout=60)
    assert "Traceback" not in ran.stderr
