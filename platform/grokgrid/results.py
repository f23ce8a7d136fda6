"""A study's results of the trials: which of its cells and seeds are there, how far, and their curves.

A trial is a fact, a study is a query over them: the same trial may have reached one study's goal and be censored in
another, whose budget ended before; and where one study had its report, another may have had the trial go on. So results
show of each trial what its study asked for, up to the goal or the budget, works the states out from that each time, and
stores nothing: what other studies do later does not change it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from grokgrid.assessments import Stage, table_of, wanted, with_metrics
from search_spaces import Cell, Study, digest
from search_spaces.search import TIMES, measured_by
from trainables.records import ending
from trainables.trial import Trial, TrialConfig

if TYPE_CHECKING:
    import pandas as pd

    from grokgrid.tracking import Tracking, TrialResults, WorkRecord


_PROGRESS = ("steps", "epochs", "seconds")
_RECORD = ("diverged_at", "run_id", "reason")
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
class Results:
    """A study and its trials as they stand.

    trials  one row a cell and seed, in the study's order: arm, cell, one column a grid setting, seed, key, state,
            steps, epochs, seconds, diverged_at, run_id, reason (of a failure), where it ran, final/METRIC
    curves  one row an evaluation: cell, arm, seed, key, steps, epochs, seconds and the metrics
    assessments  a row each, see `grokgrid.assessments.table_of`; None of a study that has none
    """

    study: Study
    trials: "pd.DataFrame"
    curves: "pd.DataFrame"
    at: datetime
    assessments: "pd.DataFrame | None" = None
    trial_results: "TrialResults | None" = None
    """What it was made from; results of an imagined study have none."""

    @property
    def over(self) -> "pd.DataFrame":
        """The trials that need no more training for this study."""
        return self.trials[[State(state).is_over for state in self.trials["state"]]]

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to run, and nothing that could not be."""
        return len(self.over) == len(self.trials) and not self.num_not_assessed

    @property
    def num_not_assessed(self) -> "dict[Stage, int]":
        """Assessments that are not made, by why; those of diverged networks are none."""
        if self.assessments is None:
            return {}
        stages = [Stage(stage) for stage in self.assessments["stage"]]
        left = [stage for stage in Stage if stage not in (Stage.DONE, Stage.DIVERGED)]
        return {stage: stages.count(stage) for stage in left if stage in stages}

    def evaluations_of(self, cell: Cell) -> "pd.DataFrame":
        """The curves of a cell."""
        return self._evaluations.get(cell.name, self.curves[:0])

    def trials_of(self, cell: Cell) -> "pd.DataFrame":
        """The rows of a cell."""
        return self._trials.get(cell.name, self.trials[:0])

    def seen_of(self, cell: Cell) -> "pd.DataFrame":
        """The rows of a cell's trials of whose training anything is known: evaluated after a step, or diverged before
        that.
        """
        return self._seen.get(cell.name, self.trials[:0])

    @cached_property
    def _evaluations(self) -> "dict[str, pd.DataFrame]":
        return self._told_apart(_by_cell(self.curves))

    @cached_property
    def _trials(self) -> "dict[str, pd.DataFrame]":
        return _by_cell(self.trials)

    @cached_property
    def _seen(self) -> "dict[str, pd.DataFrame]":
        looked_at = self.trials["key"].isin(self.curves["key"][self.curves["steps"] > 0].unique())
        return self._told_apart(_by_cell(self.trials[looked_at | (self.trials["state"] == State.DIVERGED)]))

    def _told_apart(self, tables: "dict[str, pd.DataFrame]") -> "dict[str, pd.DataFrame]":
        """With the seed in the place of the key where one trial stands for all seeds: each is one sample."""
        for cell in self.study.cells:
            if not cell.config.draws and cell.name in tables:
                tables[cell.name] = tables[cell.name].assign(key=tables[cell.name]["seed"].astype(str))
        return tables


