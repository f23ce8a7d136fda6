"""Training against a loop as one would write it by hand, from the formulas, arm by arm.

The loop shares with `Training` the data, the initial weights and the seeded streams, and nothing else: torch's own
modules, losses, plain optimisers and autograd's double backward. In float64, so only rounding is between the two.
"""

import math
from collections.abc import Callable
from typing import Any, final

import pytest
import torch
from tiny_trials import TINY, tiny_trial
from torch import Tensor, nn

from trainables.data.load import load
from trainables.models.base import Spec
from trainables.randomness import Stream, generator, words
from trainables.training import Training
from trainables.trial import Trial

STEPS = 14


def network(trial: Trial) -> nn.Sequential:
    """torch's own modules with the trial's initial weights."""
    config = trial.config.model
    layers: list[nn.Module] = [nn.Flatten()]
    sizes = [64, *[config.width] * (config.depth - 1), 10]
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(fan_in, fan_out, bias=config.bias, dtype=torch.float64), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    model = config.build(Spec("classification", torch.Size([1, 8, 8]), 10, torch.float64))
    parameters, _ = model.init(generator(trial.seed, Stream.INIT))
    with torch.no_grad():
        for mine, theirs in zip(net.parameters(), parameters.values(), strict=True):
            mine.copy_(theirs)
    return net


def by_hand(trial: Trial, *, loss: Callable[[Tensor, Tensor], Tensor], optimiser: Any) -> tuple[list[Tensor], list]:
    """The parameters after `STEPS` steps, and what the noise's standard deviation was in every epoch."""
    config = trial.config
    noisy = config.input_transforms.get("tan_huang")
    data = load(config.data, torch.float64, torch.device("cpu"))
    net = network(trial)
    optimiser = optimiser(net.parameters())
    averages: list[Tensor] = []
    sigmas: list[float] = []
    for step in range(STEPS):
        number, index = divmod(step, 3)
        if index == 0:
            rows = torch.arange(70)
            if config.shuffle:
                rows = torch.randperm(70, generator=generator(trial.seed, Stream.ORDER, number))
            if noisy is not None:
                accuracy = float((net(data.x_train).argmax(1) == data.y_train).double().mean())
                sigmas.append(max(noisy.scale * (1 - accuracy), noisy.floor))
        batch = rows[32 * index : 32 * (index + 1)]
        x, y = data.x_train[batch], data.y_train[batch]
        if noisy is not None:
            noise = drawn(trial.seed, Stream.INPUT_TRANSFORMS, "tan_huang", step, 32, 1, 8, 8)
            x = x + sigmas[-1] * noise[: len(x)]
        x.requires_grad_()
        outputs = net(x)
        total = loss(outputs, y)
        if (jacobian := config.regularisers.get("jacobian")) is not None:
            v = drawn(trial.seed, Stream.REGULARISERS, "jacobian", step, 1, 32, 10)[0, : len(x)]
            v = v / v.norm(dim=1, keepdim=True)
            (Jv,) = torch.autograd.grad(outputs, x, v, create_graph=True)
            squared = 10 * Jv.flatten(1).square().sum(1)
            total = total + jacobian.strength * squared.clamp(min=1e-8).sqrt().mean()
        optimiser.zero_grad()
        total.backward()
        if config.gradient_filters:
            for i, p in enumerate(net.parameters()):
                assert p.grad is not None
                if step == 0:
                    averages.append(p.grad.clone())
                else:
                    averages[i] = 0.8 * averages[i] + 0.2 * p.grad
                p.grad = p.grad + 0.1 * averages[i]
        optimiser.step()
    return [p.detach() for p in net.parameters()], sigmas


def drawn(seed: int, stream: Stream, name: str, step: int, *shape: int) -> Tensor:
    """Normal numbers of a step: 256 steps are drawn at once, or fewer where those were more than 2^20 numbers."""
    num_steps = next(c for c in (256, 128, 64, 32, 16, 8, 4, 2, 1) if c == 1 or c * math.prod(shape) <= 2**20)
    chunk = generator(seed, stream, *words(name), step // num_steps)
    return torch.randn(num_steps, *shape, dtype=torch.float64, generator=chunk)[step % num_steps]


def adamw(**settings):
    return lambda parameters: torch.optim.AdamW(parameters, fused=False, foreach=False, **settings)


def sgd(**settings):
    return lambda parameters: torch.optim.SGD(parameters, fused=False, foreach=False, **settings)


def cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    return -(outputs - outputs.logsumexp(1, keepdim=True))[range(len(y)), y].mean()


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs - torch.eye(10, dtype=outputs.dtype)[y]).square().mean()


TINY_LR = TINY["optimiser"]["lr"]


