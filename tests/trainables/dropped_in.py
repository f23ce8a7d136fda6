"""One component of each kind, as the text of a file that somebody places in the kind's folder."""

import importlib
import sys
from pathlib import Path

FILES = {
    "models": """
import math

from trainables.models.base import Model, Network


class Linear(Model):
    '''One linear map, `gain` times.'''

    name: str = "linear"
    gain: float = 1.0

    def build(self, spec):
        import torch

        def init(generator):
            shape: ClassVar = spec.num_outputs, math.prod(spec.input_shape)
            return {"weight": torch.randn(shape, dtype=spec.dtype, generator=generator) / 10}, {}

        def apply(parameters, buffers, x, draws):
            return self.gain * x.flatten(1) @ parameters["weight"].T, buffers

        return Network(init, apply, lambda parameters, buffers, x: apply(parameters, buffers, x, {})[0])
""",
    "datasets": """
from pathlib import Path
from typing import ClassVar

import numpy as np

from trainables.datasets.base import Dataset


class Stripes(Dataset):
    name: str = "stripes"
    num_available: ClassVar = 64
    shape: ClassVar = (6,), 3
    content_digest: ClassVar = "sha256:" + 64 * "0"
    title: ClassVar = "data stripes"

    def require(self):
        pass

    def read(self):
        y = np.arange(96) % 3
        x = np.cos(np.arange(96 * 6).reshape(96, 6)) + np.eye(3)[y].repeat(2, axis=1)
        return {"x_train": x[:64], "y_train": y[:64], "x_test": x[64:], "y_test": y[64:]}

    def inspect(self):
        return None

    def fetch(self):
        return Path()
""",
    "losses": """
from trainables.losses.base import Loss


class Margin(Loss):
    name: str = "margin"

    def value(self, outputs, y):
        from torch.nn.functional import multi_margin_loss

        return multi_margin_loss(outputs, y)
""",
    "regularisers": """
from trainables.regularisers.base import Regulariser


class Smooth(Regulariser):
    '''Outputs that noise on the inputs changes little.'''

    name: str = "smooth"
    strength: float

    @property
    def weight(self):
        return self.strength

    def draw(self, steps, batch, spec, generator):
        import torch

        return {"noise": torch.randn(steps, batch, *spec.input_shape, dtype=spec.dtype, generator=generator)}

    def term(self, step, draws):
        return (step.f(step.x + draws["noise"][: len(step.x)]) - step.outputs).square().mean()
""",
    "gradient_filters": """
from trainables.gradient_filters.base import GradientFilter


class Previous(GradientFilter):
    '''Adds the last step's gradient.'''

    name: str = "previous"

    def init(self, parameters):
        import torch

        return {n: torch.zeros_like(p) for n, p in parameters.items()}

    def filter(self, gradients, state):
        return {n: g + state[n] for n, g in gradients.items()}, dict(gradients)
""",
    "input_transforms": """
from trainables.input_transforms.base import InputTransform


class Drop(InputTransform):
    name: str = "drop"
    share: float = 0.2

    def init(self):
        import torch

        return {"kept": torch.ones(())}

    def epoch(self, train_accuracy):
        return {"kept": 1 - self.share * train_accuracy()}

    def draw(self, steps, batch, spec, generator):
        import torch

        return {"uniform": torch.rand(steps, batch, *spec.input_shape, dtype=spec.dtype, generator=generator)}

    def apply(self, x, draws, state, network):
        return x * (draws["uniform"][: len(x)] < state["kept"])
""",
    "optimisers": """
from trainables.optimisers.base import Optimiser


class RMSprop(Optimiser):
    name: str = "rmsprop"
    lr: float

    def init(self, parameters):
        import torch

        return {n: torch.zeros_like(p) for n, p in parameters.items()}

    def step(self, parameters, gradients, state, factor):
        for n, p in parameters.items():
            state[n].mul_(0.99).addcmul_(gradients[n], gradients[n], value=0.01)
            p.sub_(factor * self.lr * gradients[n] / (state[n].sqrt() + 1e-8))
""",
    "probes": """
from typing import Literal

from trainables.probes.base import Probe


class Confidence(Probe):
    name: str = "confidence"
    on: Literal["train", "validation", "test"] = "test"
    every: int = 2

    @property
    def metrics(self):
        return (f"{self.on}_confidence",)

    def measure(self, at):
        return {self.metrics[0]: at.f(at.x).softmax(1).amax(1).mean()}
""",
}
NAMES = {
    "models": "linear",
    "datasets": "stripes",
    "losses": "margin",
    "regularisers": "smooth",
    "gradient_filters": "previous",
    "input_transforms": "drop",
    "optimisers": "rmsprop",
    "probes": "confidence",
}

SETTINGS = {
    "data": {"name": "stripes", "num_train": 40, "num_test": 30},
    "model": {"name": "linear", "gain": 2.0},
    "loss": "margin",
    "optimiser": {"name": "rmsprop", "lr": 0.01},
    "regulariser": {"name": "smooth", "strength": 0.1},
    "gradient_filter": "previous",
    "input_transform": "drop",
    "probes": [{"name": "confidence"}],
    "batch_size": 16,
}
"""Of a trial that has them all."""


def write(root: Path) -> None:
    """A folder a kind."""
    for kind, text in FILES.items():
        (root / kind).mkdir()
        (root / kind / f"{NAMES[kind]}.py").write_text(text)


def folders_with(root: Path) -> dict[str, list[str]]:
    """Kind -> the folders in which its components are found, those of `root` included."""
    return {kind: [*importlib.import_module(f"trainables.{kind}").__path__, str(root / kind)] for kind in FILES}


if __name__ == "__main__":
    # Another process, which is killed at the third evaluation: `dropped_in.py FOLDER SNAPSHOTS`.
    import os
    import signal

    from tiny_trials import tiny_trial

    from trainables.records import WorkFolder
    from trainables.run import How, WorkRun

    dropped, snapshots = map(Path, sys.argv[1:])
    for kind, folders in folders_with(dropped).items():
        importlib.import_module(f"trainables.{kind}").__path__ = folders
    trial = tiny_trial(**SETTINGS)
    for index, _ in enumerate(WorkRun(trial, WorkFolder(snapshots, trial.key), How(checkpoint_every_s=0))):
        if index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
