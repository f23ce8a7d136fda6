"""How a trial ends, and how it goes on when more is asked of it."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_resume import comparable
from tiny_trials import (
    TINY,
    assert_same_bits,
    curves,
    latest,
    run,
    run_for,
    state,
    summary,
    tiny,
    tiny_trial,
    without_seconds,
)

from trainables.data.load import load
from trainables.evaluations import NOT_YET, Budget, Evaluate, Goal
from trainables.models.base import Spec
from trainables.randomness import Stream, generator
from trainables.records import End, WorkFolder, ending
from trainables.run import WorkRun
from trainables.trial import TrialConfig
from trainables.validation import ValidationErrors, validate

SPACINGS = st.one_of(
    st.builds(Evaluate, every=st.integers(1, 40), first=st.none() | st.integers(0, 400)),
    st.builds(Evaluate, per_decade=st.integers(1, 30), first=st.none() | st.integers(0, 400)),
    st.lists(st.integers(0, 400), min_size=1, max_size=20, unique=True)
    .filter(lambda at: at != [0])
    .map(lambda at: Evaluate(at=tuple(sorted(at)))),
)


class TestSchedule:
    @pytest.mark.parametrize(
        ("budget", "evaluations"),
        [
            ({"epochs": 1}, [1]),
            ({"epochs": 3}, [1, 2, 3]),
            ({"epochs": 5, "every": 10}, [1]),
            ({"epochs": 20, "every": 10}, [1, 11]),
            ({"epochs": 21, "every": 10}, [1, 11, 21]),
            ({"steps": 9, "every": 4}, [1, 5, 9]),
            ({"steps": 1, "per_decade": 1}, [1]),
            ({"steps": 1500, "per_decade": 1}, [1, 10, 100, 1000]),
            # 10^(k/4) = 1, 1.78, 3.16, 5.62, 10, 17.8, 31.6, 56.2, 100
            ({"steps": 100, "per_decade": 4}, [1, 2, 3, 6, 10, 18, 32, 56, 100]),
            # Of 10^(k/10) = 1, 1.26, 1.58, 2.00, 2.51, 3.16, 3.98, 5.01, 6.31, 7.94, 10 each integer counts once.
            ({"epochs": 10, "per_decade": 10}, [1, 2, 3, 4, 5, 6, 8, 10]),
            ({"epochs": 5, "every": 2, "first": 0}, [0, 2, 4]),
            ({"epochs": 40, "every": 10, "first": 15}, [15, 25, 35]),
            ({"epochs": 15, "every": 10, "first": 15}, [15]),
            ({"steps": 100, "per_decade": 1, "first": 0}, [0, 1, 10, 100]),
            ({"steps": 999, "per_decade": 1, "first": 20}, [100]),
            ({"steps": 100, "at": [0, 10, 100, 1000]}, [0, 10, 100]),
            ({"steps": 12, "at": [7]}, [7]),
        ],
    )
    def test_evaluations(self, budget: dict[str, int], evaluations: list[int]):
        (unit, extent), *spacing = budget.items()
        evaluate, extent = Evaluate.model_validate(dict(spacing)), Budget.model_validate({unit: extent}).extent
        taken, position = [], NOT_YET
        while (position := evaluate.next_after(position)) <= extent and len(taken) <= len(evaluations):
            taken.append(position)
        assert taken == evaluations
        assert evaluate.last_within(extent) == evaluations[-1]
        assert evaluate.num_within(extent) == len(evaluations)

    @given(evaluate=SPACINGS, extent=st.integers(1, 300), position=st.floats(0, 300))
    def test_agrees_with_all_places_written_out(self, evaluate: Evaluate, extent: int, position: float):
        """That list is as long as any place asked for here, and one more."""
        places = written_out(evaluate)
        assert evaluate.next_after(NOT_YET) == places[0]
        within = [place for place in places if place <= extent]
        assert evaluate.last_within(extent) == max(within, default=0)
        assert evaluate.num_within(extent) == len(within)
        for at in (position, math.floor(position)):
            assert evaluate.next_after(at) == next((place for place in places if place > at), math.inf)

    @pytest.mark.parametrize(
        ("settings", "wrong"),
        [
            (
                {"budget": {"epochs": 5}, "evaluate": {"every": 2, "first": 6}},
                r"budget.epochs: 5 ends before the first evaluation after training has begun, at 6; at least 6 is",
            ),
            ({"budget": {"steps": 99}, "evaluate": {"per_decade": 1, "first": 20}}, r"budget.steps: 99 ends .* at 100"),
            ({"budget": {"steps": 9}, "evaluate": {"at": [0, 10]}}, r"budget.steps: 9 ends .* at least 10 is allowed"),
            ({"budget": {"steps": 9}, "evaluate": {"every": 10, "first": 0}}, r"budget.steps: 9 ends .* at 10;"),
            ({"evaluate": {"at": [0]}}, r"evaluate.at: 0 alone is before any training"),
            ({"evaluate": {"at": [0, 5, 5]}}, r"evaluate.at: 5 comes after 5: each should be larger"),
            ({"evaluate": {"at": []}}, r"evaluate.at"),
            ({"evaluate": {"at": [1.5]}}, r"evaluate.at.0"),
            ({"evaluate": {"at": [-1]}}, r"evaluate.at.0"),
            ({"evaluate": {"at": [1], "first": 0}}, r"evaluate.first: 0 is not allowed beside at"),
            ({"evaluate": {"at": [1], "first": 1}}, r"evaluate.first: 1 is not allowed beside at"),
            ({"evaluate": {"every": 2, "first": -1}}, r"evaluate.first"),
            ({"evaluate": {"every": 2, "first": True}}, r"evaluate.first"),
            ({"evaluate": {"every": 2, "at": [1]}}, r"evaluate: give one of every, per_decade and at"),
        ],
    )
    def test_what_evaluations_must_not_be(self, settings: dict[str, Any], wrong: str):
        with pytest.raises(ValidationErrors, match=wrong):
            validate(TrialConfig, TINY | settings, source="trial.yaml")

    def test_what_was_validated_can_be_written_down_and_read_again(self):
        for spacing in ({"every": 3, "first": 0}, {"at": [0, 2]}, {"per_decade": 2}):
            config = tiny(evaluate=spacing)
            assert tiny(**config.model_dump(mode="json")) == config

    @pytest.mark.parametrize("budget", [{}, {"epochs": 3, "steps": 3}, {"epochs": 0}])
    def test_what_a_budget_must_not_be(self, budget: dict[str, int]):
        with pytest.raises(ValueError):
            Budget.model_validate(budget)

    @pytest.mark.parametrize("spacing", [{"every": 1, "per_decade": 2}, {"every": 0}, {"often": 1}])
    def test_what_a_spacing_must_not_be(self, spacing: dict[str, int]):
        with pytest.raises(ValueError):
            Evaluate.model_validate(spacing)


def written_out(evaluate: Evaluate) -> list[float]:
    """The places up to 1000, one by one."""
    first = 1 if evaluate.first is None else evaluate.first
    if evaluate.at is not None:
        return list(evaluate.at)
    if evaluate.every is not None:
        return list(range(first, 2 * 10**3, evaluate.every))
    assert evaluate.per_decade is not None
    powers = {round(10 ** (k / evaluate.per_decade)) for k in range(4 * evaluate.per_decade)}
    return [0] * (first == 0) + sorted(power for power in powers if power >= first)


class TestGoal:
    @pytest.mark.parametrize(
        ("goal", "low", "high", "met"),
        [
            ({"above": 0.85}, 0.1, 0.86, True),
            ({"above": 0.85}, 0.1, 0.85, False),
            ({"below": 0.2}, 0.1, 0.86, True),
            ({"below": 0.1}, 0.1, 0.86, False),
            ({"above": 0.0}, -1.0, 0.0, False),
            ({"below": 0.0}, -1.0, 0.0, True),
        ],
    )
    def test_strictly(self, goal: dict[str, float], low: float, high: float, met: bool):
        assert Goal.model_validate({"metric": "m"} | goal).met_by(low=low, high=high) is met

    @pytest.mark.parametrize("goal", [{}, {"above": 1, "below": 0}, {"above": math.nan}, {"above": "0.85"}])
    def test_what_a_goal_must_not_be(self, goal: dict[str, Any]):
        with pytest.raises(ValueError):
            Goal.model_validate({"metric": "m"} | goal)

    def test_a_goal_must_be_measured(self):
        with pytest.raises(ValueError, match="did you mean 'test_accuracy'"):
            tiny(goal={"metric": "test_acuracy", "above": 0.5})


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory: pytest.TempPathFactory):
    """The tiny trial's, unto its budget: after epochs 1, 3, 5, 7, 9."""
    return run(tiny_trial(), tmp_path_factory.mktemp("whole"))


