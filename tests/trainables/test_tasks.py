"""Classification, binary tasks and regression: their data, losses and metrics, and what does not fit is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as TheirRidge
from sklearn.metrics import r2_score
from tiny_trials import TINY, run, state, summary, tiny_trial
from torch import Tensor
from torch.nn import functional as F

from trainables.data.content import Used, check_content
from trainables.data.load import Data, load
from trainables.data.place import DataError
from trainables.datasets.base import Dataset
from trainables.losses.cross_entropy import CrossEntropy
from trainables.losses.mean_squared_error import MeanSquaredError
from trainables.procedures.ridge import solve
from trainables.records import End
from trainables.training import Training
from trainables.trial import Trial, TrialConfig
from trainables.validation import ValidationErrors, validate

CPU = torch.device("cpu")
DIABETES: dict[str, Any] = {
    "data": {"name": "diabetes", "num_train": 100},
    "loss": "mean_squared_error",
    "batch_size": 40,
}
CANCER: dict[str, Any] = {"data": {"name": "breast_cancer", "num_train": 100, "num_validation": 30}, "batch_size": 40}


def config(**settings: Any) -> TrialConfig:
    return validate(TrialConfig, TINY | settings, source="trial")


def wrong_with(**settings: Any) -> str:
    with pytest.raises(ValidationErrors) as raised:
        config(**settings)
    return str(raised.value)


def loaded(**settings: Any) -> Data:
    data = config(**{**DIABETES, "data": settings}).data  # type: ignore[attr-defined]
    return load(data, torch.float64, CPU)


def outputs_of(training: Training, x: Tensor) -> Tensor:
    state = training.state()
    weights = {name.removeprefix("parameters."): each for name, each in state.items() if name.startswith("parameters.")}
    return training._network.evaluate(weights, {}, x)


class TestLosses:
    def setup_method(self):
        rng = torch.Generator().manual_seed(0)
        self.one = torch.randn(9, 1, dtype=torch.float64, generator=rng)
        self.three = torch.randn(9, 3, dtype=torch.float64, generator=rng)
        self.labels = torch.randint(2, (9,), generator=rng)

    def test_cross_entropy_of_one_output(self):
        """-y log s - (1 - y) log (1 - s), s the sigmoid of the output."""
        s, y = self.one[:, 0].sigmoid(), self.labels.double()
        expected = -(y * s.log() + (1 - y) * (1 - s).log()).mean()
        torch.testing.assert_close(CrossEntropy().value(self.one, self.labels), expected)

    def test_squared_error_of_one_output_is_to_minus_one_and_one(self):
        expected = ((self.one[:, 0] - torch.where(self.labels == 1, 1.0, -1.0)) ** 2).mean()
        torch.testing.assert_close(MeanSquaredError().value(self.one, self.labels), expected)

    def test_squared_error_of_a_regression_is_to_its_targets(self):
        y = torch.randn(9, 3, dtype=torch.float64)
        squares = (self.three - y) ** 2
        torch.testing.assert_close(MeanSquaredError().value(self.three, y), squares.mean())
        torch.testing.assert_close(MeanSquaredError(over_outputs="sum").value(self.three, y), squares.sum(1).mean())


class TestRegression:
    def test_is_measured_by_loss_and_r2(self):
        assert tiny_trial(**DIABETES).config.metrics == ("train_r2", "test_r2", "train_loss", "test_loss")
        training = Training(tiny_trial(**DIABETES, dtype="float64"), CPU)
        training.advance(20)
        values, data = training.measure(training.config.all_probes), training.data
        for part, (x, y) in {"train": data.part("train"), "test": data.part("test")}.items():
            outputs = outputs_of(training, x)
            assert values[f"{part}_r2"] == pytest.approx(r2_score(y.numpy(), outputs.numpy()), rel=1e-9)
            assert values[f"{part}_loss"] == pytest.approx(float(F.mse_loss(outputs, y)), rel=1e-9)
        assert values["train_r2"] > 0.3

    def test_may_have_several_targets(self, tmp_path: Path):
        rng = np.random.default_rng(0)
        x, W = rng.normal(size=(90, 6)), rng.normal(size=(6, 2))
        arrays = {"x_train": x[:60], "y_train": (x @ W)[:60], "x_test": x[60:], "y_test": (x @ W)[60:]}
        np.savez(tmp_path / "own.npz", **arrays)
        data = {"name": "npz", "path": tmp_path / "own.npz", "task": "regression", "standardise": True}
        trial = tiny_trial(
            data=data,
            loss="mean_squared_error",
            optimiser={"name": "adamw", "lr": 0.03},
            budget={"epochs": 201},
            evaluate={"every": 50},
            regulariser={"name": "jacobian", "strength": 1e-4, "projections": "exact"},
            probes=["jacobian_norm", "centroid"],
        )
        evaluations = run(trial, tmp_path)
        assert evaluations[-1].values["test_r2"] > 0.9 and "train_jacobian_norm_mean" in evaluations[0].values
        assert state(trial, tmp_path)["parameters.2.weight"].shape == (2, 12)

    def test_is_standardised_by_the_training_examples_that_are_used(self):
        data = loaded(name="diabetes", num_train=100)
        for each in (data.x_train, data.y_train):
            np.testing.assert_allclose(each.mean(0), 0, atol=1e-9)
            np.testing.assert_allclose(each.std(0, correction=0), 1, rtol=1e-9)
        assert (data.x_train.shape, data.y_train.shape, data.x_test.shape) == ((100, 10), (100, 1), (100, 10))
        whole = loaded(name="diabetes")
        assert not torch.allclose(whole.x_test, data.x_test) and len(whole.x_train) == 342

    def test_is_scikit_learns_data(self):
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True, scaled=False)
        data = loaded(name="diabetes")
        theirs = (x - x[:342].mean(0)) / x[:342].std(0)
        np.testing.assert_allclose(torch.cat([data.x_train, data.x_test]), theirs, rtol=1e-9, atol=1e-12)
        theirs = (y - y[:342].mean()) / y[:342].std()
        np.testing.assert_allclose(torch.cat([data.y_train, data.y_test])[:, 0], theirs, rtol=1e-9, atol=1e-12)

    def standardised(self, folder: Path, **arrays: Any) -> Data:
        rng = np.random.default_rng(0)
        drawn = {f"{kind}_{part}": rng.normal(size=(60, 3)) for kind in "xy" for part in ("train", "test")}
        np.savez(folder / "own.npz", **drawn | arrays)
        data = {"name": "npz", "path": folder / "own.npz", "task": "regression", "standardise": True}
        return load(config(**DIABETES | {"data": data}).data, torch.float32, CPU)  # type: ignore[attr-defined]

    def test_of_large_numbers_that_differ_by_little_nothing_is_lost(self, tmp_path: Path):
        """Times in seconds since 1970, say: float32 has one number in 128 there."""
        x = 1.7e9 + np.random.default_rng(1).normal(size=(60, 3))
        data = self.standardised(tmp_path, x_train=x, y_train=x)
        for each in (data.x_train, data.y_train):
            np.testing.assert_allclose(each, (x - x.mean(0)) / x.std(0), atol=1e-6)

    def test_a_coordinate_that_never_changes_becomes_0(self, tmp_path: Path):
        """0.1 has no exact binary form, so that its mean over 60 examples need not be 0.1."""
        x = np.random.default_rng(1).normal(size=(60, 3))
        x[:, 0] = 0.1
        data = self.standardised(tmp_path, x_train=x)
        assert not data.x_train[:, 0].any() and data.x_test[:, 0].abs().max() < 10


class TestBinary:
    @pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
    def test_has_one_output_which_is_above_0_for_label_1(self, loss: str, tmp_path: Path):
        training = Training(tiny_trial(**CANCER, loss=loss, dtype="float64"), CPU)
        training.advance(30)
        values, data = training.measure(training.config.all_probes), training.data
        outputs = outputs_of(training, data.x_test)
        assert outputs.shape == (169, 1)
        accuracy = float(((outputs[:, 0] > 0).long() == data.y_test).double().mean())
        assert values["test_accuracy"] == pytest.approx(accuracy) and accuracy > 0.85
        assert {"validation_accuracy", "validation_loss"} <= values.keys() and "test_r2" not in values

    def test_is_scikit_learns_data(self):
        from sklearn.datasets import load_breast_cancer

        x, y = load_breast_cancer(return_X_y=True)
        data = Training(tiny_trial(**CANCER, dtype="float64"), CPU).data
        theirs = (x - x[:100].mean(0)) / x[:100].std(0)
        np.testing.assert_allclose(data.x_test, theirs[400:], rtol=1e-9, atol=1e-12)
        assert data.y_test.tolist() == y[400:].tolist() and data.num_outputs == 1

    def test_may_be_asked_for_as_classification(self):
        two = {"data": {"name": "breast_cancer", "task": "classification"}}
        training = Training(tiny_trial(**two), CPU)
        assert outputs_of(training, training.data.x_test).shape == (169, 2)
        assert len({tiny_trial(**each).key for each in (two, {"data": {"name": "breast_cancer"}})}) == 2

    def test_noise_training_reads_its_accuracy(self):
        noise = {"input_transform": {"name": "tan_huang", "scale": 1.0, "floor": 0.0}}
        training = Training(tiny_trial(**CANCER, **noise, dtype="float64"), CPU)
        before = training.measure(training.config.all_probes)["train_accuracy"]
        training.advance(1)
        assert float(training.state()["transforms.tan_huang.scale"]) == pytest.approx(1 - before)


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            (
                DIABETES | {"loss": "cross_entropy"},
                "loss: 'cross_entropy' is not for regression, which data diabetes asks for. Allowed: mean",
            ),
            (
                DIABETES | {"probes": [{"name": "accuracy", "on": "test"}]},
                "probes.0: 'accuracy' is not for regression, which data diabetes asks for. Allowed: centroid,",
            ),
            ({"probes": [{"name": "r2", "on": "test"}]}, "probes.0: 'r2' is not for classification"),
            (
                DIABETES | {"input_transform": {"name": "tan_huang", "scale": 1, "floor": 0}},
                "input_transform: 'tan_huang' is not for regression",
            ),
            (DIABETES | {"goal": {"metric": "test_accuracy", "above": 0.5}}, "did you mean 'test_r2'?"),
            (
                DIABETES | {"goal": {"metric": "test_r2", "above": 1}},
                "goal.above: 1 cannot be reached: R^2 is at most 1",
            ),
            ({"data": {"name": "digits", "task": "binary"}}, "data.task: 'binary' is not allowed"),
            ({"data": {"name": "diabetes", "task": "clasification"}}, "data.task: 'clasification' is not allowed"),
        ],
    )
    def test_is_refused_with_its_field(self, settings: dict[str, Any], said: str):
        assert said in wrong_with(**settings)


def test_a_coordinate_that_changes_in_test_alone_is_told():
    still = {"x_train": np.full((40, 5), 0.1) + np.eye(40, 5), "x_test": np.full((40, 5), 0.2)}
    still["x_train"][:, 2] = 0.1
    arrays = still | {"y_train": np.arange(40) % 2, "y_test": np.arange(40) % 2}
    said = " ".join(check_content(arrays, Used(is_standardised=True)).warnings)
    assert "1 coordinate with one value in all training examples has another in test examples, the first" in said
    assert "x_test[0, 2] = 0.2 in the place of 0.1" in said


def findings(task: Any, **changes: Any) -> str:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(40, 5)) for name in ("x_train", "x_test")}
    arrays |= {name: rng.normal(size=40) for name in ("y_train", "y_test")}
    if task != "regression":
        arrays |= {name: rng.integers(0, 2, 40) for name in ("y_train", "y_test")}
    found = check_content(arrays | changes, Used(task=task))
    return " | ".join((*found.refusals, *found.warnings))


class TestDataOfATask:
    @pytest.mark.parametrize("task", ["classification", "binary", "regression"])
    def test_is_taken(self, task: str):
        assert findings(task) == ""

    def test_regression_takes_whole_numbers_and_rows(self):
        assert findings("regression", y_train=np.arange(40) % 7, y_test=np.arange(40) % 5) == ""
        rows = np.ones((40, 2)).cumsum(0) / 20
        assert findings("regression", y_train=rows, y_test=rows) == ""

    @pytest.mark.parametrize(
        ("task", "changes", "said"),
        [
            (
                "classification",
                {"y_train": np.full(40, 0.5)},
                "targets of a regression are meant with `task: regression`",
            ),
            ("binary", {"y_train": np.arange(40) % 3}, "labels of a binary task are 0 and 1, and 2 occurs too"),
            ("binary", {"y_train": 2 * (np.arange(40) % 2) - 1}, "negative; (y > 0).astype(int) gives 0 and 1"),
            ("regression", {"y_test": np.ones(40)}, "the same for all of 40 test examples: R^2 is no number there"),
            ("regression", {"y_train": np.arange(40) * 1e9}, "targets are far from 1 in size"),
            (
                "binary",
                {"y_train": np.full(40, -1)},
                "(40,) integer labels 0 and 1, is int64 (40,): 40 of 40 labels, the",
            ),
            ("regression", {"y_train": np.r_[np.nan, np.ones(39)]}, "the first is y_train[0] = nan"),
            ("regression", {"y_test": np.full((40, 2), 1.0)}, "differ in shape: () and (2,)"),
            ("regression", {"y_train": np.ones(39)}, "there are 40 examples and 39 targets"),
            (
                "regression",
                {"y_train": np.ones(40)},
                "all targets of the 40 training examples are 1.0: there is nothing",
            ),
            ("regression", {"y_train": np.array(["a"] * 40)}, "targets are needed as numbers"),
            ("regression", {"y_train": np.zeros((40, 2, 2))}, "a number, or a row of numbers, an example is needed"),
        ],
    )
    def test_is_refused_where_it_is_of_another(self, task: str, changes: dict[str, Any], said: str):
        assert said in findings(task, **changes)

    def test_a_file_is_read_as_its_task_says(self, tmp_path: Path):
        rng = np.random.default_rng(0)
        arrays = {name: rng.normal(size=(40, 5)) for name in ("x_train", "x_test")}
        arrays |= {name: rng.normal(size=40) for name in ("y_train", "y_test")}
        np.savez(tmp_path / "own.npz", **arrays)

        def npz(**settings: Any) -> Dataset:
            return config(**DIABETES | {"data": {"name": "npz", "path": tmp_path / "own.npz"} | settings}).data  # type: ignore[attr-defined]  # noqa: E501

        data = npz(task="regression")
        assert data.inspect().num_outputs == 1 and load(data, torch.float64, CPU).y_train.shape == (40, 1)  # type: ignore[union-attr]
        with pytest.raises(DataError, match="task: regression"):
            npz().inspect()


class TestRidge:
    SETTINGS: dict[str, Any] = {"data": {"name": "diabetes"}, "procedure": {"name": "ridge", "strength": 0.1}}

    def trial(self, **settings: Any) -> Trial:
        return Trial(config=TrialConfig.model_validate({**self.SETTINGS, "budget": {"steps": 1}} | settings), seed=0)

    @pytest.mark.parametrize("intercept", [True, False])
    @pytest.mark.parametrize("inputs", [5, 60])
    def test_is_scikit_learns(self, inputs: int, intercept: bool):
        """Whose penalty is not divided by the number of examples; with more examples than inputs, and fewer."""
        rng = torch.Generator().manual_seed(0)
        x, y = (torch.randn(30, size, dtype=torch.float64, generator=rng) + 1 for size in (inputs, 2))
        theirs = TheirRidge(alpha=0.2 * 30, fit_intercept=intercept).fit(x.numpy(), y.numpy())
        W, b = solve(x, y, 0.2, intercept=intercept)
        np.testing.assert_allclose(W, theirs.coef_, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(b, theirs.intercept_, rtol=1e-9, atol=1e-12)

    def test_is_the_minimum_of_what_it_says(self):
        rng = torch.Generator().manual_seed(0)
        x, y = (torch.randn(30, size, dtype=torch.float64, generator=rng) for size in (4, 2))
        W, b = (each.requires_grad_() for each in solve(x, y, 0.2, intercept=True))
        objective = (x @ W.T + b - y).square().sum(1).mean() + 0.2 * W.square().sum()
        for gradient in torch.autograd.grad(objective, (W, b)):
            assert float(gradient.abs().max()) < 1e-12

    def test_is_one_evaluation(self, tmp_path: Path):
        from sklearn.datasets import load_diabetes

        trial = self.trial(budget={"steps": 50})
        assert trial.config.metrics == ("train_r2", "test_r2", "train_loss", "test_loss")
        (evaluation,) = run(trial, tmp_path)
        x, y = load_diabetes(return_X_y=True, scaled=False)
        x, y = (x - x[:342].mean(0)) / x[:342].std(0), (y - y[:342].mean()) / y[:342].std()
        theirs = TheirRidge(alpha=0.1 * 342).fit(x[:342], y[:342])
        assert evaluation.steps == 1
        assert evaluation.values["test_r2"] == pytest.approx(theirs.score(x[342:], y[342:]), rel=1e-9)
        assert summary(trial, tmp_path).end is End.BUDGET and run(trial, tmp_path) == []
        np.testing.assert_allclose(state(trial, tmp_path)["0"], theirs.coef_[None], rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(
        ("data", "metric"), [("breast_cancer", "test_accuracy"), ("digits", "test_accuracy"), ("diabetes", "test_r2")]
    )
    def test_serves_every_task(self, data: str, metric: str, tmp_path: Path):
        (evaluation,) = run(self.trial(data={"name": data}), tmp_path)
        assert evaluation.values[metric] > (0.3 if metric == "test_r2" else 0.85)

    def test_its_key_has_the_data_and_the_strength(self):
        others = ({"data": "breast_cancer"}, {"procedure": {"name": "ridge", "strength": 0.2}}, {})
        assert len({self.trial(**each).key for each in others}) == 3
        assert self.trial().key == self.trial(budget={"steps": 9}).key

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"data": None}, "procedure: ridge is trained on data: give data, too"),
            ({"goal": {"metric": "test_accuracy", "above": 0.5}}, "'test_accuracy' is not measured by this trial; did"),
            ({"procedure": {"name": "ridge"}}, "procedure.strength: is missing"),
            ({"budget": {"epochs": 1}}, "budget: should be in steps"),
            ({"model": "mlp"}, "procedure: stands in the place of model; write model: null beside it"),
        ],
    )
    def test_what_it_must_not_be(self, settings: dict[str, Any], said: str):
        with pytest.raises(ValidationErrors) as raised:
            validate(TrialConfig, {**self.SETTINGS, "budget": {"steps": 1}} | settings, source="trial")
        assert said in str(raised.value)
