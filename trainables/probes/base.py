"""What a probe is, and what it sees of an evaluation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from trainables.component import Component
from trainables.configuration import PositiveInt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class ProbeInput:
    """What a probe sees of the network at an evaluation, on one split of the data.

    f           inputs -> outputs, as it is evaluated; may be differentiated by its inputs, with torch.func say
    parameters  name -> tensor
    x, y        inputs (examples, …) and classes (examples,)
    loss        (outputs, y) -> scalar, without regularisers
    drawing     called with the name of a measurement before it is taken: seeds what it may draw by the trial's seed,
                the name and the step, so that it depends neither on other probes nor on resumption
    generator   for what a plugin draws, on the tensors' device; seeded likewise
    """

    f: Callable[[Tensor], Tensor]
    parameters: Mapping[str, Tensor]
    x: Tensor
    y: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    drawing: Callable[[str], torch.Generator | None]
    generator: torch.Generator | None = None
    _known: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, make: Callable[..., T], *arguments: Hashable) -> T:
        """`make(self, *arguments)`, computed once for all probes of this evaluation and split."""
        key = (make, *arguments)
        if key not in self._known:
            self.drawing(", ".join(map(str, (make.__name__, *arguments))))
            self._known[key] = make(self, *arguments)
        found: T = self._known[key]
        return found


def outputs(at: ProbeInput) -> Tensor:
    """On all examples: (examples, classes). For `ProbeInput.once`."""
    import torch

    with torch.no_grad():
        return at.f(at.x)


class Probe(Component):
    """Measurements of a network. `every: 10` takes them at every tenth evaluation, the first included."""

    on: Split
    every: PositiveInt

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """The names of the measurements, each of which begins with the split."""

    @abstractmethod
    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        """Metric -> value, on the parameters as they stand, without changing anything."""
