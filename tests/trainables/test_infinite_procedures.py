"""Procedures and probes of the infinite-width limit, as trials have them."""

import os
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from trainables.data.load import of_trial
from trainables.data.place import DataError
from trainables.datasets.base import Dataset
from trainables.infinite_width.operator import Operator, values_at
from trainables.procedure_config import ProcedureConfig
from trainables.procedure_training import ProcedureTraining
from trainables.procedures import _infinite_width
from trainables.procedures.jntk_features import JntkFeatures, stepped
from trainables.training import Training
from trainables.trial import Trial, TrialConfig
from trainables.validation import ValidationErrors

CPU = torch.device("cpu")
SPHERE: dict[str, Any] = {"name": "sphere", "num_train": 6, "num_test": 5, "dimension": 3}


def evaluations(
    procedure: dict[str, Any], *, steps: int = 100, seed: int = 0, **data: Any
) -> dict[int, dict[str, float]]:
    """Step -> metrics."""
    settings = {"data": SPHERE | data, "procedure": procedure, "budget": {"steps": steps}}
    training = ProcedureTraining(Trial(config=TrialConfig.model_validate(settings), seed=seed), CPU)
    found = {}
    while (values := training.evaluate(len(found))) is not None:
        found[training.steps] = values
    return found


def config(procedure: dict[str, Any], **data: Any) -> ProcedureConfig:
    found = TrialConfig.model_validate({"data": SPHERE | data, "procedure": procedure, "budget": {"steps": 100}})
    assert isinstance(found, ProcedureConfig)
    return found


FLOW: dict[str, Any] = {"name": "jntk_flow", "lr": 0.1, "strength": 0.2, "evaluate": {"per_decade": 1}}


