"""Assessments of trained networks: what a study asks for is made of the networks that its trials have left."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml
from driver_studies import Grokgrid, results

from grokgrid import api
from grokgrid.assessments import Stage
from grokgrid.engine import InlineEngine
from grokgrid.results import Results
from grokgrid.tracking import Tracking
from search_spaces import Study, to_yaml

pytestmark = pytest.mark.usefixtures("ready_home")

ACCURACY = {"name": "accuracy", "label": "again", "batch_size": 100}
"""On the same examples as the trial's own probe: the two must agree."""


def study(*assessments: dict[str, Any], trial: dict[str, Any] | None = None, **changes: Any) -> Study:
    content: dict[str, Any] = {
        "name": "assessed",
        "question": "What can the networks do?",
        "seeds": 2,
        "trial": {
            "data": {"name": "digits", "num_train": 200},
            "model": {"name": "mlp", "width": 8, "depth": 2},
            "loss": "cross_entropy",
            "optimiser": {"name": "adamw", "lr": 0.01},
            "budget": {"epochs": 20},
            **(trial or {}),
        },
        "arms": {"baseline": {}, "jacobian": {"regulariser": {"name": "jacobian", "strength": 0.01}}},
        "assessments": list(assessments),
    }
    return Study.model_validate(content | changes)


def run(asked: Study, **how: Any) -> Results:
    return api.run(asked, engine=InlineEngine, **how).results


def stages(found: Results) -> list[str]:
    assert found.assessments is not None
    return [Stage(stage).value for stage in found.assessments["stage"]]


def test_what_is_assessed_is_the_network_where_training_ended() -> None:
    found = run(study(ACCURACY))
    assert stages(found) == ["done"] * 4 and found.is_complete
    assert list(found.trials["final/again_accuracy"]) == list(found.trials["final/test_accuracy"])


def test_assessments_are_made_of_trials_that_ended_long_ago() -> None:
    run(study())
    before = results(study()).trials["run_id"]
    found = run(study(ACCURACY))
    assert stages(found) == ["done"] * 4
    assert list(found.trials["run_id"]) == list(before), "nothing was trained again"
    assert list(run(study(ACCURACY)).assessments["run_id"]) == list(found.assessments["run_id"])  # type: ignore[index]


def test_another_study_of_the_same_trials_finds_the_assessments_made() -> None:
    first = run(study(ACCURACY))
    other = run(study({**ACCURACY, "label": "other", "batch_size": 7}, name="another"))
    assert first.assessments is not None and other.assessments is not None
    assert list(other.assessments["run_id"]) == list(first.assessments["run_id"])
    assert list(other.trials["final/other_accuracy"]) == list(first.trials["final/again_accuracy"])


def test_examples_of_a_seed_are_shared_by_all_arms_and_differ_between_seeds() -> None:
    found = run(study({**ACCURACY, "num_examples": 50}))
    tracking = Tracking()
    chosen = {}
    for row in found.assessments.to_dict("records"):  # type: ignore[union-attr]
        folder = Path(row["run_id"])
        tracking.copy_tables(tracking.find([row["key"]])[row["key"]], folder)
        import pandas

        table = pandas.read_parquet(folder / "examples.parquet")
        shutil.rmtree(folder)
        assert len(table) == 50 and table["is_right"].mean() == row["accuracy"]
        chosen[row["arm"], row["seed"]] = tuple(table["example"])
    assert chosen["baseline", 0] == chosen["jacobian", 0] != chosen["baseline", 1] == chosen["jacobian", 1]


