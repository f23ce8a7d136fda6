"""The command line. Imports stay inside the commands: `grokgrid --help` waits for none of them."""

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from grokgrid import cli_check, cli_cluster, cli_data, cli_options, environment
from grokgrid.cli_options import (
    ArmsOption,
    CheckpointOption,
    CpusOption,
    GpusOption,
    RetryOption,
    SeedsOption,
    SetOption,
    SlotsOption,
    StudyArgument,
    ThreadsOption,
    TimeOption,
    TrainAgainOption,
    errors,
    find_study,
    new_console,
    refuse,
)
from grokgrid.plurals import plural
from grokgrid.terminals import outlive_terminals

if TYPE_CHECKING:
    from grokgrid.api import StudyReport
    from grokgrid.planning import Plan
    from search_spaces import Study
    from trainables.trial import TrialConfig


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            # Typer leaves in it what pydantic puts before the messages of validators.
            error.message = error.message.replace("Value error, ", "")
            raise


app = typer.Typer(
    cls=_Commands,
    help="Does a regulariser really help? Runs methods x lambdas x seeds, keeps them in MLflow, and answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_check.app, name="check")
app.add_typer(cli_cluster.app)

OutOption = Annotated[
    Path | None,
    typer.Option("--out", file_okay=False, help="Folder for the report; its figures come as PDF there, too."),
]


class EngineName(StrEnum):
    RAY = "ray"
    INLINE = "inline"


EngineOption = Annotated[EngineName, typer.Option(help="ray, or inline: in this process, one trial at a time.")]
AddressOption = Annotated[str | None, typer.Option(help="A running Ray cluster: auto, HOST:PORT, or ray://HOST:PORT.")]


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@app.command("list")
def list_studies(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE.py]...", help="With --components: files with plugins.")
    ] = None,
    parts: Annotated[
        bool, typer.Option("--components", help="What a study's components can be, and their settings.")
    ] = False,
) -> None:
    """List the studies that ship with grokgrid; or the components, and the plugins in files, which are run for it."""
    from rich.table import Table

    if parts:
        _list_components(files or [])
        return
    if files:
        refuse(f"{files[0]}: give --components to list the plugins in it")
    from search_spaces.library import LIBRARY

    table = Table("study", "trials", "question", box=None, pad_edge=False)
    for make in LIBRARY.values():
        study = make()
        table.add_row(study.name, str(study.num_trials), study.question)
    new_console().print(table)


def _list_components(files: list[Path]) -> None:
    from itertools import groupby

    from rich.padding import Padding
    from rich.text import Text

    from trainables.plugins.listing import in_file, shipped

    with errors():
        found = [*shipped(), *(listed for file in files for listed in in_file(file))]
    console = new_console()
    for field, group in groupby(found, key=lambda listed: listed.field):
        console.print(Text(field, style="bold"))
        for listed in group:
            console.print(Padding(Text(f"{listed.name}  {listed.settings}"), (0, 0, 0, 2)))
            if listed.about:
                console.print(Padding(Text(listed.about, style="dim"), (0, 0, 0, 6)))
    console.print("Or a plugin, file.py:object or package.module:object: see docs/extending.md", markup=False)


@app.command()
def show(study: StudyArgument, settings: SetOption = None, seeds: SeedsOption = None, arms: ArmsOption = None) -> None:
    """Print a study as YAML: the template to copy and edit."""
    from search_spaces import to_yaml

    sys.stdout.write(to_yaml(find_study(study, settings, seeds, arms)))


def _how_long(made: "Plan", *, timed: bool) -> str:
    from datetime import timedelta

    from grokgrid.estimates import Pace

    if made.at_most_s is None:
        told = "How long it takes is not known before a trial of each cell has run"
        return f"{told}." if timed else f"{told}; --time estimates it."
    if not made.at_most_s:
        return ""
    limit = timedelta(seconds=round(made.at_most_s))
    less = " on one slot, less where trials reach their goal before the budget's end."
    if set(made.paces) <= {Pace.OWN}:
        return f"At most {limit}{less}"
    rests_on = "; ".join(f"{plural(num, 'cell')} by {pace}" for pace, num in made.paces.items())
    return f"An estimate: at most {limit}{less} It rests on: {rests_on}."


def _schedule_beside_budget(config: "TrialConfig") -> str | None:
    """Where a schedule is much longer or shorter than training is now; the budget may grow."""
    schedule, last, unit = getattr(config, "schedule", None), config.last_evaluation, config.budget.unit
    if schedule is None or (length := schedule.length) is None:
        return None
    if length.unit != unit or abs(length.extent - last) <= 0.1 * max(length.extent, last):
        return None
    return f"The {schedule.name} schedule has {length.extent:,} {unit}, and the last evaluation lies after {last:,}."


