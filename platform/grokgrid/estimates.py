"""Estimates of how fast the trials of a cell will be, before any of them has been run."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from statistics import fmean
from typing import Any

from search_spaces import Cell, Study
from trainables.trial import Trial

TrialSeconds = Callable[[Trial], float | None]
"""How long a trial takes that is like none that has been run; None if that cannot be found out."""


class Pace(StrEnum):
    """How it is known how fast the missing trials of a cell are. The latter two are estimates."""

    OWN = "its own trials"
    ALIKE = "trials that differ in numbers like a learning rate alone"
    TIMED = "a second of training here"


class Estimates:
    """The pace of cells of which no trial has been run, in seconds an epoch or step, whichever the budget counts."""

    def __init__(self, study: Study, paces: Mapping[str, float], trial_s: TrialSeconds | None) -> None:
        """paces: of cells of which some have been run. trial_s: asked once for all that are alike"""
        self._study, self._paces, self._trial_s = study, paces, trial_s
        self._alike: dict[str, float] | None = None
        self._timed: dict[str, float | None] = {}

    def __call__(self, cell: Cell) -> tuple[float, Pace] | None:
        if self._alike is None:
            by_kind: dict[str, list[float]] = {}
            for each in self._study.cells:
                if each.name in self._paces:
                    by_kind.setdefault(_kind(each), []).append(self._paces[each.name])
            self._alike = {kind: fmean(paces) for kind, paces in by_kind.items()}
        kind = _kind(cell)
        if kind in self._alike:
            return self._alike[kind], Pace.ALIKE
        if self._trial_s is None:
            return None
        if kind not in self._timed:
            self._timed[kind] = self._trial_s(self._study.trial_of(cell, self._study.seed_list[0]))
        seconds = self._timed[kind]
        return None if seconds is None else (seconds / cell.config.last_evaluation, Pace.TIMED)


def _kind(cell: Cell) -> str:
    """The same for cells whose configurations differ in nothing but floating-point numbers: learning rates, strengths
    of regularisers. Their trials take about as long as each other; whole numbers are sizes.
    """
    # Not what ends training.
    settings = cell.config.model_dump(mode="json", exclude={"goal", "keep"})
    return json.dumps(_without_floats(settings), sort_keys=True, default=str)


def _without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_floats(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_floats(inner) for inner in value]
    return 0.0 if isinstance(value, float) else value
