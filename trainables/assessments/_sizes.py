"""Sizes of perturbations, in units of pixels in [0, 1]."""

from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from trainables.configuration import PositiveFloat
from trainables.validation import shown


def _fraction(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{shown(value)} is not a number; 0.03 and 8/255 are") from None


def _grow(sizes: tuple[float, ...]) -> tuple[float, ...]:
    for before, after in pairwise(sizes):
        if before >= after:
            raise ValueError(f"{after:g} comes after {before:g}: each should be larger than the one before it")
        if accuracy_at(before) == accuracy_at(after):
            raise ValueError(
                f"{before!r} and {after!r} differ too little: both would be the metric {accuracy_at(after)}"
            )
    return sizes


Size = Annotated[PositiveFloat, BeforeValidator(_fraction)]
"""A number, or a fraction as people write it: 8/255."""

Sizes = Annotated[tuple[Size, ...], Field(min_length=1), AfterValidator(_grow)]


def accuracy_at(size: float) -> str:
    """The name of the metric: accuracy_at_0.0314. Size 0 is the clean examples: accuracy_at_0."""
    return f"accuracy_at_{size:.4g}"
