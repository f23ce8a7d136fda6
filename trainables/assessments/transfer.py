"""Adversarial examples made on the network of another seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.assessments._descent import Descent
from trainables.assessments.base import AssessmentInput

if TYPE_CHECKING:
    from trainables.assessments._balls import Ball
    from trainables.assessments._curves import Found
    from trainables.tables import Columns


class Transfer(Descent):
    """Accuracy on adversarial examples that projected gradient descent makes on the network of another seed (Papernot
    et al. 2017). They need no gradient of the network that is assessed: if they fool it more often than its own
    gradient does, that gradient is masked (Athalye et al. 2018, section 3.1).

    Each run takes all its steps, and its last point is tried on the network, whether or not it fools the other one. An
    example that is fooled at one size counts as fooled at all larger ones.

    Columns: example, size, label, prediction, is_fooled, distance (in the attack's norm, of the perturbation that
    fooled it first; 0 where the clean example is misclassified; NaN: not fooled up to this size), distance_l2 (of the
    same perturbation).
    """

    needs_source: ClassVar[bool] = True

    name: Literal["transfer"] = "transfer"

    def assess(self, at: AssessmentInput) -> Columns:
        from trainables.assessments._curves import attacked

        return attacked(at, self.sizes, self.norm, self._attack, saturation=self.saturation)

    def _attack(self, at: AssessmentInput, ball: Ball) -> Found:
        import torch

        from trainables.assessments._curves import Found, evaluated, some
        from trainables.assessments._pgd import run
        from trainables.probes.accuracy import are_right

        assert at.source is not None
        points, left = at.x.clone(), torch.ones(len(at.x), dtype=torch.bool, device=at.x.device)
        for restart in range(self.restarts):
            if not left.any():
                break
            rest = some(at, left)
            points[left] = tried = run(at.source, rest, ball, self, restart).last
            left[left.clone()] = are_right(evaluated(at.network, tried), rest.y)
        return Found(points)
