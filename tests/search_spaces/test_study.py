"""The Study format: cells from arms and grids, YAML there and back, changing and narrowing."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces import Study, digest, narrow, read_study, to_portable_yaml, to_yaml
from search_spaces.cells import overlay
from search_spaces.library import LIBRARY
from trainables.reading import parse_value, parse_yaml
from trainables.validation import Problem, ValidationErrors


def study(**changes: Any) -> Study:
    content: dict[str, Any] = {
        "name": "small",
        "question": "Is it sooner?",
        "seeds": 2,
        "trial": {
            "data": "digits",
            "model": "mlp",
            "loss": "cross_entropy",
            "optimiser": {"name": "adamw", "lr": 1e-3},
            "budget": {"epochs": 100},
            "evaluate": {"every": 10},
            "goal": {"metric": "test_accuracy", "above": 0.85},
        },
        "arms": {"baseline": {}, "jacobian": {"regulariser": {"name": "jacobian", "strength": 1e-3}}},
    }
    return Study(**(content | changes))


@pytest.mark.parametrize("name", LIBRARY)
def test_a_study_of_the_library_survives_yaml(name: str, tmp_path: Path) -> None:
    assert read_study(name).num_trials == len(read_study(name).trials)
    path = tmp_path / "copy.yaml"
    path.write_text(to_yaml(read_study(name)))
    assert read_study(path) == read_study(name)


def test_seeds_are_a_number_or_a_list() -> None:
    assert study(seeds=3).seed_list == (0, 1, 2)
    assert study(seeds=[7, 3]).seed_list == (7, 3)


def test_a_grid_makes_a_cell_of_every_combination() -> None:
    arms = {
        "jacobian": {
            "regulariser": {"name": "jacobian"},
            "grid": {
                "regulariser.strength": {"logspace": {"from": 1e-3, "to": 1e-1, "num": 3}},
                "model.width": [8, 16],
            },
        }
    }
    cells = study(arms=arms).cells
    assert [cell.name for cell in cells] == [
        f"jacobian strength={strength} width={width}" for strength in (0.001, 0.01, 0.1) for width in (8, 16)
    ]
    assert [cell.config.model.width for cell in cells[:2]] == [8, 16]


def test_a_point_of_a_spacing_is_the_trial_that_the_same_number_would_be() -> None:
    spaced = {"name": "jacobian"}
    grid = {"regulariser.strength": {"logspace": {"from": 1e-5, "to": 1e-1, "num": 5}}}
    on_grid = study(arms={"jacobian": {"regulariser": spaced, "grid": grid}})
    by_itself = study(arms={"jacobian": {"regulariser": {"name": "jacobian", "strength": 1e-3}}})
    assert by_itself.trials[0].key in {trial.key for trial in on_grid.trials}


def test_linspace_holds_both_ends() -> None:
    grid = {"optimiser.lr": {"linspace": {"from": 0.1, "to": 0.3, "num": 3}}}
    assert [cell.config.optimiser.lr for cell in study(arms={"a": {"grid": grid}}).cells] == [0.1, 0.2, 0.3]


def test_an_arm_changes_single_settings_and_replaces_components_of_another_name() -> None:
    trial = {"optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.1}}
    changed = overlay(trial, {"optimiser": {"weight_decay": 0.2}})
    assert changed == {"optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.2}}
    replaced = overlay(trial, {"optimiser": {"name": "sgd", "lr": 0.1}})
    assert replaced == {"optimiser": {"name": "sgd", "lr": 0.1}}
    assert overlay({"model": "mlp"}, {"model": {"width": 8}}) == {"model": {"name": "mlp", "width": 8}}
    assert overlay({"regulariser": {"name": "jacobian"}}, {"regulariser": None}) == {"regulariser": None}


@pytest.mark.parametrize(
    ("trial", "arm", "path", "place"),
    [
        ({}, {"regulariser": {"name": "jacobian", "strength": 1}}, "strength", "arms.mine.regulariser.strength"),
        ({}, {"regularisers": {"jacobian": {"strength": 1}}}, "strength", "arms.mine.regularisers.jacobian.strength"),
        ({"regulariser": {"name": "jacobian", "strength": 1}}, {}, "strength", "trial.regulariser.strength"),
        (
            {"regulariser": {"name": "jacobian", "strength": 1}},
            {"regulariser": {"norm": "half_mean_square"}},
            "norm",
            "arms.mine.regulariser.norm",
        ),
        (
            {"regulariser": "jacobian"},
            {"grid": {"regulariser.strength": [1, 2]}},
            "strength",
            "arms.mine.grid.regulariser.strength",
        ),
        (
            {"regularisers": {"jacobian": {"strength": 1}}},
            {"grid": {"regularisers.weight_norm.strength": [1, 2]}},
            "strength",
            "trial.regularisers.jacobian.strength",
        ),
    ],
)
def test_a_problem_of_a_component_is_placed_where_the_study_gives_it(
    trial: dict[str, Any], arm: dict[str, Any], path: str, place: str
) -> None:
    base = study()
    mine = study(trial=base.trial | trial, arms={"mine": arm})
    found = mine.placed(mine.cells[0], Problem(("regularisers", "jacobian", path), "is wrong"))
    assert str(found) == f"{place}: is wrong"


def test_trials_come_seed_by_seed_and_each_once() -> None:
    trials = study(arms={"baseline": {}, "twin": {}, "other": {"batch_size": 10}}).trials
    assert [trial.seed for trial in trials] == [0, 0, 1, 1]


def test_a_study_that_is_wrong_in_python_tells_all_of_it_too() -> None:
    with pytest.raises(ValidationError, match="no arm") as caught:
        study(analyses=[{"kind": "acceleration", "baseline": "x"}], arms={"a": {"batch_size": 0}})
    assert "arms.a.batch_size" in str(caught.value)


def test_narrowing_leaves_out_what_speaks_of_absent_arms() -> None:
    narrowed = narrow(read_study("table1-ce"), seeds=3, arms=["jacobian", "grokfast"])
    assert list(narrowed.arms) == ["jacobian", "grokfast"]
    assert narrowed.seed_list == (0, 1, 2)
    assert not narrowed.reference  # They are of a comparison that is no longer made.
    assert [analysis.kind for analysis in narrowed.analyses] == ["curves"]


def test_narrowing_keeps_published_figures_of_arms_that_stay_with_their_baseline() -> None:
    narrowed = narrow(read_study("table1-ce"), arms=["baseline", "grokfast"])
    assert {reference.arm for reference in narrowed.reference} == {"grokfast"}
    assert [analysis.kind for analysis in narrowed.analyses] == ["acceleration", "curves"]


def test_narrowing_keeps_measurements_without_their_baseline() -> None:
    narrowed = narrow(read_study("table2-ce"), arms=["jacobian"])
    assert [analysis.kind for analysis in narrowed.analyses] == ["measurements", "curves"]
    assert narrowed.analyses[0].baseline is None  # type: ignore[union-attr]
    assert {(reference.arm, reference.metric is None) for reference in narrowed.reference} == {("jacobian", False)}
    assert narrow(read_study("table2-ce"), arms=["baseline"]).analyses == read_study("table2-ce").analyses


def test_narrowing_tells_ratios_from_metrics() -> None:
    both = study(
        analyses=[
            {"kind": "acceleration", "baseline": "baseline"},
            {"kind": "measurements", "metrics": ["test_accuracy"]},
        ],
        reference=[
            {"arm": "jacobian", "source": "a paper", "measure": "steps", "value": 7.5},
            {"arm": "jacobian", "source": "a paper", "metric": "test_accuracy", "value": 0.9},
        ],
    )
    assert [reference.metric for reference in narrow(both, arms=["jacobian"]).reference] == ["test_accuracy"]


def test_a_changed_study_is_not_held_against_published_figures() -> None:
    changed = narrow(read_study("table1-ce"), settings=["trial.budget.epochs=2000"])
    assert changed.cells[0].config.budget.epochs == 2000
    assert all(reference.not_comparable for reference in changed.reference)


def test_narrowing_keeps_a_trial_what_it_is() -> None:
    whole = {trial.key for trial in read_study("table1-ce").trials}
    assert {trial.key for trial in narrow(read_study("table1-ce"), seeds=[4, 9]).trials} < whole
    assert {trial.key for trial in narrow(read_study("table1-ce"), settings=["trial.budget.epochs=9"]).trials} == whole


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("name", ["table2", "figure9"])
def test_table_2_and_figure_9_train_on_what_table_1_trained(name: str, loss: str) -> None:
    table1, further = read_study(f"table1-{loss}"), read_study(f"{name}-{loss}")
    assert {trial.key for trial in further.trials} <= {trial.key for trial in table1.trials}
    assert further.seed_list == table1.seed_list and further.goal is None
    cell = further.cells[0]
    evaluation, every = cell.config.last_evaluation, cell.config.evaluate.every
    assert evaluation == cell.config.budget.extent == 40_001
    # The probes are due there: training further changes nothing of what was measured.
    assert every is not None
    assert all((evaluation - 1) // every % probe.every == 0 for probe in cell.config.all_probes)


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_the_lambdas_are_table_1s_trials_with_other_strengths(loss: str) -> None:
    table1, lambdas = LIBRARY[f"table1-{loss}"](), LIBRARY[f"lambda-{loss}"]()
    strengths = [each.strength for cell in lambdas.cells for each in cell.config.regularisers.values()]
    assert len(strengths) >= 9 and max(strengths) / min(strengths) == pytest.approx(1e4)
    shared = table1.trials_by_key.keys() & lambdas.trials_by_key.keys()
    assert len(shared) == 20, "all seeds of the baseline, and of Table 1's lambda"


def test_table_2_holds_its_published_figures() -> None:
    """Walker et al. 2025, Table 2 (Appendix E): min and max of the alignment, then the test accuracy in percent."""
    printed = {
        "table2-ce": {
            "baseline": (-0.254, 0.283, 88.9),
            "jacobian": (-0.509, 0.478, 91.8),
            "adversarial": (-0.253, 0.274, 88.0),
        },
        "table2-mse": {
            "baseline": (-0.170, 0.272, 86.8),
            "jacobian": (-0.638, 0.709, 88.2),
            "adversarial": (-0.263, 0.376, 87.8),
        },
    }
    rows = "train_jacobian_row_alignment"
    for name, arms in printed.items():
        reference = read_study(name).reference
        assert all(figure.error is None and figure.num_seeds is None for figure in reference)
        found = {(figure.arm, figure.metric): figure.value for figure in reference}
        for arm, (least, greatest, percent) in arms.items():
            assert found[arm, f"{rows}_min"] == found[arm, f"{rows}_mean_min"] == least
            assert found[arm, f"{rows}_max"] == found[arm, f"{rows}_mean_max"] == greatest
            assert found[arm, "test_accuracy"] == pytest.approx(percent / 100)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": ["trial.budgt.epochs=5"]}, "did you mean 'budget'?"),
        ({"settings": ["question.x=5"]}, "--set question.x=5"),
        ({"settings": ["trial.optimiser.lr"]}, "write it as path=value"),
        ({"settings": ["trial.optimiser.lr=fast"]}, "trial.optimiser.lr: 'fast' is not allowed"),
        (
            {"settings": ["arms.jacobean.regulariser.strength=1"]},
            "--set arms.jacobean.regulariser.strength=1: 'jacobean' is no arm; did you mean 'jacobian'? Allowed: base",
        ),
        ({"settings": ["arms.jacobean.grid.regulariser.strength=[1]"]}, "'jacobean' is no arm; did you mean"),
        ({"settings": ["arms.mine={}"]}, "--set arms.mine={}: 'mine' is no arm; "),
        (
            {"settings": ["analyses.0.baseline=baseline"]},
            "items of a list cannot be set by themselves; set all of it, --set 'analyses=[…, …]'",
        ),
        ({"settings": ["trial.probes.0.every=3"]}, "set all of it, --set 'trial.probes=[…, …]'"),
        ({"arms": ["jacobean"]}, "--arms jacobean: is no arm; did you mean 'jacobian'?"),
        ({"seeds": 0}, "seeds: 0 is not allowed"),
    ],
)
def test_a_wrong_change_is_told(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationErrors) as caught:
        narrow(read_study("table1-ce"), **change)
    assert told in str(caught.value)


def test_all_arms_can_be_changed_at_once() -> None:
    changed = narrow(study(), settings=["arms={baseline: {}, mine: {}}", "arms.mine.batch_size=10"])
    assert changed.arms == {"baseline": {}, "mine": {"batch_size": 10}}


def test_yaml_means_what_people_mean() -> None:
    read = parse_yaml(
        "a: 1e-3\nb: 1E5\nc: 010\nd: no\ne: 12:30\nf: 1_000\ng: true\nh: ~\ni: -.5\nj: 2024-01-01", source="t"
    )
    assert read.content == {
        "a": 1e-3,
        "b": 1e5,
        "c": 10,
        "d": "no",
        "e": "12:30",
        "f": "1_000",
        "g": True,
        "h": None,
        "i": -0.5,
        "j": "2024-01-01",
    }


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_every_number_that_python_prints_is_a_number(number: float) -> None:
    value = parse_value(repr(number))
    assert value == number and type(value) is type(number)


def test_files_that_a_study_names_are_meant_from_where_it_lies(tmp_path: Path) -> None:
    data = f"{{name: npz, path: mine.npz, digest: 'sha256:{'0' * 64}'}}"
    (tmp_path / "study.yaml").write_text(to_yaml(study()).replace("data: digits", f"data: {data}"))
    config = read_study(tmp_path / "study.yaml").cells[0].config
    assert config.data.path == tmp_path / "mine.npz"  # type: ignore[union-attr]


def test_where_its_files_lie_makes_no_other_version_of_a_study(tmp_path: Path):
    def with_data(path: str) -> Study:
        data = {"name": "npz", "path": path, "digest": f"sha256:{'0' * 64}"}
        return study(trial={**study().trial, "data": data})

    assert digest(with_data("/one/mine.npz")) == digest(with_data("/other/mine.npz"))
    assert digest(with_data("/one/mine.npz")) != digest(with_data("/one/yours.npz"))


def test_a_portable_study_leaves_folders_of_data_where_every_machine_has_them():
    text, files = to_portable_yaml(study(trial={**study().trial, "data": {"name": "mnist", "root": "/data"}}))
    assert "root: /data" in text and not files


class TestAProcedureInOneArm:
    """Beside networks, which the trial describes."""

    TRIAL: ClassVar[dict[str, Any]] = {
        "data": {"name": "diabetes"},
        "model": {"name": "mlp", "width": 8},
        "loss": "mean_squared_error",
        "optimiser": "adamw",
        "budget": {"steps": 9},
    }
    RIDGE: ClassVar[dict[str, Any]] = {"procedure": {"name": "ridge", "strength": 0.1}}
    NULLS: ClassVar[dict[str, Any]] = {"model": None, "loss": None, "optimiser": None}

    def study(self, ridge: dict[str, Any], **trial: Any) -> Study:
        content = {"name": "mine", "question": "Is it?", "seeds": 2, "trial": self.TRIAL | trial}
        return Study.model_validate(content | {"arms": {"network": {}, "ridge": ridge}})

    def test_takes_away_what_is_of_networks(self):
        kinds = [type(cell.config).__name__ for cell in self.study(self.RIDGE | self.NULLS).cells]
        assert kinds == ["GradientConfig", "ProcedureConfig"]

    def test_is_told_what_to_take_away(self):
        with pytest.raises(ValidationError) as raised:
            self.study(self.RIDGE | {"model": None})
        said = (
            "arms.ridge.procedure: stands in the place of loss, optimiser; write loss: null, optimiser: null beside it"
        )
        assert said in str(raised.value) and "trial.loss" not in str(raised.value)

    def test_a_problem_of_what_all_share_names_the_arm(self):
        probe = {"probes": ["ntk"], "goal": {"metric": "train_ntk_trace", "above": 1}}
        with pytest.raises(ValidationError) as raised:
            self.study(self.RIDGE | self.NULLS | {"probes": None}, **probe)
        assert "trial.goal.metric: 'train_ntk_trace' is not measured by this trial" in str(raised.value)
        assert "(in ridge)" in str(raised.value)


def test_published_figures_of_points_that_are_taken_off_a_grid_go_with_them() -> None:
    whole = read_study("hoffman-table1")
    arms = list(whole.arms)
    narrowed = narrow(whole, settings=[f"arms.{arm}.grid.data.per_class=[1, 10]" for arm in arms])
    assert {reference.at["data.per_class"] for reference in narrowed.reference} == {1, 10}
    assert len(narrowed.reference) == 2 * len(arms)
