"""A study's view of the trials: which of its cells and seeds are there, how far, and their curves.

A trial is a fact, a study is a view: the same trial may have reached one study's goal and be censored in another, whose
budget ended before; and where one study had its answer, another may have had the trial go on. So a view shows of each
trial what its study asked for, up to the goal or the budget, works the states out from that each time, and stores
nothing: what other studies do later does not change it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from search_spaces import Study, digest
from trainables.records import ending
from trainables.trial import Trial, TrialConfig

if TYPE_CHECKING:
    import pandas as pd

    from grokgrid.tracking import Facts, Tracking, TrialRecord


_PROGRESS = ("updates", "passes", "seconds")
_RECORD = ("diverged_at", "run_id")
_PLACE = ("device", "device_name", "num_threads", "share", "torch_version", "host")


class State(StrEnum):
    """Where a trial stands in a study."""

    REACHED = "reached"
    CENSORED = "censored"
    DIVERGED = "diverged"
    FINISHED = "finished"
    """It spent its budget, in a study without a goal."""
    RUNNING = "running"
    STOPPED = "stopped"
    """It has a part of its budget, and nobody runs it."""
    FAILED = "failed"
    MISSING = "missing"

    @property
    def is_over(self) -> bool:
        return self in (State.REACHED, State.CENSORED, State.DIVERGED, State.FINISHED)


@dataclass(frozen=True, eq=False)
class View:
    """A study and its trials as they stand.

    trials  one row a cell and seed, in the study's order: arm, cell, one column a grid setting, seed, key, state,
            updates, passes, seconds, diverged_at, run_id, where it ran, final/METRIC
    curves  one row a look: cell, arm, seed, key, updates, passes, seconds and the metrics
    """

    study: Study
    trials: "pd.DataFrame"
    curves: "pd.DataFrame"
    at: datetime
    facts: "Facts | None" = None
    """What it was made from; a view of an imagined study has none."""

    @property
    def over(self) -> "pd.DataFrame":
        """The trials that need no more training for this study."""
        return self.trials[[State(state).is_over for state in self.trials["state"]]]

    @property
    def is_complete(self) -> bool:
        return len(self.over) == len(self.trials)


def load_view(study: Study, tracking: "Tracking") -> View:
    """The study as MLflow has it now."""
    facts = tracking.facts(study.name, digest(study), [trial.key for trial in study.trials])
    return replace(view_of(study, facts.records, facts.looks.to_pandas()), facts=facts)


def view_of(study: Study, records: "Mapping[str, TrialRecord]", curves: "pd.DataFrame") -> View:
    """The study's view of these records and their curves (key, updates, passes, seconds, metrics)."""
    import pandas as pd

    looks = dict(iter(curves.groupby("key", sort=False)))
    paths = list(dict.fromkeys(path for cell in study.cells for path, _ in cell.point))
    metrics = list(dict.fromkeys(metric for cell in study.cells for metric in cell.config.metrics))
    rows: list[dict[str, Any]] = []
    shown: list[pd.DataFrame] = []
    for cell in study.cells:
        for seed in study.seed_list:
            trial = study.trial_of(cell, seed)
            record = records.get(trial.key)
            mine = _asked_for(trial.config, looks[trial.key]) if trial.key in looks else None
            row = {"arm": cell.arm, "cell": cell.name, **dict(cell.point), "seed": seed, "key": trial.key}
            state = state_of(trial, record, mine)
            rows.append(row | {"state": state} | _facts(trial, state, record, mine))
            if mine is not None:
                shown.append(mine.assign(cell=cell.name, arm=cell.arm, seed=seed))
    # All columns are there from the beginning, whatever has been run: who reads the table can rely on them.
    final = [f"final/{metric}" for metric in metrics]
    trials = pd.DataFrame(rows).reindex(
        columns=["arm", "cell", *paths, "seed", "key", "state", *_PROGRESS, *_RECORD, *_PLACE, *final]
    )
    columns = ["cell", "arm", "seed", "key", *_PROGRESS, *metrics]
    found = pd.concat(shown, ignore_index=True) if shown else pd.DataFrame(columns=columns)
    return View(study, trials, found.reindex(columns=columns), datetime.now(UTC))


def state_of(trial: Trial, record: "TrialRecord | None", looks: "pd.DataFrame | None") -> State:
    """The state of a trial, given what MLflow has of it and those of its looks that the study asked for."""
    from grokgrid.tracking import TrialStatus

    if record is None:
        return State.MISSING
    if record.summary is None:
        return State.FAILED if record.status is TrialStatus.FAILED else State.RUNNING
    goal, summary = trial.config.goal, record.summary
    if goal is not None and looks is not None:
        values = looks[goal.metric]
        if goal.met_by(low=values.min(), high=values.max()):
            return State.REACHED
    if summary.diverged_at is not None and _is_within(trial.config, updates=summary.updates, passes=summary.passes):
        return State.DIVERGED
    if summary.diverged_at is not None or ending(trial.config, summary) is not None:
        return State.CENSORED if goal is not None else State.FINISHED
    return State.FAILED if record.failed_run is not None else State.STOPPED


def _is_within(config: TrialConfig, *, updates: int, passes: float) -> bool:
    return config.budget.position(updates=updates, passes=passes) <= config.budget.last_look


def _asked_for(config: TrialConfig, looks: "pd.DataFrame") -> "pd.DataFrame":
    """The looks up to the goal, or within the budget: another study may have had the trial go on."""
    looks = looks[looks[config.budget.unit] <= config.budget.extent]
    if config.goal is None:
        return looks
    values = looks[config.goal.metric]
    met = values > config.goal.above if config.goal.above is not None else values < config.goal.below
    return looks[met.shift(fill_value=False).cumsum() == 0]


def _facts(trial: Trial, state: State, record: "TrialRecord | None", looks: "pd.DataFrame | None") -> dict[str, Any]:
    """What the trials table tells beside the state."""
    if record is None or record.summary is None:
        return {"run_id": record.run_id if record is not None else None}
    summary, place = record.summary, record.place
    facts: dict[str, Any] = {name: getattr(summary, name) for name in _PROGRESS}
    facts |= {"diverged_at": summary.diverged_at if state is State.DIVERGED else math.nan, "run_id": record.run_id}
    if place is not None:
        facts |= {name: getattr(place, name) for name in _PLACE}
    if looks is not None and len(looks):
        last = looks.iloc[-1]
        facts |= {name: last[name] for name in _PROGRESS}
        values = {m: looks[m].dropna().iloc[-1] for m in trial.config.metrics if looks[m].notna().any()}
        # At its very end every metric was measured once more, whatever the probes' schedules.
        values |= summary.final if last["updates"] == summary.updates else {}
        facts |= {f"final/{metric}": value for metric, value in values.items()}
    return facts
