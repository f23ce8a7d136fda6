"""What the commands share: their options, the study that they name, and how they end."""

import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from grokgrid.environment import hidden

if TYPE_CHECKING:
    from search_spaces import Study


debug = False
"""Whether errors are printed with their tracebacks."""


def _number(kind: type[int] | type[float], *, least: float, help: str) -> Any:
    """An option. Typer's own check does not name the value that it refuses."""

    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if number >= least:
            return number
        from trainables.validation import shown

        wanted = "a whole number" if kind is int else "a number"
        raise typer.BadParameter(f"{shown(text)} is not allowed: it should be {wanted}, at least {least:g}")

    return typer.Option(parser=parse, metavar=f"<{kind.__name__}>", help=f"{help}  [x>={least:g}]")


StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A study of the library, or a .yaml file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a setting: trial.budget.epochs=2000.")
]
SeedsOption = Annotated[str | None, typer.Option("--seeds", help="A number of seeds, or a list: 3, or 0,4,7.")]
SeedOption = Annotated[int, _number(int, least=0, help="What is drawn by chance follows from it.")]
ArmsOption = Annotated[str | None, typer.Option("--arms", help="Some of the arms: baseline,jacobian.")]
TimeOption = Annotated[
    bool,
    typer.Option(
        "--time", help="Train for a second in each cell that is like none that has run, to estimate how long."
    ),
]
SlotsOption = Annotated[int | None, _number(int, least=1, help="Trials at a time; by default as many as fit.")]
CpusOption = Annotated[float | None, _number(float, least=0.01, help="CPUs a trial; by default the study's.")]
GpusOption = Annotated[float | None, _number(float, least=0, help="GPUs a trial, or a share of one.")]
ThreadsOption = Annotated[int, _number(int, least=1, help="Threads a trial computes on; changes float32 results.")]
CheckpointOption = Annotated[float, _number(float, least=0, help="Seconds between checkpoints.")]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again.")]
TrainAgainOption = Annotated[
    bool, typer.Option("--train-again", help="Train trials once more of which a network to be assessed was not kept.")
]


def find_study(study: str, settings: list[str] | None, seeds: str | None, arms: str | None) -> "Study":
    from search_spaces import narrow, read_study

    with errors():
        found = read_study(study)
        if settings is None and seeds is None and arms is None:
            return found
        return narrow(
            found,
            seeds=_seeds(seeds) if seeds is not None else None,
            arms=[arm.strip() for arm in arms.split(",")] if arms is not None else (),
            settings=settings or (),
        )


def _seeds(text: str) -> int | list[int]:
    from trainables.limits import MAX_DIGITS
    from trainables.validation import cut

    parts = text.split(",")
    if not all(part.strip().isdecimal() and len(part) <= MAX_DIGITS for part in parts):
        refuse(f"--seeds {cut(text, 100)}: give a number of seeds, 3, or a list of them, 0,4,7")
    return [int(part) for part in parts] if len(parts) > 1 else int(text)


def new_console() -> Any:
    from rich.console import Console

    return Console(highlight=False)


@contextmanager
def errors() -> Iterator[None]:
    """What the user can put right is told in a sentence, without a traceback."""
    from grokgrid.engine import EngineError, EngineGone
    from grokgrid.patience import AwayForGood
    from grokgrid.tracking import TrackingAway, TrackingError
    from trainables.data.place import DataError
    from trainables.interrupts import only_here
    from trainables.validation import ValidationErrors, printable

    only_here(signal.SIGTERM, signal.SIGHUP)
    try:
        yield
    except (ValidationErrors, DataError, EngineError, TrackingError) as error:
        refuse(str(error))
    except (TrackingAway, AwayForGood, EngineGone) as error:
        _trace()
        print(printable(str(error)), file=sys.stderr)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        print("Stopped. What was done is kept: run it again to go on.", file=sys.stderr)
        raise typer.Exit(130) from None


def refuse(message: str) -> NoReturn:
    from trainables.validation import printable

    _trace()
    print(printable(message), file=sys.stderr)
    raise typer.Exit(2)


def stop(error: Exception) -> NoReturn:
    """Ends at an error that nobody foresaw."""
    _trace()
    if hides := hidden():
        more = f" and {len(hides) - 3} more" if len(hides) > 3 else ""
        print(
            f"{', '.join(hides[:3])}{more}: hides a library. Rename it, or take its folder off PYTHONPATH",
            file=sys.stderr,
        )
        raise SystemExit(2)
    from grokgrid.tracking.away import redact
    from trainables.validation import printable

    said = printable(" ".join(redact(str(error)).split())[:300])
    advice = "Please report this as a bug, with what is above" if debug else "Run it with --debug to see where"
    print(f"grokgrid stopped at an unexpected error. {type(error).__name__}: {said}\n{advice}.", file=sys.stderr)
    raise SystemExit(1)


def _trace() -> None:
    if debug and sys.exception() is not None:
        import traceback

        text = traceback.format_exc()
        with suppress(Exception):
            from grokgrid.tracking.away import redact

            text = redact(text)
        print(text, end="", file=sys.stderr)
