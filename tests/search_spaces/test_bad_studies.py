"""What people get wrong in a study file, and what they are told: path, value, what is allowed, nearest match.

Each case changes one thing of a study that is right.
"""

from pathlib import Path

import pytest

from search_spaces import read_study
from trainables.validation import ValidationErrors

RIGHT = """\
name: right
question: Is it sooner?
seeds: 2
trial:
  data: {name: digits, num_train: 100}
  model: {name: mlp, width: 16}
  loss: cross_entropy
  optimiser: {name: adamw, lr: 1e-3}
  budget: {epochs: 100}
  goal: {metric: test_accuracy, above: 0.85}
arms:
  baseline: {}
  jacobian: {regulariser: {name: jacobian, strength: 1e-3}}
analyses:
  - {kind: acceleration, baseline: baseline}
"""

WRONG = {
    "a misspelt setting": ("width: 16", "widht: 16", "trial.model.widht: is not a setting here; did you mean 'width'?"),
    "a misspelt top field": ("question:", "qestion:", "qestion: is not a setting here; did you mean 'question'?"),
    "a missing field": ("  loss: cross_entropy\n", "", "trial.loss: is missing"),
    "an unknown data set": (
        "name: digits",
        "name: digitz",
        "trial.data: 'digitz' is not known; did you mean 'digits'?",
    ),
    "an unknown loss": ("cross_entropy", "crossentropy", "'crossentropy' is not known; did you mean 'cross_entropy'?"),
    "an unknown optimiser": ("adamw", "adammw", "trial.optimiser: 'adammw' is not known; did you mean 'adamw'?"),
    "a component without a name": ("{name: adamw, lr", "{lr", "trial.optimiser: needs a name. Allowed: adam, adamw"),
    "text for a number": ("lr: 1e-3", "lr: fast", "trial.optimiser.lr: 'fast' is not allowed"),
    "quoted number": ("num_train: 100", "num_train: '100'", "trial.data.num_train: '100' is not allowed"),
    "true for a number": ("width: 16", "width: true", "trial.model.width: true is not allowed"),
    "a negative rate": (
        "lr: 1e-3",
        "lr: -1e-3",
        "trial.optimiser.lr: -0.001 is not allowed: it should be greater than 0",
    ),
    "not a number": ("lr: 1e-3", "lr: .nan", "trial.optimiser.lr: nan is not allowed"),
    "too many examples": ("num_train: 100", "num_train: 1001", "it should be less than or equal to 1000"),
    "no budget": ("epochs: 100", "", "trial.budget: give either epochs or steps"),
    "two budgets": ("epochs: 100", "epochs: 100, steps: 5", "trial.budget: give either epochs or steps"),
    "a goal on nothing measured": ("metric: test_accuracy", "metric: test_acc", "did you mean 'test_accuracy'?"),
    "a goal with no side": (", above: 0.85", "", "trial.goal: give either above or below"),
    "an arm's missing setting": (", strength: 1e-3", "", "arms.jacobian.regulariser.strength: is missing"),
    "an arm's misspelt setting": ("{name: jacobian, s", "{name: jacobian, S", "did you mean 'strength'?"),
    "an arm's unknown method": (
        "name: jacobian",
        "name: jacobi",
        "arms.jacobian.regulariser: 'jacobi' is not known; did you mean 'jacobian'?",
    ),
    "a setting of no trial": ("baseline: {}", "baseline: {regularizer: x}", "did you mean 'regulariser'?"),
    "a bad arm name": ("baseline: {}", "'../x': {}", "'../x' is not allowed"),
    "a study name that is a path": ("name: right", "name: ../right", "name: '../right' is not allowed"),
    "the trials' own name": ("name: right", "name: grokgrid-trials", "is the name of the experiment that holds all"),
    "a seed twice": ("seeds: 2", "seeds: [0, 1, 1]", "seeds: holds 1 twice"),
    "seeds beyond counting": ("seeds: 2", "seeds: 100000000", "seeds: 100000000 is not allowed"),
    "an accuracy in percent": (
        "above: 0.85",
        "above: 85",
        "goal.above: 85 cannot be reached: accuracies are fractions",
    ),
    "a setting that is on the grid too": (
        "strength: 1e-3}}",
        "strength: 1e-3}, grid: {regulariser.strength: [1]}}",
        "arms.jacobian.regulariser.strength: is on the arm's grid too",
    ),
    "a grid over a misspelt component": (
        "baseline: {}",
        "baseline: {grid: {regularizer.strength: [1]}}",
        "line 12: arms.baseline.grid.regularizer.strength: is not a setting here; did you mean 'regulariser'?",
    ),
    "no seeds": ("seeds: 2", "seeds: 0", "seeds: 0 is not allowed"),
    "negative seeds": ("seeds: 2", "seeds: [-1]", "study.yaml: line 3: seeds.0: -1 is not allowed"),
    "seeds in words": (
        "seeds: 2",
        "seeds: two",
        "study.yaml: line 3: seeds: 'two' is not allowed: it should be a number of seeds, 3, or a list, [0, 4, 7]",
    ),
    "seeds with names": (
        "seeds: 2",
        "seeds: {a: 1}",
        "seeds: {'a': 1} is not allowed: it should be a number of seeds, 3, or a list, [0, 4, 7]",
    ),
    "seeds by halves": ("seeds: 2", "seeds: 1.5", "seeds: 1.5 is not allowed: it should be a number of seeds, 3, or a"),
    "seeds left open": ("seeds: 2", "seeds:", "seeds: null is not allowed: it should be a number of seeds, 3, or a"),
    "projections in words": (
        "strength: 1e-3}",
        "strength: 1e-3, projections: exat}",
        "arms.jacobian.regulariser.projections: 'exat' is not allowed; did you mean 'exact'?",
    ),
    "no arms": ("arms:\n  baseline: {}\n  jacobian:", "arms: {}\nx:", "arms: {} is not allowed"),
    "a list of arms": ("arms:\n  baseline: {}\n  jacobian:", "arms: []\nx:", "arms: [] is not a set of fields; write"),
    "an arm that is a list": (
        "baseline: {}",
        "baseline: [adamw]",
        "line 12: arms.baseline: ['adamw'] is not a set of fields; write `{field: value, …}`",
    ),
    "an unknown baseline": ("baseline: baseline", "baseline: basline", "'basline' is no arm; did you mean 'baseline'?"),
    "an unknown analysis": ("kind: acceleration", "kind: speed", "analyses.0: 'speed' is not known"),
    "a grid over nothing": (
        "strength: 1e-3}}",
        "strength: 1e-3}, grid: {regulariser.strenght: [1]}}",
        "arms.jacobian.grid.regulariser.strenght: is not a setting here; did you mean 'strength'?",
    ),
    "an empty axis": (
        "strength: 1e-3}}",
        "strength: 1e-3}, grid: {regulariser.strength: []}}",
        "arms.jacobian.grid.regulariser.strength: needs at least one value",
    ),
    "a value twice": (
        "strength: 1e-3}}",
        "strength: 1e-3}, grid: {regulariser.strength: [1, 1.0]}}",
        "arms.jacobian.grid.regulariser.strength: holds 1 twice",
    ),
    "a spacing between equal ends": (
        "strength: 1e-3}}",
        "strength: 1e-3}, grid: {optimiser.lr: {linspace: {from: 0.1, to: 0.1, num: 3}}}}",
        "line 13: arms.jacobian.grid.optimiser.lr: from and to are too close for 3 values: some would be the same",
    ),
    "a bad spacing": (
        "strength: 1e-3}}",
        "strength: 1e-3}, grid: {regulariser.strength: {logspace: {from: 0, to: 1, num: 3}}}}",
        "logspace.from: 0 is not allowed: it should be greater than 0",
    ),
    "a baseline with a grid": (
        "baseline: {}",
        "baseline: {grid: {model.width: [8, 16]}}",
        "analyses.0.baseline: 'baseline' has a grid of 2 cells; a baseline is one cell",
    ),
    "arms with unlike budgets": (
        "baseline: {}",
        "baseline: {budget: {epochs: 50}}",
        "arms: all arms must share one goal and one budget",
    ),
    "acceleration without a goal": ("  goal: {metric: test_accuracy, above: 0.85}\n", "", "acceleration needs a goal"),
    "a key twice": ("seeds: 2\n", "seeds: 2\nseeds: 3\n", "seeds: is given twice"),
    "more than a batch can hold": (
        "loss: cross_entropy",
        "loss: cross_entropy\n  batch_size: 101",
        "trial.batch_size: 101 is more than the 100 training examples",
    ),
    "beyond counting": ("epochs: 100", "epochs: 1" + 26 * "0", "trial.budget.epochs: 1" + 26 * "0" + " is not allowed"),
    "nothing for a component": ("loss: cross_entropy", "loss: null", "trial.loss: null is not a set of fields"),
    "a few wrong seeds": ("seeds: 2", "seeds: [0, 1.5, x]", "seeds.1: 1.5 is not allowed"),
    "published figures of no comparison": (
        "analyses:\n  - {kind: acceleration, baseline: baseline}",
        "reference: [{arm: jacobian, measure: steps, value: 7.5, source: a paper}]",
        "reference: published accelerations stand beside ours: add {kind: acceleration, baseline: …} to analyses",
    ),
    "measurements of nothing": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: measurements, metrics: []}",
        "line 15: analyses.0.metrics: [] is not allowed: it should hold at least 1",
    ),
    "measurements of what is not measured": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: measurements, metrics: [test_acuracy]}",
        "analyses.0.metrics: 'test_acuracy' is not measured; did you mean 'test_accuracy'?",
    ),
    "the first of what is not measured": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: measurements, metrics: [first/test_acuracy]}",
        "'first/test_acuracy' is not measured; did you mean 'first/test_accuracy'?",
    ),
    "an unknown evaluation": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: measurements, metrics: [last/test_accuracy]}",
        "'last/test_accuracy' is not measured; did you mean 'first/test_accuracy'?",
    ),
    "a table of what is not measured": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: table, metric: first/test_acuracy, setting: model.width}",
        "analyses.0.metric: 'first/test_acuracy' is not measured; did you mean 'first/test_accuracy'?",
    ),
    "nothing before a metric": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: measurements, metrics: [/test_accuracy]}",
        "'/test_accuracy' is not measured; did you mean ",
    ),
    "a metric in place of metrics": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: measurements, metrics: test_accuracy}",
        "line 15: analyses.0.metrics: 'test_accuracy' is not a list; write `[…, …]`",
    ),
    "a comma within a number": (
        "epochs: 100",
        "epochs: 1,000",
        "line 9: trial.budget: 000 stands where a field's name should; a comma ends a value here: write 1000 and 0.5",
    ),
    "measurements beside an unknown baseline": (
        "{kind: acceleration, baseline: baseline}",
        "{kind: measurements, metrics: [test_accuracy], baseline: basline}",
        "analyses.0.baseline: 'basline' is no arm; did you mean 'baseline'?",
    ),
    "a name that is no folder's": (
        "name: right",
        "name: ../x",
        "name: '../x' is not allowed: it should be a small letter",
    ),
    "aliases that multiply": (
        "seeds: 2",
        "seeds: [" + "&a0 [1], " + "".join(f"&a{n + 1} [{f'*a{n}, ' * 9}], " for n in range(9)) + "]",
        "line 3: more than 100,000 values, those of aliases counted each time; that is the limit",
    ),
    "an alias inside itself": (
        "seeds: 2",
        "seeds: &a [*a]",
        "line 3: seeds.0: the alias *a stands inside what it stands for",
    ),
    "no YAML": ("seeds: 2", "seeds: [2", "is not YAML"),
    "an object from a file": (
        "seeds: 2",
        "seeds: !!python/object/apply:os.getcwd []",
        "line 3: seeds: the tag '!!python/object/apply:os.getcwd' is not allowed; leave it out",
    ),
}