@pytest.mark.parametrize(
    ("settings", "loss", "optimiser"),
    [
        ({}, cross_entropy, adamw(lr=TINY_LR, weight_decay=0.01)),
        (
            {"optimiser": {"name": "adamw", "lr": 3e-3, "weight_decay": 0.5, "betas": [0.8, 0.95], "eps": 1e-6}},
            cross_entropy,
            adamw(lr=3e-3, weight_decay=0.5, betas=(0.8, 0.95), eps=1e-6),
        ),
        (
            {"optimiser": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}},
            cross_entropy,
            sgd(lr=0.05, momentum=0.9, weight_decay=0.1),
        ),
        ({"loss": "mean_squared_error"}, squared_error, adamw(lr=TINY_LR)),
        (
            {"loss": {"name": "mean_squared_error", "over_outputs": "sum"}, "optimiser": {"name": "sgd", "lr": 0.02}},
            lambda outputs, y: 10 * squared_error(outputs, y),
            sgd(lr=0.02),
        ),
        ({"shuffle": True}, cross_entropy, adamw(lr=TINY_LR)),
        ({"regulariser": {"name": "jacobian", "strength": 0.1}}, cross_entropy, adamw(lr=TINY_LR)),
        ({"gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1}}, cross_entropy, adamw(lr=TINY_LR)),
        (
            # The regulariser's gradient is filtered with the loss's.
            {
                "regulariser": {"name": "jacobian", "strength": 0.1},
                "gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1},
                "input_transform": {"name": "tan_huang", "scale": 0.6, "floor": 0.03},
                "shuffle": True,
            },
            cross_entropy,
            adamw(lr=TINY_LR),
        ),
        (
            {"input_transform": {"name": "tan_huang", "scale": 0.6, "floor": 0.03}},
            cross_entropy,
            adamw(lr=TINY_LR),
        ),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_training_is_the_loop_one_would_write(settings: dict, loss, optimiser, bias: bool):
    model = {"name": "mlp", "width": 12, "depth": 3, "init_scale": 2.0, "bias": bias}
    trial = tiny_trial(seed=5, **settings, dtype="float64", model=model)
    training = Training(trial, torch.device("cpu"))
    training.advance(STEPS)
    ours = [value for name, value in training.state().items() if name.startswith("parameters.")]
    theirs, _ = by_hand(trial, loss=loss, optimiser=optimiser)
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10)


def test_noise_shrinks_epoch_by_epoch_as_the_training_accuracy_grows():
    """sigma = max(0.6 (1 - accuracy), 0.3): the loop by hand, that the trial agrees with above, passes both regimes."""
    noise = {"name": "tan_huang", "scale": 0.6, "floor": 0.3}
    trial = tiny_trial(input_transform=noise, dtype="float64", optimiser={"name": "adamw", "lr": 0.05})
    training = Training(trial, torch.device("cpu"))
    _, sigmas = by_hand(trial, loss=cross_entropy, optimiser=adamw(lr=0.05))
    for number, sigma in enumerate(sigmas):
        training.advance(3 * number + 1)
        assert float(training.state()["transforms.tan_huang.scale"]) == pytest.approx(sigma)
    assert sigmas[0] > 0.5 and sigmas[-1] == 0.3


@final
class OldDraws:
    """How trials drew before semantics 3: one generator a stream, from step to step."""

    generators: dict[Stream, torch.Generator]

    def __init__(self, draw: object, seed: int, stream: Stream, name: str, device: torch.device) -> None:
        self.stream = stream
        self.generators[stream] = generator(seed, stream)

    def at(self, step: int) -> dict[str, Tensor]:
        if self.stream is Stream.MODEL:
            return {}
        rows = (32, 32, 6)[step % 3]
        if self.stream is Stream.INPUT_TRANSFORMS:
            return {"noise": torch.randn(rows, 1, 8, 8, dtype=torch.float64, generator=self.generators[self.stream])}
        v = torch.randn(1, rows, 10, dtype=torch.float64, generator=self.generators[self.stream])
        return {"projections": v / v.norm(dim=2, keepdim=True)}


@pytest.mark.parametrize(
    ("settings", "losses"),
    [
        ({"input_transform": "tan_huang"}, [2.3125948502259353, 2.272921359142888, 2.0800273728187384]),
        (
            {"input_transform": "tan_huang", "regulariser": "jacobian"},
            [2.3126239355914535, 2.276659209576956, 2.064805785821613],
        ),
    ],
)
def test_with_the_draws_of_semantics_2_a_trial_trains_as_it_did_then(
    settings: dict[str, str], losses: list[float], monkeypatch: pytest.MonkeyPatch
):
    """The training losses after 1, 5 and 14 steps, as the last version of semantics 2 computed them."""
    strengths = {"tan_huang": {"scale": 0.6, "floor": 0.03}, "jacobian": {"strength": 0.1}}
    given = {field: {"name": name, **strengths[name]} for field, name in settings.items()}
    monkeypatch.setattr("trainables.training.Draws", OldDraws)
    monkeypatch.setattr(OldDraws, "generators", {}, raising=False)
    training = Training(tiny_trial(seed=5, dtype="float64", **given), torch.device("cpu"))
    for steps, loss in zip((1, 5, 14), losses, strict=True):
        training.advance(steps)
        assert training.measure(training.config.all_probes)["train_loss"] == pytest.approx(loss, rel=1e-9)
