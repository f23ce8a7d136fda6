"""What the neural tangent kernel of one point costs beside per-example gradients in a loop.

    export MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_TOP_PAD_=100000000
    python benchmarks/fixed_point_kernel.py [--rounds 5] [--device cpu]

The first line keeps glibc from returning memory to the system, which it does more or less often depending on what ran
before: without it single rounds lie three times lower or higher.

The kernel between one point and 1,024 points, in float64, of the networks of Walker et al.'s Figure 2 (784-64-1 and
784-64-64-1, no biases), as they are initialised; the points are drawn, for the time does not depend on them. Ours is
what the probe `fixed_point_ntk` computes: one derivative of all outputs in one direction. The loop takes the gradient
of one output after the other by torch.autograd.grad, and its inner product with that of the point. The two agree
before they are timed.

Both take turns in this run, each ten times a turn. Times are the process's CPU time on a CPU (one thread), wall time
on a GPU.
"""

import argparse
import platform
from collections.abc import Callable, Mapping

import torch
from attacks import compare
from torch import Tensor
from torch.nn import functional as F

from trainables.models.base import Network, Spec
from trainables.models.mlp import Mlp
from trainables.probes.base import ProbeInput
from trainables.probes.fixed_point_ntk import kernel_row

POINTS, PIXELS = 1024, 784


def seen(network: Network, parameters: Mapping[str, Tensor], x: Tensor) -> ProbeInput:
    def outputs(parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return network.evaluate(dict(parameters), {}, x)

    loss = F.binary_cross_entropy_with_logits
    return ProbeInput(
        lambda x: outputs(parameters, x), outputs, parameters, x, x[:, 0], loss, lambda _: None, torch.Generator
    )


def one_by_one(at: ProbeInput) -> Tensor:
    leaves = {name: each.clone().requires_grad_() for name, each in at.parameters.items()}

    def gradient(point: Tensor) -> Tensor:
        found = torch.autograd.grad(at.network(leaves, point[None])[0, 0], list(leaves.values()))
        return torch.cat([each.flatten() for each in found])

    first = gradient(at.x[0])
    return torch.stack([gradient(point) @ first for point in at.x])


def repeated(kernel: Callable[[ProbeInput], Tensor], at: ProbeInput) -> Callable[[int], None]:
    def run(times: int) -> None:
        for _ in range(10 * times):
            kernel(at)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(1)

    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"torch {torch.__version__}, {where}; medians of {arguments.rounds} rounds, and their extremes")
    drawing = torch.Generator().manual_seed(0)
    x = torch.randn(POINTS, PIXELS, dtype=torch.float64, generator=drawing).to(device)
    for depth in (2, 3):
        network = Mlp(width=64, depth=depth, bias=False).build(Spec("binary", x.shape[1:], 1, torch.float64))
        parameters = {name: each.to(device) for name, each in network.init(drawing)[0].items()}
        at = seen(network, parameters, x)

        def ours(at: ProbeInput) -> Tensor:
            return kernel_row(at, at.parameters, at.x[:1])

        torch.testing.assert_close(ours(at), one_by_one(at))
        what = f"the kernel of one point against {POINTS:,}, {depth} layers: in one derivative and in a loop"
        compare(what, repeated(ours, at), repeated(one_by_one, at), arguments.rounds, device)


if __name__ == "__main__":
    main()
