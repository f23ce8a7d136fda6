"""What `plan`, `run` and `data digest` say about the content of users' data, before anything starts."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from driver_studies import SMALL, Grokgrid, settled

from grokgrid import api
from grokgrid.engine.inline import InlineEngine
from search_spaces import pinned, read_study
from trainables.data.arrays import digest
from trainables.data.place import DataError


def content(**changes: Any) -> dict[str, Any]:
    """The arrays of a data set that nobody would object to, but for the changes."""
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.normal(size=(21, 4)),
        "y_train": np.arange(21) % 2,
        "x_test": rng.normal(size=(10, 4)),
        "y_test": np.arange(10) % 2,
    } | changes


X = content()["x_train"]


def write_study(folder: Path, data: dict[str, Any], **trial: Any) -> Path:
    settings = {**SMALL["trial"], "data": data, "batch_size": 7, "goal": None, **trial}
    study = {**SMALL, "seeds": 1, "trial": settings, "arms": {"baseline": {}, "slow": {"optimiser": {"lr": 0.002}}}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder / "study.yaml"


def npz_study(folder: Path, arrays: dict[str, Any], **data: Any) -> Path:
    np.savez(folder / "own.npz", **arrays)
    return write_study(folder, {"name": "npz", "path": "own.npz", "digest": digest(arrays), **data})


def function_study(folder: Path, arrays: dict[str, Any], **data: Any) -> Path:
    """The same arrays, as a function reads them."""
    np.savez(folder / "hidden.npz", **arrays)
    file = folder / "mine.py"
    file.write_text(f"import numpy\n\ndef made():\n    return dict(numpy.load({str(folder / 'hidden.npz')!r}))\n")
    return write_study(folder, {"name": "mine.py:made", **data})


@pytest.mark.parametrize("make", [npz_study, pytest.param(function_study, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("ready_home")
class TestPlanAndRun:
    def test_refuse_what_is_certainly_wrong(self, make: Callable[..., Path], grokgrid: Grokgrid, tmp_path: Path):
        broken = X.copy()
        broken[4, 1] = np.nan
        study = make(tmp_path, content(x_train=broken, y_train=content()["y_train"] * 9, y_test=np.zeros(10, int)))
        for command in (["plan", study], ["run", study, "--engine", "inline"]):
            ran = grokgrid(*command)
            assert ran.exit_code == 2
            assert (
                "of the 84 values of 21 training examples 1 is NaN, in 1 example; the first is x_train[4, 1]"
                in ran.stderr
            )
            assert "labels run up to 9, and only 2 of the 10 classes occur" in ran.stderr
            # Once, though both arms have it.
            assert ran.stderr.count("is NaN") == 1

    def test_print_what_is_suspicious_once_and_go_on(
        self, make: Callable[..., Path], grokgrid: Grokgrid, tmp_path: Path
    ):
        study = make(tmp_path, content(x_test=np.concatenate([X[3:5], content()["x_test"][2:]])))
        said = "Warning: data {}: 2 of 10 test examples are among the training examples: x_test[0] = x_train[3]"
        said = said.format(f"npz: {tmp_path / 'own.npz'}" if make is npz_study else f"{tmp_path / 'mine.py'}:made")
        planned = grokgrid("plan", study)
        assert planned.exit_code == 0 and planned.stdout.count(said) == 1
        ran = grokgrid("run", study, "--engine", "inline")
        assert ran.exit_code == 0 and ran.stderr.count(said) == 1
        settled()

    def test_warn_of_sorted_examples_that_are_not_shuffled(
        self, make: Callable[..., Path], grokgrid: Grokgrid, tmp_path: Path
    ):
        study = make(tmp_path, content(y_train=np.arange(21) // 11))
        said = "training examples are sorted by class, in 2 stretches of one class"
        assert said not in grokgrid("plan", study).stdout
        unshuffled = ("--set", "trial.shuffle=false")
        assert grokgrid("plan", study, *unshuffled).stdout.count(said) == 1
        assert grokgrid("run", study, *unshuffled, "--engine", "inline").stderr.count(said) == 1

    def test_evaluation_only_at_what_trials_use(self, make: Callable[..., Path], grokgrid: Grokgrid, tmp_path: Path):
        broken = X.copy()
        broken[20] = np.inf
        planned = grokgrid("plan", make(tmp_path, content(x_train=broken), num_train=20))
        assert planned.exit_code == 0 and "Warning" not in planned.output


@pytest.mark.usefixtures("ready_home")
class TestPlan:
    def test_data_that_is_not_there_yet_is_no_problem(self, grokgrid: Grokgrid, tmp_path: Path):
        study = npz_study(tmp_path, content())
        (tmp_path / "own.npz").unlink()
        planned = grokgrid("plan", study)
        assert planned.exit_code == 0 and "Not yet: data npz:" in planned.stdout
        assert grokgrid("run", study, "--engine", "inline").exit_code == 2

    def test_a_file_is_read_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        from trainables.data import inspection

        monkeypatch.setattr(inspection, "_SETTLED_S", -1.0)
        study = npz_study(tmp_path, content())
        assert api.plan(study).warnings == ()
        # Never again: reading would fail.
        monkeypatch.setattr(inspection, "read_arrays", None)
        assert api.plan(study).warnings == ()

    def test_a_function_that_fails_is_a_sentence(self, grokgrid: Grokgrid, tmp_path: Path):
        study = function_study(tmp_path, content())
        (tmp_path / "hidden.npz").unlink()
        planned = grokgrid("plan", study)
        assert planned.exit_code == 2 and "fails: mine.py, line 4: FileNotFoundError" in planned.stderr

    def test_checks_files_without_torch(self, tmp_path: Path):
        study = npz_study(tmp_path, content())
        code = "import sys; from grokgrid import api; api.plan(sys.argv[1]); print('torch' in sys.modules)"
        ran = subprocess.run(
            [sys.executable, "-c", code, str(study)], capture_output=True, text=True, timeout=120, env={**os.environ}
        )
        assert ran.stdout == "False\n", ran.stderr


@pytest.mark.usefixtures("ready_home")
def test_a_rehearsal_on_a_few_examples_of_sorted_data_refuses_nothing(grokgrid: Grokgrid, tmp_path: Path):
    """The first eight are of one class, and no test example among the first eight is."""
    labels = np.sort(content()["y_train"])
    study = npz_study(tmp_path, content(y_train=labels, y_test=np.sort(content()["y_test"])[::-1].copy()))
    (tmp_path / "part.py").write_text("def term(step):\n    return 0.1 * step.outputs.square().mean()\n")
    change = ("--set", f"trial.regulariser={tmp_path / 'part.py'}:term")
    ran = grokgrid("run", study, *change, "--engine", "inline", "--arms", "baseline")
    assert ran.exit_code == 0, ran.stderr
    ran = grokgrid("plan", study, *change, "--set", "trial.data.num_train=8", "--set", "trial.batch_size=4")
    assert ran.exit_code == 2 and "the file is sorted by class, and the first examples are taken" in ran.stderr


MODEL = """
from torch import nn


