"""What people get wrong in a statement, and the sentences that they read: all of a file at once."""

from pathlib import Path

import pytest
import yaml

from search_spaces import Study, narrow, read_study, to_yaml
from search_spaces.analyses import Statement
from search_spaces.library import walker_statements as walker
from search_spaces.predicates import Change, Difference, Level, Predicate, Sooner
from trainables.validation import ValidationErrors

STUDY = """\
name: stated
question: Is it so?
seeds: 3
trial:
  data: {name: digits, num_train: 100}
  model: {name: mlp, width: 16}
  loss: cross_entropy
  optimiser: {name: adamw, lr: 1e-3}
  budget: {epochs: 100}
arms:
  one: {}
  two: {regulariser: {name: jacobian, strength: 1e-3}}
  many: {grid: {optimiser.lr: [1e-3, 1e-2], model.width: [8, 16]}}
assessments: [{name: white_noise, sizes: [0.1], num_examples: 10}]
analyses:
- kind: statement
  sentence: it is so
  that:
"""
RIGHT = "{statistic: level, arm: one, metric: test_accuracy, above: 0.5}"


def wrong(folder: Path, *clauses: str) -> str:
    path = folder / "study.yaml"
    path.write_text(STUDY + "".join(f"  - {clause}\n" for clause in clauses))
    with pytest.raises(ValidationErrors) as caught:
        read_study(path)
    return str(caught.value)


