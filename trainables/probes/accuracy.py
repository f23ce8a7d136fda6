"""Accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.configuration import PositiveInt
from trainables.probes.base import Probe, ProbeInput, Split, outputs
from trainables.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor


class Accuracy(Probe):
    """The share of examples whose largest output is their class's; of a binary task, of those whose output is above 0
    for label 1 alone.
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")

    name: Literal["accuracy"] = "accuracy"
    on: Split
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_accuracy",)

    def measure(self, at: ProbeInput) -> Mapping[str, Tensor | float]:
        return {f"{self.on}_accuracy": are_right(at.once(outputs), at.y).double().mean()}


def are_right(outputs: Tensor, y: Tensor) -> Tensor:
    """Whether each example is classified as it is labelled: (examples,). outputs: (examples, outputs)"""
    return (outputs[:, 0] > 0) == (y == 1) if outputs.shape[1] == 1 else outputs.argmax(1) == y


def predictions(outputs: Tensor) -> Tensor:
    """The class that each example is given (examples,): of one output 1 where that is above 0."""
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)
