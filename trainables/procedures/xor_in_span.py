"""XOR clusters, trained in the span of what training can see."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from trainables.configuration import NonNegativeFloat, PositiveFloat, PositiveInt
from trainables.probes.noise_accuracy import Scales
from trainables.procedures.base import Procedure, State, Yielded

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset
    from trainables.gradient_config import GradientConfig

_FIRST_LAYER = "0.weight"


class XorInSpan(Procedure):
    """The two-layer network without biases of Walker et al.'s Figure 3 on `xor_clusters`: squared error, full-batch
    gradient descent at the rate `lr` with coupled weight decay, and Jacobian regularisation of the given strength (0:
    none), in float64.

    Gradients of the first layer are sums of training points and of rows of its weights, so that its rows never leave
    the span of those at initialisation and of the training points. Training in coordinates of an orthonormal basis of
    that span is the same but for rounding, with 2,450 coordinates in the place of 40,000: ten times as fast. The two
    coordinates that tell the class come first in the basis, and Gaussian noise on all others is Gaussian noise on the
    rest of the basis.

    It measures what the trial does that `gradient_config` returns, at about `per_decade` steps per decade.
    """

    name: Literal["xor_in_span"] = "xor_in_span"
    dimension: Annotated[PositiveInt, Field(ge=3, le=1_000_000)] = 40_000
    epsilon: PositiveFloat = 0.05
    num_train: Annotated[PositiveInt, Field(le=100_000)] = 400
    num_test: Annotated[PositiveInt, Field(le=100_000)] = 400
    width: PositiveInt = 2048
    lr: PositiveFloat = 0.1
    weight_decay: NonNegativeFloat = 0.1
    strength: NonNegativeFloat = 0.0
    scales: Scales = (0.2, 0.4, 0.6, 0.8, 1.0)
    per_decade: Annotated[PositiveInt, Field(le=100)] = 12

    def gradient_config(self, steps: int = 1) -> GradientConfig:
        """The same trial in all coordinates."""
        from trainables.gradient_config import GradientConfig

        regularised = {"regulariser": {"name": "jacobian", "strength": self.strength}} if self.strength else {}
        settings: dict[str, Any] = {
            "data": {"name": "xor_clusters"}
            | {name: getattr(self, name) for name in ("dimension", "epsilon", "num_train", "num_test")},
            "model": {"name": "mlp", "width": self.width, "depth": 2, "bias": False},
            "loss": "mean_squared_error",
            "optimiser": {"name": "sgd", "lr": self.lr, "weight_decay": self.weight_decay},
            "dtype": "float64",
            "budget": {"steps": steps},
            "evaluate": {"per_decade": self.per_decade},
            "probes": [
                {"name": "fixed_point", "of_class": 1},
                {"name": "noise_accuracy", "coordinates": [2, None], "scales": self.scales},
            ],
        }
        return GradientConfig.model_validate(settings | regularised)

    def metrics(self, data: Dataset | None) -> tuple[str, ...] | None:
        return self.gradient_config().metrics

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        from trainables.training import Training
        from trainables.trial import Trial

        training = Training(Trial(config=self.gradient_config(), seed=seed), device)
        training.change_basis(_FIRST_LAYER, span(training.data.x_train, training.parameters[_FIRST_LAYER]))
        number = 0
        if state is not None:
            number, steps = state["number"], state["steps"]
            tensors = {name: each for name, each in state.items() if name not in ("number", "steps")}
            training.restore(tensors, steps=steps, seconds=0.0, diverged_at=None)
        while (values := training.evaluate(number)) is not None:
            number += 1
            yield Yielded(training.steps, values, training.state() | {"number": number, "steps": training.steps})


def span(x: Tensor, W: Tensor) -> Tensor:
    """An orthonormal basis, (D, r), of the span of the first two coordinates, of x (examples, D) and of the rows of W
    (width, D), beginning with the two coordinates.
    """
    import torch

    two = torch.eye(2, x.shape[1], dtype=x.dtype, device=x.device)
    Q, R = torch.linalg.qr(torch.cat([two, x, W]).mT)
    # A column that is not independent of those before it has 0 there.
    return torch.where(R.diagonal() < 0, -Q, Q)
