"""What gradient training is made of, against torch's own and against loops as one would write them by hand."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_trials import TINY, assert_same_bits, tiny, tiny_trial
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.data.load import load
from trainables.gradient_config import GradientConfig
from trainables.gradient_filters.clip_norm import ClipNorm
from trainables.gradient_filters.clip_value import ClipValue
from trainables.models.base import Network, Spec
from trainables.models.cnn import Cnn
from trainables.models.lenet import Lenet
from trainables.models.mlp import Mlp
from trainables.objective import Batch, Drawn, build_objective
from trainables.schedules.constant import Constant
from trainables.schedules.cosine import Cosine
from trainables.schedules.steps import Steps
from trainables.training import Training
from trainables.trial import TrialConfig
from trainables.validation import ValidationErrors, validate

CPU = torch.device("cpu")
PLAIN_SGD = {"optimiser": {"name": "sgd", "lr": 0.05}, "dtype": "float64"}


def trained(steps: int, seed: int = 0, **settings: Any) -> Training:
    training = Training(tiny_trial(seed, **settings), CPU)
    if steps:
        training.advance(steps)
    return training


def parameters(training: Training) -> dict[str, Tensor]:
    state = training.state()
    return {name.removeprefix("parameters."): each.clone() for name, each in state.items() if "parameters." in name}


def leaves(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.detach().clone().requires_grad_() for name, each in tensors.items()}


def wrong_with(**settings: Any) -> str:
    with pytest.raises(ValidationErrors) as raised:
        validate(TrialConfig, TINY | settings, source="trial")
    return str(raised.value)


class TestSchedules:
    def torchs(self, make: Callable[[Any], Any], num: int) -> list[float]:
        """The rates of torch's scheduler, of a base rate of 1, stepped after each step."""
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler, rates = make(optimiser), []
        for _ in range(num):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        return rates

    def test_cosine_is_torchs(self):
        cosine = Cosine.model_validate({"horizon": {"steps": 20}, "floor": 0.1})
        ours = [cosine.factor(step, 3) for step in range(20)]
        theirs = self.torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.1), 20)
        assert ours == pytest.approx(theirs, rel=1e-9)
        assert [cosine.factor(step, 3) for step in (20, 21, 10**6)] == pytest.approx([0.1] * 3)

    def test_steps_are_torchs_multi_step(self):
        steps = Steps.model_validate({"at": {"steps": [4, 7]}, "by": 0.3})
        theirs = self.torchs(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [4, 7], gamma=0.3), 12)
        assert [steps.factor(step, 3) for step in range(12)] == pytest.approx(theirs)

    def test_in_epochs_it_changes_between_epochs(self):
        cosine = Cosine.model_validate({"horizon": {"epochs": 4}})
        assert [cosine.factor(step, 3) for step in range(12)] == pytest.approx(
            [(1 + math.cos(math.pi * (step // 3) / 4)) / 2 for step in range(12)]
        )

    def test_warm_up_rises_linearly_and_the_rest_follows(self):
        assert [Constant.model_validate({"warmup": {"steps": 4}}).factor(s, 3) for s in range(6)] == [
            0.25, 0.5, 0.75, 1, 1, 1,
        ]  # fmt: skip
        cosine = Cosine.model_validate({"warmup": {"epochs": 2}, "horizon": {"epochs": 6}})
        factors = [cosine.factor(3 * epoch, 3) for epoch in range(8)]
        assert factors == pytest.approx([0.5, 1.0, 1.0, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0.146447, 0, 0], abs=1e-6)

    @pytest.mark.parametrize(
        "optimiser",
        [
            {"name": "sgd", "lr": 0.05, "momentum": 0.9},
            {"name": "adamw", "lr": 0.01},
            {"name": "adam", "lr": 0.01, "weight_decay": 0.1},
            {"name": "sam", "optimiser": {"name": "sgd", "lr": 0.05}},
        ],
    )
    def test_multiplies_the_learning_rate_of_every_optimiser(self, optimiser: dict[str, Any]):
        """A factor of a half from the start is half the rate."""
        inner = optimiser.get("optimiser", optimiser)
        half = {**inner, "lr": inner["lr"] / 2}
        half = {**optimiser, "optimiser": half} if inner is not optimiser else half
        scheduled = trained(3, optimiser=optimiser, schedule={"name": "constant", "warmup": {"epochs": 2}})
        assert_same_bits(parameters(scheduled), parameters(trained(3, optimiser=half)))

    def test_is_part_of_the_key_and_constant_is_not_none(self):
        cosine = {"name": "cosine", "horizon": {"epochs": 5}}
        configs = [{}, {"schedule": cosine}, {"schedule": cosine | {"horizon": {"epochs": 6}}}]
        assert len({tiny_trial(**settings).key for settings in configs}) == 3

    @pytest.mark.parametrize(
        ("schedule", "said"),
        [
            ("cosine", "schedule.horizon: is missing: a schedule says itself how long it is"),
            ({"name": "cosine", "horizon": {}}, "schedule.horizon: give either epochs or steps"),
            ({"name": "cosine", "horizon": 5}, "schedule.horizon: 5 is not allowed: write {epochs: 5} or {steps: 5}"),
            ({"name": "steps", "at": [5, 9]}, "schedule.at: [5, 9] is not allowed: write {epochs: [5, 9]} or {steps"),
            ({"name": "cosine", "horizon": {"epochs": 0}}, "schedule.horizon.epochs: 0 is not allowed"),
            ({"name": "cosine", "horizon": {"epochs": 5}, "warmup": {"steps": 2}}, "schedule.warmup: is in steps, and"),
            ({"name": "cosine", "horizon": {"epochs": 5}, "warmup": {"epochs": 5}}, "schedule.warmup.epochs: 5 is not"),
            ({"name": "steps", "at": {"epochs": [5, 3]}}, "schedule.at: [5, 3] is not allowed: each should be larger"),
            ({"name": "cosin", "horizon": {"epochs": 5}}, "schedule: 'cosin' is not known; did you mean 'cosine'?"),
        ],
    )
    def test_what_it_must_not_be(self, schedule: Any, said: str):
        assert said in wrong_with(schedule=schedule)


class TestClipping:
    @pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
    def test_is_torchs(self, size: float):
        rng = torch.Generator().manual_seed(0)
        given = {"a": torch.randn(5, 4, generator=rng), "b": torch.randn(3, generator=rng)}
        for ours, theirs in (
            (ClipNorm(max=size), nn.utils.clip_grad_norm_),
            (ClipValue(max=size), nn.utils.clip_grad_value_),
        ):
            tensors = [torch.zeros_like(each).requires_grad_() for each in given.values()]
            for tensor, gradient in zip(tensors, given.values(), strict=True):
                tensor.grad = gradient.clone()
            theirs(tensors, size)
            clipped, _ = ours.filter(given, {})
            for tensor, mine in zip(tensors, clipped.values(), strict=True):
                torch.testing.assert_close(mine, tensor.grad)

    def test_comes_in_the_order_written(self):
        ema = {"name": "ema", "decay": 0.8, "gain": 5.0}
        filters = {"clip_norm": {"max": 0.01}, "ema": ema}
        one = trained(4, gradient_filters=filters, **PLAIN_SGD)
        other = trained(4, gradient_filters=dict(reversed(filters.items())), **PLAIN_SGD)
        norm = torch.stack([each.norm() for each in other.gradients().values()]).norm()
        assert float(norm) == pytest.approx(0.01, rel=1e-3)
        assert any(not torch.equal(each, parameters(other)[name]) for name, each in parameters(one).items())


class TestSam:
    def test_is_the_two_gradients_of_the_paper(self):
        """Foret et al. 2021, eq. 2 and 3, by hand for plain gradient descent, with noise that both gradients share."""
        noise = {"input_transform": {"name": "tan_huang", "scale": 0.06, "floor": 0.1}}
        optimiser = {"name": "sam", "rho": 0.2, "optimiser": {"name": "sgd", "lr": 0.05}}
        sam = trained(0, **PLAIN_SGD | noise | {"optimiser": optimiser})
        plain = trained(0, **PLAIN_SGD | noise)
        before = parameters(plain)

        def gradient_at(where: dict[str, Tensor]) -> dict[str, Tensor]:
            state = plain.state() | {f"parameters.{name}": each for name, each in where.items()}
            plain.restore({k: v.clone() for k, v in state.items()}, steps=0, seconds=0.0, diverged_at=None)
            plain.advance(1)
            return dict(plain.gradients())

        first = gradient_at(before)
        norm = torch.cat([each.flatten() for each in first.values()]).norm()
        second = gradient_at({name: each + 0.2 * first[name] / norm for name, each in before.items()})
        sam.advance(1)
        for name, each in parameters(sam).items():
            torch.testing.assert_close(each, before[name] - 0.05 * second[name], rtol=1e-9, atol=1e-12)

    def test_filters_apply_to_the_gradient_that_steps(self):
        optimiser = {"name": "sam", "rho": 0.2, "optimiser": {"name": "sgd", "lr": 0.05}}
        clipped = {"gradient_filter": {"name": "clip_norm", "max": 1e-3}}
        one = trained(1, **PLAIN_SGD | clipped | {"optimiser": optimiser})
        other = trained(1, **PLAIN_SGD | clipped)
        # Not the same direction: the second gradient was clipped, not the first.
        gradients = [torch.cat([g.flatten() for g in each.gradients().values()]) for each in (one, other)]
        assert float(gradients[0].norm()) == pytest.approx(1e-3, rel=1e-3)
        assert float(F.cosine_similarity(*gradients, dim=0)) < 0.999

    def test_within_itself_is_refused(self):
        inner = {"name": "sam", "optimiser": {"name": "sgd", "lr": 0.1}}
        assert "optimiser.optimiser: 'sam' is not allowed within sam" in wrong_with(
            optimiser={"name": "sam", "optimiser": inner}
        )


def test_adam_is_torchs_with_coupled_weight_decay():
    training = trained(0, dtype="float64", optimiser={"name": "adam", "lr": 0.01, "weight_decay": 0.3})
    weights = leaves(parameters(training))
    theirs = torch.optim.Adam(weights.values(), lr=0.01, weight_decay=0.3, foreach=False, fused=False)
    for step in range(1, 6):
        training.advance(step)
        for name, each in training.gradients().items():
            weights[name].grad = each.clone()
        theirs.step()
    for name, each in parameters(training).items():
        torch.testing.assert_close(each, weights[name].detach(), rtol=1e-10, atol=1e-12)


def spec(*shape: int, dtype: torch.dtype = torch.float64) -> Spec:
    return Spec("classification", torch.Size(shape), 3, dtype)


def started(network: Network, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return network.init(torch.Generator().manual_seed(seed))


class TestCnn:
    def test_is_torchs_modules(self):
        model = Cnn.model_validate({"channels": [4, 6], "strides": [1, 2], "average_pool": 2, "hidden": [5]})
        network = model.build(spec(2, 9, 8))
        weights, buffers = started(network)
        theirs = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1, stride=2), nn.ReLU(),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 2 * 2, 5), nn.ReLU(), nn.Linear(5, 3),
        ).double()  # fmt: skip
        for mine, other in zip(weights.values(), theirs.parameters(), strict=True):
            other.data = mine
        x = torch.randn(7, 2, 9, 8, dtype=torch.float64)
        outputs, after = network.apply(weights, buffers, x, {})
        torch.testing.assert_close(outputs, theirs(x))
        assert after == {} and torch.equal(network.evaluate(weights, buffers, x), outputs)
        assert set(weights) == set(model.parameter_names)

    @pytest.mark.parametrize(
        ("data", "model", "said"),
        [
            ({"name": "diabetes"}, {}, "model: cnn takes images, (channels, height, width); an example is (10)"),
            ({"name": "digits"}, {"strides": [4, 4], "average_pool": 2}, "model: nothing is left of images of 8 x 8"),
            ({"name": "digits"}, {"strides": [2]}, "model.strides: 1 strides are given for 2 convolutions"),
            ({"name": "digits"}, {"kernel": 4}, "model.kernel: 4 is not allowed: it should be odd"),
        ],
    )
    def test_what_it_cannot_take(self, data: dict[str, Any], model: dict[str, Any], said: str):
        assert said in wrong_with(data=data, model={"name": "cnn"} | model)


class TestLenet:
    def test_is_torchs_modules_with_the_papers_number_of_parameters(self):
        model = Lenet()
        network = model.build(Spec("classification", torch.Size([1, 28, 28]), 10, torch.float64))
        weights, buffers = started(network)
        theirs = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
        ).double()  # fmt: skip
        for mine, other in zip(weights.values(), theirs.parameters(), strict=True):
            other.data = mine
        assert sum(each.numel() for each in weights.values()) == 61_706
        assert set(weights) == set(model.parameter_names) and not weights["linear.0.bias"].any()
        x = torch.randn(5, 1, 28, 28, dtype=torch.float64)
        torch.testing.assert_close(network.evaluate(weights, buffers, x), theirs(x))
        torch.testing.assert_close(network.apply(weights, buffers, x, {})[0], theirs(x))

    def test_drops_the_outputs_of_the_two_hidden_maps(self):
        network = Lenet(dropout=0.5).build(spec(1, 12, 12))
        masks = network.draw(2, 4, torch.Generator().manual_seed(0))
        assert {name: each.shape for name, each in masks.items()} == {"linear.0": (2, 4, 120), "linear.1": (2, 4, 84)}
        weights, buffers = started(network)
        none = {name: torch.zeros_like(each[0]) for name, each in masks.items()}
        outputs, _ = network.apply(weights, buffers, torch.randn(3, 1, 12, 12, dtype=torch.float64), none)
        assert torch.equal(outputs, weights["linear.2.bias"].expand(3, -1))

    def test_takes_images_of_12_pixels_or_more(self):
        assert "model: lenet takes images of 12 x 12 pixels or more; these have 8 x 8" in wrong_with(model="lenet")


class TestInitialisation:
    @pytest.mark.parametrize(
        ("init", "theirs"),
        [
            ("xavier", nn.init.xavier_uniform_),
            ("kaiming_fan_in", lambda w: nn.init.kaiming_normal_(w, mode="fan_in", nonlinearity="relu")),
            ("kaiming_fan_out", lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu")),
        ],
    )
    def test_has_the_spread_of_torchs(self, init: str, theirs: Callable[[Tensor], Tensor]):
        """Of n weights the mean square is within 5 standard deviations, sqrt(2/n) of it for normal ones."""
        network = Cnn.model_validate({"channels": [60, 50], "hidden": [300], "init": init}).build(spec(8, 6, 6))
        weights, _ = started(network)
        for name in ("conv.1.weight", "linear.0.weight"):
            expected = float(theirs(torch.empty_like(weights[name])).square().mean())
            n = weights[name].numel()
            assert float(weights[name].square().mean()) == pytest.approx(expected, rel=10 * math.sqrt(2 / n))
            largest = float(weights[name].abs().max())
            if init == "xavier":
                assert largest <= math.sqrt(3 * expected) * (1 + 10 / math.sqrt(n))
            assert not weights[name.replace("weight", "bias")].any()


class TestBatchNorm:
    def pair(self, **settings: Any) -> tuple[Network, dict[str, Tensor], dict[str, Tensor], nn.Module]:
        model = Mlp.model_validate({"width": 6, "depth": 3, "batch_norm": True} | settings)
        network = model.build(spec(5))
        weights, buffers = started(network)
        theirs = nn.Sequential(
            nn.Linear(5, 6),
            nn.BatchNorm1d(6),
            nn.ReLU(),
            nn.Linear(6, 6),
            nn.BatchNorm1d(6),
            nn.ReLU(),
            nn.Linear(6, 3),
        ).double()
        with torch.no_grad():
            for index, layer in ((0, 0), (3, 1), (6, 2)):
                theirs[index].weight.copy_(weights[f"{layer}.weight"])
                theirs[index].bias.copy_(weights[f"{layer}.bias"])
        assert set(weights) == set(model.parameter_names)
        return network, weights, buffers, theirs

    def test_is_torchs_in_training_and_in_evaluation(self):
        network, weights, buffers, theirs = self.pair()
        for step in range(4):
            x = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(step)) * 3 + 1
            outputs, buffers = network.apply(weights, buffers, x, {})
            torch.testing.assert_close(outputs, theirs.train()(x))
            torch.testing.assert_close(network.evaluate(weights, buffers, x), theirs.eval()(x))
        torch.testing.assert_close(buffers["1.norm.var"], theirs[4].running_var)
        torch.testing.assert_close(buffers["0.norm.mean"], theirs[1].running_mean)
        assert not any(each.requires_grad for each in buffers.values())

    def test_changes_buffers_once_a_step_whatever_is_computed(self):
        """With a Jacobian term, adversarial examples and a second gradient there are four forward passes a step."""
        everything = {
            "model": {"name": "mlp", "width": 12, "depth": 3, "batch_norm": True},
            "regulariser": {"name": "jacobian", "strength": 0.1},
            "optimiser": {"name": "sam", "optimiser": {"name": "sgd", "lr": 0.05}},
            "dtype": "float64",
        }
        training = trained(0, **everything)
        before = {name: each.clone() for name, each in training.state().items()}
        training.advance(1)
        x = training.data.x_train[:32].flatten(1)
        h = F.linear(x, before["parameters.0.weight"], before["parameters.0.bias"])
        torch.testing.assert_close(training.state()["buffers.0.norm.mean"], 0.1 * h.mean(0))

    @pytest.mark.parametrize("setting", [{"batch_norm": True}, {"dropout": 0.5}])
    def test_is_of_hidden_layers(self, setting: dict[str, Any]):
        said = wrong_with(model={"name": "mlp", "depth": 1} | setting)
        assert f"model.{next(iter(setting))}: is not allowed with depth 1: it is of hidden layers" in said

    def test_is_evaluated_by_the_running_statistics(self):
        training = trained(6, model={"name": "mlp", "width": 12, "depth": 2, "batch_norm": True}, dtype="float64")
        state = training.state()
        h = F.linear(training.data.x_test.flatten(1), state["parameters.0.weight"], state["parameters.0.bias"])
        h = (h - state["buffers.0.norm.mean"]) / (state["buffers.0.norm.var"] + 1e-5).sqrt()
        h = F.relu(h * state["parameters.0.norm.weight"] + state["parameters.0.norm.bias"])
        outputs = F.linear(h, state["parameters.1.weight"], state["parameters.1.bias"])
        accuracy = float((outputs.argmax(1) == training.data.y_test).double().mean())
        assert training.measure(training.config.all_probes)["test_accuracy"] == pytest.approx(accuracy)


class TestDropout:
    def test_drops_that_share_and_scales_the_rest(self):
        """Of n masks the share dropped lies within 5 sqrt(p (1 - p) / n): fails by luck in 6e-7."""
        network = Mlp(width=50, depth=3, dropout=0.3).build(spec(5))
        masks = network.draw(20, 40, torch.Generator().manual_seed(0))
        assert {name: each.shape for name, each in masks.items()} == {"0": (20, 40, 50), "1": (20, 40, 50)}
        every = torch.cat([each.flatten() for each in masks.values()])
        assert set(every.tolist()) == {0.0, 1 / 0.7}
        assert float((every == 0).double().mean()) == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / len(every)))

    def test_is_of_training_alone_and_its_own_mask_for_every_step(self):
        network = Mlp(width=50, depth=2, dropout=0.5).build(spec(5))
        weights, buffers = started(network)
        x = torch.randn(4, 5, dtype=torch.float64)
        masks = network.draw(2, 8, torch.Generator().manual_seed(0))
        first, second = ({name: each[step] for name, each in masks.items()} for step in (0, 1))
        outputs = [network.apply(weights, buffers, x, each)[0] for each in (first, second, first)]
        assert torch.equal(outputs[0], outputs[2]) and not torch.equal(outputs[0], outputs[1])
        hidden = F.relu(F.linear(x, weights["0.weight"], weights["0.bias"]))
        torch.testing.assert_close(
            outputs[0], F.linear(hidden * first["0"][:4], weights["1.weight"], weights["1.bias"])
        )
        plain = F.linear(hidden, weights["1.weight"], weights["1.bias"])
        torch.testing.assert_close(network.evaluate(weights, buffers, x), plain)

    def test_the_jacobian_term_is_of_the_network_as_it_is_dropped(self):
        """In the same step the loss and the term see one mask: the gradient is that of autograd through both."""
        settings = {
            "model": {"name": "mlp", "width": 12, "depth": 3, "dropout": 0.5},
            "regulariser": {"name": "jacobian", "strength": 0.3, "projections": "exact"},
        }
        training = trained(0, **PLAIN_SGD | settings)
        weights, x, y = leaves(parameters(training)), training.data.x_train[:32], training.data.y_train[:32]
        masks = training._masks.at(0)

        def outputs(x: Tensor) -> Tensor:
            return training._network.apply(weights, {}, x, masks)[0]

        J = torch.autograd.functional.jacobian(lambda x: outputs(x).sum(0), x, create_graph=True)
        norms = J.transpose(0, 1).flatten(1).square().sum(1).clamp(min=1e-8).sqrt()
        total = F.cross_entropy(outputs(x), y) + 0.3 * norms.mean()
        expected = torch.autograd.grad(total, list(weights.values()))
        training.advance(1)
        for mine, other in zip(training.gradients().values(), expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-11)


