"""Whether the users' plugins of a study work, as far as that is known before its trials run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from search_spaces import Cell, Study
from trainables.data.place import DataError
from trainables.trial import Trial
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    from trainables.plugins.rehearsal import Rehearsed


def check_plugins(study: Study) -> None:
    """Raises:
    ValidationErrors: a plugin cannot be imported, or cannot be called with its settings.
    """
    if trials := _with_plugins(study):
        # Not above: it imports torch.
        from trainables.plugins.rehearsal import check_plugins

        with _placed_in(study):
            check_plugins(trials)


def rehearse(study: Study, *, calls_functions: bool) -> "Rehearsed | None":
    """Rehearses what can be rehearsed here: trials whose data is here. None if there is no such trial.

    calls_functions  whether data that functions make is here

    Raises:
        ValidationErrors: a plugin fails, or does not give the same for the same key.
        DataError: so does data.
    """
    trials = {name: trial for name, trial in _with_plugins(study).items() if _is_here(trial, calls_functions)}
    if not trials:
        return None
    from trainables.plugins.rehearsal import rehearse_plugins

    with _placed_in(study):
        return rehearse_plugins(trials)


@contextmanager
def _placed_in(study: Study) -> Iterator[None]:
    """Problems of trials get their paths in the study."""
    try:
        yield
    except ValidationErrors as found:
        cells = {_name(cell): cell for cell in study.cells}
        own = (
            (cells[str(name)], Problem(tuple(path), each.message))
            for each in found.problems
            for name, *path in [each.path]
        )
        raise ValidationErrors(found.source, [study.placed(cell, problem) for cell, problem in own]) from None


def _name(cell: Cell) -> str:
    return f"arms.{cell.name}"


def _with_plugins(study: Study) -> dict[str, Trial]:
    trials = {_name(cell): study.trial_of(cell, study.seed_list[0]) for cell in study.cells}
    return {name: trial for name, trial in trials.items() if trial.config.plugins}


def _is_here(trial: Trial, calls_functions: bool) -> bool:
    if trial.config.data.plugin is not None:
        return calls_functions
    with suppress(DataError):
        trial.config.data.require()
        return True
    return False
