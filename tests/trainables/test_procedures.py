"""Users' own training functions as trials: continued, ended, refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny_trials import assert_same_bits

from trainables.plugins.rehearsal import check_plugins, rehearse_plugins
from trainables.records import End, Evaluation, Snapshot, WorkFolder
from trainables.run import WorkRun
from trainables.saved_state import NotSavable, from_tensors, to_tensors
from trainables.trial import Trial
from trainables.validation import ValidationErrors

FUNCTIONS = """
import random
import torch


def counting(*, lr, seed, state=None):
    '''Ten evaluations, of a walk that depends on the seed, the step and the global generators.'''
    state = {"w": torch.zeros(2), "deep": {"n": 0, "seen": [], 3: (1, None)}} if state is None else state
    w, deep = state["w"], state["deep"]
    while deep["n"] < 100:
        deep["n"] += 10
        w += lr * torch.randn(2) + random.random() + seed
        deep["seen"].append(float(w[0]))
        yield deep["n"], {"size": w.norm(), "first": w[0].item()}, state


def reported(report, *, lr, seed, state=None):
    for step, metrics, state in counting(lr=lr, seed=seed, state=state):
        report(step, metrics, state)


def without_state(*, lr, seed):
    for step, metrics, _ in counting(lr=lr, seed=seed):
        yield step, metrics


def two(*, seed):
    yield 1, {"loss": 2.0}
    yield 2, {"loss": 1.0}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "my_training.py"
    file.write_text(FUNCTIONS)
    return file


def trial(file: Path, name: str, *, steps: int = 100, **settings: Any) -> Trial:
    config = {"procedure": {"name": f"{file}:{name}", **settings}, "budget": {"steps": steps}}
    return Trial.model_validate({"config": config, "seed": 3})


def run(trial: Trial, root: Path) -> list[Evaluation]:
    return [each for each in WorkRun(trial, WorkFolder(root, trial.key)) if isinstance(each, Evaluation)]


def run_for(trial: Trial, root: Path, evaluations: int) -> None:
    running = WorkRun(trial, WorkFolder(root, trial.key))
    for _ in range(evaluations):
        next(running)
    running.close()


def latest(trial: Trial, root: Path) -> Snapshot:
    found = WorkFolder(root, trial.key).latest()
    assert found is not None
    return found


def curves(trial: Trial, root: Path) -> list[list[str]]:
    rows = [row.split(",") for row in latest(trial, root).curves_path.read_text().splitlines()]
    return [[cell for index, cell in enumerate(row) if index != 2] for row in rows]


@pytest.mark.parametrize("name", ["counting", "reported"])
def test_one_that_gives_its_state_is_continued_bit_for_bit(name: str, file: Path, tmp_path: Path):
    mine = trial(file, name, lr=0.1)
    whole = run(mine, tmp_path / "whole")
    assert [each.steps for each in whole] == list(range(10, 101, 10))
    run_for(mine, tmp_path / "parts", 2)
    run_for(mine, tmp_path / "parts", 3)
    assert latest(mine, tmp_path / "parts").summary().steps == 50
    run(mine, tmp_path / "parts")
    assert curves(mine, tmp_path / "parts") == curves(mine, tmp_path / "whole")
    assert len(latest(mine, tmp_path / "parts").summary().segments) == 3


def test_both_forms_give_the_same(file: Path, tmp_path: Path):
    both = [trial(file, name, lr=0.1) for name in ("counting", "reported")]
    assert both[0].key != both[1].key
    values = [[each.values for each in run(one, tmp_path)] for one in both]
    assert values[0] == values[1]


def test_one_without_state_starts_anew_and_its_cost_is_kept(file: Path, tmp_path: Path):
    mine = trial(file, "without_state", lr=0.1)
    run(mine, tmp_path / "whole")
    run_for(mine, tmp_path / "parts", 4)
    stopped = latest(mine, tmp_path / "parts").summary()
    assert (stopped.steps, stopped.last) == (0, {}) and stopped.wall_seconds > 0
    assert [each.steps for each in run(mine, tmp_path / "parts")] == list(range(10, 101, 10))
    assert curves(mine, tmp_path / "parts") == curves(mine, tmp_path / "whole")
    ended = latest(mine, tmp_path / "parts").summary()
    assert ended.wall_seconds > stopped.wall_seconds and len(ended.segments) == 2