class TestFlow:
    def test_comes_to_the_regression(self):
        """After 10^9 steps at a rate of 0.1 outputs are the regression's; derivatives at the training points are 0."""
        end = evaluations(FLOW | {"evaluate": {"at": [10**9]}}, steps=10**9)[10**9]
        (regression,) = evaluations({"name": "jntk_regression"}).values()
        assert end["train_loss"] == pytest.approx(0, abs=1e-10)
        assert end["train_jacobian_norm_max"] == pytest.approx(0, abs=1e-5)
        for name in ("test_loss", "test_r2", "test_jacobian_norm_mean"):
            assert end[name] == pytest.approx(regression[name], rel=1e-5)

    def test_its_residual_falls_from_1(self):
        residuals = [values["train_residual"] for values in evaluations(FLOW).values()]
        assert 1 > residuals[0] > residuals[-1] and residuals == sorted(residuals, reverse=True)

    def test_the_residual_is_the_root_of_the_objective(self):
        """At 0 the objective is the mean square of the targets: loss plus half the strength times the mean squared
        norm, at one training point.
        """
        (values,) = evaluations(FLOW, steps=1, num_train=1).values()
        y = of_trial(
            TypeAdapter(Dataset).validate_python(SPHERE | {"num_train": 1}), torch.float64, CPU, None, 0
        ).y_train
        objective = values["train_loss"] + 0.1 * values["train_jacobian_norm_mean"] ** 2
        assert values["train_residual"] == pytest.approx((objective / float(y.square().mean())) ** 0.5, rel=1e-9)

    @pytest.mark.slow
    def test_of_several_outputs_is_what_wide_networks_do(self):
        """Two classes, of which squared error is a mean over outputs, too. A network of width 16,384 whose start is
        small, kappa 0.1, has the same losses within 5% after 100 steps; half the rate would be a third away.
        """
        data = {"name": "breast_cancer", "task": "classification", "num_train": 6, "num_test": 20, "unit_norm": True}
        settings = TRAINED | {"data": data, "probes": [{"name": "jacobian_norm", "every": 1}], "budget": {"steps": 100}}
        settings |= {
            "model": TRAINED["model"] | {"kappa": 0.1, "width": 16_384},
            "optimiser": {"name": "sgd", "lr": 10.0},
        }
        settings |= {"evaluate": {"at": [100]}}
        network = Training(Trial(config=TrialConfig.model_validate(settings), seed=0), CPU).evaluate(0)
        procedure = FLOW | {"lr": 10.0, "hidden_layers": 1, "kappa": 0.1, "evaluate": {"at": [100]}}
        limit = {"data": data, "procedure": procedure, "budget": {"steps": 100}}
        flow = ProcedureTraining(Trial(config=TrialConfig.model_validate(limit), seed=0), CPU).evaluate(0)
        assert network is not None and flow is not None
        for name in ("train_loss", "test_loss", "train_jacobian_norm_mean"):
            assert flow[name] == pytest.approx(network[name], rel=0.05), name

    def test_no_seed_is_part_of_it_where_nothing_is_drawn(self):
        """One key for all seeds; not where examples or the start are drawn."""
        fixed, drawn = config(FLOW, seed=0), config(FLOW)
        process = config(FLOW | {"start": "process"}, seed=0)
        assert fixed.key(0) == fixed.key(7)
        assert len({drawn.key(0), drawn.key(7), process.key(0), process.key(7)}) == 4
        assert evaluations(FLOW, seed=3) != evaluations(FLOW, seed=4)

    @pytest.mark.slow
    def test_starts_from_the_process_are_drawn_by_seed(self):
        one, again, other = (evaluations(FLOW | {"start": "process"}, seed=seed, steps=1) for seed in (1, 1, 2))
        assert one == again != other

    def test_large_kernels_are_applied_and_never_built(self, monkeypatch: pytest.MonkeyPatch):
        dense = evaluations(FLOW)
        monkeypatch.setattr("trainables.infinite_width.dynamics.DENSE", 0)
        for step, values in evaluations(FLOW | {"tolerance": 1e-12}).items():
            assert values == pytest.approx(dense[step] | {"error_bound": 0}, rel=1e-8, abs=1e-12)

    def test_too_few_products_fail_with_the_error(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("trainables.infinite_width.dynamics.DENSE", 0)
        with pytest.raises(ArithmeticError, match="2 products with the kernel leave an error of up to"):
            evaluations(FLOW | {"max_products": 2, "tolerance": 1e-9})

    def test_too_little_memory_is_refused_with_the_figure(self, monkeypatch: pytest.MonkeyPatch):
        """Of 24 rows, by hand: 8 bytes times 2 x 8 coefficients of 6 x 6 and of 5 x 6, 23 points of 3, 8 x 24 x 24."""
        monkeypatch.setattr("trainables.memory.memory_bytes", lambda: 40_000)
        said = (
            "6 training and 5 test examples of 3 inputs would take 4.59e-05 GB of memory, and this machine has 4e-05 GB"
        )
        with pytest.raises(ValidationErrors, match=said):
            evaluations(FLOW)

    def test_a_budget_before_the_first_evaluation_is_refused(self):
        with pytest.raises(ValidationError, match="100 ends before the first evaluation of the procedure, at 200"):
            config(FLOW | {"evaluate": {"at": [200]}})

    def test_nothing_is_computed_beyond_the_budget(self, monkeypatch: pytest.MonkeyPatch):
        settings = {"data": SPHERE, "procedure": FLOW | {"evaluate": {"at": [1, 10**6]}}, "budget": {"steps": 10}}
        training = ProcedureTraining(Trial(config=TrialConfig.model_validate(settings), seed=0), CPU)
        assert training.evaluate(0) is not None
        monkeypatch.setattr(_infinite_width, "usual_values", lambda *_: 1 / 0)
        assert training.evaluate(1) is None and training.next_evaluation == 10**6


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_digits_need_no_kernel():
    """The first 1,000 zeros and ones of MNIST, which span 469 dimensions: Theta would take 1.8 TB there. After 1,000
    steps at a rate of 0.25, which is t = 500, the error has a bound, and the accuracy is high.
    """
    if not os.environ.get("GROKGRID_DATA"):
        pytest.skip("GROKGRID_DATA names no folder with MNIST")
    digits = {
        "name": "mnist",
        "classes": [0, 1],
        "task": "binary",
        "num_train": 1000,
        "num_test": 200,
        "unit_norm": True,
    }
    procedure = FLOW | {"lr": 0.25, "hidden_layers": 3, "evaluate": {"at": [1000]}}
    settings = {"data": digits, "procedure": procedure, "budget": {"steps": 1000}}
    values = ProcedureTraining(Trial(config=TrialConfig.model_validate(settings), seed=0), CPU).evaluate(0)
    assert values is not None and values["error_bound"] < 1e-6
    assert values["test_accuracy"] > 0.98 and values["train_residual"] < 0.5


@pytest.mark.slow
def test_features_sum_to_the_regression():
    """All of them: accuracy of the sum is that of the regression."""
    data = {"task": "binary", "num_test": 40}
    num = 6 * 4
    found = evaluations({"name": "jntk_features", "strength": 0.1, "num_features": num}, **data)
    (regression,) = evaluations({"name": "jntk_regression"}, **data).values()
    num = max(found)
    assert found[num]["sum_test_accuracy"] == regression["test_accuracy"] and regression["relative_residual"] < 1e-6
    values = [each["eigenvalue"] for each in found.values()]
    assert values == sorted(values, reverse=True) and len(values) == num
    weighed = [(abs(each["test_accuracy"] - 0.5), each["accuracy_lost"]) for each in found.values()]
    mean = sum(w * lost for w, lost in weighed) / sum(w for w, _ in weighed)
    assert found[num]["mean_accuracy_lost"] == pytest.approx(mean)


def test_a_step_against_the_label_goes_down_along_the_gradient():
    """The network's output for label 1, and minus it for label 0, falls by epsilon times the gradient's length."""
    ntk, x_train = JntkFeatures().architecture.ntk, loaded(**SPHERE).x_train
    x, labels = loaded(**SPHERE).x_test, torch.tensor([0, 1, 0, 1, 1])
    weights = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u, epsilon = Operator.of(ntk, x, x_train) @ weights, 1e-5
    moved = stepped(x, u[:, 1:], labels, epsilon)
    assert torch.allclose((moved - x).norm(dim=1), torch.full((5,), epsilon, dtype=torch.float64))
    change = (2 * labels - 1) * (values_at(ntk, moved, x_train, weights) - u[:, 0])
    assert torch.allclose(change, -epsilon * u[:, 1:].norm(dim=1), rtol=1e-3)


def test_a_feature_is_attacked_along_its_own_gradient():
    """A step of half the sphere's radius takes much of the first feature's accuracy, and one of a millionth none."""
    procedure = {"name": "jntk_features", "num_features": 1}
    far, near = (evaluations(procedure | {"epsilon": each}, task="binary", num_test=200)[1] for each in (1.0, 1e-6))
    assert near["test_robust_accuracy"] == near["test_accuracy"] > far["test_robust_accuracy"] + 0.1
    lost = far["test_accuracy"] - far["test_robust_accuracy"]
    assert far["accuracy_lost"] == pytest.approx(lost) and far["mean_accuracy_lost"] == pytest.approx(lost)


def test_more_features_than_there_are_are_refused():
    with pytest.raises(ValidationErrors, match="num_features: 7 is more than the 6 that the kernel has"):
        evaluations({"name": "jntk_features", "num_features": 7}, task="binary")


def test_features_are_of_binary_tasks():
    with pytest.raises(ValidationError, match="jntk_features is not for regression, which data sphere asks for"):
        config({"name": "jntk_features"})


@pytest.mark.slow
def test_normality_comes_with_width():
    """The excess of kurtosis falls from some 0.3 at width 16 to less than a sixth of it at 256."""
    sizes = []
    for width in (16, 256):
        (values,) = evaluations({"name": "jntk_gp", "width": width, "num_networks": 2000, "num_points": 2}).values()
        sizes.append(values["kurtosis_excess"])
    assert sizes[0] > 0.2 and abs(sizes[1]) < sizes[0] / 3


@pytest.mark.slow
def test_networks_that_are_not_normal_fail_the_test_of_normality():
    """At width 8 p is below 1e-10; of 2,000 networks of width 4,096 it is no longer told from normal. Errors of the
    covariance are what they are by chance, within a factor of 2.
    """
    procedure = {"name": "jntk_gp", "num_networks": 2000, "num_points": 2, "detectable": 0.2}
    (narrow,), (wide,) = (evaluations(procedure | {"width": width}).values() for width in (8, 4096))
    assert narrow["normality_p_value"] < 1e-10 and wide["normality_p_value"] > 0.001
    assert narrow["normality_statistic"] > 3 * wide["normality_statistic"] and wide["normality_power"] > 0.9
    assert 0.5 < wide["covariance_error"] / wide["covariance_error_by_chance"] < 2


def test_evaluations_may_begin_before_the_first_step():
    """As those of training: the start itself, which is 0."""
    found = evaluations(FLOW | {"evaluate": {"every": 50, "first": 0}})
    assert [*found] == [0, 50, 100] and found[0]["train_residual"] == 1 and found[0]["train_jacobian_norm_max"] == 0


def test_eigenvalues_are_measured():
    (values,) = evaluations({"name": "jntk_eigenvalue"}).values()
    assert 0 < values["jntk_smallest_eigenvalue"] < values["ntk_smallest_eigenvalue"]
    assert values["jntk_largest_eigenvalue"] > values["ntk_largest_eigenvalue"]


# --- probes

TRAINED: dict[str, Any] = {
    "data": SPHERE,
    "model": {"name": "ntk_mlp", "width": 2048, "hidden_layers": 1, "kappa": 0.5},
    "loss": "mean_squared_error",
    "optimiser": {"name": "sgd", "lr": 0.1},
    "regulariser": {"name": "jacobian", "norm": "half_mean_square", "projections": "exact", "strength": 0.2},
    "dtype": "float64",
    "budget": {"steps": 200},
    "evaluate": {"at": [0, 100, 200]},
    "probes": [{"name": "jacobian_ntk"}, {"name": "jntk_flow_deviation", "lr": 0.1, "strength": 0.2}],
}


def test_a_wide_network_stays_near_the_flow():
    """At width 2,048 within some 1 / sqrt(n) of it; nothing has changed before the first step."""
    training = Training(Trial(config=TrialConfig.model_validate(TRAINED), seed=0), CPU)
    first, *_, last = (training.evaluate(number) for number in range(3))
    assert first is not None and last is not None
    assert first["train_jacobian_ntk_change"] == first["train_outputs_deviation"] == 0
    assert first["train_residual"] == first["train_residual_over_bound"] == pytest.approx(1)
    assert 0 < last["train_jacobian_ntk_change"] < 0.05 and last["train_jacobian_ntk_deviation"] < 0.2
    assert last["train_outputs_deviation"] < 0.1 and last["train_derivatives_deviation"] < 0.1
    assert (
        last["train_residual"] == pytest.approx(last["train_flow_residual"], rel=0.1) and last["train_residual"] < 0.9
    )
    assert last["train_jacobian_ntk_smallest_eigenvalue"] > 0


def test_the_flow_of_a_network_and_the_procedure_are_the_same_flow():
    """From the mean of starts: residuals of the probe and of the procedure at the same steps."""
    changed: dict[str, Any] = {"probes": [{"name": "jntk_flow_deviation", "lr": 0.1, "strength": 0.2, "start": "mean"}]}
    settings = TRAINED | changed | {"model": TRAINED["model"] | {"width": 8}, "evaluate": {"at": [100]}}
    values = Training(Trial(config=TrialConfig.model_validate(settings), seed=3), CPU).evaluate(0)
    flow = evaluations(FLOW | {"hidden_layers": 1, "kappa": 0.5, "evaluate": {"at": [100]}}, seed=3)[100]
    assert values is not None and values["train_flow_residual"] == pytest.approx(flow["train_residual"], rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"name": "mlp"}}, "it is of the model ntk_mlp, whose limit for infinite width is known"),
        (
            {"data": {"name": "digits", "num_train": 5}},
            "it is of networks with one output, and data digits asks for 10",
        ),
        ({"data": SPHERE | {"dimension": 1000}}, "8 points make a kernel of 8,008 rows, and 2,000 are allowed"),
    ],
)
def test_what_has_no_known_limit_is_refused(changes: dict[str, Any], said: str):
    with pytest.raises(ValidationError, match=said):
        TrialConfig.model_validate(TRAINED | {"probes": [{"name": "jacobian_ntk"}]} | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"loss": {"name": "mean_squared_error"}, "optimiser": {"name": "sgd", "lr": 0.2}},
            "its lr is 0.1, and the optimiser's 0.2",
        ),
        ({"optimiser": {"name": "adam", "lr": 0.1}}, "plain gradient descent: give sgd without momentum"),
        (
            {"optimiser": {"name": "sgd", "lr": 0.1, "momentum": 0.9}},
            "plain gradient descent: give sgd without momentum",
        ),
        ({"regulariser": None}, "its strength is 0.2, and the regulariser's 0"),
        ({"regulariser": TRAINED["regulariser"] | {"strength": 0.1}}, "its strength is 0.2, and the regulariser's 0.1"),
        (
            {"regulariser": TRAINED["regulariser"] | {"projections": 1}},
            "jacobian, norm half_mean_square, projections exact",
        ),
        (
            {"regulariser": {"name": "weight_norm", "strength": 0.2}},
            "jacobian, norm half_mean_square, projections exact",
        ),
        ({"batch_size": 2}, "leave schedule and batch_size out"),
        ({"gradient_filter": {"name": "clip_norm", "max": 1.0}}, "no input transforms and no gradient filters"),
        (
            {"data": SPHERE | {"task": "binary"}, "loss": "cross_entropy"},
            "is of mean_squared_error, and the trial has cross_entropy",
        ),
    ],
)
def test_the_flow_is_held_against_nothing_else_than_its_own_training(changes: dict[str, Any], said: str):
    with pytest.raises(ValidationError, match=said):
        TrialConfig.model_validate(TRAINED | changes)


