"""The times of a cell's trials, read from the results: to the goal, of the grokking phase.

Trials enter as soon as they have been looked at once. One that is not over, be it running, stopped or failed, is
censored where it was last seen: until then it had not reached the goal. One without any evaluation is missing.
"""

from enum import StrEnum
from typing import Literal

from grokgrid.results import Results
from grokgrid.statistics import Times, phase_seconds, time_to_goal
from search_spaces import Cell
from trainables.evaluations import Goal


class Measure(StrEnum):
    """What is counted on the way to the goal."""

    STEPS = "steps"
    SECONDS = "seconds"
    PHASE_SECONDS = "phase_seconds"

    @property
    def label(self) -> str:
        return "phase" if self is Measure.PHASE_SECONDS else self.value


TimeColumn = Literal["steps", "epochs", "seconds"]


def goal_times(results: Results, cell: Cell, column: TimeColumn) -> Times:
    """From the start to the first evaluation that met the goal."""
    goal = cell.config.goal
    assert goal is not None
    return event_times(results, cell, goal, column)


def event_times(results: Results, cell: Cell, event: Goal, column: TimeColumn) -> Times:
    """From the start to the first evaluation at which a metric passed a value."""
    trials = results.seen_of(cell)
    if not len(trials):
        return Times([], [], [])
    table = time_to_goal(
        results.evaluations_of(cell),
        trials,
        metric=event.metric,
        above=event.above,
        below=event.below,
        column=column,
        budget=cell.config.last_evaluation,
        budget_unit=cell.config.budget.unit,
    )
    return Times.of(table)


def phase_times(results: Results, cell: Cell, phase_from: float) -> Times:
    """Seconds from the first evaluation at `phase_from` to the goal."""
    goal = cell.config.goal
    assert goal is not None and goal.above is not None
    trials = results.seen_of(cell)
    if not len(trials):
        return Times([], [], [])
    table = phase_seconds(
        results.evaluations_of(cell),
        trials,
        metric=goal.metric,
        lower=phase_from,
        upper=goal.above,
        budget=cell.config.last_evaluation,
        budget_unit=cell.config.budget.unit,
    )
    return Times.of(table)


def budget_in_steps(results: Results, cell: Cell) -> float | None:
    """None while there is no trial to tell how many steps an epoch is."""
    if cell.config.budget.unit == "steps":
        return cell.config.last_evaluation
    evaluations = results.evaluations_of(cell)
    evaluations = evaluations[evaluations["steps"] > 0]
    return (
        float(round((evaluations["steps"] / evaluations["epochs"]).median() * cell.config.last_evaluation))
        if len(evaluations)
        else None
    )
