"""The assessments that a study asks for: of which networks, which of them can be made, and what has come of them.

Which network a trial has left is only known once it has ended; so from a study and the results of its trials follows
which assessments there are, each with its key, and each time anew.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from search_spaces import Cell, Study
from search_spaces.assessing import num_examples
from trainables.assessment_config import AssessmentConfig
from trainables.assessments.base import Assessment
from trainables.evaluations import Keep
from trainables.gradient_config import GradientConfig
from trainables.records import Summary
from trainables.trial import Trial
from trainables.work import Work

if TYPE_CHECKING:
    import pandas as pd

    from grokgrid.results import Results
    from grokgrid.tracking import WorkRecord

Networks = Callable[["WorkRecord"], frozenset[int]]
"""Record of a trial -> the steps after which its network is there."""


class Stage(StrEnum):
    """How far an assessment is."""

    DONE = "done"
    TO_DO = "to do"
    FAILED = "failed"
    NOT_TRAINED = "not trained yet"
    DIVERGED = "diverged"
    NO_NETWORK = "no network"
    """The trial would have to be trained again."""


@dataclass(frozen=True)
class Wanted:
    """An assessment of one trial's network.

    stage       TO_DO where it can be made, whether it has been or not
    step, work  None where it is not known of which network; it may have been made although the network is not there now
    """

    assessment: Assessment
    cell: Cell
    seed: int
    trial: str
    stage: Stage
    why: str = ""
    step: int | None = None
    work: Work | None = None

    @property
    def title(self) -> str:
        """What people call it; of networks kept on the way also which."""
        after = f" after step {self.step}" if self.assessment.network == "kept" and self.step is not None else ""
        return f"{self.assessment.title}{after}"


def wanted(
    study: Study,
    trials: "pd.DataFrame",
    records: "Mapping[str, WorkRecord]",
    networks: Networks,
    *,
    settled: Iterable[str] = (),
) -> list[Wanted]:
    """All assessments of a study. trials: `Results.trials`; settled: keys of trials that will not be trained now, ended
    or not
    """
    if not study.assessments:
        return []
    known = _Known(trials, records, networks, frozenset(settled))
    return [
        each
        for cell in study.cells
        for seed in study.seed_list
        for assessment in study.assessments
        for each in _of_one(assessment, cell, seed, study.seed_list, known)
    ]


class _Known:
    """What is known of the trials, and which of their networks are there."""

    def __init__(
        self,
        trials: "pd.DataFrame",
        records: "Mapping[str, WorkRecord]",
        networks: Networks,
        settled: frozenset[str],
    ) -> None:
        rows = zip(trials["key"], trials["state"], trials["steps"], strict=True)
        self._rows: dict[str, tuple[str, float]] = {key: (str(state), steps) for key, state, steps in rows}
        self._records, self._networks, self._settled = records, networks, settled
        self._steps: dict[str, frozenset[int]] = {}

    def steps(self, key: str) -> frozenset[int]:
        """After which a network is there."""
        if key not in self._steps:
            self._steps[key] = self._networks(self._records[key])
        return self._steps[key]

    def end(self, key: str) -> tuple[int | None, Stage, str]:
        """The step where the trial ended for this study; without one why not."""
        from grokgrid.results import State

        state, steps = self._rows[key]
        if State(state) is State.DIVERGED:
            return None, Stage.DIVERGED, "its training diverged"
        if not State(state).is_over or key not in self._records:
            return None, Stage.NOT_TRAINED, "its trial is not trained to its end"
        return int(steps), Stage.TO_DO, ""

    def is_decided(self, key: str) -> bool:
        """Whether it is known how the trial ends."""
        return self.end(key)[1] is not Stage.NOT_TRAINED or key in self._settled

    def lack(self, key: str, step: int) -> str:
        """Why there is no network after so many steps; "" if there is one."""
        if step in self.steps(key):
            return ""
        summary = self._records[key].summary
        further = summary is not None and summary.steps > step
        what = f"the trial went on to step {summary.steps:,}, and its network" if summary and further else "the network"
        return f"{what} after step {step:,} was not kept: it would have to be trained again (--train-again)"


def _of_one(assessment: Assessment, cell: Cell, seed: int, seeds: tuple[int, ...], known: _Known) -> Iterator[Wanted]:
    key = cell.key_of(seed)
    step, stage, why = known.end(key)
    if step is None:
        yield Wanted(assessment, cell, seed, key, stage, why)
        return
    steps = [step]
    if assessment.network == "kept":
        steps = sorted(each for each in known.steps(key) if each <= step)
    elif why := known.lack(key, step):
        stage = Stage.NO_NETWORK
    if not steps:
        none = "no networks were kept on the way: it would have to be trained again (--train-again)"
        yield Wanted(assessment, cell, seed, key, Stage.NO_NETWORK, none, step)
    source, stage_of_source, why_no_source = _source(assessment, cell, seed, seeds, known)
    if stage is Stage.TO_DO:
        stage, why = stage_of_source, why_no_source
    for each in steps:
        # It may have been made while its network was there.
        is_known = source is not None or not assessment.needs_source
        work = work_of(assessment, cell.config, each, seed, source=source) if is_known else None
        yield Wanted(assessment, cell, seed, key, stage, why, each, work)


def _source(
    assessment: Assessment, cell: Cell, seed: int, seeds: tuple[int, ...], known: _Known
) -> tuple[tuple[int, int] | None, Stage, str]:
    """Seed and step of the second network, if it takes one: that of the next seed which has one."""
    if not assessment.needs_source:
        return None, Stage.TO_DO, ""
    place = seeds.index(seed)
    without: tuple[int, int] | None = None
    for other in (*seeds[place + 1 :], *seeds[:place]):
        key = cell.key_of(other)
        if not known.is_decided(key):
            return None, Stage.NOT_TRAINED, f"the trial of seed {other}, whose network it needs, is not trained yet"
        step, _, _ = known.end(key)
        if step is not None and not known.lack(key, step):
            return (other, step), Stage.TO_DO, ""
        if step is not None and without is None:
            without = (other, step)
    return without, Stage.NO_NETWORK, "it needs the network of another seed, and there is none"


def work_of(
    assessment: Assessment, config: Any, step: int, seed: int, *, source: tuple[int, int] | None = None
) -> Work:
    """The work item of assessing the network of a trial with this configuration."""
    assert isinstance(config, GradientConfig)
    return Work(config=AssessmentConfig(trial=config, step=step, assessment=assessment, source=source), seed=seed)


def may_run(wants: Iterable[Wanted]) -> dict[str, tuple[Wanted, Work]]:
    """Those that can be made now, by key."""
    found = ((each, each.work) for each in wants if each.stage is Stage.TO_DO)
    return {work.key: (each, work) for each, work in found if work is not None}


def stages_of(results: "Results") -> dict[str, dict[str, int]]:
    """Title -> how many assessments are at which stage."""
    assert results.assessments is not None
    found = Counter(zip(results.assessments["assessment"], results.assessments["stage"], strict=True))
    return {
        each.title: {stage.value: num for stage in Stage if (num := found[each.title, stage])}
        for each in results.study.assessments
    }


def seconds_left(results: "Results", example_s: Callable[[Trial], float | None]) -> float | None:
    """About how long the missing assessments take on one slot: as those of their title that are made, else by their
    passes; None if of some nothing is known.

    example_s: seconds of a forward and a backward pass for one example of a trial; None if that is not known
    """
    assert results.assessments is not None
    study, table = results.study, results.assessments
    pass_s: dict[str, float | None] = {}
    total = 0.0
    for assessment in study.assessments:
        mine = table[table["assessment"] == assessment.title]
        made_s = mine.loc[mine["stage"] == Stage.DONE, "seconds"].mean()
        left = Counter(mine.loc[mine["stage"].isin([Stage.TO_DO, Stage.NOT_TRAINED]), "cell"])
        for cell in (each for each in study.cells if left[each.name]):
            seconds: float | None = made_s
            if math.isnan(made_s):
                if cell.name not in pass_s:
                    pass_s[cell.name] = example_s(study.trial_of(cell, study.seed_list[0]))
                num, each_s = num_examples(assessment, cell.config.data_sets[0]), pass_s[cell.name]
                seconds = num * assessment.passes * each_s if num is not None and each_s is not None else None
            if seconds is None:
                return None
            total += left[cell.name] * seconds
    return total


def without_networks(results: "Results") -> dict[str, tuple[Work, str]]:
    """The trials that would have to be trained again: key -> how, and the run of the record that lacks the network.

    A trial that another study has trained on is trained as long once more, and its network kept where it ended for this
    one: a record is only replaced by one that has as much.
    """
    assert results.trial_results is not None
    if results.assessments is None:
        return {}
    lacking = results.assessments[results.assessments["stage"] == Stage.NO_NETWORK]
    records, found = results.trial_results.records, dict[str, tuple[Work, str]]()
    trials = results.trials.drop_duplicates("key").set_index("key")
    for key in dict.fromkeys(lacking["trial"]):
        record, trial = records[key], results.study.trials_by_key[key]
        assert record.summary is not None
        steps, epochs = trials.loc[key, "steps"], trials.loc[key, "epochs"]
        if record.summary.steps > steps:
            trial = _as_long(trial, record.summary, int(trial.config.budget.position(steps=steps, epochs=epochs)))
        found[key] = (trial, record.run_id)
    return found


def _as_long(trial: Trial, summary: Summary, kept_at: int) -> Trial:
    config = trial.config
    assert isinstance(config, GradientConfig)
    extent = config.budget.position(steps=summary.steps, epochs=summary.epochs)
    budget = config.budget.model_copy(update={config.budget.unit: round(extent)})
    # What is kept is no part of the key, nor is the budget's extent.
    longer = config.model_copy(update={"budget": budget, "goal": None, "keep": Keep(at=(kept_at,))})
    return trial.model_copy(update={"config": longer})


def table_of(study: Study, wants: Iterable[Wanted], records: "Mapping[str, WorkRecord]") -> "pd.DataFrame":
    """What is known of each assessment, a row each: arm, cell, seed, trial, assessment, step, key, stage, why, run_id,
    seconds, device and a column a metric. records: of the assessments
    """
    import pandas as pd

    metrics = dict.fromkeys(metric for each in study.assessments for metric in each.metrics)
    columns = ["arm", "cell", "seed", "trial", "assessment", "step", "key", "stage", "why", "run_id", "seconds"]
    rows = [_row(each, records.get(each.work.key) if each.work is not None else None) for each in wants]
    return pd.DataFrame(rows).reindex(columns=[*columns, "device", *metrics])


def _row(want: Wanted, record: "WorkRecord | None") -> dict[str, Any]:
    row = {
        "arm": want.cell.arm,
        "cell": want.cell.name,
        "seed": want.seed,
        "trial": want.trial,
        "assessment": want.assessment.title,
        "step": math.nan if want.step is None else want.step,
        "key": want.work.key if want.work is not None else None,
        "stage": want.stage,
        "why": want.why,
    }
    if record is None:
        return row
    if record.summary is None or not record.summary.final:
        is_failed = record.failed_run is not None
        return row | ({"stage": Stage.FAILED, "why": record.reason, "run_id": record.run_id} if is_failed else {})
    found = {"stage": Stage.DONE, "why": "", "run_id": record.run_id, "seconds": record.summary.wall_seconds}
    device = record.place.device if record.place is not None else None
    return row | found | {"device": device} | {m: record.summary.final.get(m) for m in want.assessment.metrics}


def with_metrics(study: Study, trials: "pd.DataFrame", assessed: "pd.DataFrame") -> "pd.DataFrame":
    """The trials with the metrics of the assessments of their last networks, as final/TITLE_METRIC."""
    columns = {}
    for each in study.assessments:
        if each.network != "last":
            continue
        done = assessed[(assessed["assessment"] == each.title) & (assessed["stage"] == Stage.DONE)]
        by_trial = done.drop_duplicates("trial").set_index("trial")
        for metric in each.metrics:
            columns[f"final/{each.title}_{metric}"] = trials["key"].map(by_trial[metric]).astype(float)
    return trials.assign(**columns)
