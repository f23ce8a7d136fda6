"""The commands that speak to a Ray cluster: submit, status, logs, cancel and doctor."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

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
    TrainAgainOption,
    errors,
    find_study,
    new_console,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grokgrid.engine.jobs import Job

app = typer.Typer()

JobAddressOption = Annotated[
    str,
    typer.Option(
        "--address", envvar=["GROKGRID_ADDRESS", "RAY_ADDRESS"], help="The cluster's job server: http://HEAD:8265."
    ),
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="As `grokgrid submit` named it.")]


@app.command()
def submit(
    study: StudyArgument,
    address: JobAddressOption,
    settings: SetOption = None,
    seeds: SeedsOption = None,
    arms: ArmsOption = None,
    optimise: Annotated[bool, typer.Option("--optimise", help="Search, as `grokgrid optimise` does.")] = False,
    slots: SlotsOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    threads: ThreadsOption = 1,
    checkpoint_every: CheckpointOption = 60.0,
    retry_failed: RetryOption = False,
    train_again: TrainAgainOption = False,
) -> None:
    """Hand a study to a running Ray cluster, and print the job's name. This machine may be switched off then.

    The study's own files and this grokgrid travel along. Exit code 2: nothing was submitted.
    """
    from grokgrid import api

    chosen = find_study(study, settings, seeds, arms)
    with errors():
        submitted = api.submit(
            chosen,
            address,
            optimise=optimise,
            num_slots=slots,
            num_cpus_per_trial=cpus,
            num_gpus_per_trial=gpus,
            num_threads=threads,
            checkpoint_every_s=checkpoint_every,
            retry_failed=retry_failed,
            train_again=train_again,
        )
    for warning in submitted.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    for line in _what_goes_where(submitted.settings):
        print(line, file=sys.stderr)
    print(f"To look on: grokgrid logs {submitted.job_id} --follow --address {address}", file=sys.stderr)
    print(submitted.job_id)


@app.command()
def status(address: JobAddressOption, job: Annotated[str | None, typer.Argument(metavar="[JOB]")] = None) -> None:
    """List the jobs of a cluster, or tell of one."""
    from rich.table import Table

    from grokgrid.engine.jobs import Jobs, JobState

    with errors():
        jobs = Jobs(address)
        found = jobs.all() if job is None else [jobs.find(job)]
    table = Table("job", "study", "state", "started", "took", box=None, pad_edge=False)
    for each in found:
        started = f"{each.started.astimezone():%Y-%m-%d %H:%M}" if each.started else ""
        table.add_row(each.id, each.study, each.state, started, _took(each))
    console = new_console()
    console.print(table)
    if job is not None and found[0].state is JobState.FAILED:
        console.print(found[0].message.strip(), markup=False, soft_wrap=True)


@app.command()
def logs(
    job: JobArgument,
    address: JobAddressOption,
    follow: Annotated[
        bool, typer.Option("--follow", help="Until it is over; Ctrl-C stops only the looking on.")
    ] = False,
) -> None:
    """Print what a job has printed.

    Exit code with --follow: 0 if the job succeeded, else 1.
    """
    from grokgrid.engine.jobs import Jobs, JobState

    with errors():
        jobs = Jobs(address)
        jobs.find(job)
        if not follow:
            sys.stdout.write(jobs.log(job))
            return
        try:
            for part in jobs.follow(job):
                sys.stdout.write(part)
                sys.stdout.flush()
        except KeyboardInterrupt:
            print(f"{job} goes on. To stop it: grokgrid cancel {job} --address {address}", file=sys.stderr)
            raise typer.Exit(130) from None
        state = jobs.find(job).state
    print(f"{job} {state}", file=sys.stderr)
    if state is not JobState.SUCCEEDED:
        raise typer.Exit(1)


@app.command()
def cancel(job: JobArgument, address: JobAddressOption) -> None:
    """Stop a job, as Ctrl-C would: what runs is saved. Submitting the study again goes on from there."""
    from grokgrid.engine.jobs import STOP_WAIT_S, Jobs

    with errors():
        jobs = Jobs(address)
        if not jobs.find(job).state.is_over:
            jobs.stop(job)
            print("stopping: running trials save a snapshot", file=sys.stderr)
        until = time.monotonic() + STOP_WAIT_S + 30
        while not (state := jobs.find(job).state).is_over and time.monotonic() < until:
            time.sleep(0.5)
    print(f"{job} {state}" if state.is_over else f"{job} does not stop; look at its log", file=sys.stderr)
    if not state.is_over:
        raise typer.Exit(1)


@app.command()
def doctor(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Its data must be there.")] = None,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="GROKGRID_ADDRESS",
            help="A cluster: http://HEAD:8265, from anywhere; on one of its machines also auto, or HOST:PORT.",
        ),
    ] = None,
) -> None:
    """Check a set-up, and say what to mend: a line a check, marked as well, noteworthy or wrong.

    Exit code 1: something is wrong.
    """
    chosen = find_study(study, None, None, None) if study is not None else None
    with errors():
        if address is not None and address.startswith(("http://", "https://")):
            from grokgrid import api
            from grokgrid.engine.jobs import Jobs, JobState

            submitted = api.submit_doctor(chosen, address)
            jobs = Jobs(address)
            for part in jobs.follow(submitted.job_id):
                sys.stdout.write(part)
                sys.stdout.flush()
            is_well = jobs.find(submitted.job_id).state is JobState.SUCCEEDED
        else:
            from grokgrid.doctor import Mark, examine

            is_well = True
            for finding in examine(chosen, address):
                print(finding, flush=True)
                is_well = is_well and finding.mark is not Mark.BAD
    if not is_well:
        raise typer.Exit(1)


def _what_goes_where(settings: "Mapping[str, str]") -> list[str]:
    """What is to be known before a machine is switched off: where the results will be."""
    uri = settings.get("MLFLOW_TRACKING_URI")
    if uri is None:
        mlflow = (
            "MLflow: the cluster's own MLFLOW_TRACKING_URI, for none is set here. Where it has none either, trials are"
            " kept in a file on its head, and are gone when that is"
        )
    elif uri.startswith("sqlite:"):
        mlflow = f"MLflow: {uri}, a file on the cluster's head, which is gone when that is. Give a server's address"
    else:
        mlflow = f"MLflow: {uri}"
    storage = settings.get("GROKGRID_STORAGE", "the cluster's own GROKGRID_STORAGE, for none is set here")
    return [mlflow, f"Storage: {storage}; every node has to see it"]


def _took(job: "Job") -> str:
    from datetime import UTC, datetime, timedelta

    if job.started is None:
        return ""
    return str(timedelta(seconds=round(((job.ended or datetime.now(UTC)) - job.started).total_seconds())))
