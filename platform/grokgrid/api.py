"""The verbs: what the command line does, as functions.

Each takes a study as a Study, as the name of one in the library, or as the path of a YAML file.
"""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from grokgrid import home
from grokgrid.engine.interface import Engine
from grokgrid.planning import Need, Plan, make_plan
from grokgrid.tracking import AnswerRun, Tracking, TrackingAway
from search_spaces import Study, read_study, to_yaml
from trainables.data.place import check_present

if TYPE_CHECKING:
    import pandas as pd

    from grokgrid.analyses import Answer
    from grokgrid.view import View

MakeEngine = Callable[[], AbstractContextManager[Engine]]


@dataclass(frozen=True)
class Report:
    """An answer, and where it lies as a page."""

    answer: "Answer"
    view: "View"
    path: Path


def plan(study: Study | str | Path) -> Plan:
    """What would run: nothing starts, and no database is created."""
    return make_plan(_study(study), Tracking())


def load(study: Study | str | Path) -> "pd.DataFrame":
    """The study's trials as they stand, one row a cell and seed, with their final measurements."""
    return view(study).trials


def view(study: Study | str | Path) -> "View":
    """The study's trials and their curves as they stand."""
    from grokgrid.view import load_view

    return load_view(_study(study), Tracking())


def report(study: Study | str | Path, *, folder: Path | None = None) -> Report:
    """The answer from what MLflow has now, also of a study still running; written to `folder`, by default under
    grokgrid's home.
    """
    return _report(view(study), folder)


def run(
    study: Study | str | Path,
    *,
    engine: MakeEngine | None = None,
    device: str = "cpu",
    num_threads: int = 1,
    checkpoint_every_s: float = 60.0,
    retry_failed: bool = False,
    data_is_here: bool = True,
    folder: Path | None = None,
    console: Console | None = None,
) -> Report:
    """Runs what is missing and answers. A trial that is done, whichever study asked for it, is not run again.

    engine        makes the engine, if there is anything to run: by default Ray on this machine
    data_is_here  whether trials run where this does, so that missing data is noticed before anything starts
    console       where progress is shown

    Raises:
        Mistakes: the study is wrong; nothing was started.
        DataError: its data is missing; nothing was started.
        TrackingError, TrackingAway: MLflow cannot be used, or was away for an hour.
    """
    from grokgrid.progress import Progress
    from grokgrid.running import Driver, How

    study, console = _study(study), console or Console(stderr=True)
    tracking = Tracking()
    tracking.connect()
    tracking.clean_up()
    planned = make_plan(study, tracking)
    failed = planned.num(Need.LEAVE) if retry_failed else 0
    if planned.num(Need.START) + planned.num(Need.CONTINUE) + planned.num(Need.ELSEWHERE) + failed == 0:
        return _answer(study, tracking, folder)

    if data_is_here:
        for config in {cell.config.data for cell in study.cells}:
            check_present(config)
    storage = home.storage_root()
    storage.mkdir(parents=True, exist_ok=True)
    how = How(
        storage=storage,
        device=device,
        num_threads=num_threads,
        checkpoint_every_s=checkpoint_every_s,
        retry_failed=retry_failed,
    )
    answer_run = tracking.open_answer(study.name, digest(study))
    try:
        with (engine or _ray)() as running, Progress(study, running.num_slots, console) as progress:
            Driver(study, running, tracking, answer_run, progress, how).run()
        return _answer(study, tracking, folder, answer_run)
    except BaseException:
        with suppress(TrackingAway):
            answer_run.abandon()
        raise


def digest(study: Study) -> str:
    """Tells versions of a study apart that share a name."""
    return hashlib.sha256(to_yaml(study).encode()).hexdigest()[:32]


def _answer(study: Study, tracking: Tracking, folder: Path | None, answer_run: AnswerRun | None = None) -> Report:
    """The answer, kept as a run in the study's experiment unless nothing has changed since the last one."""
    from grokgrid.view import load_view

    report = _report(load_view(study, tracking), folder)
    over = report.view.over
    if answer_run is None:
        last = tracking.last_answer(study.name, digest(study))
        if last is not None and set(last.keys()["run_id"]) == set(over["run_id"]):
            return report
        answer_run = tracking.open_answer(study.name, digest(study))
    answer_run.finish(
        study_yaml=to_yaml(study),
        keys=over[["cell", "seed", "key", "run_id"]],
        tables=report.answer.tables,
        files=sorted(path for path in report.path.parent.iterdir() if path.is_file()),
        metrics=report.answer.metrics,
    )
    return report


def _report(view: "View", folder: Path | None) -> Report:
    from grokgrid.analyses import answer
    from grokgrid.report import files, html

    if folder is None:
        folder = home.home() / "reports" / view.study.name / digest(view.study)[:8]
    folder.mkdir(parents=True, exist_ok=True)
    answered = answer(view)
    files.write(answered, folder)
    return Report(answered, view, html.write(answered, folder))


def _study(study: Study | str | Path) -> Study:
    return study if isinstance(study, Study) else read_study(study)


def _ray() -> AbstractContextManager[Engine]:
    from grokgrid.engine.ray import RayEngine

    return RayEngine()
