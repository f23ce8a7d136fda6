"""What `plan`, `run`, `optimise` and `submit` check in a study's plugins and data, before anything starts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from grokgrid.data_checks import check_data
from search_spaces import Cell, Study
from trainables.component import components_in
from trainables.data.place import DataError
from trainables.plugins.config import plugins_in
from trainables.trial import Trial
from trainables.validation import Problem, ValidationErrors


@dataclass(frozen=True)
class Checked:
    """digests: of what functions made as data in the rehearsal, by `Dataset.function`."""

    warnings: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def check_study(study: Study, *, is_needed: bool, calls_functions: bool) -> Checked:
    """is_needed        whether files of data must be here
    calls_functions  whether data that functions make is here

    Raises:
        ValidationErrors: a plugin fails, or does not give the same for the same key; models cannot be trained on the
            last batch.
        DataError: data is missing although it is needed, or its content is wrong.
    """
    with_plugins = _with_plugins(study)
    if with_plugins:
        # Not above: it imports torch.
        from trainables.plugins.rehearsal import check_plugins

        with _placed_in(study):
            check_plugins(with_plugins)
    _check_assessments(study)
    warnings = check_data(study, is_needed=is_needed, calls_functions=calls_functions)
    with _placed_in(study):
        rehearsed = _rehearse(with_plugins, calls_functions=calls_functions)
    return Checked((*warnings, *rehearsed.warnings), rehearsed.digests)


def _check_assessments(study: Study) -> None:
    """Whether the plugins among the assessments, and those that they are on, can be called."""
    problems: list[Problem] = []
    for index, each in enumerate(study.assessments):
        for path, plugin in plugins_in((("", each), *components_in(each))):
            # Not above: it imports torch.
            from trainables.plugins.loading import load_plugin

            try:
                load_plugin(plugin)
            except ValidationErrors as found:
                problems += [problem.below("assessments", index, *filter(None, [path])) for problem in found.problems]
    if problems:
        raise ValidationErrors(study.name, problems)


def _rehearse(trials: Mapping[str, Trial], *, calls_functions: bool) -> Checked:
    """Rehearses what can be rehearsed here: trials whose data is here."""
    here = {name: trial for name, trial in trials.items() if _is_here(trial, calls_functions)}
    left = [name for name in trials if name not in here]
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    warning = f"the plugins of {', '.join(left[:3])}{more} are not rehearsed here, for their data is not here"
    warnings = (warning,) if left else ()
    if not here:
        return Checked(warnings)
    from trainables.plugins.rehearsal import rehearse_plugins

    rehearsed = rehearse_plugins(here)
    return Checked((*warnings, *rehearsed.warnings), rehearsed.digests)


@contextmanager
def _placed_in(study: Study) -> Iterator[None]:
    """Problems of trials get their paths in the study."""
    try:
        yield
    except ValidationErrors as found:
        cells = {_name(cell): cell for cell in study.cells}
        problems = []
        for each in found.problems:
            name, *path = each.path
            problems.append(study.placed(cells[str(name)], Problem(tuple(path), each.message)))
        raise ValidationErrors(found.source, problems) from None


def _name(cell: Cell) -> str:
    return f"arms.{cell.name}"


def _with_plugins(study: Study) -> dict[str, Trial]:
    trials = {_name(cell): study.trial_of(cell, study.seed_list[0]) for cell in study.cells}
    return {name: trial for name, trial in trials.items() if trial.config.plugins}


def _is_here(trial: Trial, calls_functions: bool) -> bool:
    for data in trial.config.data_sets:
        if data.plugin is not None and not calls_functions:
            return False
        try:
            data.require()
        except DataError:
            return False
    return True
