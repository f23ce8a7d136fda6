"""The verbs: what the command line does, as functions.

Each takes a study as a Study, as the name of one in the library, or as the path of a YAML file.
"""

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from grokgrid import home
from grokgrid.assessments import Stage, seconds_left, stages_of, without_networks
from grokgrid.checks import check_before_start, check_device, check_home
from grokgrid.engine.interface import Engine, EngineError
from grokgrid.planning import Need, Plan, make_plan, need_of
from grokgrid.provenance import provenance
from grokgrid.results import Results, State, load_results
from grokgrid.study_checks import check_study
from grokgrid.tracking import ReportRun, Tracking, TrackingAway, TrackingError, TrackingRefused
from search_spaces import Study, digest, pinned, read_study, to_yaml
from trainables.data.place import DataError
from trainables.trial import Trial
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import pandas as pd

    from grokgrid.analyses import Report
    from grokgrid.exchange import Imported
    from grokgrid.search.searching import Searched
    from grokgrid.sources import Source
    from trainables.timing import Timing

MakeEngine = Callable[[], AbstractContextManager[Engine]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Submitted:
    """A job that a cluster has taken, and the settings that went along with it. warnings: about its data."""

    job_id: str
    address: str
    settings: Mapping[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyReport:
    """A report, where it lies as a page, and all files that were written of it; of a search also how that went."""

    content: "Report"
    results: Results
    path: Path
    files: tuple[Path, ...]
    searched: "Searched | None" = None


def plan(study: Study | str | Path, *, timed: bool = False) -> Plan:
    """What would run: nothing starts, and no database is created. The study's plugins and data are checked as `run`
    checks them.

    timed: trains for a second in each cell that is like none that has been run, to estimate how long it takes.

    Raises:
        ValidationErrors: the study is wrong, or a plugin in it.
        DataError: the content of its data is.
    """
    study = pinned(_study(study))
    check_home()
    checked = check_study(study, is_needed=False, calls_functions=True)
    trial_s = partial(_trial_s, device=_device_of(study)) if timed else None
    made = make_plan(study, Tracking(), data_digests=checked.digests, trial_s=trial_s)
    if study.assessments:
        found = load_results(study, Tracking())
        example_s = partial(_example_s, device=_device_of(study)) if timed else lambda trial: None
        made = replace(made, assessments=stages_of(found), assess_s=seconds_left(found, example_s))
    return replace(made, warnings=checked.warnings, not_yet=tuple(dict.fromkeys(_not_yet(study, _device_of(study)))))


def load(study: Study | str | Path) -> "pd.DataFrame":
    """The study's trials as they stand, one row a cell and seed, with their final measurements."""
    return results(study).trials


def results(study: Study | str | Path) -> Results:
    """The study's trials and their curves as they stand."""
    found = _study(study)
    check_home()
    return load_results(found, Tracking())


def report(study: Study | str | Path, *, folder: Path | None = None) -> StudyReport:
    """The report from what MLflow has now, also of a study still running; written to `folder`, there with
    figures as PDF, too; by default under grokgrid's home.

    Raises:
        ValidationErrors: nothing of it has been run.
    """
    return _report(_begun(study), folder)


def gallery(studies: Sequence[Study | str | Path], path: Path) -> tuple[Path, ...]:
    """A page of several studies from what MLflow has now, in Markdown, and the folder of its pictures beside it: of
    each study its statements with verdicts, its pictures, what it cost, and what its paper says that it cost.

    Raises:
        ValidationErrors: nothing of one of them has been run.
    """
    from grokgrid.analyses import make_report
    from grokgrid.report.gallery import Shown, write
    from search_spaces.library import PUBLISHED_COSTS

    read = [(_study(study), study.name if isinstance(study, Study) else str(study)) for study in studies]
    begun = [(_begun(study), named) for study, named in read]
    return tuple(write([Shown(make_report(found), found, named) for found, named in begun], path, PUBLISHED_COSTS))


def export(study: Study | str | Path, folder: Path) -> int:
    """Writes the study's trials, with all their evaluations and tables but without checkpoints and kept networks, to a
    new folder that `import_trials` reads; returns how many there are.
    """
    from grokgrid import exchange

    found = _begun(study)
    assert found.trial_results is not None
    return exchange.export(found.study, found.trial_results, folder, Tracking())


def import_trials(folder: Path) -> "Imported":
    """Records the trials of an export, or of a folder that `python -m trainables` wrote.

    Raises:
        ValidationErrors: it is neither, or a trial in it is not what it says it is; nothing was recorded.
    """
    from grokgrid import exchange

    check_home(to_write=True)
    return exchange.import_trials(folder, Tracking())


def run(
    study: Study | str | Path,
    *,
    engine: MakeEngine | None = None,
    device: str | None = None,
    num_threads: int = 1,
    checkpoint_every_s: float = 60.0,
    retry_failed: bool = False,
    train_again: bool = False,
    runs_here: bool = True,
    folder: Path | None = None,
    console: Console | None = None,
) -> StudyReport:
    """Runs what is missing and reports. A trial that is done, whichever study asked for it, is not run again.

    train_again   whether a trial is trained once more where its network was not kept and an assessment needs it
    engine        makes the engine, if there is anything to run: by default Ray on this machine
    device        what trials train on: by default "cuda" if the study gives them (a share of) a GPU, else "cpu"
    runs_here     whether trials run where this does, so that missing data or devices are noticed before anything starts
    console       where progress is shown

    Raises:
        ValidationErrors: the study is wrong, or a plugin in it; nothing was started.
        DataError: its data is missing; nothing was started.
        EngineError: the engine or the device cannot be had; nothing was started.
        TrackingError, TrackingAway: MLflow cannot be used, or was away for an hour.
        AwayForGood: disks or limits of this machine stopped the run for an hour.
        EngineGone: the engine broke down again and again, or its cluster did; run it again to go on.
        KeyboardInterrupt: upon SIGINT, SIGTERM or SIGHUP; run it again to go on.
    """
    from grokgrid.sources import WholeStudy

    study = pinned(_study(study))
    run = _Run(study, engine, device, num_threads, checkpoint_every_s, retry_failed, runs_here, folder, console)
    needs = make_plan(study, run.tracking, retry_failed=retry_failed).needs
    is_settled = not set(needs) - {Need.NOTHING, Need.LEAVE}
    again = without_networks(load_results(study, run.tracking)) if train_again and study.assessments else {}
    run.train_again({key: run_id for key, (_, run_id) in again.items()})

    def make_report() -> StudyReport:
        return _report(load_results(study, run.tracking), folder)

    if is_settled:
        report = make_report()
        is_settled = not (_left_to_assess(report.results, retry_failed=retry_failed) or again)
        if is_settled and _is_reported(report, run.tracking, digest(study)):
            return report
        # Only reading their curves shows that trials are damaged, and have to be run again.
        is_settled &= State.MISSING not in set(report.results.trials["state"])
    return run.reported(None if is_settled else WholeStudy(study, run.tracking, again), digest(study), make_report)


def optimise(
    study: Study | str | Path,
    *,
    engine: MakeEngine | None = None,
    device: str | None = None,
    num_threads: int = 1,
    checkpoint_every_s: float = 60.0,
    retry_failed: bool = False,
    runs_here: bool = True,
    folder: Path | None = None,
    console: Console | None = None,
) -> StudyReport:
    """Searches for the best settings as the study's `search` says, then holds the best against the baseline on the
    study's own seeds, which had no part in the choice. A trial that is done, whichever study asked for it, is not run
    again, and a search that was stopped goes on.

    Arguments and errors are those of `run`; the report's results are those of the claim.
    """
    from grokgrid.search.proposals import Proposals
    from grokgrid.search.searching import Searching, search_digest
    from grokgrid.sources import FoundFirst, Outcome

    study = pinned(_study(study))
    _check_search(study)
    assert study.search is not None
    run = _Run(study, engine, device, num_threads, checkpoint_every_s, retry_failed, runs_here, folder, console)
    version = search_digest(study)
    proposals = Proposals(study.search, f"{study.name}-{version[:8]}", home.optuna_storage())
    searching = Searching(study, run.tracking, proposals, retry_failed=retry_failed)
    # What is done already is found out without an engine.
    first = searching.more(Outcome(), 1)
    records = run.tracking.find(asked.work.key for asked in first)
    needs = {need_of(asked.work, records.get(asked.work.key), retry_failed=retry_failed) for asked in first}

    def make_report() -> StudyReport:
        return _search_report(searching.searched(), run.tracking, folder)

    is_settled = not needs - {Need.NOTHING, Need.LEAVE}
    if is_settled and _is_reported(report := make_report(), run.tracking, f"search-{version}"):
        return report
    source = None if is_settled else FoundFirst(first, searching)
    return run.reported(source, f"search-{version}", make_report, searching.status)


def submit(
    study: Study | str | Path,
    address: str,
    *,
    optimise: bool = False,
    num_slots: int | None = None,
    num_cpus_per_trial: float | None = None,
    num_gpus_per_trial: float | None = None,
    num_threads: int = 1,
    checkpoint_every_s: float = 60.0,
    retry_failed: bool = False,
    train_again: bool = False,
) -> Submitted:
    """Hands a study to the job server of a running Ray cluster, http://HEAD:8265, and returns once that has it. With it
    go the files that it names, this grokgrid, and the settings of `grokgrid.bundle.TRAVELS`.

    optimise    search for the best settings, as `optimise` does, in the place of `run`
    The other arguments are those of `run` and of the Ray engine; None leaves it to the study.

    Raises:
        ValidationErrors: the study is wrong, or a password would be shown to all who see the dashboard; nothing was
        sent. DataError: a file that the study names is missing, or is not what it declares; nothing was sent.
        EngineError: the job server cannot be reached, or refuses.
    """
    study = _study(study)
    if optimise:
        _check_search(study)
    options = {
        "--slots": num_slots,
        "--cpus": num_cpus_per_trial,
        "--gpus": num_gpus_per_trial,
        "--threads": num_threads,
        "--checkpoint-every": checkpoint_every_s,
    }
    given = [text for option, value in options.items() if value is not None for text in (option, str(value))]
    if retry_failed:
        given.append("--retry-failed")
    if train_again and not optimise:
        given.append("--train-again")
    return _submit("optimise" if optimise else "run", study, address, given)


def submit_doctor(study: Study | str | Path | None, address: str) -> Submitted:
    """Has a cluster examine itself, with the study's data and by the settings that would travel with the study."""
    return _submit("doctor", _study(study) if study is not None else None, address, [])


def _submit(verb: str, study: Study | None, address: str, options: Sequence[str]) -> Submitted:
    from grokgrid import bundle
    from grokgrid.engine.jobs import Jobs

    warnings: tuple[str, ...] = ()
    if study is not None:
        study = pinned(study)
        warnings = check_study(study, is_needed=True, calls_functions=False).warnings
    settings = bundle.settings()
    jobs = Jobs(address)
    name = study.name if study is not None and verb != "doctor" else verb
    # Two jobs of a study may be submitted within a second.
    job_id = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    command = ["python", "-m", "grokgrid", verb, *([bundle.STUDY_FILE] if study is not None else [])]
    with tempfile.TemporaryDirectory(prefix="grokgrid-bundle-") as folder:
        bundle.write_code(Path(folder))
        if study is not None:
            bundle.write_study(study, Path(folder))
        jobs.submit(job_id, [*command, "--address", "auto", *options], folder=Path(folder), env=settings, study=name)
    return Submitted(job_id, address, settings, warnings)


class _Run:
    """What `run` and `optimise` share: MLflow is there, and the report's folder, before anything starts."""

    def __init__(
        self,
        study: Study,
        engine: MakeEngine | None,
        device: str | None,
        num_threads: int,
        checkpoint_every_s: float,
        retry_failed: bool,
        runs_here: bool,
        folder: Path | None,
        console: Console | None,
    ) -> None:
        from grokgrid.running import How, remove_abandoned

        self._study, self._engine, self._runs_here = study, engine or _ray(study), runs_here
        self._console = console or Console(stderr=True)
        if folder is not None:
            # In time: a report that cannot be written is noticed before anything runs.
            folder.mkdir(parents=True, exist_ok=True)
        self._how = How(
            storage=home.storage_root(),
            device=device or _device_of(study),
            num_threads=num_threads,
            checkpoint_every_s=checkpoint_every_s,
            retry_failed=retry_failed,
            keep_checkpoints=study.keep_checkpoints,
        )
        check_home()
        self.tracking = Tracking()
        self.tracking.connect()
        self.tracking.clean_up()
        remove_abandoned(self._how.storage, home.storage_days())

    def train_again(self, run_ids: Mapping[str, str]) -> None:
        """run_ids: of the records that are not enough, by key"""
        self._how = replace(self._how, not_enough=run_ids)

    def reported(
        self,
        source: "Source | None",
        study_digest: str,
        make_report: Callable[[], StudyReport],
        status: Callable[[], str] | None = None,
    ) -> StudyReport:
        """Runs what the source has, if there is one, and keeps the report. status: of a search, for progress."""
        from grokgrid.progress import Progress
        from grokgrid.running import Driver

        if source is not None:
            check_before_start(self.tracking, searches=status is not None)
            self._check()
        name, console = self._study.name, self._console
        report_run = self.tracking.open_report(name, study_digest, provenance(), note=self._study.question)
        try:
            if source is not None:
                self._how.storage.mkdir(parents=True, exist_ok=True)
                with self._engine() as engine, Progress(name, engine.num_slots, console, status=status) as progress:
                    Driver(source, engine, self.tracking, report_run, progress, self._how).run()
            report = _patiently(make_report, console)
            labelled = _patiently(lambda: _label(report.results, self.tracking), console)
            _patiently(lambda: _keep(replace(report, results=labelled), self._study, report_run), console)
            return report
        except BaseException:
            with suppress(TrackingAway, TrackingRefused, OSError):
                report_run.abandon()
            raise

    def _check(self) -> None:
        if self._runs_here:
            for data in self._study.data_sets:
                data.require()
            check_device(self._how.device)
        checked = check_study(self._study, is_needed=self._runs_here, calls_functions=self._runs_here)
        self._how = replace(self._how, data_digests=checked.digests)
        for warning in checked.warnings:
            self._console.print(f"Warning: {warning}", markup=False, soft_wrap=True)


def _trial_s(trial: Trial, *, device: str) -> float | None:
    """How long it takes here; None where that cannot be found out: `_not_yet` says why."""
    from trainables.gradient_config import GradientConfig

    timing = _timing(trial, device)
    return timing.trial_s(trial.config) if timing is not None and isinstance(trial.config, GradientConfig) else None


def _example_s(trial: Trial, *, device: str) -> float | None:
    """How long a forward and a backward pass for one example take here."""
    timing = _timing(trial, device)
    return timing.example_s if timing is not None else None


def _timing(trial: Trial, device: str) -> "Timing | None":
    from trainables.gradient_config import GradientConfig
    from trainables.timing import timed

    if not isinstance(trial.config, GradientConfig):
        return None
    try:
        check_device(device)
        return timed(trial, device)
    except (DataError, EngineError):
        return None


def _device_of(study: Study) -> str:
    return "cuda" if study.resources.gpus else "cpu"


def _not_yet(study: Study, device: str) -> Iterator[str]:
    """What `run` would refuse here, and may be well where the study is to run."""
    for data in study.data_sets:
        try:
            data.require()
        except DataError as error:
            yield str(error)
    try:
        check_device(device)
    except EngineError as error:
        yield str(error)


def _check_search(study: Study) -> None:
    if study.search is None:
        wrong = "is missing: it says which settings to search. `grokgrid show lambda-ce-small` has one to copy"
        raise ValidationErrors(study.name, [Problem(("search",), wrong)])


def _begun(study: Study | str | Path) -> Results:
    found = results(study)
    if set(found.trials["state"]) == {State.MISSING}:
        wrong = f"none of its {len(found.trials)} trials has been run yet: `grokgrid run` runs them"
        raise ValidationErrors(found.study.name, [Problem((), wrong)])
    return found


def _is_reported(report: StudyReport, tracking: Tracking, study_digest: str) -> bool:
    """Whether the last report rests on the very same runs."""
    last = tracking.last_report(report.results.study.name, study_digest)
    if last is None:
        return False
    try:
        return set(last.keys()["run_id"]) == set(_rests_on(report)["run_id"])
    except TrackingError:
        return False  # Its files are damaged: another one takes its place.


def _left_to_assess(results: Results, *, retry_failed: bool) -> bool:
    if results.assessments is None:
        return False
    left = {Stage.TO_DO, *([Stage.FAILED] if retry_failed else [])}
    return bool(left & set(results.assessments["stage"]))


def _rests_on(report: StudyReport) -> "pd.DataFrame":
    """The trials behind a report: cell, seed, key, run_id."""
    import pandas as pd

    trials = report.results.over[["cell", "seed", "key", "run_id"]]
    if report.results.assessments is not None:
        done = report.results.assessments[report.results.assessments["stage"] == Stage.DONE]
        trials = pd.concat([trials, done[trials.columns]], ignore_index=True)
    if report.searched is None:
        return trials
    return pd.concat([trials, report.searched.trials[trials.columns]], ignore_index=True)


def _keep(report: StudyReport, study: Study, report_run: ReportRun) -> None:
    """The report as a run in the study's experiment."""
    assert report.results.trial_results is not None
    report_run.finish(
        study_yaml=to_yaml(study),
        keys=_rests_on(report),
        tables=report.content.tables,
        files=report.files,
        metrics=report.content.metrics,
        trial_results=report.results.trial_results,
        headline=report.content.headline,
    )


def _label(results: Results, tracking: Tracking) -> Results:
    """Notes in the runs of all work that the study asked for it, also of what others have run."""
    from grokgrid.sources import label_of

    assert results.trial_results is not None
    study, records = results.study, dict(results.trial_results.records)
    cells = {cell.name: cell for cell in study.cells}
    asked = [[*place, "trial"] for place in results.trials[["key", "cell", "seed"]].values.tolist()]
    if results.assessments is not None:
        asked += results.assessments[["key", "cell", "seed", "assessment"]].values.tolist()
    for key, cell, seed, work in asked:
        if key in records:
            records[key] = tracking.label(records[key], label_of(study, cells[cell], seed, work))
    return replace(results, trial_results=replace(results.trial_results, records=records))


def _patiently(call: Callable[[], Result], console: Console) -> Result:
    """The trials are trained and kept: their report can wait for MLflow as the training did."""
    from grokgrid import patience

    away_since: float | None = None
    while True:
        try:
            return call()
        except Exception as error:
            if (why := patience.why_away(error, home.home())) is None:
                raise
            if away_since is None:
                console.print(f"{why}. The report waits for it.", markup=False, soft_wrap=True)
            away_since = away_since or time.monotonic()
            if patience.is_for_good(away_since):
                patience.give_up(error, why)
            time.sleep(patience.AWAY_RETRIED_EVERY_S)


def _report(results: Results, folder: Path | None) -> StudyReport:
    from grokgrid.analyses import make_report

    return _written(make_report(results), results, folder, digest(results.study)[:8])


def _search_report(searched: "Searched", tracking: Tracking, folder: Path | None) -> StudyReport:
    from grokgrid.analyses.searches import search_report
    from grokgrid.search.searching import search_digest

    results = load_results(searched.claim, tracking)
    version = f"search-{search_digest(searched.study)[:8]}"
    return _written(search_report(searched, results), results, folder, version, searched)


def _written(
    report: "Report", results: Results, folder: Path | None, version: str, searched: "Searched | None" = None
) -> StudyReport:
    """Who names a folder takes the files elsewhere, into a paper perhaps."""
    from grokgrid.report import figures, files, html

    place = folder or home.home() / "reports" / results.study.name / version
    place.mkdir(parents=True, exist_ok=True)
    report, drawn = figures.write(report, place, with_pdf=folder is not None)
    written = files.write(report, place)
    page = html.write(report, place)
    return StudyReport(report, results, page, (*written, *drawn, page), searched)


def _study(study: Study | str | Path) -> Study:
    if isinstance(study, Study):
        return study
    if isinstance(study, str | Path):
        return read_study(study)
    raise TypeError(f"study: {study!r}; a Study, the name of one in the library or the path of a .yaml file is allowed")


def _ray(study: Study) -> MakeEngine:
    def make() -> AbstractContextManager[Engine]:
        from grokgrid.engine.supervised import ray_engine

        return ray_engine(num_cpus_per_trial=study.resources.cpus, num_gpus_per_trial=study.resources.gpus)

    return make
