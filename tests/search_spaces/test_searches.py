"""The search of a study: what it means, and what people get wrong in one."""

from pathlib import Path

import pytest

from search_spaces import Study, digest, narrow, read_study, to_yaml
from search_spaces.library import LIBRARY
from search_spaces.search import FIRST_SEED, Search
from trainables.validation import ValidationErrors

RIGHT = """\
name: right
question: Which is best?
seeds: 2
trial:
  data: {name: digits, num_train: 100, num_validation: 50}
  model: {name: mlp, width: 16}
  loss: cross_entropy
  optimiser: {name: adamw, lr: 1e-3}
  budget: {epochs: 100}
  goal: {metric: test_accuracy, above: 0.85}
arms:
  baseline: {}
  jacobian:
    regulariser: {name: jacobian}
    grid: {regulariser.strength: [0.1, 1.0]}
search:
  arm: jacobian
  baseline: baseline
  settings:
    regulariser.strength: {log_uniform: {from: 1e-3, to: 10}}
    model.width: {integers: {from: 8, to: 32}}
    loss: {choice: [cross_entropy, mean_squared_error]}
    optimiser.weight_decay: {uniform: {from: 0, to: 0.1}}
  objectives: [steps, {metric: train_loss, better: less}]
  seeds: 4
  budget: {candidates: 20}
"""
STRENGTH = "{log_uniform: {from: 1e-3, to: 10}}"

WRONG = {
    "no range": ("log_uniform: {from: 1e-3, to: 10}", "log_uniform: {from: 10, to: 10}", "from 10 to 10 is no range"),
    "a range the wrong way": (
        "from: 8, to: 32",
        "from: 32, to: 8",
        "model.width.integers: from 32 to 8 is no range",
    ),
    "a logarithm of nothing": ("from: 1e-3, to: 10", "from: 0, to: 10", "from: 0 is not allowed: it should be greater"),
    "values that are not allowed": (
        "{integers: {from: 8",
        "{integers: {from: 0",
        "search.settings.model.width: 0 is not allowed: it should be greater than 0",
    ),
    "halves of integers": ("from: 8, to: 32", "from: 8.5, to: 32", "integers.from: 8.5 is not allowed"),
    "one choice": ("[cross_entropy, mean_squared_error]", "[cross_entropy]", "it should hold at least 2"),
    "a choice twice": ("[cross_entropy, mean_", "[cross_entropy, cross_entropy, mean_", "holds 'cross_entropy' twice"),
    "an unknown choice": ("[cross_entropy, mean_", "[cross_entropi, mean_", "did you mean 'cross_entropy'?"),
    "two kinds of range": (STRENGTH, "{log_uniform: {from: 1, to: 2}, choice: [1, 2]}", "give one of log_uniform"),
    "an unknown kind of range": (STRENGTH, "{loguniform: {from: 1, to: 2}}", "did you mean 'log_uniform'?"),
    "an unknown setting": ("regulariser.strength: {log", "regulariser.strenght: {log", "did you mean 'strength'?"),
    "nothing to search": ("    model.width: {integers", "    model.depht: {integers", "did you mean 'depth'?"),
    "an unknown arm": ("arm: jacobian", "arm: jacobean", "search.arm: 'jacobean' is no arm; did you mean 'jacobian'?"),
    "an unknown baseline": ("baseline: baseline", "baseline: bsaeline", "search.baseline: 'bsaeline' is no arm"),
    "the baseline itself": ("arm: jacobian", "arm: baseline", "search.arm: 'baseline' is the baseline too"),
    "a baseline with a grid": ("baseline: {}", "baseline: {grid: {optimiser.lr: [1e-3, 1e-2]}}", "a grid of 2 cells"),
    "the study's seeds": (
        "seeds: 4",
        "seeds: [1, 2, 3]",
        "search.seeds: 1: also the study’s; what is chosen on",
    ),
    "a seed twice": ("seeds: 4", "seeds: [7, 7]", "search.seeds: holds 7 twice"),
    "seeds in words": (
        "seeds: 4",
        "seeds: ten",
        "search.seeds: 'ten' is not allowed: it should be a number of seeds, 3,",
    ),
    "the study's seeds in lists": ("seeds: 2", "seeds: [[1]]", "seeds.0: [1] is not allowed"),
    "no seed": ("seeds: 4", "seeds: 0", "search.seeds: 0 is not allowed"),
    "the best look on test examples": ("[steps,", "[max/test_accuracy,", "and 'max/validation_accuracy' here"),
    "an extreme of nothing": ("[steps,", "[max/valid_accuracy,", "did you mean 'max/validation_accuracy'?"),
    "the first of nothing": ("[steps,", "[first/valid_accuracy,", "did you mean 'first/validation_accuracy'?"),
    "an unknown evaluation": ("[steps,", "[frist/train_accuracy,", "did you mean 'first/train_accuracy'?"),
    "test examples": ("[steps,", "[test_accuracy,", "give data.num_validation, and 'validation_accuracy' here"),
    "an unknown metric": ("[steps,", "[step,", "whether less or more of 'step' is better is not known"),
    "what is not measured": ("[steps,", "[{metric: train_norm, better: less},", "'train_norm' is not measured"),
    "more steps": ("[steps,", "[{metric: steps, better: more},", "more steps to the goal are not better"),
    "an objective twice": ("[steps,", "[steps, steps,", "search.objectives: holds steps twice"),
    "no objective": ("[steps, {metric: train_loss, better: less}]", "[]", "it should hold at least 1"),
    "a search without end": ("{candidates: 20}", "{}", "search.budget: is without end"),
    "no candidate": ("candidates: 20", "candidates: 0", "search.budget.candidates: 0 is not allowed"),
    "an unknown field": ("  seeds: 4", "  sampler: tpe", "search.sampler: is not a setting here"),
}


