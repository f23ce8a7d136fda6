"""The configuration of an assessment: of which network, and how."""

from typing import Any, NamedTuple

from trainables.assessments.base import Assessment
from trainables.configuration import NonNegativeInt, decisive
from trainables.datasets.base import Dataset
from trainables.evaluations import Budget
from trainables.gradient_config import GradientConfig
from trainables.work import NetworkAt, Seed, WorkConfig, cell_key, seed_key

TABLE = "examples"
"""The name of the table that every assessment has."""


class Facts(NamedTuple):
    """What a data set itself tells. shape: of an example"""

    shape: tuple[int, ...]
    num_outputs: int
    has_pixels: bool


def misfit(assessment: Assessment, trial: GradientConfig, own: Facts, on: Facts) -> str | None:
    """Why the assessment cannot be made of networks trained on data like `own`, with examples of `on`, if so."""
    title = assessment.on.title if isinstance(assessment.on, Dataset) else trial.data.title
    bytes_ = "give uint8, which becomes pixels; floats are taken as they are"
    if assessment.needs_pixels and not own.has_pixels:
        return f"{assessment.name} needs images of pixels in [0, 1], which {trial.data.title} does not have: {bytes_}"
    if on.shape != own.shape:
        return f"examples of {title} have the shape {on.shape}, the network takes {own.shape}"
    if on.num_outputs > own.num_outputs:
        return f"{title} has {on.num_outputs} classes, the network {own.num_outputs}"
    if isinstance(assessment.on, Dataset) and trial.data.unit_norm != assessment.on.unit_norm:
        said = "of norm 1" if trial.data.unit_norm else "as they are"
        return f"the network takes inputs {said}: unit_norm of {title} should be {str(trial.data.unit_norm).lower()}"
    if own.has_pixels and not on.has_pixels:
        return f"the network takes pixels in [0, 1], which {title} does not have: {bytes_}"
    return assessment.unfit(task=trial.data.task, num_outputs=own.num_outputs, dtype=trial.dtype)


class AssessmentConfig(WorkConfig):
    """An assessment of the network that a trial had after so many steps.

    What counts as its steps are the examples that it has assessed.

    trial    how the network was trained; its budget, goal and `keep` decide nothing
    step     optimiser steps that the network has had
    source   for an assessment that needs a second network of the same configuration: that one's seed and step
    """

    trial: GradientConfig
    step: NonNegativeInt
    assessment: Assessment
    source: tuple[Seed, NonNegativeInt] | None = None

    @property
    def goal(self) -> None:
        return None

    @property
    def budget(self) -> Budget:
        """All examples; more than there are where only the data tells."""
        asked, there = self.assessment.num_examples, self.data.num_test if self._is_on_test else None
        return Budget(steps=min(num for num in (asked, there, 2**53) if num is not None))

    @property
    def data(self) -> Dataset:
        """What the examples are taken from."""
        on = self.assessment.on
        return on if isinstance(on, Dataset) else self.trial.data

    @property
    def _is_on_test(self) -> bool:
        return self.assessment.on == "test" or isinstance(self.assessment.on, Dataset)

    @property
    def metrics(self) -> tuple[str, ...]:
        return self.assessment.metrics

    @property
    def data_sets(self) -> tuple[Dataset, ...]:
        # The network's own, too: normalisation may come from what it was trained on.
        return tuple(dict.fromkeys((self.trial.data, self.data)))

    def next_evaluation(self, *, steps: int, epochs: float) -> float:
        return steps + 1

    @property
    def last_evaluation(self) -> int:
        return self.budget.extent

    @property
    def num_evaluations(self) -> None:
        return None

    def decides(self) -> dict[str, Any]:
        digest = {"on_digest": self.data.content_digest} if self.data != self.trial.data else {}
        return {
            **digest,
            "network": self.trial.decides(),
            "step": self.step,
            "assessment": decisive(self.assessment),
            **({"source": list(self.source)} if self.source is not None else {}),
        }

    def needs(self, seed: int) -> tuple[NetworkAt, ...]:
        cell = cell_key(self.trial)
        own = NetworkAt(seed_key(cell, seed), self.step)
        if self.source is None:
            return (own,)
        its_seed, its_step = self.source
        return own, NetworkAt(seed_key(cell, its_seed), its_step)
