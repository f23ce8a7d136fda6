"""Ridge regression in closed form."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.configuration import Bool, PositiveFloat
from trainables.procedures.base import Procedure, State, Yielded

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset
    from trainables.probes.base import Probe, ProbeInput

    Tensors = Mapping[str, Tensor]


class Ridge(Procedure):
    """The linear map W, with an offset b unless `intercept` is false, that minimises the mean over training examples of
    |W x + b - y|^2, summed over outputs, plus `strength` times |W|^2 (Hoerl & Kennard 1970, eq. 2.1, with k = strength
    times the number of examples). Targets are as squared error has them: those of a regression, one-hot rows of
    classes, -1 and 1 of a binary task.

    It is computed, in float64, in one step with one evaluation: the squared error, and accuracy or R^2.
    """

    needs_data: ClassVar[bool] = True

    name: Literal["ridge"] = "ridge"
    strength: PositiveFloat
    intercept: Bool = True

    @property
    def draws(self) -> bool:
        return False

    def metrics(self, data: Dataset | None) -> tuple[str, ...] | None:
        if data is None:
            return None
        return tuple(metric for probe in _probes(data) for metric in probe.metrics)

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        from trainables.losses.mean_squared_error import targets

        if state is not None:
            return
        assert data is not None
        x = data.x_train.flatten(1)
        y = targets(x.new_zeros(len(x), data.num_outputs), data.y_train)
        W, b = solve(x, y, self.strength, intercept=self.intercept)
        weights, values = {"weight": W, "bias": b}, dict[str, float]()
        for probe in _probes(data):
            at = _seen(weights, *data.part(probe.on))
            values |= {metric: float(value) for metric, value in probe.measure(at).items()}  # type: ignore[arg-type]
        yield Yielded(1, values, weights)


def solve(x: torch.Tensor, y: torch.Tensor, strength: float, *, intercept: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """W (outputs, inputs) and b (outputs,) for x (examples, inputs) and y (examples, outputs).

    The offset is not penalised, so it is that of centred data. Of the two equal forms of the solution, (X'X + k)^-1 X'Y
    and X' (XX' + k)^-1 Y, the one with the smaller system is solved.
    """
    import torch

    x_mean, y_mean = (x.mean(0), y.mean(0)) if intercept else (torch.zeros_like(x[0]), torch.zeros_like(y[0]))
    x, y = x - x_mean, y - y_mean
    k = strength * len(x)
    if x.shape[1] <= len(x):
        system = x.T @ x
        system.diagonal().add_(k)
        W = torch.linalg.solve(system, x.T @ y, left=True).T
    else:
        system = x @ x.T
        system.diagonal().add_(k)
        W = (x.T @ torch.linalg.solve(system, y)).T
    return W, y_mean - W @ x_mean


def _seen(weights: Tensors, x: Tensor, y: Tensor) -> ProbeInput:
    """What the probes get of the fitted map. They draw no random numbers."""
    import torch

    from trainables.losses.mean_squared_error import MeanSquaredError
    from trainables.probes.base import ProbeInput

    def network(weights: Tensors, x: Tensor) -> Tensor:
        return x.flatten(1) @ weights["weight"].T + weights["bias"]

    loss = MeanSquaredError(over_outputs="sum").value
    return ProbeInput(lambda x: network(weights, x), network, weights, x, y, loss, lambda _: None, torch.Generator)


def _probes(data: Data | Dataset) -> tuple[Probe, ...]:
    """What every trial measures."""
    from trainables.data.load import Data
    from trainables.gradient_config import measured_of_all

    held_out = data.x_validation is not None if isinstance(data, Data) else bool(data.num_validation)
    return measured_of_all(data.task, held_out=held_out)
