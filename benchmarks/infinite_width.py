"""What the Jacobian NTK costs, of infinite and of finite width, beside the plain ways to compute it.

    python benchmarks/infinite_width.py [--rounds 3]

Infinite width: the coefficients of the kernel of the first 500 zeros and ones of MNIST (784 inputs of norm 1, GELU,
three hidden layers) and one product with it, beside torch.func.jacfwd of jacrev of the NTK of a pair of points,
vectorised over ten pairs. That is timed on 100 pairs and scaled to 250,000, for the whole kernel would be 1.2 TB.

Finite width: the kernel of `ntk_mlp`, width 256, two hidden layers, at 16 points of 8 inputs, beside the gradients by
all parameters of the output and of each input derivative, one after the other by torch.autograd.grad, and their Gram
matrix.

Both ways agree before they are timed, and take turns in this run. Times are the process's CPU time, one thread,
float64.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from itertools import islice, product

import torch
from torch import Tensor
from torch.func import jacfwd, jacrev

from trainables.data.load import load
from trainables.datasets.mnist import Mnist
from trainables.infinite_width.dual import dual_of, scaled
from trainables.infinite_width.finite import jacobian_ntk, layers
from trainables.infinite_width.operator import Operator
from trainables.infinite_width.recursion import Architecture

POINTS, PAIRS, AT_ONCE = 500, 100, 10


def compare(what: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int, scale: float = 1) -> None:
    """scale: how many times the work of `theirs` is asked of `ours`"""
    times = [(seconds(ours), scale * seconds(theirs)) for _ in range(rounds + 1)][1:]
    mine, other = (statistics.median(each) for each in zip(*times, strict=True))
    ratios = [b / a for a, b in times]
    print(
        f"{what}: {mine:.3f} s and {other:,.1f} s; ours is {statistics.median(ratios):,.1f} times as fast"
        f" ({min(ratios):,.1f} to {max(ratios):,.1f})",
        flush=True,
    )


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def infinite(rounds: int) -> None:
    data = load(
        Mnist(classes=(0, 1), task="binary", num_train=POINTS, num_test=1, unit_norm=True),
        torch.float64,
        torch.device("cpu"),
    )
    x, architecture = data.x_train.flatten(1), Architecture(3, dual_of("gelu"), 1.0)
    v = torch.randn(POINTS, 1 + x.shape[1], dtype=x.dtype, generator=torch.Generator().manual_seed(0))

    def kernel(u: Tensor, w: Tensor) -> Tensor:
        return architecture.ntk((u @ u)[None, None], (w @ w)[None, None], (u @ w)[None, None])[0, 0]

    def block(u: Tensor, w: Tensor) -> Tensor:
        """Of one pair, (1 + d, 1 + d)."""
        top = torch.cat([kernel(u, w)[None], jacrev(kernel, 1)(u, w)])
        below = torch.cat([jacrev(kernel, 0)(u, w)[:, None], jacfwd(jacrev(kernel, 0), 1)(u, w)], dim=1)
        return torch.cat([top[None], below])

    few = Operator.of(architecture.ntk, x[:2]).dense()
    torch.testing.assert_close(few[0, :, 1], block(x[0], x[1]))
    u, w = (torch.stack(each) for each in zip(*islice(product(x, x[100:]), PAIRS), strict=True))
    compare(
        f"coefficients and a product, {POINTS} points, and {PAIRS} pairs by nested differentiation, scaled",
        lambda: Operator.of(architecture.ntk, x) @ v,
        lambda: [torch.vmap(block)(*some) for some in zip(u.split(AT_ONCE), w.split(AT_ONCE), strict=True)],
        rounds,
        scale=POINTS**2 / PAIRS,
    )


def finite(rounds: int) -> None:
    drawing, width, points, inputs = torch.Generator().manual_seed(0), 256, 16, 8
    phi, kappa = scaled("gelu"), 1.0
    shapes = ((width, inputs), (width, width), (1, width))
    weights = [torch.randn(shape, dtype=torch.float64, generator=drawing) for shape in shapes]
    x = torch.randn(points, inputs, dtype=torch.float64, generator=drawing)

    def ours() -> Tensor:
        seen = layers(weights, x, phi, kappa)
        return jacobian_ntk(seen, seen).flatten(2).flatten(0, 1)

    def one_by_one() -> Tensor:
        leaves = [each.clone().requires_grad_() for each in weights]
        rows = []
        for point in x:
            at = point.clone().requires_grad_()
            h = phi(leaves[0] @ at)
            h = phi(leaves[1] @ h / width**0.5)
            f = kappa * (leaves[2] @ h)[0] / width**0.5
            (gradient,) = torch.autograd.grad(f, at, create_graph=True)
            for value in (f, *gradient):
                found = torch.autograd.grad(value, leaves, retain_graph=True, materialize_grads=True)
                rows.append(torch.cat([each.flatten() for each in found]))
        stacked = torch.stack(rows)
        return stacked @ stacked.T

    torch.testing.assert_close(ours(), one_by_one())
    compare(f"width {width}, {points} points of {inputs} inputs, and one gradient at a time", ours, one_by_one, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    where = platform.processor() or platform.machine()
    print(f"torch {torch.__version__}, {where}; medians of {rounds} rounds, and their extremes")
    finite(rounds)
    infinite(rounds)


if __name__ == "__main__":
    main()
