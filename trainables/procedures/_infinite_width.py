"""What the procedures that compute networks of infinite width share."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from trainables.configuration import PositiveFloat, PositiveInt
from trainables.infinite_width.activations import Activation
from trainables.procedures.base import Procedure
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset
    from trainables.infinite_width.recursion import Architecture
    from trainables.probes.base import Probe, Split


class InfiniteWidth(Procedure):
    """The limit of `ntk_mlp` for infinite width, of the same `hidden_layers`, `activation` and `kappa`."""

    needs_data: ClassVar[bool] = True

    hidden_layers: PositiveInt = 2
    activation: Activation = "gelu"
    kappa: PositiveFloat = 1.0

    @property
    def draws(self) -> bool:
        return False

    @property
    def architecture(self) -> Architecture:
        from trainables.infinite_width.dual import dual_of
        from trainables.infinite_width.recursion import Architecture

        return Architecture(self.hidden_layers, dual_of(self.activation), self.kappa)


class Points(NamedTuple):
    """Training and test points as vectors, (points, d), and the targets of the former, (outputs, points)."""

    x_train: Tensor
    x_test: Tensor
    y_train: Tensor


def points_of(data: Data, architecture: Architecture) -> Points:
    """Raises:
    ValidationErrors: training examples make the kernel singular.
    """
    from trainables.infinite_width.singular import refuse_singular
    from trainables.losses.mean_squared_error import targets

    x_train, x_test = data.x_train.flatten(1), data.x_test.flatten(1)
    refuse_singular(architecture.ntk, x_train)
    return Points(x_train, x_test, targets(x_train.new_zeros(len(x_train), data.num_outputs), data.y_train).T)


def refuse_without_memory(data: Data, *, vectors: int, draws: bool = False) -> None:
    """vectors: of one entry for each output and derivative of a training point, that are held at once, where the kernel
    is applied; draws: whether the start is drawn at all points

    Raises:
        ValidationErrors: the kernels of these examples are more than this machine holds.
    """
    from trainables.memory import memory_bytes

    num, num_test, inputs = len(data.x_train), len(data.x_test), data.x_train[0].numel()
    needed = _bytes_of(num, inputs, vectors) + _bytes_between(num_test, num, inputs)
    if draws:
        needed += _bytes_of(num + num_test, inputs, 400)
    if needed > (there := memory_bytes()):
        what = f"the kernel of {num:,} training and {num_test:,} test examples of {inputs:,} inputs"
        wrong = f"{what} would take {needed / 1e9:,.3g} GB of memory, and this machine has {there / 1e9:,.3g} GB"
        raise ValidationErrors("procedure", [Problem((), f"{wrong}: take fewer examples")])


def _bytes_of(num: int, inputs: int, vectors: int) -> int:
    """Of the kernel of so many points and what is solved with it, at its largest."""
    from trainables.infinite_width import DENSE

    rows = num * (1 + min(num, inputs))
    # Decomposed, it stands beside its parts, its eigenvectors and what finds them.
    solving = 8 * rows**2 if rows <= DENSE else (vectors + 8) * rows
    return _bytes_between(num, num, inputs) + 8 * solving


def _bytes_between(num: int, num2: int, inputs: int) -> int:
    """Of the coefficients of a kernel, twice while they are put together, and the points."""
    from trainables.infinite_width.operator import Coefficients

    return 8 * (2 * len(Coefficients._fields) * num * num2 + (num + num2) * inputs)


def usual_metrics(data: Dataset) -> tuple[str, ...]:
    """What every trial measures of training and test examples, and the norm of the Jacobian there."""
    usual = [metric for probe in _probes(data) for metric in probe.metrics]
    norms = [f"{on}_jacobian_norm_{stat}" for on in ("train", "test") for stat in ("mean", "min", "max")]
    return (*usual, *norms)


def usual_values(data: Data, on_train: Tensor, on_test: Tensor) -> dict[str, float]:
    """Of outputs and derivatives there, (outputs, examples, 1 + d)."""
    values: dict[str, float] = {}
    splits: tuple[tuple[Split, Tensor], ...] = (("train", on_train), ("test", on_test))
    for on, u in splits:
        values |= _measured(data, on, u[:, :, 0].T)
        norms = u[:, :, 1:].square().sum((0, 2)).sqrt()
        name = f"{on}_jacobian_norm"
        values |= {f"{name}_mean": float(norms.mean()), f"{name}_min": float(norms.min())}
        values[f"{name}_max"] = float(norms.max())
    return values


def _measured(data: Data, on: Split, outputs: Tensor) -> dict[str, float]:
    """outputs: (examples, outputs)."""
    import torch

    from trainables.losses.mean_squared_error import MeanSquaredError
    from trainables.probes.base import ProbeInput

    x, y = data.part(on)
    loss = MeanSquaredError().value
    at = ProbeInput(lambda _: outputs, lambda *_: outputs, {}, x, y, loss, lambda _: None, torch.Generator)
    found: dict[str, float] = {}
    for probe in _probes(data):
        if probe.on == on:
            found |= {metric: float(value) for metric, value in probe.measure(at).items()}  # type: ignore[arg-type]
    return found


def _probes(data: Data | Dataset) -> tuple[Probe, ...]:
    from trainables.gradient_config import measured_of_all

    return measured_of_all(data.task, held_out=False)
