"""Panels, scatters and heat maps: what people get wrong in them, and what they are told."""

from pathlib import Path

import pytest

from search_spaces import Study, read_study, to_yaml
from search_spaces.analyses import HeatMap, Panels, Scatter
from trainables.validation import ValidationErrors

RIGHT = """\
name: pictured
question: What does it look like?
seeds: 2
trial:
  data: {name: digits, num_train: 100}
  model: {name: mlp, width: 16}
  loss: cross_entropy
  optimiser: {name: adamw, lr: 1e-3}
  budget: {epochs: 100}
  evaluate: {per_decade: 5, first: 0}
arms:
  baseline: {}
  grown: {grid: {model.width: [8, 16], optimiser.lr: [1e-3, 1e-2]}}
  deep: {grid: {model.width: [8, 16], optimiser.lr: [1e-3, 1e-2], model.depth: [2, 3]}}
assessments: [accuracy]
analyses:
  - kind: panels
    rows: arms
    panels:
      - {metrics: [train_accuracy, test_accuracy]}
      - {metrics: [train_loss], colour: test_loss, shaded: false}
    region: {metric: train_loss, share: 0.2}
  - {kind: scatter, x: first/train_loss, y: max/test_accuracy, colour: accuracy_accuracy}
  - {kind: heat_map, metric: max/test_accuracy, x: optimiser.lr, y: model.width}
"""
PANELS = RIGHT[RIGHT.index("    panels:\n") : RIGHT.index("    region:")]

WRONG = {
    "no panels": (PANELS, "    panels: []\n", "analyses.0.panels: [] is not allowed: it should hold at least 1"),
    "five panels": (
        PANELS,
        f"    panels: [{', '.join(['{metrics: [train_loss]}'] * 5)}]\n",
        "it should hold at most 4",
    ),
    "a panel of nothing": ("[train_loss], colour", "[], colour", "analyses.0.panels.1.metrics: [] is not allowed"),
    "a panel that is a metric": (PANELS, "    panels: [train_loss]\n", "panels.0: 'train_loss' is not a set of fields"),
    "a misspelt field": ("colour: test_loss", "color: test_loss", "is not a setting here; did you mean 'colour'?"),
    "panels of what is not measured": (
        "[train_loss], colour",
        "[train_los], colour",
        "analyses.0.panels.1.metrics: 'train_los' is not measured; did you mean 'train_loss'?",
    ),
    "panels of what is made once": (
        "[train_loss], colour",
        "[accuracy_accuracy], colour",
        "analyses.0.panels.1.metrics: 'accuracy_accuracy' is not measured; did you mean",
    ),
    "panels of an extreme": ("[train_loss], colour", "[max/train_loss], colour", "did you mean 'train_loss'?"),
    "a metric twice": ("[train_accuracy, test", "[test_accuracy, test", "panels.0.metrics: holds test_accuracy twice"),
    "a colour of what is not measured": (
        "colour: test_loss",
        "colour: test_los",
        "analyses.0.panels.1.colour: 'test_los' is not measured; did you mean 'test_loss'?",
    ),
    "a colour of two curves": (
        "test_accuracy]}",
        "test_accuracy], colour: test_loss}",
        "analyses.0.panels.0.colour: colours the markers of one curve, and metrics holds 2: give a panel for each",
    ),
    "a shade without a region": (
        "shaded: false}\n    region: {metric: train_loss, share: 0.2}",
        "shaded: true}",
        "analyses.0.panels.1.shaded: true is not allowed without a region: give region: {metric: …, share: 0.1}",
    ),
    "a region that is in no panel": (
        "test_accuracy]}",
        "test_accuracy], shaded: false}",
        "analyses.0.region: is shaded in no panel: take shaded: false away from one of them",
    ),
    "a region of what is not measured": (
        "metric: train_loss, share",
        "metric: train_lss, share",
        "analyses.0.region.metric: 'train_lss' is not measured; did you mean 'train_loss'?",
    ),
    "a share of all": ("share: 0.2", "share: 1", "region.share: 1 is not allowed: it should be less than 1"),
    "a share of nothing": ("share: 0.2", "share: 0", "region.share: 0 is not allowed: it should be greater than 0"),
    "rows of something else": (
        "rows: arms",
        "rows: arm",
        "analyses.0.rows: 'arm' is not allowed; did you mean 'arms'?",
    ),
    "a scatter of what is not measured": (
        "x: first/train_loss",
        "x: first/train_los",
        "analyses.1.x: 'first/train_los' is not measured; did you mean 'first/train_loss'?",
    ),
    "a scatter of an unknown evaluation": (
        "y: max/test_accuracy",
        "y: most/test_accuracy",
        "analyses.1.y: 'most/test_accuracy' is not measured; did you mean 'first/test_accuracy'?",
    ),
    "the first of what is made once": (
        "colour: accuracy_accuracy",
        "colour: first/accuracy_accuracy",
        "analyses.1.colour: 'first/accuracy_accuracy': an assessment is made once, and has no first evaluation; write",
    ),
    "the largest of what is made once": (
        "colour: accuracy_accuracy",
        "colour: max/accuracy_accuracy",
        "analyses.1.colour: 'max/accuracy_accuracy': an assessment is made once, and has no extremes over it; write",
    ),
    "a scatter of one quantity": (
        "y: max/test_accuracy, c",
        "y: first/train_loss, c",
        "analyses.1.y: 'first/train_loss' is x, too; a scatter is of two quantities",
    ),
    "a scatter without y": ("y: max/test_accuracy, c", "c", "analyses.1.y: is missing"),
    "a heat map of what is not measured": (
        "metric: max/test_accuracy",
        "metric: max/tst_accuracy",
        "analyses.2.metric: 'max/tst_accuracy' is not measured; did you mean 'max/test_accuracy'?",
    ),
    "a setting on no grid": (
        "x: optimiser.lr",
        "x: optimizer.lr",
        "analyses.2.x: 'optimizer.lr' is not on any arm's grid; did you mean 'optimiser.lr'?",
    ),
    "a setting twice": (
        "x: optimiser.lr",
        "x: model.width",
        "analyses.2.y: 'model.width' is x, too; a heat map is over two settings",
    ),
    "an unknown arm": (
        "y: model.width}",
        "y: model.width, arm: gron}",
        "analyses.2.arm: 'gron' is no arm; did you mean 'grown'?",
    ),
    "an arm without a grid": (
        "y: model.width}",
        "y: model.width, arm: baseline}",
        "analyses.2.arm: 'baseline' has no grid; Allowed: grown, deep",
    ),
    "a setting of another arm": (
        "y: model.width}",
        "y: model.depth, arm: grown}",
        "analyses.2.y: 'model.depth' is not on the grid of 'grown'; did you mean 'model.width'?",
    ),
    "an arm with a third setting": (
        "y: model.width}",
        "y: model.width, arm: deep}",
        "analyses.2.arm: 'deep' has model.depth on its grid, too; a heat map is over all of a grid",
    ),
    "settings that no arm has alone": (
        "y: model.width}",
        "y: model.depth}",
        "analyses.2: no arm has optimiser.lr and model.depth, and these alone, on its grid: deep has others, too",
    ),
    "two arms that it could be of": (
        ", model.depth: [2, 3]}}",
        "}}",
        "analyses.2.arm: is missing: grown, deep have both settings on their grids; name one of them",
    ),
}