def read(text: str, folder: Path) -> Study:
    path = folder / "study.yaml"
    path.write_text(text)
    return read_study(path)


@pytest.mark.parametrize(("given", "instead", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(given: str, instead: str, told: str, tmp_path: Path):
    assert given in RIGHT
    with pytest.raises(ValidationErrors) as error:
        read(RIGHT.replace(given, instead, 1) if given != "seeds: 4" else RIGHT.replace(given, instead), tmp_path)
    assert told in str(error.value) and "line " in str(error.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path):
    text = RIGHT.replace("from: 8, to: 32", "from: 32, to: 8").replace("arm: jacobian", "arm: j")
    text = text.replace("{candidates: 20}", "{}").replace("lr: 1e-3", "lr: -1")
    with pytest.raises(ValidationErrors) as error:
        read(text, tmp_path)
    assert all(told in str(error.value) for told in ("is no range", "is without end", "trial.optimiser.lr: -1"))


def test_a_list_too_short_with_a_wrong_item_is_told_of_both(tmp_path: Path):
    with pytest.raises(ValidationErrors) as error:
        read(RIGHT.replace("[cross_entropy, mean_squared_error]", "[[]]"), tmp_path)
    assert "choice.0: [] is not allowed" in str(error.value) and "it should hold at least 2" in str(error.value)


def test_needs_a_goal_for_times_to_it(tmp_path: Path):
    with pytest.raises(ValidationErrors, match="'steps' needs a goal: give trial.goal"):
        read(RIGHT.replace("  goal: {metric: test_accuracy, above: 0.85}\n", ""), tmp_path)


def test_needs_examples_held_out_for_metrics_of_them(tmp_path: Path):
    text = RIGHT.replace("[steps,", "[validation_accuracy,")
    assert read(text, tmp_path).search is not None
    with pytest.raises(ValidationErrors, match="'validation_accuracy' is not measured; give data.num_validation"):
        read(text.replace(", num_validation: 50", ""), tmp_path)


def test_what_the_arm_s_grid_gave_must_be_searched_or_given(tmp_path: Path):
    text = RIGHT.replace(f"    regulariser.strength: {STRENGTH}\n", "")
    with pytest.raises(
        ValidationErrors, match="search.settings: leave the arm without what it needs: regulariser.strength"
    ):
        read(text, tmp_path)


class TestACandidate:
    SETTINGS = {"regulariser.strength": 0.5, "model.width": 9, "loss": "mean_squared_error"}

    def test_is_the_arm_at_these_settings(self, tmp_path: Path):
        study = read(RIGHT, tmp_path)
        cell = study.candidate(self.SETTINGS)
        assert cell.name == "jacobian strength=0.5 width=9 loss=mean_squared_error"
        assert (cell.config.model.width, cell.config.loss.name) == (9, "mean_squared_error")

    def test_is_the_same_trial_as_a_study_s_that_has_it_on_its_grid(self, tmp_path: Path):
        study = read(RIGHT, tmp_path)
        on_grid = next(cell for cell in study.cells if dict(cell.point) == {"regulariser.strength": 0.1})
        assert study.candidate({"regulariser.strength": 0.1}).key_of(3) == on_grid.key_of(3)

    def test_takes_the_place_of_what_the_arm_gives(self, tmp_path: Path):
        text = RIGHT.replace("{name: jacobian}", "{name: jacobian, strength: 0.3}").replace(
            "    grid: {regulariser.strength: [0.1, 1.0]}\n", ""
        )
        regularisers = read(text, tmp_path).candidate({"regulariser.strength": 0.5}).config.regularisers
        assert regularisers["jacobian"].strength == 0.5

    def test_that_is_not_allowed_is_told(self, tmp_path: Path):
        with pytest.raises(ValidationErrors, match="strength"):
            read(RIGHT, tmp_path).candidate({"regulariser.strength": -1.0})


def test_a_number_of_seeds_is_far_from_a_study_s():
    search = Search.model_validate(
        {"arm": "a", "baseline": "b", "settings": {"x": {"uniform": {"from": 0.0, "to": 1.0}}}, "seeds": 3}
    )
    assert search.seed_list == (FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2)


def test_yaml_and_back(tmp_path: Path):
    study = read(RIGHT, tmp_path)
    assert read(to_yaml(study), tmp_path) == study
    assert digest(study) != digest(read(RIGHT.replace("candidates: 20", "candidates: 21"), tmp_path))


def test_narrowed(tmp_path: Path):
    study = read(RIGHT, tmp_path)
    assert narrow(study, arms=["jacobian"]).search is None
    assert narrow(study, arms=["jacobian", "baseline"]).search == study.search
    changed = narrow(study, settings=["search.budget.candidates=7"]).search
    assert changed is not None and changed.budget.candidates == 7


def test_ranges_are_set_by_a_setting_s_whole_path():
    study = read_study("lambda-ce-small")
    setting = "search.settings.regulariser.strength"
    ends = narrow(study, settings=[f"{setting}.log_uniform.to=1.0"]).search
    whole = narrow(study, settings=[f"{setting}={{choice: [0.1, 1.0]}}"]).search
    another = narrow(study, settings=["search.settings.optimiser.weight_decay={uniform: {from: 0, to: 0.1}}"]).search
    assert ends is not None and whole is not None and another is not None
    assert ends.settings["regulariser.strength"].extremes == (1e-3, 1.0)
    assert whole.settings["regulariser.strength"].choice == (0.1, 1.0)
    assert list(another.settings) == ["regulariser.strength", "optimiser.weight_decay"]


@pytest.mark.parametrize("name", [name for name in LIBRARY if name.startswith("lambda")])
def test_the_library_s_lambda_studies_can_be_searched_over_their_grids(name: str):
    study = LIBRARY[name]()
    assert study.search is not None
    (spread,) = study.search.settings.values()
    strengths = [dict(cell.point)["regulariser.strength"] for cell in study.cells if cell.point]
    assert spread.extremes == (min(strengths), max(strengths))
    assert not set(study.search.seed_list) & set(study.seed_list)


def test_what_draws_nothing_is_not_chosen_on_seeds(tmp_path: Path):
    """All seeds of ridge regression have one figure: by training examples nothing can be claimed on other seeds, by
    those held out it can.
    """
    arm = "  jacobian:\n    regulariser: {name: jacobian}\n    grid: {regulariser.strength: [0.1, 1.0]}\n"
    ridge = RIGHT.replace(
        "  model: {name: mlp, width: 16}\n  loss: cross_entropy\n  optimiser: {name: adamw, lr: 1e-3}\n", ""
    )
    ridge = ridge.replace("{epochs: 100}", "{steps: 1}").replace(
        "baseline: {}", "baseline: {procedure: {name: ridge, strength: 1.0}}"
    )
    ridge = ridge.replace(arm, "  jacobian: {procedure: {name: ridge}, grid: {procedure.strength: [0.1, 1.0]}}\n")
    settings = RIGHT[RIGHT.index("    regulariser.strength: {log") : RIGHT.index("  objectives")]
    ridge = ridge.replace(settings, f"    procedure.strength: {STRENGTH}\n")
    path = tmp_path / "ridge.yaml"
    path.write_text(ridge.replace("[steps, {metric: train_loss, better: less}]", "[validation_accuracy]"))
    assert read_study(path).search is not None
    path.write_text(ridge.replace("[steps, {metric: train_loss, better: less}]", "[train_accuracy]"))
    with pytest.raises(
        ValidationErrors, match="'jacobian' draws nothing, so all seeds have one figure; what is chosen by"
    ):
        read_study(path)
