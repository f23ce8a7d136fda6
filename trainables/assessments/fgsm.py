"""The fast gradient sign method (Goodfellow et al. 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainables.assessments._perturbation import Perturbation
from trainables.assessments.base import AssessmentInput

if TYPE_CHECKING:
    from trainables.assessments._balls import Ball
    from trainables.assessments._curves import Found
    from trainables.tables import Columns


class Fgsm(Perturbation):
    """Accuracy under one step: every pixel moves by `size` in the direction of the sign of the cross-entropy's gradient
    (Goodfellow et al. 2015, section 4; Hoffman et al. 2019, equation 10), and stays within [0, 1].

    An example that is fooled at one size counts as fooled at all larger ones.

    Columns: example, size, label, prediction, is_fooled, distance (l-inf, of the perturbation that fooled it first; 0
    where the clean example is misclassified; NaN: not fooled up to this size), distance_l2 (of the same perturbation).
    """

    name: Literal["fgsm"] = "fgsm"

    @property
    def passes(self) -> float:
        return float(len(self.sizes))

    def assess(self, at: AssessmentInput) -> Columns:
        from trainables.assessments._curves import attacked

        return attacked(at, self.sizes, "linf", _step)


def _step(at: AssessmentInput, ball: Ball) -> Found:
    from trainables.assessments._balls import steepest
    from trainables.assessments._curves import Found
    from trainables.assessments._gradients import ascent

    _, gradient = ascent(at.network, at.x, at.y)
    return Found(ball.project(at.x + ball.size * steepest(gradient, "linf"), at.x))