def first_above(evaluations, value: float) -> int:
    return next(number for number, evaluation in enumerate(evaluations) if evaluation.values["test_accuracy"] > value)


def test_the_budget_ends_at_the_last_evaluation_within_it(tmp_path: Path, evaluations):
    assert [(evaluation.steps, evaluation.epochs) for evaluation in evaluations] == [
        (3, 1),
        (9, 3),
        (15, 5),
        (21, 7),
        (27, 9),
    ]
    trial = tiny_trial(budget={"epochs": 8}, evaluate={"every": 2})
    assert without_seconds(run(trial, tmp_path)) == without_seconds(evaluations[:4])
    after = summary(trial, tmp_path)
    assert (after.end, after.steps, after.epochs, after.goal) == (End.BUDGET, 21, 7, None)
    assert after.key == trial.key and after.seed == 0


def test_steps_may_be_the_unit(tmp_path: Path):
    trial = tiny_trial(budget={"steps": 8}, evaluate={"every": 4})
    evaluations = run(trial, tmp_path)
    assert [(evaluation.steps, evaluation.epochs) for evaluation in evaluations] == [(1, 1 / 3), (5, 5 / 3)]
    assert summary(trial, tmp_path).end is End.BUDGET


def test_the_whole_training_set_is_a_batch_by_default(tmp_path: Path):
    for batch_size in (None, 70):
        trial = tiny_trial(batch_size=batch_size, budget={"epochs": 2}, evaluate={"every": 1})
        assert [(evaluation.steps, evaluation.epochs) for evaluation in run(trial, tmp_path)] == [(1, 1), (2, 2)]