@app.command()
def plan(
    study: StudyArgument,
    settings: SetOption = None,
    seeds: SeedsOption = None,
    arms: ArmsOption = None,
    timed: TimeOption = False,
) -> None:
    """Tell what would run: trials, what is done already, estimated time. Nothing starts."""
    from rich.table import Table

    from grokgrid import api
    from grokgrid.planning import Need
    from trainables.data.place import DataError

    with errors():
        made = api.plan(find_study(study, settings, seeds, arms), timed=timed)
    used = [need for need in Need if need in made.needs]
    table = Table("cell", *(need.value for need in used), box=None, pad_edge=False)
    for cell, needs in made.cells.items():
        table.add_row(cell, *(str(needs.get(need, 0)) for need in used))
    config = made.study.cells[0].config
    budget, last = config.budget, config.last_evaluation
    console = new_console()
    console.print(table)
    evaluations = f" and {config.num_evaluations:,} evaluations" if config.num_evaluations is not None else ""
    num, without_seed = len(made.study.trials), [cell.name for cell in made.study.cells if not cell.config.draws]
    of_cells = (len(made.study.cells) - len(without_seed)) * len(made.study.seed_list) + len(without_seed)
    console.print(
        f"{plural(num, 'trial')}{', some of them shared by several cells,' if num < of_cells else ','} each of at most"
        f" {last:,} {budget.unit}{evaluations}."
    )
    if without_seed:
        named = f"{', '.join(without_seed[:5])}{' …' if len(without_seed) > 5 else ''}"
        console.print(f"Nothing is drawn in {named}: one trial stands for all seeds.", markup=False)
    if last < 0.9 * budget.extent:
        console.print(f"Of the {budget.extent:,} {budget.unit} given, the last evaluation lies after {last:,}.")
    said = dict.fromkeys(line for cell in made.study.cells if (line := _schedule_beside_budget(cell.config)))
    for data in made.study.data_sets:
        with suppress(DataError):
            data.require()
            if data.content_digest is not None:
                said[f"{data.title}, {data.content_digest}"] = None
    for line in said:
        console.print(line, markup=False, soft_wrap=True)
    for missing in made.not_yet:
        console.print(f"Not yet: {missing}", markup=False, soft_wrap=True)
    for warning in made.warnings:
        console.print(f"Warning: {warning}", markup=False, soft_wrap=True)
    for title, stages in made.assessments.items():
        told = ", ".join(f"{num} {stage}" for stage, num in stages.items())
        console.print(f"Assessment {title}: {told}", markup=False, soft_wrap=True)
    if made.assess_s is None:
        rest = "" if timed else "; --time estimates it"
        console.print(f"How long the assessments take is not known before one of each has been made{rest}.")
    elif made.assess_s:
        from datetime import timedelta

        limit = timedelta(seconds=round(made.assess_s))
        console.print(f"The assessments take about {limit} on one slot, an estimate.")
    if told := _how_long(made, timed=timed):
        console.print(told, soft_wrap=True)


@app.command()
def run(
    study: StudyArgument,
    settings: SetOption = None,
    seeds: SeedsOption = None,
    arms: ArmsOption = None,
    engine: EngineOption = EngineName.RAY,
    address: AddressOption = None,
    slots: SlotsOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    threads: ThreadsOption = 1,
    checkpoint_every: CheckpointOption = 60.0,
    retry_failed: RetryOption = False,
    train_again: TrainAgainOption = False,
    out: OutOption = None,
) -> None:
    """Run what is missing of a study, with live progress; end with the report.

    Exit code 0: every trial is over. 1: some failed or were lost, MLflow is away, or Ray broke down again and again.
    2: nothing was started. 130: stopped by Ctrl-C, SIGTERM or SIGHUP.
    """
    from grokgrid import api

    chosen = find_study(study, settings, seeds, arms)
    how = _how(chosen, engine, address, slots, cpus, gpus, threads, checkpoint_every, retry_failed, out)
    with errors():
        _tell_place_on(address)
        report = api.run(chosen, train_again=train_again, **how)
        _tell_place_and_show(report)
    if not report.results.is_complete:
        _say_what_is_missing(report)
        raise typer.Exit(1)


