"""Assessments with sizes that nothing computes: of imagined results whose accuracies are given."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from trainables.assessments._sizes import Sizes, accuracy_at
from trainables.assessments.base import Assessment, AssessmentInput
from trainables.configuration import PositiveFloat
from trainables.tables import Columns


class _Imagined(Assessment):
    needs_pixels: ClassVar[bool] = True

    sizes: Sizes = (0.1, 0.2)

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(accuracy_at(size) for size in (0.0, *self.sizes))

    def assess(self, at: AssessmentInput) -> Columns:
        raise NotImplementedError

    def summarise(self, rows: Columns) -> Mapping[str, float]:
        raise NotImplementedError


class _Attack(_Imagined):
    norm: Literal["linf", "l2"] = "linf"
    saturation: PositiveFloat | None = None


class WhiteNoise(_Imagined):
    name: Literal["white_noise"] = "white_noise"


class Fgsm(_Imagined):
    name: Literal["fgsm"] = "fgsm"


class Transfer(_Attack):
    name: Literal["transfer"] = "transfer"


class Pgd(_Attack):
    name: Literal["pgd"] = "pgd"

    @property
    def metrics(self) -> tuple[str, ...]:
        steps = tuple(f"{when}_{accuracy_at(size)}" for size in self.sizes for when in ("early", "late"))
        return (*super().metrics, *steps)