def test_the_goal_ends_at_the_first_evaluation_strictly_above(tmp_path: Path, evaluations):
    value = evaluations[1].values["test_accuracy"]
    assert value > evaluations[0].values["test_accuracy"]
    trial = tiny_trial(goal={"metric": "test_accuracy", "above": value - 1e-9})
    assert without_seconds(run(trial, tmp_path)) == without_seconds(evaluations[:2])
    after = summary(trial, tmp_path)
    assert (after.end, after.steps) == (End.GOAL, evaluations[1].steps)
    assert after.goal == f"test_accuracy > {value - 1e-9}"
    assert after.final == after.last == evaluations[1].values

    equal = tiny_trial(goal={"metric": "test_accuracy", "above": value})
    expected = first_above(evaluations, value)
    assert expected > 1
    assert without_seconds(run(equal, tmp_path / "equal")) == without_seconds(evaluations[: expected + 1])


def test_a_goal_below(tmp_path: Path, evaluations):
    losses = [evaluation.values["train_loss"] for evaluation in evaluations]
    assert losses == sorted(losses, reverse=True)
    trial = tiny_trial(goal={"metric": "train_loss", "below": losses[2]})
    assert len(run(trial, tmp_path)) == 4
    assert summary(trial, tmp_path).end is End.GOAL


def test_a_goal_never_met_ends_with_the_budget(tmp_path: Path, evaluations):
    trial = tiny_trial(goal={"metric": "test_accuracy", "above": 1.0})
    assert without_seconds(run(trial, tmp_path)) == without_seconds(evaluations)
    assert summary(trial, tmp_path).end is End.BUDGET