WRONG_REFERENCES = {
    "of nothing": ("arm: jacobian, value: 7.5", "reference.0: give either measure, for a ratio of times, or metric"),
    "of two things": (
        "arm: jacobian, measure: steps, metric: test_accuracy, value: 0.9",
        "reference.0: give either measure, for a ratio of times, or metric",
    ),
    "a ratio below zero": (
        "arm: jacobian, measure: steps, value: -7.5",
        "reference.0.value: -7.5 is not allowed: a ratio of times should be greater than 0",
    ),
    "an unknown measure": (
        "arm: jacobian, measure: step, value: 7.5",
        "'step' is not allowed; did you mean 'steps'?",
    ),
    "an unknown metric": (
        "arm: jacobian, metric: test_acuracy, value: 0.9",
        "reference.0.metric: 'test_acuracy' is not measured; did you mean 'test_accuracy'?",
    ),
    "a metric that no analysis shows": (
        "arm: jacobian, metric: train_accuracy, value: 0.9",
        "reference.0.metric: published figures stand beside ours: add {kind: measurements, metrics: [train_accuracy]}",
    ),
    "an accuracy in percent": (
        "arm: jacobian, metric: test_accuracy, value: 88.9",
        "reference.0.value: 88.9 is no accuracy: they are fractions, from 0 to 1",
    ),
    "a metric with an arrow": (
        "arm: jacobian, metric: test_accuracy, value: 0.9, direction: more",
        "reference.0.direction: 'more' is not allowed: a metric is no ratio of times",
    ),
    "of an unknown arm": (
        "arm: jacobean, metric: test_accuracy, value: 0.9",
        "reference.0.arm: 'jacobean' is no arm; did you mean 'jacobian'?",
    ),
    "not a number": ("arm: jacobian, metric: test_accuracy, value: .nan", "reference.0.value: nan is not allowed"),
    "without a value": ("arm: jacobian, metric: test_accuracy", "reference.0.value: is missing"),
}
"""Of a study that has both analyses."""


