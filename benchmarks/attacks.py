"""What PGD costs beside foolbox, and exact Jacobians beside a loop over examples.

    export MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_TOP_PAD_=100000000
    python benchmarks/attacks.py [--rounds 5] [--device cpu]

The first line keeps glibc from returning memory to the system between layers. It does so more or less often depending
on what ran before, and page faults are then up to a third of the CPU time of either attack.

LeNet' is trained on 10,000 examples of MNIST if GROKGRID_DATA names a folder with it, else an MLP on the digits.
Attacked are 1,000 examples that it classifies right, 250 at once: l-inf, 40 steps of 1/255, from the clean example, at
one size, 16/255, and at three. Ours is the whole assessment, with its table; foolbox's are its accuracy and its
LinfProjectedGradientDescentAttack, which ends with the last points. It attacks all examples at all sizes, where ours
attacks those that no smaller size has fooled.

Exact Jacobians are those of 1,024 examples, with the norms, cosines and singular values that probes take of them,
beside torch.autograd.functional.jacobian of one example after the other; of that network, and of Walker et al.'s
Table 1 (784-196-196-196-10, no biases), as it is initialised.

All take turns in this run. Times are the process's CPU time on a CPU (one thread), wall time on a GPU.
"""

import argparse
import os
import platform
import statistics
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from training_step import seconds_for

from trainables.assessments.base import AssessedNetwork, AssessmentInput
from trainables.assessments.pgd import Pgd
from trainables.data.load import load
from trainables.datasets.digits import Digits
from trainables.datasets.mnist import Mnist
from trainables.models.base import Model, Spec
from trainables.models.lenet import Lenet
from trainables.models.mlp import Mlp
from trainables.probes._jacobians import jacobians_of

SIZES, STEP, STEPS, BATCH = (8 / 255, 16 / 255, 32 / 255), 1 / 255, 40, 250
Function = Callable[[Tensor], Tensor]

ATTACKED, POINTS = 1000, 1024


def trained(device: torch.device) -> tuple[str, Function, Tensor, Tensor]:
    """Its name, pixels -> outputs, and examples that were not trained on as far as there are enough of them."""
    has_mnist = "GROKGRID_DATA" in os.environ
    data = load(Mnist(num_train=10_000, num_test=2_000) if has_mnist else Digits(), torch.float32, device)
    model: Model = Lenet() if has_mnist else Mlp(width=100, depth=3)
    built = model.build(Spec("classification", data.x_train.shape[1:], data.num_outputs, torch.float32))
    parameters, _ = built.init(torch.Generator().manual_seed(0))
    parameters = {name: each.to(device).requires_grad_() for name, each in parameters.items()}
    optimiser = torch.optim.SGD(parameters.values(), lr=0.1, momentum=0.9)
    drawing = torch.Generator().manual_seed(0)
    for _ in range(5):
        for batch in torch.randperm(len(data.x_train), generator=drawing).split(100):
            optimiser.zero_grad()
            outputs = built.evaluate(parameters, {}, data.x_train[batch.to(device)])
            F.cross_entropy(outputs, data.y_train[batch.to(device)]).backward()
            optimiser.step()
    parameters = {name: each.detach() for name, each in parameters.items()}
    (mean,), (std,) = data.normalisation.means, data.normalisation.stds

    def f(x: Tensor) -> Tensor:
        return built.evaluate(parameters, {}, (x - mean) / std)

    x = (torch.cat([data.x_test, data.x_train]) * std + mean).clamp(0, 1)
    return ("LeNet' on MNIST" if has_mnist else "MLP on digits"), f, x, torch.cat([data.y_test, data.y_train])


def ours(f: Function, x: Tensor, y: Tensor, sizes: tuple[float, ...]) -> Callable[[int], None]:
    network = AssessedNetwork(f, "classification", 10, torch.float32, has_pixels=True)
    pgd = Pgd(sizes=sizes, steps=STEPS, step_size=STEP, random_start=False)
    numbers = torch.arange(len(x))

    def run(times: int) -> None:
        for _ in range(times):
            for part in numbers.split(BATCH):
                pgd.assess(AssessmentInput(network, None, x[part.to(x.device)], y[part.to(x.device)], part, 0))

    return run


def foolbox(f: Function, x: Tensor, y: Tensor, sizes: tuple[float, ...]) -> Callable[[int], None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox

    class Module(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return f(x)

    model = foolbox.PyTorchModel(Module().eval(), bounds=(0, 1), device=x.device)
    attack = foolbox.attacks.LinfProjectedGradientDescentAttack(steps=STEPS, abs_stepsize=STEP, random_start=False)

    def run(times: int) -> None:
        for _ in range(times):
            for images, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
                foolbox.accuracy(model, images, labels)
                attack(model, images, labels, epsilons=list(sizes))

    return run


def exact(f: Function, x: Tensor) -> Callable[[int], None]:
    def run(times: int) -> None:
        for _ in range(times):
            jacobians_of(f, x)

    return run


def one_by_one(f: Function, x: Tensor) -> Callable[[int], None]:
    def run(times: int) -> None:
        for _ in range(times):
            for each in x:
                torch.autograd.functional.jacobian(lambda each: f(each[None])[0], each)

    return run


def compare(
    what: str, one: Callable[[int], None], other: Callable[[int], None], rounds: int, device: torch.device
) -> None:
    times = []
    for turn in range(rounds + 1):
        pair = seconds_for(one, 1, device), seconds_for(other, 1, device)
        # The first turn warms both up.
        times += [pair] if turn else []
    mine, theirs = (statistics.median(each) for each in zip(*times, strict=True))
    ratios = [b / a for a, b in times]
    print(
        f"{what}: {mine:.3f} s and {theirs:.3f} s; ours is {statistics.median(ratios):.2f} times as fast"
        f" ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(1)

    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    name, f, x, y = trained(device)
    with torch.no_grad():
        right = f(x).argmax(1) == y
    attacked = x[right][:ATTACKED], y[right][:ATTACKED]
    assert len(attacked[0]) == ATTACKED
    print(f"torch {torch.__version__}, {where}, {name}; medians of {arguments.rounds} rounds, and their extremes")
    for sizes in (SIZES[1:2], SIZES):
        what = f"PGD, {STEPS} steps, {ATTACKED:,} examples, {len(sizes)} size{'s'[: len(sizes) - 1]}: ours and foolbox"
        compare(what, ours(f, *attacked, sizes), foolbox(f, *attacked, sizes), arguments.rounds, device)
    table_1 = Mlp(width=196, depth=4, bias=False).build(Spec("classification", x.shape[1:], 10, torch.float32))
    weights, _ = table_1.init(torch.Generator().manual_seed(0))
    weights = {each: values.to(device) for each, values in weights.items()}
    for of, g in ((name, f), ("Table 1", lambda x: table_1.evaluate(weights, {}, x))):
        what = f"exact Jacobians of {POINTS:,} examples, {of}: at once and one by one"
        compare(what, exact(g, x[:POINTS]), one_by_one(g, x[:POINTS]), max(1, arguments.rounds // 2), device)


if __name__ == "__main__":
    main()
