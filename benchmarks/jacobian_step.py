"""What a step with the Jacobian term costs over a plain one, beside the matrix products that the two need.

    python benchmarks/jacobian_step.py [--seconds 4] [--rounds 9] [--device cpu]

The network is that of Walker et al.'s Table 1 (784-196-196-196-10, no biases, batch 256). Of each layer a plain step
needs three products: forward, gradient of the weights, gradient of the inputs (not of the examples). The Jacobian term
adds three: v'J through the layer, and of that the gradients of the weights and of what came from above (not of v
itself). These products alone, with nothing in between, are the floor. All four take turns in this run.

Times are the process's CPU time on a CPU (one thread), wall time on a GPU.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from training_step import BATCH, ours, seconds_for, write_examples

SIZES = (784, 196, 196, 196, 10)


def products(dtype: str, jacobian: bool, device: torch.device) -> Callable[[int], None]:
    """The matrix products of so many steps."""
    precision = getattr(torch, dtype)
    calls: list[tuple[torch.Tensor, torch.Tensor]] = []
    for layer, (m, n) in enumerate(zip(SIZES[:-1], SIZES[1:], strict=True)):
        x, w, g = (torch.randn(shape, dtype=precision, device=device) for shape in ((BATCH, m), (n, m), (BATCH, n)))
        forward, weights, inputs = (x, w.T), (g.T, x), (g, w)
        calls += [forward, weights] if layer == 0 else [forward, weights, inputs]
        if jacobian:
            # x takes the place of v'J there, which has its shape.
            calls += [inputs, weights] if layer == len(SIZES) - 2 else [inputs, weights, forward]

    def run(steps: int) -> None:
        for _ in range(steps):
            for one, other in calls:
                one @ other

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each of the four, a precision")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(1)

    print(f"torch {torch.__version__}, {arguments.device}, one thread; medians of {arguments.rounds} rounds")
    print(
        f"{'':10}{'step':>12}{'its products':>14}   step with Jacobian term / plain; of the products; over that floor"
    )
    with tempfile.TemporaryDirectory() as folder:
        data = write_examples(Path(folder) / "examples.npz")
        for dtype in ("float32", "float64"):
            runs = [ours(data, dtype, False, device), ours(data, dtype, True, device)]
            runs += [products(dtype, False, device), products(dtype, True, device)]
            steps = []
            for run in runs:
                run(20)
                steps.append(max(4, round(20 * arguments.seconds / arguments.rounds / seconds_for(run, 20, device))))
            rounds = []
            for _ in range(arguments.rounds):
                rounds.append([seconds_for(run, num, device) / num for run, num in zip(runs, steps, strict=True)])
            plain, jacobian, plain_floor, jacobian_floor = (
                statistics.median(each) for each in zip(*rounds, strict=True)
            )
            cost = statistics.median(jac / pla for pla, jac, _, _ in rounds)
            floor = statistics.median(jac / pla for _, _, pla, jac in rounds)
            print(f"{dtype:24}{1e3 * plain:>9.2f} ms{1e3 * plain_floor:>11.2f} ms")
            print(f"{dtype + ', Jacobian term':24}{1e3 * jacobian:>9.2f} ms{1e3 * jacobian_floor:>11.2f} ms", end="   ")
            print(f"{cost:.2f} times a plain step, its products {floor:.2f} times: {cost / floor:.2f} of the floor")


if __name__ == "__main__":
    main()
