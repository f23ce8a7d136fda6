"""Projected gradient descent (Kurakin et al. 2017, Madry et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.assessments._descent import Descent
from trainables.assessments.base import AssessmentInput

if TYPE_CHECKING:
    from trainables.assessments._balls import Ball
    from trainables.assessments._curves import Found
    from trainables.tables import Columns


class Pgd(Descent):
    """Accuracy under projected gradient descent on the negative cross-entropy (Kurakin et al. 2017; Madry et al. 2018,
    section 2.1). An example is fooled if any point of any run is misclassified, not the last one alone. An example that
    is fooled at one size counts as fooled at all larger ones.

    Hoffman et al. (2019, section 3.3 and Appendix F) take steps of 1/255 from the clean example until it is fooled,
    with each pixel at most 32/255 from its clean value, which they call saturation. That is the ball itself, so `sizes:
    [32/255], step_size: 1/255, random_start: false`; their fooling distance is the column distance_l2. `saturation`
    bounds the pixels of an l2 attack likewise.

    Two more accuracies come of the first run at each size, for they show whether gradients are masked: of the point
    after a quarter of the steps, early_accuracy_at_SIZE, and of the last point, late_accuracy_at_SIZE. If the last
    point fools fewer examples, the steps do not lead where examples are misclassified.

    Columns: example, size, label, prediction, is_fooled, distance (in the attack's norm, of the perturbation that
    fooled it first; 0 where the clean example is misclassified; NaN: not fooled up to this size), distance_l2 (of the
    same perturbation), is_fooled_early, is_fooled_late (as is_fooled where the example was not attacked at this size).
    """

    flags: ClassVar[tuple[str, ...]] = ("early", "late")

    name: Literal["pgd"] = "pgd"

    def assess(self, at: AssessmentInput) -> Columns:
        from trainables.assessments._curves import attacked

        return attacked(at, self.sizes, self.norm, self._attack, flags=self.flags, saturation=self.saturation)

    def _attack(self, at: AssessmentInput, ball: Ball) -> Found:
        from trainables.assessments._curves import Found, some
        from trainables.assessments._pgd import run

        first = run(at.network, at, ball, self, 0)
        points, outputs, left = first.found, first.outputs, ~first.is_fooled
        for restart in range(1, self.restarts):
            if not left.any():
                break
            again = run(at.network, some(at, left), ball, self, restart)
            points[left], outputs[left] = again.found, again.outputs
            left[left.clone()] = ~again.is_fooled
        return Found(points, outputs, {"early": first.is_fooled_early, "late": first.is_fooled_late})
