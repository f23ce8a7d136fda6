"""AutoAttack (Croce & Hein 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from trainables.assessments._perturbation import Perturbation
from trainables.assessments.base import AssessmentInput
from trainables.configuration import PositiveInt
from trainables.tasks import Task
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    from trainables.assessments._balls import Ball
    from trainables.assessments._curves import Found
    from trainables.tables import Columns

Part = Literal["apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square"]

STANDARD: tuple[Part, ...] = ("apgd-ce", "apgd-t", "fab-t", "square")

_MIN_CLASSES: dict[Part, int] = {
    "apgd-ce": 2,
    # The difference of logits ratio divides by the difference of the largest and the third logit, the targeted one by
    # that of the largest and the mean of the third and the fourth.
    "apgd-dlr": 3,
    "apgd-t": 4,
    "fab": 2,
    "fab-t": 2,
    "square": 2,
}

_PASSES: dict[Part, int] = {"apgd-ce": 300, "apgd-dlr": 300, "apgd-t": 2700, "fab": 600, "fab-t": 5000, "square": 2500}
"""Measured on LeNet', of examples that are not fooled early; targeted parts try nine classes."""


def _each_once(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    for part in parts:
        if parts.count(part) > 1:
            raise ValueError(f"{part} is listed {parts.count(part)} times: once is enough")
    return parts


class AutoAttack(Perturbation):
    """Accuracy under AutoAttack (Croce & Hein 2020), by its authors' code, the package pyautoattack: parts that need no
    settings, one after the other, each on the examples that the earlier ones have not fooled.

    An adversarial example counts if it lies in [0, 1] and in the ball and the network, as it was trained, misclassifies
    it: all three are checked here. An example that is fooled at one size counts as fooled at all larger ones.

    The code computes in float32, whatever the network computes in: the inputs of a float64 network are cast to float64,
    and its outputs to float32. What it draws depends on the examples that it gets at once, so batch_size is part of the
    trial's key. A targeted part tries the 9 likeliest other classes, or all that there are. One output f of a binary
    task becomes the two outputs (0, f).

    version   standard, as where neither is given: the parts apgd-ce, apgd-t, fab-t and square. apgd-t needs 4 classes;
              name the `parts` for fewer
    parts     these parts in place of the standard ones, with the settings that they have there; apgd-dlr needs 3
              classes, apgd-t needs 4
    restarts  runs of each part; None: as in the standard version, where each has one. fab-t always has one

    Columns: example, size, label, prediction, is_fooled, distance (in the attack's norm, of the perturbation that
    fooled it first; 0 where the clean example is misclassified; NaN: not fooled up to this size), distance_l2 (of the
    same perturbation).
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")
    computes_in: ClassVar[Literal["float32"]] = "float32"
    """The precision of the attack, for reports: a float64 network is attacked through casts."""

    name: Literal["autoattack"] = "autoattack"
    norm: Literal["linf", "l2"] = "linf"
    version: Literal["standard"] | None = None
    parts: Annotated[tuple[Part, ...], Field(min_length=1), AfterValidator(_each_once)] | None = None
    restarts: PositiveInt | None = None
    # Part of the key, unlike that of other assessments.
    batch_size: PositiveInt = 250

    @model_validator(mode="after")
    def _says_once_what_runs(self) -> Self:
        if self.parts is not None and self.version is not None:
            wrong = "is given beside version: it should be one of the two"
            raise ValidationErrors(self.name, [Problem(("parts",), wrong)])
        return self

    @property
    def chosen(self) -> tuple[Part, ...]:
        """The parts that run, in this order."""
        return self.parts or STANDARD

    @property
    def passes(self) -> float:
        return float(sum(_PASSES[part] for part in self.chosen) * (self.restarts or 1) * len(self.sizes))

    def unfit(self, *, task: Task, num_outputs: int, dtype: str) -> str | None:
        num_classes = max(2, num_outputs)
        refused = [part for part in self.chosen if _MIN_CLASSES[part] > num_classes]
        if not refused:
            return None
        needs = " and ".join(f"{part} needs {_MIN_CLASSES[part]} classes" for part in refused)
        allowed = ", ".join(part for part, least in _MIN_CLASSES.items() if least <= num_classes)
        return f"autoattack’s part {needs}; there are {num_classes}. `parts` may be any of {allowed}"

    def assess(self, at: AssessmentInput) -> Columns:
        from trainables.assessments._autoattack import attack
        from trainables.assessments._curves import attacked

        batch = int(at.examples[0])

        def by_parts(rest: AssessmentInput, ball: Ball) -> Found:
            return attack(rest, ball, self.chosen, self.restarts, batch)

        return attacked(at, self.sizes, self.norm, by_parts)