class TestNetworksThatWereNotKept:
    def test_would_have_to_be_trained_again(self, grokgrid: Grokgrid, tmp_path: Path) -> None:
        without = study(keep_checkpoints=False)
        run(without)
        found = run(study(ACCURACY))
        assert stages(found) == ["no network"] * 4 and not found.is_complete
        assert "would have to be trained again" in str(found.assessments["why"][0])  # type: ignore[index]
        assert found.trials["final/again_accuracy"].isna().all()

    def test_are_trained_again_if_asked(self) -> None:
        before = run(study(keep_checkpoints=False))
        found = run(study(ACCURACY), train_again=True)
        assert stages(found) == ["done"] * 4
        assert not set(found.trials["run_id"]) & set(before.trials["run_id"])
        assert list(found.trials["final/again_accuracy"]) == list(before.trials["final/test_accuracy"])

    def test_a_trial_that_went_on_is_assessed_where_the_study_ended_it(self) -> None:
        short = study(ACCURACY)
        longer = run(study(trial={"budget": {"epochs": 30}}, name="longer"))
        found = run(short)
        assert stages(found) == ["no network"] * 4
        assert "the trial went on to step 30, and its network after step 20 was not kept" in str(
            found.assessments["why"][0]  # type: ignore[index]
        )
        again = run(short, train_again=True)
        assert stages(again) == ["done"] * 4
        assert list(again.trials["final/again_accuracy"]) == list(again.trials["final/test_accuracy"])
        # The longer study has lost nothing by it.
        assert list(results(longer.study).trials["final/test_accuracy"]) == list(longer.trials["final/test_accuracy"])


def test_networks_that_were_kept_on_the_way_are_each_assessed() -> None:
    kept = {**ACCURACY, "network": "kept"}
    found = run(study(kept, trial={"keep": {"at": [5, 10]}}, seeds=1))
    assert found.assessments is not None
    assert [(row.arm, row.step) for row in found.assessments.itertuples()] == [
        (arm, step) for arm in ("baseline", "jacobian") for step in (5, 10, 20)
    ]
    curves = found.curves.set_index(["arm", "steps"])["test_accuracy"]
    for row in found.assessments.to_dict("records"):
        assert row["accuracy"] == curves[row["arm"], row["step"]]


def test_a_network_that_diverged_is_not_assessed() -> None:
    diverging = {"optimiser": {"name": "sgd", "lr": 1e30}}
    found = run(study(ACCURACY, arms={"baseline": {}, "wild": diverging}, seeds=1))
    assert stages(found) == ["done", "diverged"] and found.is_complete


def test_an_assessment_that_fails_is_stated_and_leaves_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def broken(at):\n    raise RuntimeError('no such luck')\n")
    wrong = {"name": f"{tmp_path / 'mine.py'}:broken"}
    report = api.run(study(ACCURACY, wrong, seeds=1), engine=InlineEngine)
    assert stages(report.results) == ["done", "failed"] * 2
    (note,) = [note for note in report.content.notes if "broken" in note]
    assert "failed (baseline seed 0; jacobian seed 0)" in note and "no such luck" in note


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "mine.py:share", "j": 3}, "assessments.0.j: is not a setting of share"),
        ({"name": "mine.py:nothing"}, "nothing"),
        ({"name": "mine.py:shere"}, "shere"),
    ],
)
def test_a_plugin_that_cannot_be_called_is_told_before_anything_starts(
    settings: dict[str, Any], expected: str, tmp_path: Path, grokgrid: Grokgrid
) -> None:
    (tmp_path / "mine.py").write_text(
        "def share(at, *, k=1):\n    return {'a': at.y * k}\n\n\ndef nothing():\n    pass\n"
    )
    content = study().model_dump(mode="json", exclude={"analyses", "assessments"}, exclude_defaults=True)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content | {"assessments": [settings]}))
    told = grokgrid("plan", tmp_path / "study.yaml")
    assert told.exit_code == 2 and expected in " ".join(told.stderr.split())


def test_what_gives_no_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def odd(at):\n    return {'a': at.y * float('nan')}\n")
    report = api.run(study({"name": f"{tmp_path / 'mine.py'}:odd"}, seeds=1), engine=InlineEngine)
    assert stages(report.results) == ["done"] * 2
    assert "odd gave no number of 2 networks (baseline seed 0; jacobian seed 0)." in report.content.notes