def read(text: str, folder: Path) -> Study:
    path = folder / "study.yaml"
    path.write_text(text)
    return read_study(path)


@pytest.mark.parametrize(("given", "instead", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_in_a_sentence_with_its_line(given: str, instead: str, told: str, tmp_path: Path):
    assert given in RIGHT
    with pytest.raises(ValidationErrors) as error:
        read(RIGHT.replace(given, instead, 1), tmp_path)
    assert told in str(error.value) and "line " in str(error.value)
    assert len(error.value.problems) == 1


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path):
    text = RIGHT.replace("share: 0.2", "share: 2").replace("colour: test_loss", "colour: tst_loss")
    text = text.replace("x: first/train_loss", "x: first/loss").replace("x: optimiser.lr", "x: lr")
    with pytest.raises(ValidationErrors) as error:
        read(text, tmp_path)
    assert [problem.where for problem in error.value.problems] == [
        "analyses.0.panels.1.colour",
        "analyses.0.region.share",
        "analyses.1.x",
        "analyses.2.x",
    ]


def test_a_heat_map_of_a_study_without_grids_is_refused(tmp_path: Path):
    text = RIGHT.replace("{grid: {model.width: [8, 16], optimiser.lr: [1e-3, 1e-2]}}", "{model: {width: 8}}")
    text = text.replace("{grid: {model.width: [8, 16], optimiser.lr: [1e-3, 1e-2], model.depth: [2, 3]}}", "{}")
    with pytest.raises(ValidationErrors) as error:
        read(text, tmp_path)
    assert "'model.width' is not on any arm's grid; give an arm a grid of two settings" in str(error.value)


def test_a_mistake_in_an_arm_is_not_told_of_its_heat_map_too(tmp_path: Path):
    with pytest.raises(ValidationErrors) as error:
        read(
            RIGHT.replace("model.width: [8, 16], optimiser.lr: [1e-3, 1e-2]}", "model.width: [0], optimiser.lr: [1]}"),
            tmp_path,
        )
    assert [problem.where for problem in error.value.problems] == ["arms.grown.grid.model.width"]


def test_the_study_that_they_vary_is_right_and_is_written_as_it_was_read(tmp_path: Path):
    study = read(RIGHT, tmp_path)
    panels, scatter, heat_map = study.analyses
    assert isinstance(panels, Panels) and isinstance(scatter, Scatter) and isinstance(heat_map, HeatMap)
    assert panels.metrics_named == ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
    assert scatter.metrics_named == ("first/train_loss", "max/test_accuracy", "accuracy_accuracy")
    assert heat_map.metrics_named == ("max/test_accuracy",)
    assert read(to_yaml(study), tmp_path).analyses == study.analyses
