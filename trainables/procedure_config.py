"""The configuration of a trial that a procedure trains, in the place of model, loss and optimiser."""

from typing import Annotated, Any

from pydantic import field_validator

from trainables.configuration import NOT_IN_KEY, decisive
from trainables.datasets.base import Dataset
from trainables.procedures.base import Procedure
from trainables.schedule import Budget, Goal
from trainables.trial import TrialConfig


class ProcedureConfig(TrialConfig):
    """budget: in steps, as the procedure counts them"""

    procedure: Procedure
    budget: Budget
    goal: Annotated[Goal | None, NOT_IN_KEY] = None

    @field_validator("budget")
    @classmethod
    def _is_in_steps(cls, budget: Budget) -> Budget:
        if budget.unit != "steps":
            raise ValueError("should be in steps, as the procedure counts them: budget: {steps: …}")
        return budget

    @property
    def metrics(self) -> None:
        return None

    @property
    def data_sets(self) -> tuple[Dataset, ...]:
        return ()

    def next_evaluation(self, *, steps: int, epochs: float) -> float:
        return steps + 1

    @property
    def last_evaluation(self) -> int:
        return self.budget.extent

    @property
    def num_evaluations(self) -> None:
        return None

    def decides(self) -> dict[str, Any]:
        return {"config": decisive(self)}