def normalised(input_shape, num_outputs):
    return nn.Sequential(nn.Linear(input_shape[0], 4), nn.BatchNorm1d(4), nn.Linear(4, num_outputs))
"""


@pytest.mark.usefixtures("ready_home")
@pytest.mark.parametrize("make", [pytest.param(npz_study, marks=pytest.mark.slow), function_study])
def test_a_last_batch_of_one_under_batch_normalisation(make: Callable[..., Path], grokgrid: Grokgrid, tmp_path: Path):
    (tmp_path / "model.py").write_text(MODEL)
    study = make(tmp_path, content())
    change = ("--set", f"trial.model={{name: {tmp_path / 'model.py'}:normalised}}", "--set", "trial.batch_size=5")
    for command in (["plan", study, *change], ["run", study, *change, "--engine", "inline"]):
        ran = grokgrid(*command)
        assert ran.exit_code == 2
        assert "arms.baseline.batch_size: 5 leaves one of 21 training examples for the last batch" in ran.stderr
        assert ran.stderr.strip().endswith("Give batch_size: 6 or drop_last: true or data.num_train: 20")
    ran = grokgrid("run", study, *change, "--set", "trial.batch_size=6", "--engine", "inline", "--arms", "baseline")
    assert ran.exit_code == 0


def test_a_digest_is_printed_with_its_warnings(grokgrid: Grokgrid, tmp_path: Path):
    arrays = content(x_test=X[:10])
    np.savez(tmp_path / "own.npz", **arrays)
    ran = grokgrid("data", "digest", tmp_path / "own.npz")
    assert (
        ran.stdout == f"{digest(arrays)}\n" and "10 of 10 test examples are among the training examples" in ran.stderr
    )
    np.savez(tmp_path / "own.npz", **content(x_test=X[:10] * np.inf))
    ran = grokgrid("data", "digest", tmp_path / "own.npz")
    assert ran.exit_code == 2 and ran.stdout == "" and "40 are infinite" in ran.stderr


@pytest.mark.usefixtures("ready_home")
class TestWithoutADigest:
    """A study may leave it out: it holds for the file as it is."""

    def study(self, folder: Path) -> Path:
        np.savez(folder / "own.npz", **content())
        return write_study(folder, {"name": "npz", "path": "own.npz"})

    def test_plan_shows_it(self, grokgrid: Grokgrid, tmp_path: Path):
        planned = grokgrid("plan", self.study(tmp_path))
        assert planned.exit_code == 0
        assert f"data npz: {tmp_path / 'own.npz'}, {digest(content())}" in planned.stdout

    def test_the_trials_are_those_of_a_study_that_gives_it(self, tmp_path: Path):
        without, given = read_study(self.study(tmp_path)), read_study(npz_study(tmp_path, content()))
        assert without.trials_by_key.keys() == given.trials_by_key.keys()

    def test_other_content_makes_other_trials(self, grokgrid: Grokgrid, tmp_path: Path):
        study = self.study(tmp_path)
        assert grokgrid("run", study, "--engine", "inline").exit_code == 0
        settled()
        before = read_study(study).trials_by_key.keys()
        np.savez(tmp_path / "own.npz", **content(y_test=1 - content()["y_test"]))
        assert before.isdisjoint(read_study(study).trials_by_key.keys())

    def test_content_that_changes_after_reading_the_study_is_refused(self, tmp_path: Path):
        study = pinned(read_study(self.study(tmp_path)))
        np.savez(tmp_path / "own.npz", **content(y_test=1 - content()["y_test"]))
        with pytest.raises(DataError, match="the configuration declares"):
            api.run(study, engine=InlineEngine)

    @pytest.mark.parametrize("command", ["plan", "run"])
    def test_a_file_that_is_not_there_is_named(self, command: str, grokgrid: Grokgrid, tmp_path: Path):
        study = self.study(tmp_path)
        (tmp_path / "own.npz").unlink()
        ran = grokgrid(command, study)
        assert ran.exit_code == 2 and str(tmp_path / "own.npz") in ran.stderr
