"""A kind of analysis is two files of one name: placed in their folders they work from YAML to the report."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic_results import synthetic_results, synthetic_study

from grokgrid.analyses import Report, make_report
from grokgrid.analyses.drawing import BASELINE, colours
from grokgrid.results import State
from search_spaces import Study, narrow, read_study, to_yaml
from search_spaces.analyses import Analysis
from trainables.validation import ValidationErrors

SETTINGS = """
from typing import ClassVar, Literal

from search_spaces.analyses.base import Analysis
from trainables.validation import Problem, nearest


class Spread(Analysis):
    '''How far apart the means of a metric are where training ended.'''

    accounts_for_trials: ClassVar[bool] = True

    kind: Literal["spread"] = "spread"
    metric: str
    grey: str = "baseline"

    @classmethod
    def problems(cls, content, study):
        metric = content.get("metric")
        if isinstance(metric, str) and study.measured and metric not in study.metrics:
            yield Problem(("metric",), f"{metric!r} is not measured; {nearest(metric, study.metrics)}")

    @property
    def metrics_named(self):
        return (self.metric,)

    @property
    def grey_arm(self):
        return self.grey

    def among(self, kept, arms):
        return self if self.grey in kept else None

    def is_in_headline(self, analyses, *, has_goal):
        return self is analyses[0]
"""
SECTION = """
import pandas as pd

from grokgrid.analyses.ends import end_values
from grokgrid.analyses.parts import Column, Section, Table


def section(results, analysis, name):
    means = [end_values(results, cell, analysis.metric).mean() for cell in results.study.cells]
    spread = max(means) - min(means)
    table = Table(name, "Spread", pd.DataFrame({"spread": [spread]}), (Column("spread", (f"{spread:.2f}",)),))
    sentence = f"The means of {analysis.metric} are {spread:.2f} apart"
    return Section("Spread", (table,), metrics={f"{name}/spread": spread}, sentence=sentence)
"""
SPREAD = {"kind": "spread", "metric": "train_accuracy"}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """One for settings and one for sections; both are searched for kinds of analyses."""
    found = tmp_path / "settings", tmp_path / "sections"
    before = set(sys.modules)
    for folder, package in zip(found, ("search_spaces.analyses", "grokgrid.analyses"), strict=True):
        folder.mkdir()
        module = importlib.import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
    (found[0] / "spread.py").write_text(SETTINGS)
    (found[1] / "spread.py").write_text(SECTION)
    yield found
    for name in set(sys.modules) - before:
        package, _, module_name = name.rpartition(".")
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            delattr(sys.modules[package], module_name)
            del sys.modules[name]


def from_yaml(tmp_path: Path, *analyses: dict[str, Any], **changes: Any) -> Study:
    file = tmp_path / "study.yaml"
    content = synthetic_study(**changes).model_copy(update={"analyses": ()})
    listed = "\n".join(f"- {analysis}" for analysis in analyses)
    file.write_text(to_yaml(content).replace("analyses: []", f"analyses:\n{listed}"))
    return read_study(file)


def reported(study: Study) -> Report:
    ended = {
        "baseline": [(State.CENSORED, 991), (State.CENSORED, 501)],
        "jacobian": [(State.CENSORED, 991), State.MISSING],
    }
    return make_report(synthetic_results(study, ended))


class TestTwoFiles:
    def test_make_a_kind_that_works_from_yaml_to_the_report(self, folders: tuple[Path, Path], tmp_path: Path):
        study = from_yaml(tmp_path, SPREAD, SPREAD | {"metric": "test_accuracy"}, {"kind": "curves"}, seeds=2)
        assert [analysis.kind for analysis in study.analyses] == ["spread", "spread", "curves"]
        found = reported(study)
        assert [section.title for section in found.sections][:2] == ["Spread", "Spread"]
        assert {"spread", "spread-2"} <= set(found.tables) and {"spread/spread", "spread-2/spread"} <= set(
            found.metrics
        )
        spread = found.tables["spread"]["spread"].item()
        assert f"The means of train_accuracy are {spread:.2f} apart" in found.headline
        assert "The means of test_accuracy" not in found.headline

    def test_have_every_setting_written_and_read_again(self, folders: tuple[Path, Path], tmp_path: Path):
        study = from_yaml(tmp_path, SPREAD | {"grey": "jacobian"})
        copy = tmp_path / "copy.yaml"
        copy.write_text(to_yaml(study))
        assert "grey: jacobian" in copy.read_text() and read_study(copy) == study

    def test_say_what_is_wrong_where_other_fields_are_wrong_too(self, folders: tuple[Path, Path], tmp_path: Path):
        with pytest.raises(ValidationErrors) as raised:
            from_yaml(tmp_path, {"kind": "spread", "metric": "test_acuracy", "colour": "red"}, {"kind": "spred"})
        said = str(raised.value)
        assert "analyses.0.metric: 'test_acuracy' is not measured; did you mean 'test_accuracy'?" in said
        assert "analyses.0.colour: is not a setting here; Allowed: kind, metric, grey" in said
        assert "analyses.1: 'spred' is not known; did you mean 'spread'? Allowed: acceleration, " in said

    def test_say_what_is_left_where_only_some_arms_remain(self, folders: tuple[Path, Path], tmp_path: Path):
        study = from_yaml(tmp_path, SPREAD, SPREAD | {"grey": "jacobian"})
        assert narrow(study, arms=["jacobian"]).analyses == study.analyses[1:]

    def test_say_which_arm_is_grey(self, folders: tuple[Path, Path], tmp_path: Path):
        study = from_yaml(tmp_path, SPREAD | {"grey": "jacobian"})
        assert [cell for cell, colour in colours(study).items() if colour == BASELINE] == ["jacobian"]

    def test_say_whether_they_account_for_trials(self, folders: tuple[Path, Path], tmp_path: Path):
        assert not reported(from_yaml(tmp_path, SPREAD, seeds=2)).notes
        assert any("missing" in note for note in reported(from_yaml(tmp_path, {"kind": "curves"}, seeds=2)).notes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_like_it\n", "cannot be imported: spread.py, line 1: ModuleNotFoundError"),
        ("x = 1\n", "holds no component of analyses"),
        (SETTINGS.replace('"spread"', '"spared"'), "analyses.0.kind: 'spread' is not allowed"),
    ],
    ids=["a library", "empty", "another name"],
)
def test_a_wrong_file_is_explained(folders: tuple[Path, Path], tmp_path: Path, text: str, reason: str):
    (folders[0] / "spread.py").write_text(text)
    with pytest.raises(ValidationErrors) as raised:
        from_yaml(tmp_path, SPREAD)
    assert reason in str(raised.value)


def test_helpers_are_no_kinds():
    assert "curves" in Analysis.kinds()
    assert not {"base", "__init__", "_checks", "_picture"} & set(Analysis.kinds())