@pytest.mark.slow
def test_the_flow_is_computed_in_float64_whatever_the_network_is_trained_in():
    """And with an activation whose dual is a series."""
    settings = TRAINED | {"dtype": "float32", "model": TRAINED["model"] | {"activation": "silu", "width": 512}}
    values = Training(
        Trial(config=TrialConfig.model_validate(settings | {"evaluate": {"at": [20]}}), seed=0), CPU
    ).evaluate(0)
    assert values is not None and 0 < values["train_outputs_deviation"] < 0.3


# --- data


def loaded(**settings: Any) -> Any:
    return of_trial(TypeAdapter(Dataset).validate_python(settings), torch.float64, CPU, None, 0)


def test_points_lie_on_the_sphere_in_pairs():
    data = loaded(**SPHERE | {"num_train": 7, "angle": 0.25})
    x = data.x_train
    assert torch.allclose(x.norm(dim=1), torch.ones(7, dtype=torch.float64))
    assert torch.allclose((x[0:6:2] * x[1:6:2]).sum(1).acos(), torch.full((3,), 0.25, dtype=torch.float64))
    assert torch.allclose(data.y_train[:, 0], 3 * x[:, 0] * x[:, 1])


def test_points_of_the_sphere_are_uniform():
    """Means and second moments of 20,000 points within five standard errors."""
    x = loaded(**SPHERE | {"num_train": 20_000}).x_train
    assert (x.mean(0).abs() < 5 * (1 / 3 / 20_000) ** 0.5).all()
    assert ((x.T @ x / 20_000 - torch.eye(3) / 3).abs() < 5 * 0.3 / 20_000**0.5).all()


def test_unit_norm_takes_the_place_of_a_normalisation():
    """Pixels divided by their norm, with no mean subtracted; and they are no pixels any more."""
    plain, unit = (loaded(name="digits", num_train=5, unit_norm=each) for each in (False, True))
    pixels = plain.normalisation.undone(plain.x_train)
    assert torch.allclose(unit.x_train, pixels / pixels.flatten(1).norm(dim=1)[:, None, None, None])
    assert plain.has_pixels and not unit.has_pixels


def test_examples_without_a_direction_are_refused_by_number(tmp_path: Any):
    import numpy as np

    arrays = {
        "x_train": np.ones((3, 2)),
        "x_test": np.ones((2, 2)),
        "y_train": np.arange(3) % 2,
        "y_test": np.arange(2),
    }
    arrays["x_train"][1] = 0
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(DataError, match=r"x_train\[1\] is 0 everywhere, and has no direction for unit_norm"):
        loaded(name="npz", path=tmp_path / "own.npz", unit_norm=True)