class TestDataOfOnesOwn:
    """What only the data tells is checked before anything starts, too."""

    CASES: ClassVar = {
        "another shape": ((5,), np.uint8, 10, "have the shape (5,), the network takes"),
        "more classes": ((64,), np.uint8, 12, "has 12 classes, the network 10"),
        "no pixels": ((64,), np.float32, 10, "give uint8, which becomes pixels"),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_that_does_not_fit_the_network(self, case: str, tmp_path: Path, grokgrid: Grokgrid) -> None:
        shape, dtype, num_classes, expected = self.CASES[case]
        rng = np.random.default_rng(0)
        shape = (1, 8, 8) if shape == (64,) else shape
        arrays = {f"x_{part}": (255 * rng.random((48, *shape))).astype(dtype) for part in ("train", "test")}
        arrays |= {f"y_{part}": np.arange(48) % num_classes for part in ("train", "test")}
        np.savez(tmp_path / "own.npz", **arrays)
        elsewhere = {"name": "accuracy", "label": "elsewhere", "on": {"name": "npz", "path": "own.npz"}}
        content = study(ACCURACY).model_dump(mode="json", exclude={"analyses", "assessments"}, exclude_defaults=True)
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(content | {"assessments": [elsewhere]}))
        told = grokgrid("plan", tmp_path / "study.yaml")
        assert told.exit_code == 2 and expected in " ".join(told.stderr.split())


class TestMlflow:
    """What people find in MLflow's own pages."""

    def test_runs_have_names_that_people_can_read_and_tags_to_group_by(self) -> None:
        arms = {"jacobian": {"grid": {"regulariser.strength": [0.01]}}}
        asked = study(ACCURACY, arms=arms, trial={"regulariser": {"name": "jacobian"}}, seeds=[3])
        run(asked)
        names = {run.data.tags["mlflow.runName"]: run for run in _runs()}
        trial, assessed = names["jacobian strength=0.01 seed 3"], names["jacobian strength=0.01 seed 3 again"]
        assert trial.info.run_name == "jacobian strength=0.01 seed 3"
        for each, work in ((trial, "trial"), (assessed, "again")):
            tags = each.data.tags
            assert (tags["grokgrid.arm"], tags["grokgrid.cell"]) == ("jacobian", "jacobian strength=0.01")
            assert (tags["grokgrid.seed"], tags["grokgrid.work"]) == ("3", work)
            assert tags["grokgrid.study.assessed"] == each.info.run_name
        assert assessed.data.params["step"] == "20" and assessed.data.params["assessment.name"] == "accuracy"

    def test_a_run_is_tagged_with_every_study_that_asked_for_it(self) -> None:
        run(study(seeds=1))
        run(study(name="another", seeds=1, arms={"plain": {}}))
        tags = {run.info.run_name: run.data.tags for run in _runs()}
        assert tags["baseline seed 0"]["grokgrid.study.another"] == "plain seed 0"
        assert "grokgrid.study.another" not in tags["jacobian seed 0"]

    def test_a_studys_run_has_its_question_and_its_headline(self) -> None:
        report = api.run(study(seeds=1), engine=InlineEngine)
        (told,) = [run.data.tags for run in _runs("assessed")]
        assert told["mlflow.note.content"] == "What can the networks do?"
        assert told["grokgrid.headline"] == report.content.headline


