"""What an optimiser is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from trainables.component import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Optimiser(Component):
    """The rule of one step, given the gradients."""

    @abstractmethod
    def build(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """torch's optimiser of these parameters. A snapshot keeps its `state` and what it has changed in its
        `param_groups`; see trainables/optimiser_state.py.
        """
