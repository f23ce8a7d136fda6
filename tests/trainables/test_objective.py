"""The objective is a pure function: plain autograd and torch.func's vmap of grad get the same from it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_trials import tiny

from trainables.data.load import Normalisation
from trainables.models.base import Network, Spec
from trainables.objective import Batch, Drawn, Tensors, build_objective
from trainables.randomness import Stream, generator
from trainables.trial import TrialConfig

BATCH = 16
NOISE = {"input_transform": {"name": "tan_huang", "scale": 0.0, "floor": 0.1}}
METHODS = {
    "plain": {},
    "jacobian": {"regulariser": {"name": "jacobian", "strength": 0.3}},
    "jacobian_three": {"regulariser": {"name": "jacobian", "strength": 0.3, "projections": 3}},
    "jacobian_exact": {"regulariser": {"name": "jacobian", "strength": 0.3, "projections": "exact"}},
    "half_mean_square": {"regulariser": {"name": "jacobian", "strength": 0.3, "norm": "half_mean_square"}},
    "level": {"regulariser": {"name": "jacobian", "strength": 0.3, "level": 9.0}},
}


def config_of(method: str, dtype: str) -> TrialConfig:
    return tiny(
        **NOISE, **METHODS[method], dtype=dtype, model={"name": "mlp", "width": 12, "depth": 3, "init_scale": 2.0}
    )


def model_of(config: TrialConfig) -> Network:
    dtype = getattr(torch, config.dtype)
    return config.model.build(Spec("classification", torch.Size([1, 8, 8]), 10, dtype))


def batch_and_draws(config: TrialConfig, seed: int) -> tuple[Batch, Drawn]:
    rng = torch.Generator().manual_seed(100 + seed)
    dtype = getattr(torch, config.dtype)
    x = torch.randn(BATCH, 1, 8, 8, dtype=dtype, generator=rng)
    spec = Spec("classification", torch.Size([1, 8, 8]), 10, dtype)
    terms, inputs = (
        {name: {key: each[0] for key, each in one.draw(1, BATCH, spec, rng).items()} for name, one in those.items()}
        for those in (config.regularisers, config.input_transforms)
    )
    states = {name: {"scale": torch.tensor(0.1, dtype=dtype)} for name in config.input_transforms}
    return Batch(x, torch.randint(10, (BATCH,), generator=rng)), Drawn(inputs, states, {}, terms)


def stacked(parts: list[Tensors]) -> Tensors:
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [("float64", 1e-10, 1e-12), ("float32", 1e-3, 1e-5)])
@pytest.mark.parametrize("method", METHODS)
def test_vmap_of_grad_over_stacked_parameters_is_plain_autograd(method: str, dtype: str, rtol: float, atol: float):
    """Two seeds, each with its own weights, batch and draws."""
    config = config_of(method, dtype)
    model = model_of(config)
    objective = build_objective(config, model, Normalisation(), lifts=True)
    seeds = (0, 1)
    parameters = [model.init(generator(seed, Stream.INIT))[0] for seed in seeds]
    inputs = [batch_and_draws(config, seed) for seed in seeds]

    alone = []
    for p, (batch, draws) in zip(parameters, inputs, strict=True):
        leaves = {name: value.clone().requires_grad_() for name, value in p.items()}
        loss, buffers, outputs = objective(leaves, {}, batch, draws)
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        assert buffers == {}
        alone.append((gradients, loss.detach(), outputs.detach()))
    assert not torch.allclose(alone[0][1], alone[1][1])

    def one(parameters: Tensors, batch: Batch, inputs: Any, terms: Any):
        def scalar(parameters: Tensors):
            loss, _, outputs = objective(parameters, {}, batch, Drawn(inputs, states, {}, terms))
            return loss, (loss, outputs)

        return torch.func.grad(scalar, has_aux=True)(parameters)

    states = inputs[0][1].states
    by_func = [one(p, b, d.inputs, d.terms) for p, (b, d) in zip(parameters, inputs, strict=True)]
    pack = torch.utils._pytree.tree_map
    packed = torch.vmap(one)(
        stacked(parameters),
        pack(lambda *each: torch.stack(each), *(batch for batch, _ in inputs)),
        pack(lambda *each: torch.stack(each), *(draws.inputs for _, draws in inputs)),
        pack(lambda *each: torch.stack(each), *(draws.terms for _, draws in inputs)),
    )
    for seed, (gradients, loss, outputs) in enumerate(alone):
        for theirs in (by_func[seed], torch.utils._pytree.tree_map(lambda value: value[seed], packed)):  # noqa: B023
            torch.testing.assert_close(theirs, (gradients, (loss, outputs)), rtol=rtol, atol=atol)


@pytest.mark.parametrize("method", ["plain", "jacobian"])
def test_noise_is_added_to_the_inputs_of_loss_and_jacobian_alike(method: str):
    config = config_of(method, "float64")
    model = model_of(config)
    objective = build_objective(config, model, Normalisation(), lifts=True)
    parameters, _ = model.init(generator(0, Stream.INIT))
    batch, draws = batch_and_draws(config, 0)
    silent = {"tan_huang": {"noise": torch.zeros_like(batch.x)}}
    moved = Batch(batch.x + draws.inputs["tan_huang"]["noise"] * draws.states["tan_huang"]["scale"], batch.y)
    assert torch.equal(
        objective(parameters, {}, batch, draws)[0], objective(parameters, {}, moved, draws._replace(inputs=silent))[0]
    )


def test_the_jacobian_term_reuses_the_forward_pass_of_the_loss():
    config = config_of("jacobian", "float64")
    model = model_of(config)
    calls = []

    def counted(*args):
        calls.append(1)
        return model.apply(*args)

    objective = build_objective(config, replace(model, apply=counted), Normalisation())
    parameters, _ = model.init(generator(0, Stream.INIT))
    objective(parameters, {}, *batch_and_draws(config, 0))
    assert len(calls) == 1


@pytest.mark.parametrize("method", ["plain", "jacobian"])
def test_buffers_are_handed_through_and_inputs_left_alone(method: str):
    """As a model with running statistics would use them: new ones come back, old ones stay."""
    config = config_of(method, "float64")
    model = model_of(config)

    def counting(parameters, buffers, x, draws):
        outputs, _ = model.apply(parameters, {}, x, {})
        return outputs, {"mean": buffers["mean"] + outputs.detach().mean()}

    objective = build_objective(config, replace(model, apply=counting), Normalisation())
    parameters, _ = model.init(generator(0, Stream.INIT))
    batch, draws = batch_and_draws(config, 0)
    before, x, buffers = stacked([parameters]), batch.x.clone(), {"mean": torch.zeros((), dtype=torch.float64)}
    _, after, outputs = objective(parameters, buffers, batch, draws)
    torch.testing.assert_close(after["mean"], outputs.mean())
    assert float(buffers["mean"]) == 0
    assert torch.equal(batch.x, x) and batch.x.grad is None
    assert all(torch.equal(stacked([parameters])[name], before[name]) for name in before)