class TestAnEvaluationBeforeTraining:
    """It is measured like others, and meets no goal."""

    from_zero = {"evaluate": {"every": 2, "first": 0}}

    def test_is_of_the_network_as_it_is_initialised(self, tmp_path: Path):
        trial = tiny_trial(**self.from_zero)
        (first, second, *_) = run(trial, tmp_path)
        assert (first.steps, first.epochs, first.seconds) == (0, 0.0, 0.0)
        assert (second.steps, second.epochs) == (6, 2.0)
        data = load(trial.config.data, torch.float32, torch.device("cpu"))
        built = trial.config.model.build(Spec("classification", torch.Size([1, 8, 8]), 10, torch.float32))
        parameters, _ = built.init(generator(0, Stream.INIT))
        outputs = built.apply(parameters, {}, data.x_test, {})[0]
        assert first.values["test_loss"] == float(torch.nn.functional.cross_entropy(outputs, data.y_test))

    def test_changes_nothing_of_the_rest(self, tmp_path: Path):
        with_it = tiny_trial(budget={"steps": 9}, evaluate={"at": [0, 1, 5, 9]})
        without = tiny_trial(budget={"steps": 9}, evaluate={"every": 4})
        both = run(with_it, tmp_path / "with"), run(without, tmp_path / "without")
        assert without_seconds(both[0])[1:] == without_seconds(both[1])
        assert_same_bits(state(with_it, tmp_path / "with"), state(without, tmp_path / "without"))

    def test_meets_no_goal(self, tmp_path: Path):
        trial = tiny_trial(**self.from_zero, goal={"metric": "train_loss", "above": 0.0})
        assert [evaluation.steps for evaluation in run(trial, tmp_path)] == [0, 6]
        assert summary(trial, tmp_path).end is End.GOAL

    def test_is_no_extreme(self, tmp_path: Path):
        trial = tiny_trial(**self.from_zero, budget={"epochs": 4})
        first, *rest = run(trial, tmp_path)
        losses = [evaluation.values["train_loss"] for evaluation in rest]
        assert first.values["train_loss"] > max(losses)
        after = summary(trial, tmp_path)
        assert (after.low["train_loss"], after.high["train_loss"]) == (min(losses), max(losses))

    def test_alone_ends_nothing(self, tmp_path: Path):
        """Closed after it, and asked for by a study that would have ended there."""
        trial = tiny_trial(**self.from_zero)
        run_for(trial, tmp_path, 1)
        after = summary(trial, tmp_path)
        assert (after.steps, after.end, after.high) == (0, None, {})
        assert after.last.keys() == set(trial.config.metrics)
        asked = tiny_trial(**self.from_zero, budget={"epochs": 2}, goal={"metric": "train_loss", "above": 0.0})
        assert ending(asked.config, after) is None
        assert [evaluation.steps for evaluation in run(asked, tmp_path)] == [6]

    def test_closed_before_it_leaves_nothing(self, tmp_path: Path):
        trial = tiny_trial(**self.from_zero)
        running = WorkRun(trial, WorkFolder(tmp_path, trial.key))
        running.close()
        assert not list(tmp_path.iterdir())


def test_after_the_last_that_is_listed_there_is_no_further_one(tmp_path: Path):
    trial = tiny_trial(evaluate={"at": [1, 4]}, budget={"epochs": 1000})
    assert [evaluation.epochs for evaluation in run(trial, tmp_path)] == [1, 4]
    assert summary(trial, tmp_path).end is End.BUDGET
    assert (trial.config.last_evaluation, trial.config.num_evaluations) == (4, 2)


def test_extremes_and_latest_values(tmp_path: Path, evaluations):
    run(tiny_trial(), tmp_path)
    after = summary(tiny_trial(), tmp_path)
    for metric, last in evaluations[-1].values.items():
        values = [evaluation.values[metric] for evaluation in evaluations]
        assert (after.low[metric], after.high[metric], after.last[metric]) == (min(values), max(values), last)


def test_a_measurement_that_is_no_number(tmp_path: Path):
    """Weights so small that the Jacobian underflows to 0, whose cosine with anything is 0/0: recorded, extreme of
    nothing, and no goal met. Training goes on.
    """
    settings = {"model": {"name": "mlp", "width": 5, "init_scale": 1e-25}, "probes": [{"name": "centroid", "every": 1}]}
    metric = "train_centroid_alignment_mean"
    trial = tiny_trial(**settings, goal={"metric": metric, "below": 2.0}, budget={"epochs": 2}, evaluate={"every": 1})
    evaluations = run(trial, tmp_path)
    assert [math.isnan(evaluation.values[metric]) for evaluation in evaluations] == [True, True]
    after = summary(trial, tmp_path)
    assert after.end is End.BUDGET
    assert math.isnan(after.last[metric]) and math.isnan(after.final[metric])
    assert metric not in after.low and metric not in after.high
    assert after.low["train_centroid_norm_mean"] == 0.0