@app.command()
def optimise(
    study: StudyArgument,
    settings: SetOption = None,
    seeds: SeedsOption = None,
    arms: ArmsOption = None,
    engine: EngineOption = EngineName.RAY,
    address: AddressOption = None,
    slots: SlotsOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    threads: ThreadsOption = 1,
    checkpoint_every: CheckpointOption = 60.0,
    retry_failed: RetryOption = False,
    out: OutOption = None,
) -> None:
    """Find the best settings, as the study's `search` says, and hold them against the baseline on fresh seeds.

    More budget: --set search.budget.trials=200. Exit codes as of `run`.
    """
    from grokgrid import api

    chosen = find_study(study, settings, seeds, arms)
    if arms is not None and chosen.search is None and find_study(study, settings, seeds, None).search is not None:
        refuse(f"--arms {arms}: leaves out an arm of the search; it needs the one that it varies and the baseline")
    how = _how(chosen, engine, address, slots, cpus, gpus, threads, checkpoint_every, retry_failed, out)
    with errors():
        _tell_place_on(address)
        report = api.optimise(chosen, **how)
        _tell_place_and_show(report)
    assert report.searched is not None
    if not report.searched.is_over:
        print("The search is not over. Run it again for what is missing.", file=sys.stderr)
        raise typer.Exit(1)
    if report.searched.best and not report.results.is_complete:
        _say_what_is_missing(report)
        raise typer.Exit(1)


@app.command()
def report(
    study: StudyArgument,
    settings: SetOption = None,
    seeds: SeedsOption = None,
    arms: ArmsOption = None,
    out: OutOption = None,
) -> None:
    """Give the report again, from MLflow, at any time, also of a study still running."""
    from grokgrid import api

    with errors():
        _show(api.report(find_study(study, settings, seeds, arms), folder=out))


@app.command()
def gallery(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY", help="Studies of the library, or .yaml files.")],
    out: Annotated[Path, typer.Option("--out", dir_okay=False, help="The page to write, in Markdown.")],
) -> None:
    """Write a page of several studies: pictures, statements with verdicts, and costs."""
    from grokgrid import api

    if out.suffix != ".md":
        refuse(f"--out {out}: the page is Markdown; write {out.with_suffix('.md')}")
    if twice := [study for study in studies if studies.count(study) > 1]:
        refuse(f"{twice[0]}: is named twice; name it once")
    with errors():
        files = api.gallery(studies, out)
    print(f"{files[0]}, with {plural(len(files) - 1, 'picture')}")


@app.command()
def query(
    study: StudyArgument,
    settings: SetOption = None,
    seeds: SeedsOption = None,
    arms: ArmsOption = None,
    format: Annotated[Format, typer.Option(help="csv, json (one object a line) or parquet.")] = Format.CSV,
    curves: Annotated[bool, typer.Option("--curves", help="Every evaluation instead of a row a trial.")] = False,
    out: Annotated[Path | None, typer.Option("--out", dir_okay=False, help="File to write; Parquet needs one.")] = None,
) -> None:
    """Print the tidy table of a study's trials, or of their curves."""
    from grokgrid import api

    if format is Format.PARQUET and out is None:
        refuse("--format parquet needs a file: --out FILE")
    formats = {f".{each}": each for each in Format}
    if out is not None and formats.get(out.suffix, format) is not format:
        refuse(f"--out {out}: the name says {formats[out.suffix]}; add --format {formats[out.suffix]}")
    with errors():
        results = api.results(find_study(study, settings, seeds, arms))
        # Blanks would make a column of numbers with decimals of them.
        table = results.curves if curves else results.trials.astype({"steps": "Int64", "diverged_at": "Int64"})
        match format:
            case Format.CSV:
                table.to_csv(out or sys.stdout, index=False)
            case Format.JSON:
                table.to_json(out or sys.stdout, orient="records", lines=True)
            case Format.PARQUET:
                table.to_parquet(out, index=False)


@app.command()
def export(
    study: StudyArgument,
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    settings: SetOption = None,
    seeds: SeedsOption = None,
    arms: ArmsOption = None,
) -> None:
    """Write a study's trials to a folder: to publish, or for another MLflow. Checkpoints stay behind."""
    from grokgrid import api

    with errors():
        num = api.export(find_study(study, settings, seeds, arms), folder)
    print(f"{plural(num, 'trial')} written to {folder}")


@app.command("import")
def import_trials(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Of an export, or of trainables.")],
) -> None:
    """Record trials that were exported, or that `python -m trainables` has run."""
    from grokgrid import api

    with errors():
        done = api.import_trials(folder)
    print(f"{plural(done.num_new, 'trial')} imported, {done.num_known} were here already")