def _by_cell(table: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    return {str(cell): rows for cell, rows in table.groupby("cell", sort=False, observed=True)}


def load_results(study: Study, tracking: "Tracking") -> Results:
    """The study as MLflow has it now."""
    trial_results = tracking.trial_results(study.name, digest(study), study.trials_by_key)
    found = results_of(study, trial_results.records, trial_results.curves)
    if not study.assessments:
        return replace(found, trial_results=trial_results)
    wants = wanted(study, found.trials, trial_results.records, tracking.networks)
    keys = {each.work.key for each in wants if each.work is not None}
    assessed = tracking.trial_results(study.name, digest(study), keys)
    table = table_of(study, wants, assessed.records)
    trials = with_metrics(study, found.trials, table)
    return replace(found, trials=trials, assessments=table, trial_results=trial_results.and_also(assessed))


def results_of(study: Study, records: "Mapping[str, WorkRecord]", curves: "pd.DataFrame") -> Results:
    """The study's results of these records and their curves (key, steps, epochs, seconds, metrics)."""
    import numpy as np
    import pandas as pd

    paths = list(dict.fromkeys(path for cell in study.cells for path, _ in cell.point))
    metrics = list(dict.fromkeys(metric for cell in study.cells for metric in _metrics(cell, study, records)))
    asked = _Asked(study, curves, metrics)
    places = [(cell, seed, cell.key_of(seed)) for cell in study.cells for seed in study.seed_list]
    rows: list[dict[str, Any]] = []
    for cell, seed, key in places:
        trial, record = study.trials_by_key[key], records.get(key)
        row = {"arm": cell.arm, "cell": cell.name, **dict(cell.columns), "seed": seed, "key": key}
        state = state_of(trial, record, reached=key in asked.reached)
        rows.append(row | {"state": state} | _trial_results(trial, state, record, asked.last(key)))
    # All columns are there from the beginning, whatever has been run: who reads the table can rely on them.
    final = [f"final/{metric}" for metric in metrics]
    trials = pd.DataFrame(rows).reindex(
        columns=["arm", "cell", *paths, "seed", "key", "state", *_PROGRESS, *_RECORD, *_PLACE, *final]
    )
    # Trial after trial, in the study's order. Names are categories: there may be millions of rows.
    spans = [asked.spans.get(key, (0, 0)) for _, _, key in places]
    row_of = np.concatenate([np.arange(start, stop) for start, stop in spans])
    place_of = np.repeat(np.arange(len(places)), [stop - start for start, stop in spans])
    columns = ["cell", "arm", "seed", "key", *_PROGRESS, *metrics]
    shown = asked.evaluations.iloc[row_of].reset_index(drop=True).drop(columns="key")
    cells, arms, seeds, keys = zip(*((cell.name, cell.arm, seed, key) for cell, seed, key in places), strict=True)
    named = {name: pd.Categorical(those)[place_of] for name, those in (("cell", cells), ("arm", arms), ("key", keys))}
    shown = shown.assign(**named, seed=np.array(seeds)[place_of])
    return Results(study, trials, shown.reindex(columns=columns), datetime.now(UTC))


class _Asked:
    """The evaluations that a study asked for, up to the goal or within the budget: another study may have had a trial
    go on.

    evaluations    trial after trial
    spans    key -> the trial's first row in `evaluations`, and the row behind its last
    reached  keys of trials that met the goal
    """

    def __init__(self, study: Study, curves: "pd.DataFrame", metrics: list[str]) -> None:
        import numpy as np
        import pandas as pd

        # All cells of a study share one goal and one budget.
        budget, goal = study.cells[0].config.budget, study.goal
        evaluations = curves[curves[budget.unit] <= budget.extent]
        codes, keys = pd.factorize(evaluations["key"])
        if (np.diff(codes) < 0).any():
            order = np.argsort(codes, kind="stable")
            evaluations, codes = evaluations.iloc[order], codes[order]
        self.reached: set[str] = set()
        if goal is not None and goal.metric in evaluations:
            values = evaluations[goal.metric].to_numpy(float)
            met = values > goal.above if goal.above is not None else values < goal.below
            met &= evaluations["steps"].to_numpy() > 0
            first = np.full(len(keys), len(evaluations))
            np.minimum.at(first, codes[met], np.flatnonzero(met))
            wanted = np.arange(len(evaluations)) <= first[codes]
            self.reached = set(keys[first < len(evaluations)])
            evaluations, codes = evaluations[wanted], codes[wanted]
        self.evaluations = evaluations
        bounds = np.searchsorted(codes, np.arange(len(keys) + 1))
        self.spans = {
            key: (int(start), int(stop)) for key, start, stop in zip(keys, bounds[:-1], bounds[1:], strict=True)
        }
        measured = [metric for metric in metrics if metric in evaluations]
        # The last value of each metric that is a number, and the last row of the rest.
        grouped = evaluations.groupby(codes, sort=True)
        last = pd.concat(
            [grouped[list(_PROGRESS)].nth(-1).set_axis(np.unique(codes)), grouped[measured].last()], axis=1
        )
        self._last = dict(zip(keys[last.index], last.to_dict("records"), strict=True))

    def last(self, key: str) -> dict[str, float] | None:
        """Where the trial was at its last evaluation, and the latest value of each metric; None if it had no
        evaluation.
        """
        return self._last.get(key)


def state_of(trial: Trial, record: "WorkRecord | None", *, reached: bool) -> State:
    """The state of a trial, given what MLflow has of it, and whether an evaluation that the study asked for met the
    goal.
    """
    from grokgrid.tracking import WorkStatus

    if record is None:
        return State.MISSING
    if record.summary is None:
        return State.FAILED if record.status is WorkStatus.FAILED else State.RUNNING
    goal, summary = trial.config.goal, record.summary
    if reached:
        return State.REACHED
    if summary.diverged_at is not None and _is_within(trial.config, steps=summary.steps, epochs=summary.epochs):
        return State.DIVERGED
    if summary.diverged_at is not None or ending(trial.config, summary) is not None:
        return State.CENSORED if goal is not None else State.FINISHED
    return State.FAILED if record.failed_run is not None else State.STOPPED


def _metrics(cell: Cell, study: Study, records: "Mapping[str, WorkRecord]") -> Sequence[str]:
    """What a cell measures; where only its evaluations say, what its trials have measured so far."""
    if cell.config.metrics is not None:
        return cell.config.metrics
    found = (records.get(cell.key_of(seed)) for seed in study.seed_list)
    summaries = [record.summary for record in found if record is not None and record.summary is not None]
    # What the study asks for is a column, also while nothing has measured it.
    asked = [metric for analysis in study.analyses for metric in analysis.metrics_named]
    goal = [study.goal.metric] if study.goal is not None else []
    names = [*(metric for summary in summaries for metric in summary.last), *goal, *map(measured_by, asked)]
    return [name for name in names if name not in TIMES]


def _is_within(config: TrialConfig, *, steps: int, epochs: float) -> bool:
    return config.budget.position(steps=steps, epochs=epochs) <= config.last_evaluation


def _trial_results(
    trial: Trial, state: State, record: "WorkRecord | None", last: "Mapping[str, float] | None"
) -> dict[str, Any]:
    """What the trials table tells beside the state."""
    if record is None:
        return {}
    why = {"reason": record.reason} if state is State.FAILED else {}
    if record.summary is None:
        return why | {"run_id": record.run_id}
    summary, place = record.summary, record.place
    trial_results: dict[str, Any] = why | {name: getattr(summary, name) for name in _PROGRESS}
    trial_results |= {
        "diverged_at": summary.diverged_at if state is State.DIVERGED else math.nan,
        "run_id": record.run_id,
    }
    if place is not None:
        trial_results |= {name: getattr(place, name) for name in _PLACE}
    if last is not None:
        trial_results |= {name: last[name] for name in _PROGRESS}
        values = {m: last[m] for m in trial.config.metrics or summary.last if not math.isnan(last.get(m, math.nan))}
        # At its very end every metric was measured once more, whatever the probes' schedules.
        values |= summary.final if last["steps"] == summary.steps else {}
        trial_results |= {f"final/{metric}": value for metric, value in values.items()}
    return trial_results