class TestFrozen:
    MODEL = {"name": "mlp", "width": 12, "depth": 3, "frozen": ["0.*", "2.bias"]}

    def test_stays_as_it_starts_and_the_rest_trains(self):
        optimiser = {"name": "adamw", "lr": 0.01, "weight_decay": 0.5}
        frozen, free = (trained(0, model=model, optimiser=optimiser) for model in (self.MODEL, TINY["model"]))
        before = frozen.state()
        assert_same_bits(
            {name.removeprefix("buffers."): each for name, each in before.items() if name.startswith("buffers.")},
            {name: each for name, each in parameters(free).items() if name in ("0.weight", "0.bias", "2.bias")},
        )
        before = {name: each.clone() for name, each in before.items()}
        frozen.advance(5)
        after = frozen.state()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert {name for name in changed if "optimiser" not in name} == {
            "parameters.1.weight", "parameters.1.bias", "parameters.2.weight",
        }  # fmt: skip

    def test_the_network_uses_them(self):
        frozen, free = trained(0, model=self.MODEL), trained(0)
        one, other = (training.measure(training.config.all_probes) for training in (frozen, free))
        assert one == other

    @pytest.mark.parametrize(
        ("frozen", "said"),
        [
            (["3.weight"], "model.frozen.0: '3.weight' is no parameter; did you mean '2.weight'?"),
            (["*"], "model.frozen: all parameters are frozen: there is nothing to train"),
        ],
    )
    def test_a_name_that_is_not_there(self, frozen: list[str], said: str):
        assert said in wrong_with(model={"name": "mlp", "depth": 3, "frozen": frozen})


