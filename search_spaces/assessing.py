"""The checks of a study's `assessments`: whether they can be made of the networks that its arms train."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search_spaces.cells import Cell
from trainables.assessments.base import Assessment
from trainables.datasets.base import Dataset
from trainables.gradient_config import GradientConfig
from trainables.names import MAX_METRIC, alike
from trainables.validation import Problem

_ASSESSMENTS = TypeAdapter(tuple[Assessment, ...])


def assessments_in(given: Any) -> tuple[Assessment, ...] | None:
    """Those of a study's content; None if they are wrong."""
    try:
        return _ASSESSMENTS.validate_python(given or ())
    except ValidationError:
        return None


def metrics_of_assessments(assessments: tuple[Assessment, ...]) -> tuple[str, ...]:
    """What they measure of the networks where training ends: TITLE_METRIC."""
    return tuple(f"{each.title}_{metric}" for each in assessments if each.network == "last" for metric in each.metrics)


def problems_of_assessments(study: dict[str, Any], cells: list[Cell], measured: list[str]) -> Iterator[Problem]:
    """With paths below `assessments`. measured: by the trials themselves"""
    assessments = assessments_in(study.get("assessments"))
    if not assessments:
        return
    yield from _problems_of_names(assessments, measured)
    if study.get("keep_checkpoints") is False and any(each.network == "last" for each in assessments):
        yield Problem((), "are made of the last networks, which keep_checkpoints: false does not record: take it away")
    seeds = study.get("seeds")
    num_seeds = seeds if isinstance(seeds, int) else len(seeds) if isinstance(seeds, list | tuple) else 2
    for index, each in enumerate(assessments):
        if each.needs_source and num_seeds < 2:
            yield Problem((index,), f"{each.name} takes the network of another seed, and the study has one seed")
        told: dict[str, list[str]] = {}
        for cell in cells:
            if (wrong := misfit(each, cell)) is not None:
                told.setdefault(wrong, []).append(cell.name)
        for wrong, names in told.items():
            which = "" if len(names) == len(cells) else f" (of {', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            yield Problem((index,), wrong + which)


def misfit(assessment: Assessment, cell: Cell) -> str | None:
    """Why it cannot be made of the networks of a cell, as far as that is known without data."""
    config, name = cell.config, assessment.name
    if not isinstance(config, GradientConfig):
        return f"{name} is made of networks, and a procedure leaves none that grokgrid knows"
    data, on = config.data, assessment.on
    if data.task not in assessment.serves:
        return f"{name} is not for {data.task}, which {data.title} asks for"
    if assessment.needs_pixels and data.has_pixels is False:
        return f"{name} needs images of pixels in [0, 1], which {data.title} does not have"
    if assessment.network == "kept" and config.keep is None:
        return f"{name} is made of the networks that were kept on the way: give trial.keep"
    if on == "validation" and not data.num_validation:
        return f"{name} on validation needs examples held out for it: give data.num_validation"
    if isinstance(on, Dataset):
        if on.task != data.task:
            return f"{on.title} asks for {on.task}, and the network is for {data.task}"
        if on.shape is not None and data.shape is not None and on.shape != data.shape:
            return (
                f"{on.title} has examples of shape {on.shape[0]} and {on.shape[1]} outputs; the network takes"
                f" {data.shape[0]} and has {data.shape[1]}"
            )
    there = _num_there(assessment, data)
    if assessment.num_examples is not None and there is not None and assessment.num_examples > there:
        return f"num_examples: {assessment.num_examples:,} is more than the {there:,} that there are"
    if data.shape is None:
        return None
    return assessment.unfit(task=data.task, num_outputs=data.shape[1], dtype=config.dtype)


def num_examples(assessment: Assessment, data: Dataset) -> int | None:
    """How many it takes of a trial with this data; None if only the data itself tells."""
    return assessment.num_examples or _num_there(assessment, data)


def _num_there(assessment: Assessment, data: Dataset) -> int | None:
    on = assessment.on
    if isinstance(on, Dataset):
        return on.num_test
    return {"train": data.num_train, "validation": data.num_validation, "test": data.num_test}[on]


def _problems_of_names(assessments: tuple[Assessment, ...], measured: list[str]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, each in enumerate(assessments):
        if each.title in seen:
            wrong = f"{each.title!r} is assessment {seen[each.title]} too: give each a label of its own"
            yield Problem((index, "label"), wrong)
            continue
        for other in seen:
            if list(alike([each.title, other])):
                wrong = f"{other!r} and {each.title!r} differ in nothing but case, which some databases ignore"
                yield Problem((index, "label"), wrong)
        seen[each.title] = index
        names = metrics_of_assessments((each,))
        if twice := sorted(set(names) & set(measured)):
            yield Problem((index, "label"), f"{twice[0]} is measured by the trials, too: give another label")
        if long := [name for name in names if len(name) > MAX_METRIC]:
            wrong = f"{long[0]} has {len(long[0])} characters; a metric’s name has at most {MAX_METRIC}"
            yield Problem((index, "label"), wrong)