WRONG = {
    "{statistic: lvl, arm: one}": "line 19: analyses.0.that.0: 'lvl' is not known; did you mean 'level'?",
    "{arm: one}": "that.0: needs a statistic. Allowed: level, difference, sooner, before, change",
    "{statistic: [level], arm: one}": "that.0: ['level'] is not known",
    "so": "that.0: 'so' is not a set of fields; write `{field: value, …}`",
    "{statistic: level, arm: one, metric: test_accuracy}": "that.0: needs a threshold: give either above or below",
    "{statistic: level, arm: one, metric: test_accuracy, above: 0.5, below: 0.9}": (
        "that.0: above 0.5 and below 0.9 are given; give one, the threshold"
    ),
    "{statistic: level, arm: one, metric: test_accuracy, above: 85}": (
        "that.0.above: 85 cannot be reached: accuracies are fractions, from 0 to 1"
    ),
    "{statistic: level, arm: one, metric: white_noise_accuracy_at_0.1, above: 50}": "above: 50 cannot be reached",
    "{statistic: agreement, arm: one, metrics: [test_loss, test_loss], below: 0.1}": (
        "metrics holds 'test_loss' twice: it is held against itself"
    ),
    "{statistic: agreement, arm: one, metrics: [test_loss, train_loss], below: -0.1}": (
        "below -0.1 says nothing: deviations are 0 or more"
    ),
    "{statistic: correlation, metrics: [test_loss, test_loss], above: 0.1}": "metrics holds 'test_loss' twice",
    "{statistic: correlation, metrics: [test_loss, train_loss], above: 2}": (
        "above 2 says nothing: correlations lie between -1 and 1"
    ),
    "{statistic: correlation, arms: [one, one, two], metrics: [test_loss, train_loss], above: 0}": (
        "arms holds 'one' twice"
    ),
    "{statistic: before, arm: one, first: {metric: test_loss, below: 1}, then: {metric: test_loss, below: 1}}": (
        "first and then are the same"
    ),
    "{statistic: change, arm: one, metric: first/test_loss, above: 0}": (
        "'first/test_loss' since first is no change: it is held against itself"
    ),
    "{statistic: change, arm: one, metric: min/test_loss, since: min, above: 0}": "since min is no change",
    "{statistic: change, arm: one, metric: test_loss, by: ratio, above: -1}": (
        "above -1 says nothing: ratios are positive"
    ),
    "{statistic: level, arm: on, metric: test_accuracy, above: 0.5}": (
        "that.0.arm: 'on' is no arm; did you mean 'one'? Allowed: one, two, many"
    ),
    "{statistic: level, arm: one, metric: test_acc, above: 0.5}": (
        "that.0.metric: 'test_acc' is not measured; did you mean 'test_accuracy'?"
    ),
    "{statistic: level, arm: one, metric: test_accuracy, abov: 0.5}": "did you mean 'above'?",
    "{statistic: level, arm: many, metric: test_accuracy, above: 0.5}": (
        "that.0.arm: 'many' has a grid, of which 4 cells fit, and a clause is of one; "
        "give at, with a value of optimiser.lr, model.width"
    ),
    "{statistic: level, arm: many, at: {optimiser.lr: 0.01}, metric: test_accuracy, above: 0.5}": (
        "that.0.at: 'many' has a grid, of which 2 cells fit, and a clause is of one; "
        "give at, with a value of model.width"
    ),
    "{statistic: level, arm: many, at: {optimizer.lr: 0.01}, metric: test_accuracy, above: 0.5}": (
        "that.0.at: 'optimizer.lr' is not on the grid of the arm; did you mean 'optimiser.lr'?"
    ),
    "{statistic: level, arm: one, at: {optimiser.lr: 0.01}, metric: test_accuracy, above: 0.5}": (
        "that.0.at: 'optimiser.lr' is not on the grid of the arm; 'one' has no grid"
    ),
    "{statistic: level, arm: many, at: {optimiser.lr: 5}, metric: test_accuracy, above: 0.5}": (
        "that.0.at: 'many' has no such cell. Allowed: many lr=0.001 width=8; "
    ),
    "{statistic: difference, arm: one, metric: test_accuracy}": "that.0.than: is missing",
    "{statistic: difference, arm: one, than: one, metric: test_accuracy}": (
        "that.0.than: 'one' is on both sides; name another arm, or another cell by than_at"
    ),
    "{statistic: difference, arm: one, than: twp, metric: test_accuracy}": "that.0.than: 'twp' is no arm; did you",
    "{statistic: sooner, arm: one, than: two, metric: test_accuracy}": (
        "that.0: give either above or below, the value that the metric reaches"
    ),
    "{statistic: sooner, arm: one, than: two, metric: max/test_accuracy, above: 0.5}": (
        "that.0.metric: 'max/test_accuracy': sooner reads every evaluation, and takes a metric by itself; "
        "write test_accuracy"
    ),
    "{statistic: sooner, arm: one, than: two, metric: white_noise_accuracy_at_0.1, above: 0.5}": (
        "that.0.metric: 'white_noise_accuracy_at_0.1' is measured after training alone, and sooner reads evaluations"
    ),
    "{statistic: sooner, arm: one, than: two, metric: test_accuracy, above: 0.5, factor: 0}": "that.0.factor: 0 is not",
    "{statistic: level, arm: one, metric: max/white_noise_accuracy_at_0.1, above: 0.5}": (
        "an assessment is made once, and has no extremes over it; write white_noise_accuracy_at_0.1"
    ),
    "{statistic: before, arm: one, first: {metric: test_accuracy}, then: {metric: tst_loss, below: 1}}": (
        "that.0.then.metric: 'tst_loss' is not measured; did you mean 'test_loss'?"
    ),
    "{statistic: before, arm: one, first: {metric: test_accuracy, above: 2}, then: {metric: test_loss, below: 1}}": (
        "that.0.first.above: 2 cannot be reached"
    ),
    "{statistic: change, arm: one, metric: white_noise_accuracy_at_0.1, above: 0}": "is measured after training alone",
    "{statistic: change, arm: one, metric: test_loss, since: frist, below: 0}": "did you mean 'first'?",
    "{statistic: correlation, metrics: [test_loss], below: 0}": "that.0.metrics: ['test_loss'] is not allowed",
    "{statistic: correlation, metrics: [test_loss, test_los], below: 0}": "metrics.1: 'test_los' is not measured",
    "{statistic: correlation, metrics: [test_loss, train_loss], arms: [one, two], below: 0}": (
        "that.0.arms: 2 of the study's cells are meant; a correlation over cells needs at least 3"
    ),
    "{statistic: correlation, metrics: [test_loss, train_loss], arms: [mny], below: 0}": "'mny' is no arm; did",
    "{statistic: agreement, arm: one, metrics: [test_loss, train_loss], from_step: -1, below: 0}": "from_step: -1 is",
}


@pytest.mark.parametrize("clause", WRONG)
def test_a_sentence_says_what_is_wrong(clause: str, tmp_path: Path):
    assert WRONG[clause] in wrong(tmp_path, clause)


