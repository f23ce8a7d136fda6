"""One trial by itself: `python -m trainables trial.yaml`.

The file holds `seed` and the settings of a trial, exactly what a snapshot's config.yaml holds. The trial goes on from
its latest snapshot if there is one. Nothing is needed but torch, numpy, pydantic, PyYAML, safetensors and what the
chosen data set reads its files with.
"""

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from trainables.data.place import DataError
from trainables.gradient_config import GradientConfig
from trainables.interrupts import deferred_interrupts
from trainables.reading import read_yaml
from trainables.records import End, Evaluation, Snapshot, Waiting, WorkFolder, ending
from trainables.snapshot_requests import snapshot_requests
from trainables.trial import Trial
from trainables.validation import ValidationErrors, validate
from trainables.work import Work, WorkConfig

_LINE_EVERY_S = 1.0


def read_work(path: Path) -> Work:
    """Raises:
    ValidationErrors: all that is wrong with the file.
    """
    document = read_yaml(path)
    content = document.content if isinstance(document.content, dict) else {}
    seed = {"seed": content["seed"]} if "seed" in content else {}
    trial = {"config": {name: value for name, value in content.items() if name != "seed"}, **seed}
    lines = {path if path[:1] == ("seed",) else ("config", *path): line for path, line in document.lines.items()}
    try:
        kind = Work if "assessment" in content else Trial
        return validate(kind, trial, source=document.source, lines=lines)
    except ValidationErrors as found:
        problems = [replace(each, path=each.path[each.path[:1] == ("config",) :]) for each in found.problems]
        raise ValidationErrors(found.source, problems) from None


def main() -> int:
    arguments = _arguments()
    try:
        trial = read_work(arguments.trial)
        for data in trial.config.data_sets:
            data.require()
        _check_content(trial.config)
        # Not above: torch takes seconds to import, and a problem is told without it.
        import torch

        if arguments.device == "cuda" and not torch.cuda.is_available():
            return _refuse("--device cuda: torch finds no CUDA device here")
        # Now, not at the first snapshot a minute later.
        arguments.out.mkdir(parents=True, exist_ok=True)
        return _run(trial, WorkFolder(arguments.out, trial.key), arguments)
    except (ValidationErrors, DataError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename or arguments.out}: {error.strerror or error}")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _check_content(config: WorkConfig) -> None:
    if isinstance(config, GradientConfig) and (found := config.data.inspect()) is not None:
        for warning in found.warnings(batch_size=config.batch_size, shuffle=config.shuffle):
            print(f"Warning: {config.data.title}: {warning}", file=sys.stderr)


def _run(trial: Work, folder: WorkFolder, arguments: argparse.Namespace) -> int:
    from trainables.run import How, WorkRun

    before = folder.latest(_tell)
    going_on = f", going on after step {before.summary().steps:,}" if before is not None else ""
    print(f"trial {trial.key}, seed {trial.seed}, on {arguments.device}{going_on}", flush=True)
    how = How(
        device=arguments.device,
        num_threads=arguments.threads,
        checkpoint_every_s=arguments.checkpoint_every,
        snapshot_asked=snapshot_requests(),
        say=_tell,
    )
    evaluations = WorkRun(trial, folder, how)
    printed = -_LINE_EVERY_S
    with deferred_interrupts(_announce_stop) as stopped_by:
        for evaluation in evaluations:
            if isinstance(evaluation, Waiting):
                print(f"{evaluation.reason}: the snapshot is tried again", file=sys.stderr)
            elif time.monotonic() - printed >= _LINE_EVERY_S:
                print(_line(evaluation), flush=True)
                printed = time.monotonic()
            if stopped_by():
                evaluations.close()
                break
    latest = folder.latest(_tell)
    if latest is None:
        _tell(f"{folder.path}: nothing whole is left of what was written there: is the disk sound?")
        return 1
    print(_closing(trial, latest), flush=True)
    unfinished = ending(trial.config, latest.summary()) is None
    return 128 + stopped_by() if unfinished else 0


def _announce_stop() -> None:
    print("stopping at the next evaluation; once more stops at once, losing what is not saved", file=sys.stderr)


def _line(evaluation: Evaluation) -> str:
    values = "  ".join(f"{name} {value:.4g}" for name, value in evaluation.values.items())
    return f"epoch {evaluation.epochs:,g}  step {evaluation.steps:,}  {values}"


def _closing(trial: Work, latest: Snapshot) -> str:
    summary = latest.summary()
    match ending(trial.config, summary):
        case End.GOAL:
            outcome = f"reached its goal, {trial.config.goal}"
        case End.BUDGET:
            missed = f" without reaching its goal, {trial.config.goal}" if trial.config.goal is not None else ""
            outcome = f"came to the end of its budget{missed}"
        case End.DIVERGED:
            outcome = f"diverged: the loss was not finite at step {summary.diverged_at:,}"
        case None:
            outcome = "stopped, and goes on from here when run again"
    values = summary.final or summary.last
    width = max(map(len, values), default=0)
    return "\n".join(
        [
            f"{outcome}: {summary.epochs:,g} epochs, {summary.steps:,} steps, {summary.seconds:.1f} s of training,"
            f" {summary.wall_seconds:.1f} s in all",
            *(f"  {name:{width}}  {value:.6g}" for name, value in values.items()),
            f"curves: {latest.curves_path}",
        ]
    )


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _refuse(message: str) -> int:
    _tell(message)
    return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trainables", description="Runs one trial by itself.")
    parser.add_argument("trial", type=Path, metavar="TRIAL.yaml", help="seed and settings, as in a snapshot's config")
    parser.add_argument("--out", type=Path, default=Path("trials"), metavar="DIR", help="default: ./trials")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=_positive_int, default=1, metavar="N", help="on a CPU; default: 1")
    parser.add_argument(
        "--checkpoint-every",
        type=_seconds,
        default=60.0,
        metavar="S",
        help="seconds from one snapshot to the next, which are taken at evaluations; default: 60",
    )
    return parser.parse_args()


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {text!r}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
