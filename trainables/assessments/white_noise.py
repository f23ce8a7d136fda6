"""White noise on pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainables.assessments._perturbation import Perturbation
from trainables.assessments.base import AssessmentInput

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.tables import Columns


class WhiteNoise(Perturbation):
    """Accuracy under independent Gaussian noise on every pixel, of standard deviation `size`; what leaves [0, 1] is
    clipped (Hoffman et al. 2019, section 3.3, equation 9). One draw for each example and size.

    Noise does not search: an example may be misclassified at one size and not at a larger one.

    Columns: example, size, label, prediction, is_fooled (misclassified under the noise; at size 0, clean), distance and
    distance_l2 (both the l2 norm of the clipped noise that led to a misclassification; 0 where the clean example is
    misclassified as well; NaN where this one is not).
    """

    name: Literal["white_noise"] = "white_noise"

    @property
    def passes(self) -> float:
        return 0.5 * (1 + len(self.sizes))

    def assess(self, at: AssessmentInput) -> Columns:
        import torch

        from trainables.assessments._balls import distances
        from trainables.assessments._curves import Rows, evaluated
        from trainables.probes.accuracy import are_right, predictions

        def draw(generator: torch.Generator) -> Tensor:
            return torch.randn(at.x.shape[1:], dtype=at.x.dtype, generator=generator)

        rows = Rows(at)
        _, wrong = rows.clean
        for size in self.sizes:
            noisy = (at.x + size * at.draw(f"{self.name} {size!r}", draw)).clamp(0.0, 1.0)
            outputs = evaluated(at.network, noisy)
            fooled = ~are_right(outputs, at.y)
            distance = distances(noisy, at.x, "l2").where(~wrong, 0.0).where(fooled, torch.nan)
            rows.add(size, predictions(outputs), fooled, distance, distance)
        return rows.columns
