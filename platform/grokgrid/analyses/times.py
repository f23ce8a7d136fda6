"""The times of a cell's trials, read from the view: to the goal, of the grokking phase.

Trials enter as soon as they have been looked at once. One that is not over, be it running, stopped or failed, is
censored where it was last seen: until then it had not reached the goal. One without any look is missing.
"""

from enum import StrEnum
from typing import Literal

from grokgrid.statistics import Times, phase_seconds, time_to_goal
from grokgrid.view import View
from search_spaces import Cell


class Measure(StrEnum):
    """What is counted on the way to the goal."""

    UPDATES = "updates"
    SECONDS = "seconds"
    PHASE_SECONDS = "phase_seconds"

    @property
    def label(self) -> str:
        return "phase" if self is Measure.PHASE_SECONDS else self.value


TimeColumn = Literal["updates", "passes", "seconds"]


def goal_times(view: View, cell: Cell, column: TimeColumn) -> Times:
    """From the start to the first look that met the goal."""
    goal, budget = cell.config.goal, cell.config.budget
    assert goal is not None
    trials = view.seen_of(cell)
    if not len(trials):
        return Times([], [], [])
    table = time_to_goal(
        view.looks_of(cell),
        trials,
        metric=goal.metric,
        above=goal.above,
        below=goal.below,
        column=column,
        budget=budget.last_look,
        budget_unit=budget.unit,
    )
    return Times.of(table)


def phase_times(view: View, cell: Cell, phase_from: float) -> Times:
    """Seconds from the first look at `phase_from` to the goal."""
    goal, budget = cell.config.goal, cell.config.budget
    assert goal is not None and goal.above is not None
    trials = view.seen_of(cell)
    if not len(trials):
        return Times([], [], [])
    table = phase_seconds(
        view.looks_of(cell),
        trials,
        metric=goal.metric,
        lower=phase_from,
        upper=goal.above,
        budget=budget.last_look,
        budget_unit=budget.unit,
    )
    return Times.of(table)


def budget_in_updates(view: View, cell: Cell) -> float | None:
    """None while there is no trial to tell how many updates a pass is."""
    budget = cell.config.budget
    if budget.unit == "updates":
        return budget.last_look
    looks = view.looks_of(cell)
    return float(round((looks["updates"] / looks["passes"]).median() * budget.last_look)) if len(looks) else None
