"""Accuracy, example by example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.assessments.base import Assessment, AssessmentInput
from trainables.probes.accuracy import are_right, predictions
from trainables.tasks import Task

if TYPE_CHECKING:
    from trainables.tables import Columns


class Accuracy(Assessment):
    """The share of examples that are classified as they are labelled: of another data set, say, that the network has
    not been trained for.

    Columns: example, label, prediction, is_right.
    """

    serves: ClassVar[tuple[Task, ...]] = ("classification", "binary")

    name: Literal["accuracy"] = "accuracy"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("accuracy",)

    def assess(self, at: AssessmentInput) -> Columns:
        import torch

        with torch.no_grad():
            outputs = at.network(at.x)
        return {
            "example": at.examples.numpy(),
            "label": at.y.cpu().numpy(),
            "prediction": predictions(outputs).cpu().numpy(),
            "is_right": are_right(outputs, at.y).cpu().numpy(),
        }

    def summarise(self, rows: Columns) -> Mapping[str, float]:
        return {"accuracy": float(rows["is_right"].mean())}
