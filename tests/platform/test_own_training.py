"""Studies of users' own training functions: the documentation's, and what the rest of grokgrid makes of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from driver_studies import drive, results

from grokgrid import api
from grokgrid.engine import InlineEngine
from grokgrid.tracking import Tracking
from search_spaces import Study, digest, read_study
from trainables.validation import ValidationErrors

pytestmark = pytest.mark.usefixtures("ready_home")
PAGE = Path(__file__).parents[2] / "docs" / "own-training.md"

TRAINING = """
def train(*, lr, seed, state=None):
    value, step = (state['value'], state['step']) if state else (0.0, 0)
    while True:
        step += 1
        value += lr * (1 + seed / 10) * (1 - value)
        yield step, {"accuracy": value, "loss": 1 - value}, {"value": value, "step": step}


def failing(*, lr):
    yield 1, {"loss": lr}
    raise RuntimeError("too small")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "my_training.py"
    file.write_text(TRAINING)
    return file


def study(file: Path, **changes: Any) -> Study:
    content = {
        "name": "mine",
        "question": "Is it sooner?",
        "seeds": 5,
        "trial": {
            "procedure": {"name": f"{file}:train", "lr": 0.05},
            "budget": {"steps": 200},
            "goal": {"metric": "accuracy", "above": 0.9},
        },
        "arms": {"slow": {}, "fast": {"procedure": {"lr": 0.1}}, "grid": {"grid": {"procedure.lr": [0.02, 0.2]}}},
        "analyses": [
            {"kind": "acceleration", "baseline": "slow"},
            {"kind": "curves", "metrics": ["accuracy"]},
            {"kind": "lambda_curve", "arm": "grid", "baseline": "slow", "metrics": ["steps"]},
        ],
    }
    return Study.model_validate(content | changes)


def steps_to_the_goal(lr: float, seed: int) -> int:
    """1 - (1 - lr (1 + seed / 10))^n > 0.9."""
    rest, steps = 1.0, 0
    while not 1 - rest > 0.9:
        rest, steps = rest * (1 - lr * (1 + seed / 10)), steps + 1
    return steps


@pytest.mark.slow
def test_an_answer_to_a_question_about_it(file: Path):
    mine = study(file)
    report = api.run(mine, engine=InlineEngine)
    trials = results(mine).trials
    assert list(trials["state"]) == ["reached"] * 20
    of = {"slow": 0.05, "fast": 0.1, "grid lr=0.02": 0.02, "grid lr=0.2": 0.2}
    for row in trials.itertuples():
        assert abs(row.steps - steps_to_the_goal(of[row.cell], row.seed)) <= 1  # The last digit of a sum may differ.
    assert (
        "fast reaches accuracy > 0.9 in" in report.content.headline
        and "times fewer steps than slow" in report.content.headline
    )
    drive(mine)
    assert list(results(mine).trials["run_id"]) == list(trials["run_id"]), "nothing runs twice"


def test_more_of_the_budget_goes_on_where_it_was(file: Path):
    without = {"name": "mine", "analyses": [], "arms": {"slow": {}}, "seeds": 2}
    trial = {"procedure": {"name": f"{file}:train", "lr": 0.05}}
    drive(study(file, **without, trial=trial | {"budget": {"steps": 10}}))
    longer = study(file, **without, trial=trial | {"budget": {"steps": 25}})
    drive(longer)
    found = results(longer)
    assert list(found.trials["steps"]) == [25, 25] and set(found.trials["state"]) == {"finished"}
    assert all(len(curve) == 25 for _, curve in found.curves.groupby("key", observed=True))


def test_its_failure_names_file_and_line(file: Path):
    mine = study(file, arms={"a": {"procedure": {"name": f"{file}:failing", "lr": 0.1}}}, analyses=[], seeds=1)
    (key,) = drive(mine).failed
    log = Tracking().failure_log(Tracking().find([key])[key])
    assert 'my_training.py", line 12, in failing' in log and "RuntimeError: too small" in log
    (row,) = results(mine).trials.itertuples()
    assert (row.state, row.reason) == ("failed", "my_training.py, line 12: RuntimeError: too small")


@pytest.mark.slow
def test_a_search_over_its_settings(file: Path):
    search = {
        "arm": "fast",
        "baseline": "slow",
        "settings": {"procedure.lr": {"log_uniform": {"from": 0.01, "to": 0.3}}},
        "budget": {"candidates": 4},
        "seeds": [100, 101, 102],
    }
    mine = study(
        file, search=search, arms={"slow": {}, "fast": {}}, analyses=[{"kind": "acceleration", "baseline": "slow"}]
    )
    report = api.optimise(mine, engine=InlineEngine)
    assert "the search chose fast at lr" in report.content.headline


@pytest.mark.slow
@pytest.mark.ray
def test_under_ray(file: Path):
    mine = study(file, seeds=2, analyses=[], arms={"slow": {}})
    api.run(mine)
    assert list(results(mine).trials["state"]) == ["reached"] * 2


def test_a_study_lies_beside_the_files_that_it_names(tmp_path: Path):
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "my_training.py").write_text(
        "from pathlib import Path\n\n\ndef train():\n"
        "    yield 1, {'loss': float(Path(__file__).with_name('table.csv').read_text())}\n"
    )
    (folder / "table.csv").write_text("7")
    content = yaml.safe_load(
        "{name: there, question: Does it, seeds: 1, trial: {procedure: {name: "
        "'my_training.py:train', files: [table.csv]},"
        " budget: {steps: 1}}, arms: {a: {}}}"
    )
    (folder / "s.yaml").write_text(yaml.safe_dump(content))
    mine = read_study(folder / "s.yaml")
    api.run(mine, engine=InlineEngine)
    assert list(results(mine).trials["final/loss"]) == [7.0]
    before = digest(mine)
    (folder / "table.csv").write_text("8")
    after = read_study(folder / "s.yaml")
    assert digest(after) != before and list(results(after).trials["state"]) == ["missing"]


def test_plan_refuses_a_function_that_fails_at_its_first_evaluation(file: Path):
    file.write_text("def train(lr):\n    yield 1, {'loss': 1 / 0}\n")
    with pytest.raises(ValidationErrors, match="it fails before its first evaluation: my_training.py, line 2: Zero"):
        api.plan(study(file))


def test_the_programs_of_the_page_add_few_lines():
    programs = [text.split("```")[0] for text in PAGE.read_text().split("```python\n")[1:]]
    assert len(programs) == 3 and all(len(program.splitlines()) < 30 for program in programs)
    assert Tracking().last_report("none") is None
