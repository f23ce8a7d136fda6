"""The neural tangent kernel of one training point, and Theorem 6's prediction beside what a step does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainables.configuration import NonNegativeInt, PositiveFloat, PositiveInt
from trainables.probes._classes import no_such_class
from trainables.probes.base import Probe, ProbeInput
from trainables.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.datasets.base import Dataset


class FixedPointNtk(Probe):
    """The neural tangent kernel Theta(x, x_p) between the first example x of one class and all examples x_p of the
    split, of a network with one output (Walker et al., Lemma 12 and Figure 2).

    ntk_mean          over all p, x itself among them
    ntk_change        of that mean, over one more step
    predicted_change  of <x, mu_x>, mu_x the centroid of x: lr/m sum_p Theta(x, x_p) m_p with m_p the negative
                      derivative of the loss of x_p by its output, y_p - sigmoid(f(x_p)) under cross-entropy (Theorem 6)
    measured_change   of <x, mu_x>, over one more step

    The prediction is of f(x), which <x, mu_x> equals in a network without biases. One more step is of gradient descent
    at the rate `lr` on the loss of the whole split, without regularisers and weight decay; training does not see it.
    Both changes of a point of class 0 are multiplied by -1, as its inner product is in `fixed_point`.
    """

    serves: ClassVar[tuple[Task, ...]] = ("binary",)

    name: Literal["fixed_point_ntk"] = "fixed_point_ntk"
    on: Literal["train"] = "train"
    of_class: NonNegativeInt = 0
    lr: PositiveFloat
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        quantities = ("ntk_mean", "ntk_change", "predicted_change", "measured_change")
        return tuple(f"{self.on}_point_of_class_{self.of_class}_{quantity}" for quantity in quantities)

    def misfit(self, data: Dataset, trial: Mapping[str, Any]) -> str | None:
        return no_such_class(self.of_class, data)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        import torch

        from trainables.probes._points import first_of_class, inner_product

        def loss(parameters: Mapping[str, Tensor]) -> Tensor:
            return at.loss(at.network(parameters, at.x), at.y)

        x, sign = first_of_class(at, self.of_class)
        at.drawing(f"kernel of the first of class {self.of_class}")
        row, now = kernel_row(at, at.parameters, x), at.parameters
        gradient = torch.func.grad(loss)(now)
        then = {name: parameter - self.lr * gradient[name] for name, parameter in now.items()}
        outputs = at.f(at.x)
        # The loss is a mean over the m examples: its derivative by f(x_p) is -m_p / m.
        by_outputs = torch.func.grad(lambda outputs: at.loss(outputs, at.y))(outputs)[:, 0]
        values = (
            row.mean(),
            kernel_row(at, then, x).mean() - row.mean(),
            sign * -self.lr * (row * by_outputs).sum(),
            sign * (inner_product(at, then, x) - inner_product(at, now, x)),
        )
        return dict(zip(self.metrics, values, strict=True))


def kernel_row(at: ProbeInput, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Theta(x, x_p) = <grad f(x), grad f(x_p)> for all x_p of the split: (examples,). x: (1, …), of one output.

    The derivative of all f(x_p) along grad f(x), in the place of a gradient an example: the backward pass u -> J'u is
    linear, so that its own backward pass is v -> Jv. (torch.func.jvp computes the same, and warns of its own insides.)
    """
    import torch

    def output(parameters: Mapping[str, Tensor]) -> Tensor:
        return at.network(parameters, x).sum()

    def outputs(parameters: Mapping[str, Tensor]) -> Tensor:
        return at.network(parameters, at.x)

    direction = torch.func.grad(output)(dict(parameters))
    values, transposed, *_ = torch.func.vjp(outputs, dict(parameters))
    _, along, *_ = torch.func.vjp(lambda u: transposed(u)[0], torch.zeros_like(values))
    row: Tensor = along(direction)[0][:, 0]
    return row
