"""What a careful colleague would say about a data set after a look at its content.

A refusal is certainly a mistake: the trials would fail, diverge, or answer another question. A warning is suspicious,
and may be meant. Each is a sentence with counts and the first places. Only the images that a trial uses count: training
on the first 100 of a file sorted by class is training on one class.
"""

from itertools import chain
from typing import NamedTuple

from trainables.configuration import Config
from trainables.data.arrays import Arrays, form_mistakes
from trainables.data.image_checks import not_finite_in, same_images, scales, unlike_types
from trainables.data.label_checks import label_refusals, label_warnings
from trainables.data.parts import Part


class Findings(Config):
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Used(NamedTuple):
    """The part of the arrays that a trial uses: the settings of these names."""

    num_train: int | None = None
    num_validation: int = 0
    num_test: int | None = None


def check_content(arrays: Arrays, used: Used = Used()) -> Findings:  # noqa: B008 (it is immutable)
    """What is wrong or suspicious in the arrays of a data set."""
    if mistakes := tuple(form_mistakes(arrays)):
        return Findings(refusals=mistakes)
    num_train, num_validation, num_test = used
    train = Part("training", "train", 0, arrays["x_train"][:num_train], arrays["y_train"][:num_train])
    test = Part("test", "test", 0, arrays["x_test"][:num_test], arrays["y_test"][:num_test])
    parts = [train, test]
    if num_validation:
        held_out = slice(num_train, (num_train or 0) + num_validation)
        validation = Part(
            "validation", "train", num_train or 0, arrays["x_train"][held_out], arrays["y_train"][held_out]
        )
        parts.insert(1, validation)
    parts = [part for part in parts if len(part.x)]
    refusals, warnings = list(label_refusals(arrays, parts)), list(label_warnings(arrays, parts))
    if unfit := [*not_finite_in(parts), *unlike_types(parts)]:
        return Findings(refusals=(*unfit, *refusals), warnings=tuple(warnings))
    for refused, sentence in chain(scales(parts), same_images(parts)):
        (refusals if refused else warnings).append(sentence)
    return Findings(refusals=tuple(refusals), warnings=tuple(warnings))
