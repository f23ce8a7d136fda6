"""Data that is drawn in the place of being read."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from trainables.datasets.base import Dataset
from trainables.work import Seed

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from trainables.data.arrays import Arrays
    from trainables.data.inspection import Inspection

_VERSION = "1, NumPy's PCG64"
"""Of what is drawn, in the place of a digest."""


class DrawnDataset(Dataset):
    """Examples that the trial's seed draws, or a fixed one."""

    seed: Seed | None = None

    @abstractmethod
    def read_drawn(self, seed: int) -> Arrays: ...

    @property
    def title(self) -> str:
        return f"data {self.name}"

    @property
    def content_digest(self) -> str:
        return f"drawn by version {_VERSION}"

    @property
    def is_drawn(self) -> bool:
        return self.seed is None

    def draw(self, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """All that `read_drawn` made."""
        import torch

        assert self.num_train is not None
        rows = torch.arange(len(labels))
        return rows[: self.num_train], rows[self.num_train :]

    def require(self) -> None:
        pass

    def read(self) -> Arrays:
        return self.read_drawn(self.seed or 0)

    def inspect(self) -> Inspection | None:
        return None

    def fetch(self) -> Path:
        from trainables.data.place import DataError

        raise DataError(f"{self.title} is drawn, and has nothing to download")