MORE = [
    pytest.param({"budget": {"epochs": 3}, "evaluate": {"every": 2}}, {}, id="a larger budget"),
    pytest.param(
        {"budget": {"epochs": 4}, "evaluate": {"every": 2}}, {}, id="a larger budget, the smaller not at an evaluation"
    ),
    pytest.param({"goal": {"metric": "test_accuracy", "above": 0.1}}, {}, id="no goal after one that was met"),
    pytest.param(
        {"goal": {"metric": "test_accuracy", "above": 0.1}},
        {"goal": {"metric": "test_accuracy", "above": 0.75}},
        id="a higher goal",
    ),
    pytest.param(
        {"goal": {"metric": "test_accuracy", "above": 0.1}},
        {"goal": {"metric": "train_loss", "below": 0.5}},
        id="another goal",
    ),
    pytest.param(
        {"budget": {"epochs": 3}, "evaluate": {"every": 2}},
        {"budget": {"epochs": 9}, "evaluate": {"every": 2}, "goal": {"metric": "test_accuracy", "above": 0.75}},
        id="a larger budget and a goal",
    ),
]


@pytest.mark.parametrize(("first", "then"), MORE)
def test_asking_for_more_later_equals_having_asked_from_the_start(tmp_path: Path, first: dict, then: dict):
    method = {"shuffle": True, "input_transform": {"name": "tan_huang", "scale": 0.1, "floor": 0.03}}
    before, after = tiny_trial(**method, **first), tiny_trial(**method, **then)
    assert before.key == after.key
    early = run(before, tmp_path / "later")
    assert summary(before, tmp_path / "later").end is not None
    late = run(after, tmp_path / "later")
    assert late
    assert without_seconds(early + late) == without_seconds(run(after, tmp_path / "at once"))
    assert_same_bits(state(after, tmp_path / "later"), state(after, tmp_path / "at once"))
    assert curves(after, tmp_path / "later") == curves(after, tmp_path / "at once")
    assert comparable(summary(after, tmp_path / "later")) == comparable(summary(after, tmp_path / "at once"))


def test_a_goal_that_an_earlier_evaluation_had_met_needs_no_more(tmp_path: Path, evaluations):
    """Also where the latest evaluation no longer meets it: the first evaluation that does is what counts."""
    run(tiny_trial(), tmp_path)
    losses = [evaluation.values["train_loss"] for evaluation in evaluations]
    asked = tiny_trial(goal={"metric": "train_loss", "above": (losses[0] + losses[1]) / 2})
    assert run(asked, tmp_path) == []
    assert ending(asked.config, summary(asked, tmp_path)) is End.GOAL


class TestSmallerBudget:
    def test_on_a_finished_trial_needs_no_more(self, tmp_path: Path):
        run(tiny_trial(), tmp_path)
        before = state(tiny_trial(), tmp_path)
        smaller = tiny_trial(budget={"epochs": 3}, evaluate={"every": 2})
        assert run(smaller, tmp_path) == []
        assert ending(smaller.config, summary(smaller, tmp_path)) is End.BUDGET
        assert_same_bits(state(smaller, tmp_path), before)

    def test_on_a_checkpoint_marks_it_ended(self, tmp_path: Path):
        run_for(tiny_trial(), tmp_path, 3)
        assert summary(tiny_trial(), tmp_path).end is None
        smaller = tiny_trial(budget={"epochs": 3}, evaluate={"every": 2})
        assert run(smaller, tmp_path) == []
        after = summary(smaller, tmp_path)
        assert (after.end, after.epochs) == (End.BUDGET, 5)

    def test_then_the_larger_again_goes_on_as_if_nothing_had_been(self, tmp_path: Path, evaluations):
        run_for(tiny_trial(), tmp_path, 3)
        run(tiny_trial(budget={"epochs": 3}, evaluate={"every": 2}), tmp_path)
        assert without_seconds(run(tiny_trial(), tmp_path)) == without_seconds(evaluations[3:])
        assert len(curves(tiny_trial(), tmp_path)) == 1 + len(evaluations)


