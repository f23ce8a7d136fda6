"""What a procedure is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from trainables.component import Component

if TYPE_CHECKING:
    import torch

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset

State = Mapping[str, Any]


class Yielded(NamedTuple):
    """One evaluation of a procedure.

    step     how far it is; larger than that before, and 0 before any training
    metrics  metric -> value
    state    all that it needs to go on from here: tensors, arrays, numbers, texts and bytes by name; None if it cannot
    """

    step: int
    metrics: Mapping[str, float]
    state: State | None


class Procedure(Component):
    """Trains in its own way.

    needs_data  whether it is trained on the trial's data; others read their own
    """

    needs_data: ClassVar[bool] = False

    def metrics(self, data: Dataset | None) -> tuple[str, ...] | None:
        """What it measures; None if only its evaluations say."""
        return None

    @property
    def draws(self) -> bool:
        """Whether the seed decides anything of it, beside the data. What does not draw is computed once for all
        seeds.
        """
        return True

    def next_step(self, steps: int) -> float | None:
        """The step of its first evaluation after `steps`, which is NOT_YET at the beginning; inf if there is none; None
        if only it itself tells.
        """
        return None

    @abstractmethod
    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        """Its evaluations, in order; it trains while it is asked for the next one, and ends when it has no more to do.

        state: what it gave at the evaluation to go on from; None at the start
        data: the trial's, in float64, if it needs that
        """
