"""Odd names the whole way: values of a grid, settings, metrics and homes, with real trials and a real MLflow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from driver_studies import SMALL, study

from grokgrid import api, home
from grokgrid.engine import InlineEngine
from grokgrid.tracking import Tracking
from search_spaces import Study
from search_spaces.analyses import Acceleration, Measurements
from search_spaces.search import Range, Search
from trainables.names import MAX_KEY, alike

PLUGIN = """
def none(step, *, mode, **others):
    return 0.0 * step.outputs.sum()


def größe(evaluation, *, mode=0):
    return 1.0
"""

ODD = ["a:b", "a b", "a_b", "A_b", "", "..", "x" * 300, "1", 1, None]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    path = tmp_path / "my_plugins.py"
    path.write_text(PLUGIN)
    return path


def of_modes(plugins: Path, modes: list[Any], **settings: Any) -> Study:
    """An arm whose plugin does nothing, at each of these values of a setting."""
    plugin = {"name": f"{plugins}:none", **settings}
    return study(
        seeds=1,
        trial={
            "budget": {"steps": 11},
            "evaluate": {"every": 5},
            "goal": {"metric": "test_accuracy", "above": 0.05},
            "probes": [{"name": f"{plugins}:größe", "num_points": 5}],
        },
        arms={"baseline": {}, "Mine": {"regulariser": plugin, "grid": {"regulariser.mode": modes}}},
        analyses=[
            Acceleration(baseline="baseline"),
            Measurements(metrics=("test_accuracy", "max/train_größe"), baseline="baseline"),
        ],
    )


@pytest.mark.usefixtures("ready_home")
@pytest.mark.slow
def test_every_value_of_a_grid_has_its_own_metrics_and_rows(plugins: Path):
    odd = of_modes(plugins, ODD, **{"a setting/no one: would write": "\N{SNOWMAN}" * 9000})
    page = api.run(odd, engine=InlineEngine).path
    report = Tracking().last_report(odd.name)
    assert report is not None
    reached = {name: value for name, value in report.metrics.items() if name.startswith("reached/Mine/mode/")}
    assert len(reached) == len(ODD) and set(reached.values()) == {1.0}
    assert {"reached/Mine/mode/a_b", "reached/Mine/mode/1", "reached/baseline"} <= set(report.metrics)
    assert not alike(report.metrics) and max(map(len, report.metrics)) <= MAX_KEY
    table = report.table("measurements")
    assert set(table["cell"]) == {cell.name for cell in odd.cells}
    assert len(set(table["regulariser.mode"].dropna())) == len(ODD)
    assert page.read_text().count("Mine mode=") >= len(ODD)
    assert set(pd.read_parquet(page.with_name("trials.parquet"))["cell"]) == set(table["cell"])


def run_in(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("grokgrid")), *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GROKGRID_", "MLFLOW_"))}
    return subprocess.run(
        command, cwd=folder, env=clean | environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a?mode=ro", "a%20b", "50% of #é", "a b&c=d;e"])
def test_a_home_of_any_name_holds_everything(name: str, tmp_path: Path):
    place = tmp_path / name / "home"
    place.mkdir(parents=True)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    for verb in ("run", "report"):
        more = ["--engine", "inline"] if verb == "run" else []
        done = run_in(tmp_path, verb, "small.yaml", *more, GROKGRID_HOME=str(place))
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {name, "small.yaml"}
    assert {path.name for path in (tmp_path / name).iterdir()} == {"home"}
    assert {"mlflow.db", "artifacts", "reports", "storage"} <= {path.name for path in place.iterdir()}
    assert len(list((place / "artifacts" / "grokgrid-trials").rglob("curves.parquet"))) == 6


@pytest.mark.parametrize("name", ["mlflow.db", "a?b.db", "a%3Fb.db", "a b.db", "é#.db"])
def test_a_database_of_any_name_is_the_one_that_is_meant(
    name: str, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / name
    shutil.copyfile(empty_database, path)
    monkeypatch.setenv("GROKGRID_ARTIFACTS", str(tmp_path / "artifacts"))
    uri = home.sqlite_uri(path)
    assert home.sqlite_path(uri) == path
    Tracking(uri).connect()
    assert {each.name for each in tmp_path.iterdir()} == {name, "artifacts"}
    assert path.read_bytes().count(b"grokgrid-trials")


def test_a_percent_in_a_uri_is_read_as_sqlalchemy_reads_it(tmp_path: Path, empty_database: Path, monkeypatch):
    shutil.copyfile(empty_database, tmp_path / "a b.db")
    monkeypatch.setenv("GROKGRID_ARTIFACTS", str(tmp_path / "artifacts"))
    Tracking(f"sqlite:///{tmp_path}/a%20b.db").connect()
    assert {each.name for each in tmp_path.iterdir()} == {"a b.db", "artifacts"}


class TestASearch:
    @pytest.mark.slow
    @pytest.mark.usefixtures("ready_home")
    def test_of_settings_and_choices_of_any_name_comes_to_its_report(self, plugins: Path):
        mode, texts = {"choice": [1, "1", "a b", None]}, {"choice": [0.5, "x/y"]}
        settings = {"mode": mode, "a/b: c": {"uniform": {"from": 0, "to": 1}}, "a-b c": texts}
        searched = study(
            seeds=2,
            trial={"data": {**SMALL["trial"]["data"], "num_validation": 20}, "budget": {"steps": 11}, "goal": None},
            arms={"mine-1": {}, "mine": {"regulariser": {"name": f"{plugins}:none", "mode": 1}}},
            search={
                "arm": "mine",
                "baseline": "mine-1",
                "settings": {f"regulariser.{name}": spread for name, spread in settings.items()},
                "objectives": ["validation_accuracy", "validation_loss"],
                "seeds": 2,
                "budget": {"candidates": 4},
            },
        )
        report = api.optimise(searched, engine=InlineEngine)
        slices = {path.name for path in report.path.parent.glob("search-slice-*.svg")}
        assert len(slices) == 3 * 2
        table = pd.read_parquet(report.path.with_name("search.parquet"))
        assert set(table["regulariser.mode"]) <= {"1", "'1'", "'a b'", "None"}

    def test_arms_made_for_the_best_are_no_arm_that_is_there(self):
        from grokgrid.search.searching import claim_study

        strength = {"regulariser.strength": Range.model_validate({"uniform": {"from": 0.1, "to": 1.0}})}
        search = Search(arm="a" * 40, baseline="a-1", settings=strength, seeds=3)
        arms: dict[str, Any] = {"a-1": {}, "a" * 40: {"regulariser": {"name": "jacobian", "strength": 0.1}}}
        for arm in ("a" * 40, "a"):
            those = {"a-1": {}, arm: arms["a" * 40]}
            searched = study(arms=those, search=search.model_copy(update={"arm": arm}).model_dump())
            best = [searched.candidate({"regulariser.strength": value}) for value in (0.1, 0.2)]
            claim = claim_study(searched, best)
            assert len(claim.arms) == 3 and len({cell.key_of(0) for cell in claim.cells}) == 3
