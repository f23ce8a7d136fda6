"""A page of several studies, made from what had been run."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grokgrid import api
from grokgrid.cli import app
from grokgrid.engine import InlineEngine
from search_spaces import Study, to_yaml

pytestmark = pytest.mark.usefixtures("ready_home")

DOCS = Path(__file__).parents[2] / "docs"

STUDY = {
    "name": "pictured",
    "question": "Does the larger rate | learn more?",
    "seeds": 3,
    "trial": {
        "data": {"name": "digits", "num_train": 100, "num_test": 50},
        "model": {"name": "mlp", "width": 8, "depth": 2},
        "loss": "cross_entropy",
        "optimiser": {"name": "adamw", "lr": 1e-3},
        "budget": {"epochs": 10},
    },
    "arms": {"slow": {}, "fast": {"optimiser": {"lr": 0.03}}},
    "analyses": [
        {
            "kind": "statement",
            "sentence": "the larger rate | learns more",
            "source": "nobody",
            "that": [
                {"statistic": "difference", "arm": "fast", "than": "slow", "metric": "train_accuracy", "above": 0}
            ],
        },
        {"kind": "panels", "panels": [{"metrics": ["train_accuracy"]}]},
    ],
}


def test_has_statements_pictures_costs_and_commands(tmp_path: Path) -> None:
    study = Study.model_validate(STUDY)
    report = api.run(study, engine=InlineEngine)
    files = api.gallery([study], tmp_path / "docs" / "gallery.md")
    assert files == (tmp_path / "docs" / "gallery.md", tmp_path / "docs" / "gallery" / "pictured" / "panels.svg")
    assert b"<svg" in files[1].read_bytes()
    lines = files[0].read_text().splitlines()
    overview = next(line for line in lines if line.startswith("| [pictured]"))
    assert overview.startswith("| [pictured](#pictured) | 1 agree | 3 | 6 trials, ")
    assert overview.endswith(" core-minutes | – | `grokgrid run pictured` |")
    (row,) = (line for line in lines if "“the larger rate" in line)
    # A bar would end the field.
    assert row.startswith(r"| “the larger rate \| learns more” | nobody | agree | 3/3 | train_accuracy of fast")
    statements = next(section for section in report.content.sections if section.title == "Statements")
    assert statements.tables[0].data["because"][0] in row
    assert "![Curves side by side](gallery/pictured/panels.svg)" in lines


def test_counts_a_trial_of_two_cells_once(tmp_path: Path) -> None:
    arms = {"slow": {}, "fast": {"grid": {"optimiser.lr": [1e-3, 0.03]}}}
    study = Study.model_validate(STUDY | {"arms": arms, "analyses": []})
    api.run(study, engine=InlineEngine)
    assert "| 6 trials, " in api.gallery([study], tmp_path / "gallery.md")[0].read_text()


def test_commands_name_the_study_as_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = Study.model_validate(STUDY)
    Path("mine.yaml").write_text(to_yaml(study))
    api.run(study, engine=InlineEngine)
    page = api.gallery(["mine.yaml"], Path("page.md"))[0].read_text()
    assert "`grokgrid gallery mine.yaml --out page.md`" in page and "`grokgrid run mine.yaml`" in page


def test_says_what_is_not_over(tmp_path: Path) -> None:
    study = Study.model_validate(STUDY)
    api.run(study.model_copy(update={"seeds": 1}), engine=InlineEngine)
    page = api.gallery([study], tmp_path / "gallery.md")[0].read_text()
    assert "; 4 of 6 not over" in page and "| 1 inconclusive |" in page and "4 trials missing" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "page.html"], "--out page.html: the page is Markdown; write page.md"),
        (["--out", "page.md"], "none of its 6 trials has been run yet"),
        (["study.yaml", "--out", "page.md"], "study.yaml: is named twice; name it once"),
        (["figur2", "--out", "page.md"], "figure2"),
    ],
)
def test_what_cannot_be_is_told(arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(to_yaml(Study.model_validate(STUDY)))
    result = CliRunner().invoke(app, ["gallery", "study.yaml", *arguments])
    assert result.exit_code == 2 and told in result.stderr
    assert not Path("page.md").exists() and not Path("page").exists()


@pytest.mark.slow
def test_the_page_of_the_docs_is_made_of_what_is_exported(tmp_path: Path) -> None:
    limits = [f"jntk-{each}" for each in ("gp", "limit", "constancy", "dynamics", "eigenvalue", "features")]
    studies = ("figure2", "figure3-small", "figure5-small", "figure6", *limits)
    for study in studies:
        api.import_trials(DOCS / "results" / study)
    files = api.gallery(studies, tmp_path / "gallery.md")
    page = (DOCS / "gallery.md").read_text()
    assert files[0].read_text() == page
    named = re.findall(r"\]\((gallery/[^)]+)\)", page)
    assert sorted(str(file.relative_to(tmp_path)) for file in files) == sorted(["gallery.md", *named])
    assert all((DOCS / each).is_file() for each in named)