def test_one_that_forgets_its_state_is_refused_when_it_is_continued(file: Path, tmp_path: Path):
    file.write_text(FUNCTIONS + "\n\ndef forgetful(*, seed, state=None):\n    yield from counting(lr=0.1, seed=seed)\n")
    mine = trial(file, "forgetful")
    run_for(mine, tmp_path, 2)
    with pytest.raises(ValidationErrors, match="gave step 10 after step 20: steps must grow, from"):
        run(mine, tmp_path)


def test_what_lies_beyond_the_budget_does_not_count_until_more_is_asked(file: Path, tmp_path: Path):
    short, long = trial(file, "counting", lr=0.1, steps=45), trial(file, "counting", lr=0.1)
    assert short.key == long.key
    assert [each.steps for each in run(short, tmp_path / "parts")] == [10, 20, 30, 40]
    summary = latest(short, tmp_path / "parts").summary()
    assert (summary.end, summary.steps, summary.next_evaluation) == (End.BUDGET, 40, 50.0)
    run(long, tmp_path / "parts")
    run(long, tmp_path / "whole")
    assert curves(long, tmp_path / "parts") == curves(long, tmp_path / "whole")


def test_one_that_returns_is_over_whatever_the_budget(file: Path, tmp_path: Path):
    mine = trial(file, "two")
    assert len(run(mine, tmp_path)) == 2
    assert latest(mine, tmp_path).summary().end is End.BUDGET
    assert run(trial(file, "two", steps=10_000), tmp_path) == []


