"""Steps a second of a trial's training against the plain loop that one would write by hand.

    python benchmarks/training_step.py [--seconds 4] [--rounds 9] [--device cpu]

The plain loop is torch.nn.Sequential, torch's fused AdamW, and two calls of autograd for the Jacobian term, over
batches sliced from tensors in memory. Both train the network of Walker et al.'s Table 1 (784-196-196-196-10, no biases,
batch 256 of 1,024), and a small one (64-64-64-64-10, batch 32), of which a step is hardly more than its calls, on
synthetic examples, so that it runs anywhere. The two take turns, a fraction of a second each, so that whatever else the
machine does falls on both; each round gives one ratio.

Times are the process's CPU time on a CPU (one thread), wall time on a GPU.
"""

import argparse
import itertools
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from trainables.data.arrays import digest
from trainables.training import Training
from trainables.trial import Trial, TrialConfig

EXAMPLES, CLASSES = 1024, 10
STRENGTH = 1e-3


class Size(NamedTuple):
    """side: of a square example"""

    name: str
    side: int
    width: int
    batch: int


TABLE_1, SMALL = Size("Table 1", 28, 196, 256), Size("small", 8, 64, 32)


def write_examples(path: Path, side: int) -> dict[str, object]:
    """Synthetic examples as an .npz file; returns the data settings."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.normal(size=(EXAMPLES, side, side)).astype(np.float32),
        "y_train": rng.integers(CLASSES, size=EXAMPLES),
        "x_test": rng.normal(size=(16, side, side)).astype(np.float32),
        "y_test": rng.integers(CLASSES, size=16),
    }
    np.savez(path, **arrays)
    return {"name": "npz", "path": path, "digest": digest(arrays)}


def ours(
    size: Size, data: dict[str, object], dtype: str, jacobian: bool, device: torch.device
) -> Callable[[int], None]:
    """Trains so many steps more, in stretches of ten epochs, as from one evaluation to the next."""
    settings = {
        "data": data,
        "model": {"name": "mlp", "width": size.width, "depth": 4, "bias": False},
        "loss": "cross_entropy",
        "optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01},
        "batch_size": size.batch,
        "dtype": dtype,
        "regulariser": {"name": "jacobian", "strength": STRENGTH} if jacobian else None,
        "budget": {"epochs": 10**6},
        "evaluate": {"every": 10},
    }
    training = Training(Trial(config=TrialConfig.model_validate(settings), seed=0), device)

    def train(steps: int) -> None:
        until = training.steps + steps
        while training.steps < until:
            training.advance(min(training.steps + 40, until))

    return train


def plain(
    size: Size, data: dict[str, object], dtype: str, jacobian: bool, device: torch.device
) -> Callable[[int], None]:
    """The same by hand."""
    precision = getattr(torch, dtype)
    with np.load(str(data["path"])) as file:
        examples = torch.from_numpy(file["x_train"]).to(device, precision).flatten(1)
        classes = torch.from_numpy(file["y_train"]).to(device)
    torch.manual_seed(0)
    sizes = [size.side**2, *[size.width] * 3, CLASSES]
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(fan_in, fan_out, bias=False), nn.ReLU()]
    model = nn.Sequential(*layers[:-1]).to(device, precision)
    loss_function = nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, fused=True)
    done = 0

    def train(steps: int) -> None:
        nonlocal done
        for _ in range(steps):
            start = size.batch * done % EXAMPLES
            x, y = examples[start : start + size.batch], classes[start : start + size.batch]
            if jacobian:
                x = x.clone().requires_grad_()
            outputs = model(x)
            loss = loss_function(outputs, y)
            if jacobian:
                v = torch.randn_like(outputs)
                v = v / v.norm(dim=1, keepdim=True)
                (products,) = torch.autograd.grad(outputs, x, grad_outputs=v, create_graph=True)
                squared = CLASSES * products.square().sum(1)
                loss = loss + STRENGTH * squared.clamp(min=1e-8).sqrt().mean()
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            optimiser.step()
            done += 1

    return train


def seconds_for(train: Callable[[int], None], steps: int, device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    train(steps)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of training for each of the two, a setting")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(1)

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"torch {torch.__version__}, {name}, one thread; median of {arguments.rounds} rounds, and their extremes")
    print(f"{'':28}{'ours':>12}{'by hand':>12}   ours / by hand")
    with tempfile.TemporaryDirectory() as folder:
        for size in (TABLE_1, SMALL):
            data = write_examples(Path(folder) / f"{size.side}.npz", size.side)
            for dtype, jacobian in itertools.product(("float32", "float64"), (False, True)):
                trains = [make(size, data, dtype, jacobian, device) for make in (ours, plain)]
                for train in trains:
                    train(20)
                turn_s = arguments.seconds / arguments.rounds
                turn = max(4, round(20 * turn_s / seconds_for(trains[1], 20, device)))
                rates: list[list[float]] = [[], []]
                for number in range(arguments.rounds):
                    # Who goes first takes turns too.
                    for which in (0, 1) if number % 2 == 0 else (1, 0):
                        rates[which].append(turn / seconds_for(trains[which], turn, device))
                ratios = sorted(mine / theirs for mine, theirs in zip(*rates, strict=True))
                label = f"{size.name}, {dtype}{', Jacobian' if jacobian else ''}"
                print(
                    f"{label:28}{statistics.median(rates[0]):>10.0f}/s{statistics.median(rates[1]):>10.0f}/s"
                    f"   {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
                )


if __name__ == "__main__":
    main()
