"""Adversarial training with the fast gradient sign method (Goodfellow et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainables.configuration import NonNegativeFloat, PositiveFloat
from trainables.input_transforms.base import InputTransform, Network
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.models.base import Spec

    Tensors = Mapping[str, Tensor]


class Fgsm(InputTransform):
    """Trains on adversarial examples in the place of clean ones: every pixel is moved by `size` in the direction of the
    sign of the loss's gradient (Goodfellow et al. 2015, section 4), and stays within [0, 1].

    The size is drawn uniformly from `low` to `high`, anew for every example or batch (Hoffman et al. 2019, section 3.3,
    from 0 to 0.01; they do not say for which of the two). Equal `low` and `high` are a fixed size.
    """

    needs_pixels: ClassVar[bool] = True

    name: Literal["fgsm"] = "fgsm"
    low: NonNegativeFloat = 0.0
    high: Annotated[PositiveFloat, Field(le=1)] = 0.01
    drawn_for: Literal["example", "batch"] = "example"

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low > self.high:
            wrong = f"{self.low:g} is not allowed: it should be at most high, {self.high:g}"
            raise ValidationErrors("fgsm", [Problem(("low",), wrong)])
        return self

    def init(self) -> dict[str, Tensor]:
        return {}

    def epoch(self, train_accuracy: Callable[[], Tensor]) -> dict[str, Tensor]:
        return {}

    def draw(self, steps: int, batch: int, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
        import torch

        shape = (steps, batch if self.drawn_for == "example" else 1, *[1] * len(spec.input_shape))
        uniform = torch.rand(shape, dtype=spec.dtype, device=generator.device, generator=generator)
        return {"size": self.low + (self.high - self.low) * uniform}

    def apply(self, x: Tensor, draws: Tensors, state: Tensors, network: Network) -> Tensor:
        moved = network.pixels(x) + draws["size"][: len(x)] * network.gradient(x).sign()
        return network.inputs(moved.clamp(0.0, 1.0)).detach()