class TestFgsmTraining:
    def test_moves_pixels_along_the_sign_of_the_losss_gradient(self):
        """In pixels, by one size for each example, clamped to [0, 1]; by hand with autograd."""
        settings = {"input_transform": {"name": "fgsm", "low": 0.05, "high": 0.2}}
        training = trained(0, **PLAIN_SGD | settings)
        weights, data = leaves(parameters(training)), training.data
        x, y = data.x_train[:32], data.y_train[:32]
        mean, std = 0.306966796875, 0.376395870642353

        def outputs(x: Tensor) -> Tensor:
            return training._network.evaluate(weights, {}, x)

        leaf = x.clone().requires_grad_()
        (sensitivity,) = torch.autograd.grad(F.cross_entropy(outputs(leaf), y), leaf)
        size = training._inputs["fgsm"].at(0)["size"][:32]
        assert size.shape == (32, 1, 1, 1) and size.min() >= 0.05 and size.max() <= 0.2 and len(size.unique()) == 32
        pixels = (x * std + mean + size * sensitivity.sign()).clamp(0, 1)
        assert float(pixels.min()) == 0
        expected = torch.autograd.grad(F.cross_entropy(outputs((pixels - mean) / std), y), list(weights.values()))
        training.advance(1)
        for mine, other in zip(training.gradients().values(), expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)

    def test_the_size_may_be_drawn_for_a_batch(self):
        training = trained(0, input_transform={"name": "fgsm", "drawn_for": "batch"})
        assert [training._inputs["fgsm"].at(step)["size"].shape for step in (0, 1)] == [(1, 1, 1, 1)] * 2

    def test_needs_pixels(self):
        data, loss = {"name": "diabetes"}, "mean_squared_error"
        said = wrong_with(data=data, loss=loss, batch_size=None, input_transform="fgsm")
        assert "input_transform: fgsm needs images of pixels in [0, 1], which data diabetes does not have" in said


