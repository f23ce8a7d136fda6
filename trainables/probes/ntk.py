"""The empirical neural tangent kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput, Split, Table

if TYPE_CHECKING:
    from torch import Tensor


class Ntk(Probe):
    """The empirical neural tangent kernel (Jacot et al. 2018, https://arxiv.org/abs/1806.07572) on the first
    `num_points`: K(x, x') is the mean over the C outputs f_c of the inner product of the gradients of f_c(x) and
    f_c(x') by all parameters, which is the trace of their kernel's C x C block over C.

    Its trace, the mean of all its entries, its cosine with the kernel at initialisation in the Frobenius inner product;
    and a table of its eigenvalues, the largest first. The time is that of C backward passes a point; in memory are the
    gradients of one output at all points.
    """

    name: Literal["ntk"] = "ntk"
    on: Split = "train"
    num_points: PositiveInt = 64
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_ntk_{quantity}" for quantity in ("trace", "mean", "alignment_initial"))

    @property
    def table_names(self) -> tuple[str, ...]:
        return (f"{self.on}_ntk_spectrum",)

    def init(self, at: ProbeInput) -> dict[str, Tensor]:
        return {"initial": kernel(at, self.num_points)}

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float | Table]:
        import torch

        K, initial = at.once(kernel, self.num_points), at.state["initial"]
        if K.isfinite().all():
            eigenvalues = torch.linalg.eigvalsh(K).flip(0)
        else:
            eigenvalues = torch.full_like(K[0], torch.nan)
        alignment = (K * initial).sum() / (K.norm() * initial.norm())
        spectrum = {"index": torch.arange(len(K)), "eigenvalue": eigenvalues}
        return {
            **dict(zip(self.metrics, (K.trace(), K.mean(), alignment), strict=True)),
            self.table_names[0]: spectrum,
        }


def kernel(at: ProbeInput, num_points: int) -> Tensor:
    """(points, points). For `ProbeInput.once`."""
    import torch

    x = at.x[:num_points]
    num_outputs = at.f(x[:1]).shape[1]
    K = x.new_zeros(len(x), len(x))
    for c in range(num_outputs):

        def output(parameters: Mapping[str, Tensor], point: Tensor, c: int = c) -> Tensor:
            return at.network(parameters, point[None])[0, c]

        gradients = torch.func.vmap(torch.func.grad(output), in_dims=(None, 0))(at.parameters, x)
        for gradient in gradients.values():
            flat = gradient.reshape(len(x), -1)
            K += flat @ flat.mT
    return K / num_outputs
