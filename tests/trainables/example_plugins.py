"""What people write beside their studies: plugins of each kind, most of them doing what one of ours does."""

import gzip
import math
import sys
from pathlib import Path

import numpy as np
import sklearn
import torch
from torch import nn
from torch.nn import functional as F


def digits(first: int = 70):
    """The bundled digits, as `data: {name: digits}` has them, normalised."""
    with gzip.open(Path(sklearn.__file__).parent / "datasets" / "data" / "digits.csv.gz") as file:
        table = np.loadtxt(file, delimiter=",")
    x = (table[:, :-1].reshape(-1, 8, 8) / 16 - 0.306966796875) / 0.376395870642353
    y = table[:, -1].astype(np.int64)
    return {"x_train": x[:first], "y_train": y[:first], "x_test": x[1000:], "y_test": y[1000:]}


def lost():
    raise RuntimeError("nowhere to be found")


class Net(nn.Module):
    """With all that a module may bring along: dropout, running averages, a parameter that is not trained."""

    def __init__(self, input_shape, num_outputs, *, width=12, dropout=0.0):
        super().__init__()
        self.first = nn.Linear(math.prod(input_shape), width)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(width, num_outputs)
        self.scale = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    def forward(self, x):
        return self.last(self.dropout(self.norm(self.first(x.flatten(1))).relu())) * self.scale


def cross_entropy(outputs, y, *, weight=1.0):
    return weight * F.cross_entropy(outputs, y)


def exact_jacobian(step, *, strength):
    """Walker et al.'s term without a projection, a backward pass a class."""
    basis = torch.eye(step.outputs.shape[1], dtype=step.x.dtype)
    rows = torch.stack([step.vjp(v.expand_as(step.outputs))[0].flatten(1) for v in basis])
    return strength * rows.square().sum(dim=(0, 2)).clamp(min=1e-8).sqrt().mean()


class Drawing:
    """A regulariser that draws."""

    def __init__(self, strength):
        self.strength = strength

    def __call__(self, step):
        noise = torch.randn(step.x.shape, generator=step.generator, dtype=step.x.dtype)
        return self.strength * (step.f(step.x + 0.1 * noise) - step.outputs).square().mean()


def ema(gradients, state, *, decay, gain):
    """Grokfast's."""
    averages = {
        name: decay * state[name] + (1 - decay) * gradient if name in state else gradient.clone()
        for name, gradient in gradients.items()
    }
    return {name: gradient + gain * averages[name] for name, gradient in gradients.items()}, averages


def hits(evaluation):
    return (evaluation.f(evaluation.x).argmax(1) == evaluation.y).double().mean()


def weights(evaluation):
    norms = torch.stack([p.norm() for p in evaluation.parameters.values()])
    return {"least": norms.min(), "greatest": norms.max()}


def no_pair(gradients, state):
    return gradients


def no_gradients(gradients, state):
    return dict.fromkeys(gradients), state


def counting(gradients, state):
    return gradients, {"count": state.get("count", 0) + 1}


def shapeless(step):
    return step.outputs


def wide(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_outputs + 1))


def broken(step):
    raise RuntimeError("as written")


def exits(step):
    raise SystemExit(3)


def single(step):
    assert step.x.dtype == torch.float32
    return step.outputs.sum() * 0


def closes(step):
    sys.stdout.close()
    return step.outputs.sum() * 0


def closes_behind(step):
    sys.__stderr__.close()
    return step.outputs.sum() * 0


async def awaited(step):
    return step.outputs.sum() * 0


def yielding(outputs, y):
    yield outputs.sum() * 0


def yielded():
    yield digits()


class AwaitedCall:
    async def __call__(self, x, generator):
        return x


class Unmakeable:
    def __init__(self):
        raise RuntimeError("as written")

    def __call__(self, step):
        return step.outputs.sum()


class Drift:
    """A probe with a state, tables and draws: how far the weights are from the first ones, and how often it looked."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def init(self, evaluation):
        noise = torch.randn(3, generator=evaluation.generator)
        return {**evaluation.parameters, "noise": noise, "count": torch.tensor(0)} | {"last": noise}

    def __call__(self, evaluation):
        state = evaluation.state
        state["count"] += 1
        state["last"] = torch.randn(3, generator=evaluation.generator) + state["last"]
        norms = torch.stack([(p - state[name]).norm() for name, p in evaluation.parameters.items()])
        return {
            "far": self.scale * norms.norm(),
            "seen": state["count"],
            "noise": (state["last"] - state["noise"]).sum(),
            "layers": {"layer": torch.arange(len(norms)), "norm": norms, "is_large": norms.numpy() > 1},
        }


nothing = 3