@app.callback()
def _for_all(
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error, too.")] = False,
) -> None:
    cli_options.debug = debug


_THREADS_END_S = 5.0


def main() -> None:
    """The `grokgrid` command."""
    environment.clean()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)
    outlive_terminals()
    arguments = sys.argv[1:]
    # Added to a command that has failed, it is written at the end.
    if "--debug" in arguments:
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    try:
        app(arguments, standalone_mode=True)
    except SystemExit as end:
        _end_in_time(end.code)
        raise
    except Exception as error:
        cli_options.stop(error)


def _end_in_time(code: object) -> None:
    """Python waits for threads that are no daemons before it ends: for one that a plugin has left, forever."""
    joined = threading.Event()
    atexit.register(joined.set)  # Called once no such thread is left, and before what was registered earlier.

    def end() -> None:
        if joined.wait(_THREADS_END_S):
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))

    threading.Thread(target=end, daemon=True).start()


def _how(
    study: "Study",
    engine: EngineName,
    address: str | None,
    slots: int | None,
    cpus: float | None,
    gpus: float | None,
    threads: int,
    checkpoint_every: float,
    retry_failed: bool,
    out: Path | None,
) -> dict[str, Any]:
    """The options as arguments of api.run and api.optimise."""
    num_gpus = study.resources.gpus if gpus is None else gpus
    if engine is EngineName.INLINE:
        for option, value in (("--address", address), ("--slots", slots), ("--cpus", cpus)):
            if value is not None:
                refuse(f"{option} {value}: the inline engine runs one trial at a time, here; leave one of the two out")

    def make_engine() -> Any:
        if engine is EngineName.INLINE:
            from grokgrid.engine import InlineEngine

            return InlineEngine()
        room: dict[str, Any] = {
            "num_cpus_per_trial": study.resources.cpus if cpus is None else cpus,
            "num_gpus_per_trial": num_gpus,
            "num_slots": slots,
        }
        if address is not None and address.startswith("ray://"):
            from grokgrid import home
            from grokgrid.engine.attached import AttachedEngine

            return AttachedEngine(address, storage=home.storage_root(), **room)
        from grokgrid.engine.supervised import ray_engine

        return ray_engine(address=address, **room)

    return {
        "engine": make_engine,
        "device": "cuda" if num_gpus else "cpu",
        "num_threads": threads,
        "checkpoint_every_s": checkpoint_every,
        "retry_failed": retry_failed,
        "runs_here": address is None,
        "folder": out,
    }


def _tell_place_on(address: str | None) -> None:
    """On a cluster, before anything runs: what stays on one machine is lost with it."""
    if address is None:
        return
    import socket

    from grokgrid import home
    from grokgrid.tracking import Tracking

    place = Tracking().place
    alone = (
        f", a file on {socket.gethostname()}: gone when that machine is, unless MLFLOW_TRACKING_URI names a server"
        if place.startswith("sqlite:")
        else ""
    )
    print(f"MLflow: {place}{alone}", file=sys.stderr)
    print(f"Storage: {home.storage_root()}; every node has to see it", file=sys.stderr)


def _tell_place_and_show(report: "StudyReport") -> None:
    from grokgrid.tracking import Tracking

    print(f"Trials and report are in MLflow at {Tracking().place}", file=sys.stderr)
    _show(report)


def _show(report: "StudyReport") -> None:
    from grokgrid.report import terminal

    terminal.show(report.content, new_console())
    # A line of its own, unwrapped: for eyes, for terminals that make links of it, and for scripts.
    print(report.path)


def _say_what_is_missing(report: "StudyReport") -> None:
    from collections import Counter

    states = Counter(str(state) for state in report.results.trials["state"].drop(report.results.over.index))
    told = ", ".join(f"{number} {state}" for state, number in states.items())
    again = "Run it again for what is missing, with --retry-failed for what failed"
    if states:
        print(
            f"{states.total()} of {len(report.results.trials)} trials are not over: {told}. {again}.", file=sys.stderr
        )
    if (left := report.results.num_not_assessed) and report.results.assessments is not None:
        told = ", ".join(f"{number} {stage}" for stage, number in left.items())
        of = f"{sum(left.values())} of {len(report.results.assessments)} assessments are not made: {told}"
        print(f"{of}. {again}, with --train-again where there is no network.", file=sys.stderr)


def _terminated(signum: int, frame: object) -> NoReturn:
    # Whoever ends a program this way often sends both, or one of them twice: the first one counts.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
