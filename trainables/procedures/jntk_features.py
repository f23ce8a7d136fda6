"""The features that kernel regression with the Jacobian NTK is a sum of."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.configuration import NonNegativeFloat, PositiveFloat, PositiveInt
from trainables.procedures._infinite_width import InfiniteWidth
from trainables.procedures.base import State, Yielded
from trainables.tasks import Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset

_METRICS = (
    "eigenvalue",
    "test_accuracy",
    "test_robust_accuracy",
    "sum_test_accuracy",
    "sum_test_robust_accuracy",
    "accuracy_lost",
    "mean_accuracy_lost",
)


class JntkFeatures(InfiniteWidth):
    """Eigenfeatures of the Jacobian NTK with lambda = `strength`, as `jacobian` of the norm `half_mean_square` counts
    it: each evaluation is one feature, its number the step, the largest eigenvalue first (arXiv:2312.03386). Features
    that are 0 are left out. Of a binary task.

    test_accuracy         of the feature's sign
    test_robust_accuracy  the same after a step of length `epsilon` against the label, along the feature's own gradient
    sum_...               of the sum of the features so far, which comes to be the regression
    accuracy_lost         test_accuracy minus test_robust_accuracy: 0 for a feature that is as robust as accurate
    mean_accuracy_lost    its mean over the features so far, each weighed by how far its accuracy is from guessing, 50%
    """

    serves: ClassVar[tuple[Task, ...]] = ("binary",)

    name: Literal["jntk_features"] = "jntk_features"
    strength: NonNegativeFloat = 0.0
    num_features: PositiveInt = 20
    epsilon: PositiveFloat = 0.1

    def next_step(self, steps: int) -> float:
        return max(steps, 0) + 1 if steps < self.num_features else float("inf")

    def metrics(self, data: Dataset | None) -> tuple[str, ...]:
        return _METRICS

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        from trainables.infinite_width.eigenfeatures import eigenfeatures
        from trainables.infinite_width.operator import Operator, values_at
        from trainables.probes.accuracy import are_right
        from trainables.procedures._infinite_width import points_of, refuse_without_memory

        assert data is not None
        refuse_without_memory(data, vectors=4 * self.num_features)
        ntk = self.architecture.ntk
        x_train, x, targets = points_of(data, self.architecture)
        self._refuse_too_many(len(x_train), min(x_train.shape))
        across = Operator.of(ntk, x, x_train)
        found = eigenfeatures(ntk, x_train, targets[0], strength=self.strength / 2, num=self.num_features)
        total = found.weights.cumsum(0)
        number, weight, lost = (
            (0, 0.0, 0.0) if state is None else (state[name] for name in ("number", "weight", "lost"))
        )
        while number < len(found.values):
            values = [float(found.values[number])]
            for weights in (found.weights[number], total[number]):
                u = across @ weights
                moved = stepped(x, u[:, 1:], data.y_test, self.epsilon)
                after = values_at(ntk, moved, x_train, weights)
                values += [float(are_right(each[:, None], data.y_test).double().mean()) for each in (u[:, 0], after)]
            number, beyond = number + 1, abs(values[1] - 0.5)
            weight, lost = weight + beyond, lost + beyond * (values[1] - values[2])
            values += [values[1] - values[2], lost / weight if weight else 0.0]
            now = {"number": number, "weight": weight, "lost": lost}
            yield Yielded(number, dict(zip(_METRICS, values, strict=True)), now)

    def _refuse_too_many(self, num: int, rank: int) -> None:
        from trainables.validation import Problem, ValidationErrors

        most = num if self.strength == 0 else num * (1 + rank)
        if self.num_features > most:
            wrong = f"{self.num_features:,} is more than the {most:,} that the kernel has"
            raise ValidationErrors("procedure", [Problem(("num_features",), wrong)])


def stepped(x: Tensor, gradients: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    """x (points, d) moved by `epsilon` against the labels, 0 or 1, along gradients (points, d). Where a gradient is 0
    the point stays.
    """
    signs = (2 * labels - 1).to(x.dtype)[:, None]
    lengths = gradients.norm(dim=1, keepdim=True)
    return x - epsilon * signs * gradients / lengths.where(lengths > 0, 1.0)
