"""What a check finds."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    KNOWN_LIMIT = "known limit"
    LIMIT_NOT_SEEN = "limit not seen"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One equation in one setting, its two sides, and how far they are apart.

    measured, stated  how each side is computed
    deviation         the largest absolute difference between the sides, in the unit of the quantity
    tolerance         up to it the sides are equal: rounding, or the accuracy of a search
    limit             why the paper's words do not hold in this setting; empty where they do. The sides of such a result
                      are expected to differ by more than the tolerance
    """

    statement: str
    equation: str
    setting: str
    measured: str
    stated: str
    deviation: float
    tolerance: float
    limit: str = ""

    @property
    def verdict(self) -> Verdict:
        """A deviation that is not a number agrees with nothing."""
        if self.limit:
            return Verdict.KNOWN_LIMIT if self.deviation > self.tolerance else Verdict.LIMIT_NOT_SEEN
        return Verdict.HOLDS if self.deviation <= self.tolerance else Verdict.DOES_NOT_HOLD

    @property
    def is_as_expected(self) -> bool:
        return self.verdict in (Verdict.HOLDS, Verdict.KNOWN_LIMIT)
