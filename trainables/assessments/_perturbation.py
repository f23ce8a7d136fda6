"""What white noise and the attacks share: sizes, and accuracy at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from trainables.assessments._sizes import Sizes, accuracy_at
from trainables.assessments.base import Assessment
from trainables.tasks import Task

if TYPE_CHECKING:
    from trainables.tables import Columns


class Perturbation(Assessment):
    """Accuracy on perturbed examples, for perturbations of several sizes.

    flags  columns `is_fooled_FLAG`, whose metrics are FLAG_accuracy_at_SIZE
    sizes  in units of pixels in [0, 1], each larger than the one before it; size 0, the clean examples, comes first in
           the table and is not listed
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")
    needs_pixels: ClassVar[bool] = True
    flags: ClassVar[tuple[str, ...]] = ()

    sizes: Sizes

    @property
    def metrics(self) -> tuple[str, ...]:
        flagged = (f"{flag}_{accuracy_at(size)}" for flag in self.flags for size in self.sizes)
        return (*(accuracy_at(size) for size in (0.0, *self.sizes)), *flagged)

    def summarise(self, rows: Columns) -> Mapping[str, float]:
        values = {}
        for size in (0.0, *self.sizes):
            of_size = rows["size"] == size
            values[accuracy_at(size)] = float((~rows["is_fooled"][of_size]).mean())
            for flag in self.flags if size else ():
                values[f"{flag}_{accuracy_at(size)}"] = float((~rows[f"is_fooled_{flag}"][of_size]).mean())
        return {metric: values[metric] for metric in self.metrics}