class TestDivergence:
    """Squared error, a far too large step: the loss grows without bound and overflows after some steps."""

    settings = {
        "loss": "mean_squared_error",
        "optimiser": {"name": "sgd", "lr": 30.0},
        "model": {"name": "mlp", "depth": 2, "width": 5, "activation": "tanh"},
    }

    def first_step_with_no_finite_loss(self) -> int:
        """By hand, with torch's modules."""
        config = tiny(**self.settings)
        data = load(config.data, torch.float32, torch.device("cpu"))
        model = config.model.build(Spec("classification", torch.Size([1, 8, 8]), 10, torch.float32))
        parameters, _ = model.init(generator(0, Stream.INIT))
        leaves = {name: p.requires_grad_() for name, p in parameters.items()}
        optimiser = torch.optim.SGD(leaves.values(), lr=30.0)
        for step in range(1, 100):
            rows = slice(32 * ((step - 1) % 3), 32 * ((step - 1) % 3) + 32)
            outputs = model.apply(leaves, {}, data.x_train[rows], {})[0]
            loss = (outputs - torch.eye(10)[data.y_train[rows]]).square().mean()
            if not math.isfinite(loss.item()):
                return step
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        raise AssertionError("did not diverge")

    @pytest.mark.parametrize("evaluate_every", [1, 2, 5, 40])
    def test_is_reported_with_its_step_wherever_the_evaluations_are(self, tmp_path: Path, evaluate_every: int):
        expected = self.first_step_with_no_finite_loss()
        assert expected > 5
        trial = tiny_trial(**self.settings, budget={"steps": 90}, evaluate={"every": evaluate_every})
        taken = run(trial, tmp_path)
        after = summary(trial, tmp_path)
        assert (after.end, after.diverged_at) == (End.DIVERGED, expected)
        assert after.final == {}
        assert [evaluation.steps for evaluation in taken] == list(range(1, expected, evaluate_every))
        assert len(curves(trial, tmp_path)) == 1 + len(taken)

    def test_is_final_whatever_the_budget(self, tmp_path: Path):
        trial = tiny_trial(**self.settings)
        run(trial, tmp_path)
        more = tiny_trial(**self.settings, budget={"epochs": 1000}, evaluate={"every": 2})
        assert more.key == trial.key
        assert run(more, tmp_path) == []
        assert ending(more.config, summary(more, tmp_path)) is End.DIVERGED

    def test_resumed_just_before_it_is_found_again(self, tmp_path: Path):
        expected = self.first_step_with_no_finite_loss()
        trial = tiny_trial(**self.settings, budget={"steps": 90}, evaluate={"every": 1})
        run_for(trial, tmp_path, expected - 1)
        assert summary(trial, tmp_path).end is None
        assert run(trial, tmp_path) == []
        assert summary(trial, tmp_path).diverged_at == expected

    def test_evaluations_before_it_count_towards_the_goal(self, tmp_path: Path):
        trial = tiny_trial(**self.settings, budget={"steps": 90}, evaluate={"every": 1})
        run(trial, tmp_path)
        asked = tiny_trial(
            **self.settings,
            budget={"steps": 90},
            evaluate={"every": 1},
            goal={"metric": "train_loss", "above": 0.0},
        )
        assert ending(asked.config, summary(asked, tmp_path)) is End.GOAL


def test_a_snapshot_holds_the_configuration_that_was_run(tmp_path: Path):
    import yaml

    trial = tiny_trial(seed=4, goal={"metric": "test_accuracy", "above": 0.2})
    run(trial, tmp_path)
    content = yaml.safe_load(latest(trial, tmp_path).config_path.read_text())
    seed = content.pop("seed")
    assert (seed, tiny(**content)) == (4, trial.config)


def test_missing_data_fails_before_anything_is_written(tmp_path: Path):
    trial = tiny_trial(data={"name": "npz", "path": "nowhere.npz", "digest": "sha256:" + 64 * "0"})
    with pytest.raises(Exception, match=r"nowhere\.npz is not there"):
        next(WorkRun(trial, WorkFolder(tmp_path, trial.key)))
    assert list(tmp_path.iterdir()) == []