def _runs(experiment: str = "grokgrid-trials") -> list[Any]:
    from mlflow.tracking import MlflowClient

    from grokgrid import home

    client = MlflowClient(home.tracking_uri())
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def test_an_export_takes_assessments_along(
    ready_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path
) -> None:
    asked = study(ACCURACY)
    before = run(asked)
    assert api.export(asked, tmp_path / "export") == 4
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copyfile(empty_database, elsewhere / "mlflow.db")
    monkeypatch.setenv("GROKGRID_HOME", str(elsewhere))
    api.import_trials(tmp_path / "export")
    found = results(asked)
    assert stages(found) == ["done"] * 4
    assert list(found.trials["final/again_accuracy"]) == list(before.trials["final/again_accuracy"])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"assessments": [{"name": "acuracy"}]}, "assessments.0: 'acuracy' is not known; did you mean 'accuracy'?"),
    ({"assessments": [ACCURACY, ACCURACY]}, "assessments.1.label: 'again' is assessment 0 too"),
    ({"assessments": [{"name": "accuracy", "label": "test"}]}, "test_accuracy is measured by the trials, too"),
    ({"assessments": [{**ACCURACY, "network": "kept"}]}, "give trial.keep"),
    ({"assessments": [{**ACCURACY, "on": "validation"}]}, "give data.num_validation"),
    ({"assessments": [{**ACCURACY, "on": "mnist"}]}, "has examples of shape"),
    ({"assessments": [{**ACCURACY, "on": "tset"}]}, "'tset' is not known; did you mean 'test'?"),
    ({"assessments": [{**ACCURACY, "num_examples": 1000}]}, "1,000 is more than the 797 that there are"),
    ({"assessments": [ACCURACY], "keep_checkpoints": False}, "keep_checkpoints: false does not record"),
    (
        {"assessments": [ACCURACY], "analyses": [{"kind": "measurements", "metrics": ["agian_accuracy"]}]},
        "'agian_accuracy' is not measured; did you mean 'again_accuracy'?",
    ),
    ({"assessments": [{"name": "pgd", "sizes": [8]}]}, "8 is not allowed: pixels lie in [0, 1]"),
    (
        {"assessments": [{"name": "autoattack", "sizes": [0.1], "version": "standard", "parts": ["square"]}]},
        "parts: is given beside version",
    ),
    (
        {"assessments": [ACCURACY], "analyses": [{"kind": "measurements", "metrics": ["max/again_accuracy"]}]},
        "has no extremes over it; write again_accuracy",
    ),
    (
        {"assessments": [ACCURACY], "analyses": [{"kind": "measurements", "metrics": ["first/again_accuracy"]}]},
        "has no first evaluation; write again_accuracy",
    ),
]


@pytest.mark.parametrize(("changes", "expected"), WRONG, ids=[expected for _, expected in WRONG])
def test_mistakes_are_told_before_anything_starts(
    changes: dict[str, Any], expected: str, grokgrid: Grokgrid, tmp_path: Path
) -> None:
    content = study().model_dump(mode="json", exclude={"analyses", "assessments"}, exclude_defaults=True) | changes
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    told = grokgrid("plan", tmp_path / "study.yaml")
    assert told.exit_code == 2 and expected in " ".join(told.stderr.split())


def test_the_plan_counts_assessments(grokgrid: Grokgrid, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(to_yaml(study(ACCURACY, seeds=1)))
    assert "Assessment again: 2 not trained yet" in grokgrid("plan", tmp_path / "study.yaml").stdout
    run(study(seeds=1))
    assert "Assessment again: 2 to do" in grokgrid("plan", tmp_path / "study.yaml").stdout


@pytest.mark.slow
def test_a_driver_that_is_killed_in_the_midst_of_an_assessment_loses_nothing(
    ready_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path
) -> None:
    slow = {"name": "pgd", "sizes": [0.05, 0.1], "steps": 100, "batch_size": 2, "num_examples": 400}
    asked = study(slow, seeds=1, arms={"baseline": {}})
    (tmp_path / "study.yaml").write_text(to_yaml(asked))
    storage = ready_home / "storage" / "trials"
    command = [sys.executable, "-m", "grokgrid", "run", str(tmp_path / "study.yaml"), "--engine", "inline"]
    running = subprocess.Popen([*command, "--checkpoint-every", "0"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not _is_half_assessed(storage):
        assert running.poll() is None and time.monotonic() < deadline, "it was not caught in its midst"
        time.sleep(0.01)
    running.kill()
    running.wait()
    assert stages(results(asked)) == ["to do"]
    continued = run(asked)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copyfile(empty_database, elsewhere / "mlflow.db")
    monkeypatch.setenv("GROKGRID_HOME", str(elsewhere))
    undisturbed = run(asked)
    metrics = [f"final/pgd_{metric}" for metric in asked.assessments[0].metrics]
    assert continued.trials[metrics].equals(undisturbed.trials[metrics])


def _is_half_assessed(storage: Path) -> bool:
    """Whether an assessment has a snapshot of some examples, and is not over."""
    snapshots = [path for path in storage.glob("*/at-*") if (path.parent / "networks").exists()]
    return any(10 <= int(path.name[3:12]) < 300 for path in snapshots)