def test_its_settings_its_source_and_the_files_that_it_reads_are_in_the_key(file: Path, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("1")
    keys = [trial(file, "counting", lr=0.1).key, trial(file, "counting", lr=0.2).key]
    keys += [trial(file, "counting", lr=0.1, files=[str(table)]).key]
    before = trial(file, "counting", lr=0.1, files=[str(table)])
    table.write_text("2")
    keys += [trial(file, "counting", lr=0.1, files=[str(table)]).key]
    with pytest.raises(ValidationErrors, match=r"table\.csv has changed since the trial was planned"):
        run(before, tmp_path)
    file.write_text(FUNCTIONS + "# edited\n")
    keys += [trial(file, "counting", lr=0.1).key]
    assert len(set(keys)) == 5


WRONG = {
    "no tuple": ("yield 3", "should give (step, metrics) or (step, metrics, state), it gave 3"),
    "a step that is none": ("yield 1.5, {'loss': 1.0}", "step is a whole number from 1, not 1.5"),
    "steps that do not grow": ("yield 2, {'a': 1}\n    yield 2, {'a': 1}", "gave step 2 after step 2: steps must grow"),
    "no metrics": ("yield 1, {}", "metrics are a dict of numbers by name, not {}"),
    "a metric that is no number": ("yield 1, {'loss': 'low'}", "metric 'loss' should be a number, it is 'low'"),
    "a metric's name": ("yield 1, {'a b': 1}", "'a b' is no name of a metric: letters, digits, _, - and . alone are"),
    "metrics alike": ("yield 1, {'acc': 1, 'Acc': 1}", "the metrics 'acc' and 'Acc' differ in nothing but case"),
    "a metric of many": ("yield 1, {'loss': torch.ones(2)}", "metric 'loss' should be a number, it is a tensor"),
    "a state of anything": ("yield 1, {'a': 1}, {'x': [object]}", "state['x'][0] is <class 'object'>"),
    "an error of its own": ("yield 1 / 0, {}", "line 6: ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_it_should_not_give_is_refused(what: str, tmp_path: Path):
    body, reason = WRONG[what]
    file = tmp_path / "wrong.py"
    file.write_text(f"import torch\n\n\n\ndef train():\n    {body}\n")
    mine = trial(file, "train")
    if what == "an error of its own":
        with pytest.raises(ZeroDivisionError):
            run(mine, tmp_path)
    else:
        with pytest.raises(ValidationErrors) as raised:
            run(mine, tmp_path)
        assert reason in str(raised.value)
    if what != "steps that do not grow":
        with pytest.raises(ValidationErrors) as raised:
            rehearse_plugins({"mine": mine})
        assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("body", "settings", "reason"),
    [
        ("if False:\n        yield", {}, "procedure.name: ended without an evaluation"),
        ("yield 5, {'a': 1}", {}, "budget.steps: ends before the first evaluation, which is at step 5"),
        (
            "yield 1, {'accuracy': 1}",
            {"goal": {"metric": "acuracy", "above": 0.5}},
            "goal.metric: 'acuracy' is not in the first evaluation; did you mean 'accuracy'?",
        ),
    ],
)
def test_what_would_come_to_nothing_is_refused(body: str, settings: dict[str, Any], reason: str, tmp_path: Path):
    file = tmp_path / "nothing.py"
    file.write_text(f"def train():\n    {body}\n")
    config = {"procedure": {"name": f"{file}:train"}, "budget": {"steps": 3}} | settings
    with pytest.raises(ValidationErrors) as raised:
        rehearse_plugins({"mine": Trial.model_validate({"config": config, "seed": 0})})
    assert reason in str(raised.value)


def test_a_draw_without_a_seed_is_found_in_the_rehearsal(tmp_path: Path):
    file = tmp_path / "drawing.py"
    file.write_text("import os\n\n\ndef train():\n    yield 1, {'loss': int.from_bytes(os.urandom(4))}\n")
    with pytest.raises(ValidationErrors, match="train .* gives something else .* in two runs of one seed"):
        rehearse_plugins({"mine": trial(file, "train")})


@pytest.mark.parametrize(
    ("text", "settings", "reason"),
    [
        ("def train(lr):\n    return lr\n", {"lr": 1}, "neither yields (step, metrics) nor takes `report`"),
        ("class train:\n    pass\n", {}, "train is a class: it should be a function"),
        ("def train(report):\n    yield 1, {'a': 1}\n", {}, "train yields and takes `report`: it should do one of the"),
        ("def train(lr):\n    yield 1, {'a': lr}\n", {}, "lr: is missing: train needs it"),
        ("def train(lr):\n    yield 1, {'a': lr}\n", {"rl": 1, "lr": 1}, "rl: is not a setting of train"),
        ("def train(seed):\n    yield 1, {'a': 1}\n", {"seed": 1}, "seed: is not a setting: train gets it anyway"),
    ],
)
def test_a_function_that_does_not_fit_is_refused(text: str, settings: dict[str, Any], reason: str, tmp_path: Path):
    file = tmp_path / "unfit.py"
    file.write_text(text)
    with pytest.raises(ValidationErrors) as raised:
        check_plugins({"mine": trial(file, "train", **settings)})
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"budget": {"epochs": 3}}, "budget: should be in steps"),
        ({"model": "mlp"}, "procedure: stands in the place of model; write model: null beside it"),
        ({"procedure": "train"}, "procedure: 'train' is not known"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(change: dict[str, Any], reason: str, file: Path):
    config = {"procedure": {"name": f"{file}:two"}, "budget": {"steps": 3}} | change
    with pytest.raises(ValidationError) as raised:
        Trial.model_validate({"config": config, "seed": 0})
    assert reason in str(raised.value)


def test_a_state_comes_back_as_it_was():
    optimiser = torch.optim.Adam([w := torch.ones(3, dtype=torch.float64, requires_grad=True)])
    w.sum().backward()
    optimiser.step()
    state = {"optimiser": optimiser.state_dict(), "text": "é", "raw": b"\x00\xff", "none": None, 3: [True, (1, 2.5)]}
    tensors = to_tensors(state)
    back = from_tensors(tensors)
    assert back["optimiser"]["param_groups"] == state["optimiser"]["param_groups"]  # type: ignore[index]
    assert_same_bits(back["optimiser"]["state"][0], state["optimiser"]["state"][0])  # type: ignore[index]
    assert {key: back[key] for key in ("text", "raw", "none", 3)} == {k: state[k] for k in ("text", "raw", "none", 3)}
    w.data += 1  # What is saved stays as it is.
    assert_same_bits(tensors, to_tensors(back))
    with pytest.raises(NotSavable, match=r"state\['a'\]\[1\] is \{1\}: tensors"):
        to_tensors({"a": [1, {1}]})
