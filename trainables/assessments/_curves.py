"""A table of examples and sizes: which example is fooled at which size, and how far from it.

An attack is a function of examples and a size that returns a point for each example. Whether a point counts is decided
here alone, by the network that is assessed: it must lie in [0, 1] and in the ball, and be misclassified.

The ball of a larger size contains the ball of a smaller one. So an example that is fooled at one size is fooled at all
larger ones; it is not attacked again, and keeps the point that fooled it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from trainables.assessments._balls import Ball, Norm, are_pixels, distances
from trainables.assessments.base import AssessedNetwork, AssessmentInput
from trainables.probes.accuracy import are_right, predictions
from trainables.tables import Columns


@dataclass(frozen=True)
class Found:
    """What an attack found.

    points   (examples, …): adversarial examples, or whatever it has where it found none
    outputs  of the network that is assessed, at the points (examples, outputs), if the attack has evaluated it there
    flags    name -> (examples,), for columns `is_fooled_NAME`
    """

    points: Tensor
    outputs: Tensor | None = None
    flags: Mapping[str, Tensor] = field(default_factory=dict)


Attack = Callable[[AssessmentInput, Ball], Found]


def attacked(
    at: AssessmentInput,
    sizes: tuple[float, ...],
    norm: Norm,
    attack: Attack,
    *,
    flags: tuple[str, ...] = (),
    saturation: float | None = None,
) -> Columns:
    """The table of an attack, which gets at each size the examples that are not fooled yet."""
    rows = Rows(at, flags)
    predicted, fooled = rows.clean
    near = torch.where(fooled, 0.0, torch.nan).double()
    near_l2 = near.clone()
    for size in sizes:
        left = ~fooled
        flagged = {flag: fooled.clone() for flag in flags}
        if left.any():
            rest = some(at, left)
            ball = Ball(norm, size, saturation)
            found = attack(rest, ball)
            if not ball.contains(found.points, rest.x).all():
                raise AssertionError(f"an attack left its ball of size {size:g}, or [0, 1]: an error of grokgrid")
            outputs = evaluated(at.network, found.points) if found.outputs is None else found.outputs
            wrong = ~are_right(outputs, rest.y)
            predicted[left] = predictions(outputs)
            near[left] = distances(found.points, rest.x, norm).where(wrong, torch.nan)
            near_l2[left] = distances(found.points, rest.x, "l2").where(wrong, torch.nan)
            fooled[left] = wrong
            for flag in flags:
                flagged[flag][left] = found.flags[flag]
        rows.add(size, predicted, fooled, near, near_l2, flagged)
    return rows.columns


class Rows:
    """Of a batch: those of the clean examples, size 0, and then those of each size."""

    def __init__(self, at: AssessmentInput, flags: tuple[str, ...] = ()) -> None:
        if not are_pixels(at.x).all():
            raise AssertionError("inputs of an attack lie outside of [0, 1]: an error of grokgrid")
        self._at = at
        self._parts: list[Columns] = []
        outputs = evaluated(at.network, at.x)
        self._clean = predictions(outputs), ~are_right(outputs, at.y)
        predicted, fooled = self.clean
        zero = torch.where(fooled, 0.0, torch.nan).double()
        self.add(0.0, predicted, fooled, zero, zero, {flag: fooled for flag in flags})

    @property
    def clean(self) -> tuple[Tensor, Tensor]:
        """The prediction for each clean example, and whether that is wrong: (examples,) each."""
        predicted, fooled = self._clean
        return predicted.clone(), fooled.clone()

    def add(
        self,
        size: float,
        predicted: Tensor,
        fooled: Tensor,
        distance: Tensor,
        distance_l2: Tensor,
        flags: Mapping[str, Tensor] | None = None,
    ) -> None:
        """All (examples,)."""
        columns = {
            "example": self._at.examples,
            "size": torch.full((len(fooled),), size, dtype=torch.float64),
            "label": self._at.y,
            "prediction": predicted,
            "is_fooled": fooled,
            "distance": distance,
            "distance_l2": distance_l2,
            **{f"is_fooled_{flag}": values for flag, values in (flags or {}).items()},
        }
        self._parts.append({name: values.detach().cpu().numpy().copy() for name, values in columns.items()})

    @property
    def columns(self) -> Columns:
        return {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}


def some(at: AssessmentInput, which: Tensor) -> AssessmentInput:
    """With some of the examples alone. which: (examples,) bools"""
    return replace(at, x=at.x[which], y=at.y[which], examples=at.examples[which.cpu()])


def evaluated(network: AssessedNetwork, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network(x)
