"""What a careful colleague would say about a data set after a look at its content.

A refusal is certainly a problem: the trials would fail, diverge, or answer another question. A warning is suspicious,
and may be meant. Each is a sentence with counts and the first places. Only the examples that a trial uses count:
training on the first 100 of a file sorted by class is training on one class.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from trainables.configuration import Config
from trainables.data.arrays import Arrays, form_problems
from trainables.data.example_checks import not_finite_in, same_examples, scales, still_coordinates, unlike_types
from trainables.data.label_checks import binary_refusals, label_refusals, label_warnings
from trainables.data.parts import Part
from trainables.data.target_checks import not_finite_targets, target_refusals, target_warnings
from trainables.tasks import Task


class Findings(Config):
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Used(NamedTuple):
    """The part of the arrays that a trial uses: the settings of these names."""

    num_train: int | None = None
    num_validation: int = 0
    num_test: int | None = None
    task: Task = "classification"
    is_standardised: bool = False


def check_content(arrays: Arrays, used: Used = Used()) -> Findings:  # noqa: B008 (it is immutable)
    """What is wrong or suspicious in the arrays of a data set."""
    if problems := tuple(form_problems(arrays, used.task)):
        return Findings(refusals=problems)
    parts = _parts(arrays, used)
    refusals, warnings = list[str](), list[str]()
    if used.task == "regression":
        refusals += target_refusals(parts)
        warnings += target_warnings(parts, is_standardised=used.is_standardised)
    else:
        refusals += label_refusals(arrays, parts)
        warnings += label_warnings(arrays, parts)
    if used.task == "binary":
        refusals = [*binary_refusals(arrays), *refusals]
    if unfit := tuple(untrainable(arrays, used)):
        return Findings(refusals=(*unfit, *refusals), warnings=tuple(warnings))
    warnings += still_coordinates(parts) if used.is_standardised else ()
    for refused, sentence in chain(scales(parts, is_standardised=used.is_standardised), same_examples(parts)):
        (refusals if refused else warnings).append(sentence)
    return Findings(refusals=tuple(refusals), warnings=tuple(warnings))


def untrainable(arrays: Arrays, used: Used = Used()) -> Iterator[str]:  # noqa: B008
    """Of the refusals those that hold for any part of a part: a trial asks again when it loads its data."""
    parts = _parts(arrays, used)
    yield from not_finite_in(parts)
    yield from unlike_types(parts)
    if used.task == "regression":
        yield from not_finite_targets(parts)


def _parts(arrays: Arrays, used: Used) -> list[Part]:
    """First what trains, last what tests."""
    num_train, num_validation, num_test = used[:3]
    rows = [("training", "train", 0, num_train), ("test", "test", 0, num_test)]
    if num_validation:
        rows.insert(1, ("validation", "train", num_train or 0, (num_train or 0) + num_validation))
    parts = [
        Part(examples, name, first, arrays[f"x_{name}"][first:end], arrays[f"y_{name}"][first:end])
        for examples, name, first, end in rows
    ]
    return [part for part in parts if len(part.x)]
