"""Noise training after Tan & Huang, as Walker et al. run it under the name of adversarial training.

The paper's words say "proportional to the training accuracy"; the scripts, which are the default, shrink the noise as
the training accuracy grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.configuration import NonNegativeFloat
from trainables.input_transforms.base import InputTransform, Network
from trainables.tasks import Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.models.base import Spec

    Tensors = Mapping[str, Tensor]


class TanHuang(InputTransform):
    """Gaussian noise on the normalised inputs of every minibatch, after Tan & Huang as Walker et al. have it.

    Its standard deviation is max(scale * (1 - training accuracy), floor), the accuracy read before every epoch.

    proportional_to  error: 1 - training accuracy, as in the scripts; accuracy: the training accuracy itself takes its
                     place, as the paper's words have it
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")

    name: Literal["tan_huang"] = "tan_huang"
    scale: NonNegativeFloat
    floor: NonNegativeFloat
    proportional_to: Literal["error", "accuracy"] = "error"

    def init(self) -> dict[str, Tensor]:
        import torch

        return {"scale": torch.zeros(())}

    def epoch(self, train_accuracy: Callable[[], Tensor]) -> dict[str, Tensor]:
        accuracy = train_accuracy()
        factor = accuracy if self.proportional_to == "accuracy" else 1 - accuracy
        return {"scale": (self.scale * factor).clamp(min=self.floor)}

    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        import torch

        shape = (steps, batch, *spec.input_shape)
        return {"noise": torch.randn(shape, dtype=spec.dtype, device=generator.device, generator=generator)}

    def apply(self, x: Tensor, draws: Tensors, state: Tensors, network: Network) -> Tensor:
        return x + draws["noise"][: len(x)] * state["scale"]
