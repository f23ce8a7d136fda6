"""The configuration of a trial that a procedure trains, in the place of model, loss and optimiser."""

from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator

from trainables.configuration import NOT_IN_KEY, decisive
from trainables.datasets.base import Dataset
from trainables.evaluations import Budget, Goal
from trainables.procedures.base import Procedure
from trainables.trial import TrialConfig
from trainables.validation import Problem, ValidationErrors, nearest


class ProcedureConfig(TrialConfig):
    """data    that it is trained on, if it does not read its own
    budget  in steps, as the procedure counts them
    """

    data: Dataset | None = None
    procedure: Procedure
    budget: Budget
    goal: Annotated[Goal | None, NOT_IN_KEY] = None

    @field_validator("data")
    @classmethod
    def _can_be_trained_on(cls, data: Dataset | None) -> Dataset | None:
        if data is not None:
            data.refuse_if_test_only()
        return data

    @field_validator("procedure")
    @classmethod
    def _has_data_if_it_needs_some(cls, procedure: Procedure, info: ValidationInfo) -> Procedure:
        if "data" not in info.data:
            return procedure
        if procedure.needs_data and info.data["data"] is None:
            raise ValueError(f"{procedure.name} is trained on data: give data, too")
        if not procedure.needs_data and info.data["data"] is not None:
            raise ValueError(f"{procedure.name} reads its own data: take data away, with data: null in an arm")
        data = info.data["data"]
        if data is not None and data.task not in procedure.serves:
            serves = ", ".join(procedure.serves)
            raise ValueError(
                f"{procedure.name} is not for {data.task}, which {data.title} asks for: it is for {serves}"
            )
        return procedure

    @field_validator("budget")
    @classmethod
    def _is_in_steps(cls, budget: Budget, info: ValidationInfo) -> Budget:
        if budget.unit != "steps":
            raise ValueError("should be in steps, as the procedure counts them: budget: {steps: …}")
        procedure = info.data.get("procedure")
        first = procedure.next_step(0) if procedure is not None else None
        if first is not None and first > budget.extent:
            wrong = f"{budget.extent:,} ends before the first evaluation of the procedure, at {first:,.0f}"
            raise ValidationErrors("budget", [Problem(("steps",), wrong)])
        return budget

    @field_validator("goal")
    @classmethod
    def _is_measured(cls, goal: Goal | None, info: ValidationInfo) -> Goal | None:
        procedure = info.data.get("procedure")
        metrics = procedure.metrics(info.data.get("data")) if procedure is not None else None
        if goal is not None and metrics is not None and goal.metric not in metrics:
            wrong = f"{goal.metric!r} is not measured by this trial; {nearest(goal.metric, metrics)}"
            raise ValidationErrors("goal", [Problem(("metric",), wrong)])
        return goal

    @property
    def metrics(self) -> tuple[str, ...] | None:
        return self.procedure.metrics(self.data)

    @property
    def data_sets(self) -> tuple[Dataset, ...]:
        return (self.data,) if self.data is not None else ()

    def next_evaluation(self, *, steps: int, epochs: float) -> float:
        following = self.procedure.next_step(steps)
        return steps + 1 if following is None else following

    @property
    def draws(self) -> bool:
        return self.procedure.draws or (self.data is not None and self.data.is_drawn)

    @property
    def last_evaluation(self) -> int:
        return self.budget.extent

    @property
    def num_evaluations(self) -> None:
        return None

    def decides(self) -> dict[str, Any]:
        digest = {"data_digest": self.data.content_digest} if self.data is not None else {}
        return {**digest, "config": decisive(self)}
