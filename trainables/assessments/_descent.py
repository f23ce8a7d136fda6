"""Settings of projected gradient descent, alone and on the network of another seed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from trainables.assessments._perturbation import Perturbation
from trainables.assessments._sizes import Size
from trainables.configuration import Bool, PositiveFloat, PositiveInt
from trainables.validation import Problem, ValidationErrors

_TOGETHER = 2.5
"""The lengths of all steps together, in units of the size (Madry et al. 2018, section 5)."""


class Descent(Perturbation):
    """Steps of equal length along the gradient's sign (l-inf) or along the gradient (l2), after each of which the point
    is projected into the ball around the example and into [0, 1].

    steps          of each run
    step_size      the length of a step, the same for all sizes
    relative_step  the length of a step in units of the size; neither of the two: 2.5 / steps
    restarts       runs, each from another random start, of the examples that the earlier ones have not fooled
    random_start   whether a run starts at a random point of the ball, rather than at the example
    saturation     how far each pixel may be from its clean value, whatever the size; None: as far as the ball allows
    """

    norm: Literal["linf", "l2"] = "linf"
    steps: PositiveInt = 40
    step_size: Size | None = None
    relative_step: PositiveFloat | None = None
    restarts: PositiveInt = 1
    random_start: Bool = True
    saturation: Size | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = []
        if self.step_size is not None and self.relative_step is not None:
            problems.append(Problem(("relative_step",), "is given beside step_size: it should be one of the two"))
        if self.restarts > 1 and not self.random_start:
            wrong = f"{self.restarts} runs from the same start would be the same: restarts need random_start"
            problems.append(Problem(("restarts",), wrong))
        if problems:
            raise ValidationErrors(self.name, problems)
        return self

    @property
    def passes(self) -> float:
        return float(self.steps * self.restarts * len(self.sizes))

    def step_at(self, size: float) -> float:
        """The length of a step."""
        if self.step_size is not None:
            return self.step_size
        return (self.relative_step or _TOGETHER / self.steps) * size
