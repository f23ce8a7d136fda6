"""What a probe is, and what it sees of an evaluation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from trainables.component import Component
from trainables.configuration import PositiveInt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.datasets.base import Dataset
    from trainables.models.base import Model

T = TypeVar("T")

Table = Mapping[str, Any]
"""Column -> its values, a tensor or an array (rows,); all of one length. The rows of one evaluation."""

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class ProbeInput:
    """What a probe sees of the network at an evaluation, on one split of the data.

    f           inputs -> outputs, as it is evaluated; may be differentiated by its inputs, with torch.func say
    network     (parameters, inputs) -> outputs, likewise, and differentiable by both: f at any parameters
    parameters  name -> tensor
    x, y        inputs (examples, …), and labels (examples,) or targets (examples, outputs)
    loss        (outputs, y) -> scalar, without regularisers
    drawing     called with the name of a measurement before it is taken: seeds what a plugin's model draws from the
                global generators, as `generator` is seeded
    state       the probe's own tensors by name, which it may replace or change in place; part of every snapshot
    model       the settings that the network was built from; None where there are none
    steps       of the optimiser, that the network has had
    """

    f: Callable[[Tensor], Tensor]
    network: Callable[[Mapping[str, Tensor], Tensor], Tensor]
    parameters: Mapping[str, Tensor]
    x: Tensor
    y: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    drawing: Callable[[str], None]
    make_generator: Callable[[], torch.Generator]
    state: dict[str, Tensor] = field(default_factory=dict)
    model: Model | None = None
    steps: int = 0
    _known: dict[Hashable, Any] = field(default_factory=dict)

    @cached_property
    def generator(self) -> torch.Generator:
        """The probe's own, on the tensors' device. What it draws depends on the trial's seed, the probe and the step,
        and neither on other probes nor on resumption.
        """
        return self.make_generator()

    def once(self, make: Callable[..., T], *arguments: Hashable) -> T:
        """`make(self, *arguments)`, computed once for all probes of this evaluation and split."""
        key = (make, *arguments)
        if key not in self._known:
            self.drawing(", ".join(map(str, (make.__name__, *arguments))))
            self._known[key] = make(self, *arguments)
        found: T = self._known[key]
        return found


def outputs(at: ProbeInput) -> Tensor:
    """On all examples: (examples, outputs). For `ProbeInput.once`."""
    import torch

    with torch.no_grad():
        return at.f(at.x)


class Probe(Component):
    """Measurements of a network. `every: 10` takes them at every tenth evaluation, the first included.

    Each has at least one metric or table, whose names no other probe of the trial has.
    """

    on: Split
    every: PositiveInt

    def misfit(self, data: Dataset, trial: Mapping[str, Any]) -> str | None:
        """Why it cannot be part of a trial with this data and these settings, as far as they are right: a sentence
        without its name. None if it can, or if that is not known.
        """
        return None

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """The names of the measurements, each of which begins with the split."""

    @property
    def table_names(self) -> tuple[str, ...]:
        """The names of the tables, each of which begins with the split."""
        return ()

    def init(self, at: ProbeInput) -> dict[str, Tensor]:
        """The state before the first step, of the network as it is initialised: tensors by names of its own."""
        return {}

    @abstractmethod
    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float | Table]:
        """Metric -> value, and table -> columns, on the parameters as they stand, without changing anything but
        `at.state`.
        """

    @property
    def announced(self) -> tuple[str, ...]:
        """The names of all that `measure` gives."""
        return (*self.metrics, *self.table_names)

    @property
    def id(self) -> str:
        """Tells apart the probes of a trial, in whatever order they are. Without dots, for it is a part of the names in
        a snapshot: `probes.train_ntk_trace.initial`.
        """
        return self.announced[0].replace(".", "-")