def _read(tmp_path: Path, text: str) -> str:
    """The message, the study being wrong."""
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValidationErrors) as caught:
        read_study(path)
    return str(caught.value)


@pytest.mark.parametrize("what", WRONG)
def test_a_problem_is_told_with_its_place_and_what_is_allowed(what: str, tmp_path: Path) -> None:
    right, wrong, told = WRONG[what]
    assert right in RIGHT
    message = _read(tmp_path, RIGHT.replace(right, wrong, 1))
    assert told in message
    assert message.startswith(str(tmp_path / "study.yaml"))


def _with_reference(fields: str) -> str:
    both = "  - {kind: measurements, metrics: [test_accuracy], baseline: baseline}\n"
    return f"{RIGHT}{both}reference:\n  - {{{fields}, source: a paper}}\n"


@pytest.mark.parametrize("what", WRONG_REFERENCES)
def test_a_problem_in_a_published_figure_is_told_with_its_place(what: str, tmp_path: Path) -> None:
    fields, told = WRONG_REFERENCES[what]
    message = _read(tmp_path, _with_reference(fields))
    assert told in message
    assert "problems" not in message
    assert "line 18: " in message


@pytest.mark.parametrize("fields", ["measure: steps, value: 7.5", "metric: test_accuracy, value: 0.9"])
def test_the_published_figures_that_they_vary_are_right(fields: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(_with_reference(f"arm: jacobian, {fields}"))
    assert len(read_study(path).reference) == 1


def test_measurements_of_a_baseline_with_a_grid_are_refused(tmp_path: Path) -> None:
    text = RIGHT.replace("baseline: {}", "baseline: {grid: {model.width: [8, 16]}}")
    text = text.replace("{kind: acceleration,", "{kind: measurements, metrics: [test_accuracy],")
    assert "analyses.0.baseline: 'baseline' has a grid of 2 cells; a baseline is one cell" in _read(tmp_path, text)


def test_the_study_that_they_vary_is_right(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(RIGHT)
    assert [cell.name for cell in read_study(path).cells] == ["baseline", "jacobian"]


def test_all_problems_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = RIGHT.replace("name: digits", "name: digitz").replace("seeds: 2", "seeds: 0")
    text = text.replace("strength: 1e-3", "strength: -1").replace("baseline: baseline", "baseline: basline")
    message = _read(tmp_path, text)
    assert "4 problems" in message
    for line, path in ((3, "seeds"), (5, "trial.data"), (13, "arms.jacobian"), (15, "analyses.0.baseline")):
        assert f"line {line}: {path}" in message


def test_a_problem_in_one_setting_hides_none_in_what_depends_on_others(tmp_path: Path) -> None:
    text = RIGHT.replace("width: 16", "width: 0").replace("metric: test_accuracy", "metric: test_acc")
    text = text.replace("  budget:", "  batch_size: 101\n  budget:") + "  - {kind: curves, metrics: [test_los]}\n"
    message = _read(tmp_path, text)
    assert "4 problems" in message and "model.width: 0" in message
    assert "batch_size: 101 is more than the 100 training examples" in message
    assert "goal.metric: 'test_acc' is not measured by this trial; did you mean 'test_accuracy'?" in message
    assert "analyses.1.metrics: 'test_los' is not measured; did you mean 'test_loss'?" in message


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("seeds: 2", "seeds: [0.5]", "line 3: seeds.0: 0.5 is not allowed"),
        (
            "{kind: acceleration, baseline: baseline}",
            "{kind: measurements, metrics: [5]}",
            "line 15: analyses.0.metrics.0: 5 is not allowed",
        ),
    ],
)
def test_a_list_of_wrong_items_is_not_called_too_short(right: str, wrong: str, told: str, tmp_path: Path) -> None:
    message = _read(tmp_path, RIGHT.replace(right, wrong))
    assert told in message and "problems" not in message


def test_a_problem_in_what_all_arms_share_is_told_once(tmp_path: Path) -> None:
    assert _read(tmp_path, RIGHT.replace("width: 16", "width: 0")).count("model.width") == 1


def test_a_file_that_is_not_there_or_is_no_study(tmp_path: Path) -> None:
    for source, told in ((tmp_path / "none.yaml", "cannot be read"), ("table1-cf", "did you mean 'table1-ce'?")):
        with pytest.raises(ValidationErrors, match=".") as caught:
            read_study(source)
        assert told in str(caught.value)
