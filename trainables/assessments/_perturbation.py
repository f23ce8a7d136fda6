"""What white noise and the attacks share: sizes, and accuracy at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from trainables.assessments._sizes import Sizes, accuracy_at
from trainables.assessments.base import Assessment
from trainables.tasks import Task
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    from trainables.tables import Columns

_LEAST = 1e-6


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

    @model_validator(mode="after")
    def _are_of_pixels(self) -> Self:
        least, largest = self.sizes[0], self.sizes[-1]
        wrong = None
        if least < _LEAST:
            wrong = f"{least:g} is not allowed: below {_LEAST:g} it is lost in rounding"
        elif largest > 1 and getattr(self, "norm", "linf") == "linf":
            wrong = f"{largest:g} is not allowed: pixels lie in [0, 1], so it should be at most 1"
            wrong += f"; {largest:g}/255 may be meant" if largest <= 255 else ""
        if wrong is not None:
            raise ValidationErrors(self.name, [Problem(("sizes",), wrong)])
        return self

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