def test_everything_wrong_is_said_at_once(tmp_path: Path):
    said = wrong(
        tmp_path,
        RIGHT,
        "{statistic: level, arm: on, metric: test_acc}",
        "{statistic: lvl}",
        "{statistic: difference, arm: one, than: many, metric: test_loss}",
    )
    for line, part in (
        (20, "that.1: needs a threshold"),
        (20, "that.1.arm: 'on' is no arm"),
        (20, "that.1.metric: 'test_acc' is not measured"),
        (21, "that.2: 'lvl' is not known"),
        (22, "that.3.than: 'many' has a grid"),
    ):
        assert f"line {line}: analyses.0.{part}" in said


def test_a_statement_has_a_sentence_and_a_clause(tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("  sentence: it is so\n", "").replace("  that:\n", "  that: []\n"))
    with pytest.raises(ValidationErrors) as caught:
        read_study(path)
    assert "analyses.0.sentence: is missing" in str(caught.value)
    assert "analyses.0.that: [] is not allowed: it should hold at least 1" in str(caught.value)


def test_each_clause_survives_a_file(tmp_path: Path):
    clauses = [
        RIGHT,
        "{statistic: difference, arm: one, than: two, metric: white_noise_accuracy_at_0.1}",
        "{statistic: difference, arm: many, at: {optimiser.lr: 0.01, model.width: 8}, than: many, "
        "than_at: {optimiser.lr: 0.01, model.width: 16}, metric: max/test_accuracy, below: 0}",
        "{statistic: sooner, arm: one, than: two, metric: test_loss, below: 0.5, factor: 2}",
        "{statistic: before, arm: one, first: {metric: test_accuracy, above: 0.5}, "
        "then: {metric: test_loss, below: 1}}",
        "{statistic: change, arm: one, metric: max/test_loss, by: ratio, above: 1.1}",
        "{statistic: correlation, metrics: [test_loss, max/train_accuracy], below: 0}",
        "{statistic: agreement, arm: one, metrics: [test_loss, train_loss], from_step: 100, below: 0.01}",
        "{statistic: slope, arm: wide, metric: test_loss, below: -0.5}",
    ]
    path = tmp_path / "study.yaml"
    wide = "  wide: {grid: {model.width: [8, 16, 32]}}\n"
    path.write_text(
        STUDY.replace("assessments:", f"{wide}assessments:") + "".join(f"  - {clause}\n" for clause in clauses)
    )
    study = read_study(path)
    again = Study.model_validate(yaml.safe_load(yaml.safe_dump(study.model_dump(mode="json"))))
    assert again == study
    path.write_text(to_yaml(study))
    assert read_study(path) == study
    (statement,) = study.analyses
    assert isinstance(statement, Statement)
    kinds = {kind.model_fields["statistic"].default for kind in Predicate.__subclasses__()}
    assert {predicate.statistic for predicate in statement.that} == kinds
    assert statement.arms == {"one", "two", "many", "wide"}
    assert narrow(study, arms=["one", "two"]).analyses == ()


def test_the_side_and_the_threshold():
    assert str(Level(arm="a", metric="m", below=0.85).bound) == "< 0.85"
    assert Difference(arm="a", than="b", metric="m").bound == ("above", 0)
    assert Sooner(arm="a", than="b", metric="m", above=0.9, factor=2).bound == ("above", 2)
    assert Change(arm="a", metric="m", above=-1).bound == ("above", -1)


@pytest.mark.parametrize(
    ("statement", "arms"),
    [
        (walker.theorem_6_holds(), {"standard"}),
        (walker.norms_increase(), {"standard"}),
        (walker.robustness_comes_sooner(), {"jacobian", "weight_decay"}),
        (walker.robustness_is_delayed(), {"weight_decay"}),
        (walker.alignment_rises_after_memorising(), {"weight_decay"}),
        (walker.norms_rise_and_fall(), {"weight_decay"}),
        (walker.minimising_generalises(), {"minimised", "constrained"}),
        (walker.norms_are_kept_high(), {"minimised", "constrained"}),
        (walker.high_norms_prevent_alignment(), {"minimised", "constrained"}),
        (walker.small_norms_align(), {"standard"}),
        (walker.output_scaling_aligns_more(0.1), {"standard"}),
    ],
)
def test_the_papers_sentences_name_the_arms_of_its_studies_and_where_they_stand(statement: Statement, arms: set[str]):
    assert statement.arms == arms
    assert statement.source.startswith("Walker et al. 2025, ")