class TestDropLast:
    def test_leaves_out_the_smaller_batch(self):
        whole, without = trained(0), trained(0, drop_last=True)
        assert (whole.steps_per_epoch, without.steps_per_epoch) == (3, 2)
        whole.advance(2)
        without.advance(2)
        assert_same_bits(parameters(whole), parameters(without))
        without.advance(3)
        assert without.epochs == 1.5

    def test_changes_nothing_where_all_are_whole(self):
        data = {"name": "digits", "num_train": 64, "num_test": 50}
        one, other = (trained(5, data=data, drop_last=drop_last) for drop_last in (False, True))
        assert_same_bits(parameters(one), parameters(other))

    def test_shuffled_each_epoch_leaves_out_others(self):
        training = trained(0, drop_last=True, shuffle=True)
        left = [set(training._order(epoch).tolist()[64:]) for epoch in range(3)]  # type: ignore[union-attr]
        assert all(len(each) == 6 for each in left) and left[0] != left[1]


def test_images_are_channels_height_width_and_pixels_come_back():
    data = load(tiny().data, torch.float64, CPU)  # type: ignore[attr-defined]
    assert data.x_train.shape == (70, 1, 8, 8) and data.has_pixels
    pixels = data.normalisation.undone(data.x_train)
    assert float(pixels.min()) == pytest.approx(0, abs=1e-12) and float(pixels.max()) == pytest.approx(1)
    torch.testing.assert_close(data.normalisation(pixels), data.x_train)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "mlp", "width": 12, "depth": 3, "batch_norm": True, "dropout": 0.3},
        {"name": "cnn", "channels": [3, 4], "hidden": [8], "batch_norm": True, "dropout": 0.3},
    ],
)
def test_two_trials_stacked_are_each_by_itself(model: dict[str, Any]):
    """Normalisation, dropout and adversarial examples under torch.func's vmap of grad."""
    config = tiny(
        model=model, dtype="float64", input_transform="fgsm", regulariser={"name": "jacobian", "strength": 0.1}
    )
    assert isinstance(config, GradientConfig)
    trainings = [trained(0, seed, **config.model_dump(exclude_defaults=False)) for seed in (0, 1)]
    network, normalisation = trainings[0]._network, trainings[0].data.normalisation
    batch = Batch(trainings[0].data.x_train[:32], trainings[0].data.y_train[:32])
    single, lifted = (build_objective(config, network, normalisation, lifts=lifts) for lifts in (False, True))

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], drawn: tuple) -> tuple[Tensor, Any]:
        total, after, _ = lifted(parameters, buffers, batch, Drawn(*drawn))
        return total, after

    each = [(t._parameters, t._buffers, tuple(t._drawn())[:4]) for t in trainings]
    stacked = torch.utils._pytree.tree_map(lambda *tensors: torch.stack(tensors).detach(), *each)
    gradients, after = torch.vmap(torch.func.grad(loss, has_aux=True))(*stacked)
    for index, (parameters, buffers, drawn) in enumerate(each):
        mine = leaves(parameters)
        total, theirs, _ = single(mine, buffers, batch, Drawn(*drawn))
        for name, gradient in zip(mine, torch.autograd.grad(total, list(mine.values())), strict=True):
            torch.testing.assert_close(gradients[name][index], gradient, rtol=1e-8, atol=1e-11)
        torch.testing.assert_close({name: tensor[index] for name, tensor in after.items()}, theirs)
