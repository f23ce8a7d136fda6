"""What a careful colleague would say about the labels."""

from collections.abc import Iterable, Iterator

import numpy as np

from trainables.data.arrays import Array, Arrays
from trainables.data.parts import Part, plural

# The largest class is so many times the smallest, or has this share of all.
_UNBALANCED, _MAJORITY = 10, 0.8


def label_refusals(arrays: Arrays, parts: list[Part]) -> Iterator[str]:
    there = _classes_in(arrays["y_train"]) | _classes_in(arrays["y_test"])
    highest, lowest = max(there), min(there)
    if len(there) == 1:
        yield f"all labels are {highest}: there is nothing to tell apart"
        return
    if lowest > 0:
        yield (
            f"labels run from {lowest} to {highest}, and classes are counted from 0: a network would get"
            f" {highest + 1:,} outputs for {len(there):,} classes; subtract {lowest}"
        )
    elif highest + 1 > 2 * len(there):
        yield (
            f"labels run up to {highest}, and only {len(there):,} of the {highest + 1:,} classes occur; number them"
            f" from 0 to {len(there) - 1:,}: np.unique(y, return_inverse=True)"
        )
    train = _classes_in(parts[0].y)
    if len(train) == 1:
        only = f"class {min(train)} is the only one among {plural(len(parts[0].y), 'training example')}"
        yield only + _if_sorted(arrays, parts[0])
    elif not _classes_in(parts[-1].y) & train:
        yield f"none of the {len(parts[-1].y):,} test examples is of a class that is trained on"


def binary_refusals(arrays: Arrays) -> Iterator[str]:
    """Labels of a binary task that are neither 0 nor 1."""
    if more := sorted((_classes_in(arrays["y_train"]) | _classes_in(arrays["y_test"])) - {0, 1}):
        listed = ", ".join(map(str, more[:5]))
        yield f"labels of a binary task are 0 and 1, and {listed} occur{'s' if len(more) == 1 else ''} too"


def _classes_in(labels: Array) -> set[int]:
    """As Python's integers: NumPy turns uint64 beside int64 into floats."""
    return set(np.unique(labels).tolist())


def num_runs(labels: Array) -> int:
    """How many stretches of equal labels there are, one behind the other."""
    return 1 + int(np.count_nonzero(labels[1:] != labels[:-1])) if len(labels) else 0


def num_runs_mixed(labels: Array) -> int:
    """How many of them there are on average when the labels are shuffled."""
    counts = np.unique(labels, return_counts=True)[1].astype(np.float64)
    num = len(labels)
    return round(1 + num - float((counts / num) @ counts)) if num else 0


def _if_sorted(arrays: Arrays, part: Part) -> str:
    whole = arrays[f"y_{part.name}"]
    if len(part.y) < len(whole) and bool((whole[1:] >= whole[:-1]).all()):  # type: ignore[operator]
        return ": the file is sorted by class, and the first examples are taken; shuffle it"
    return ""


def label_warnings(arrays: Arrays, parts: list[Part]) -> Iterator[str]:
    num_classes = 1 + max(int(arrays[f"y_{part}"].max()) for part in ("train", "test"))
    there = _classes_in(arrays["y_train"]) | _classes_in(arrays["y_test"])
    if min(there) > 0 or len(there) == 1 or num_classes > 2 * len(there):
        return  # Refused.
    counts = {part.examples: np.bincount(part.y.astype(np.int64), minlength=num_classes) for part in parts}
    train = counts["training"]
    never = np.flatnonzero(sum(counts.values()) == 0)
    if len(never):
        yield f"no example is of {_classes(never)}, of classes 0 to {num_classes - 1:,}: those outputs are never right"
    for examples, count in counts.items():
        if examples == "training":
            continue
        unseen = np.flatnonzero((count > 0) & (train == 0))
        if len(unseen):
            num = plural(int(count[unseen].sum()), f"{examples} example")
            yield f"{num} of {_classes(unseen)}, which no training example is of"
        absent = np.flatnonzero((count == 0) & (train > 0))
        if len(absent):
            num = plural(int(train[absent].sum()), "training example")
            yield f"no {examples} example is of {_classes(absent)}, and {num}"
    for examples, count in counts.items():
        occurring = np.flatnonzero(count)
        if len(occurring) < 2:
            continue
        most, least = int(count.argmax()), int(occurring[count[occurring].argmin()])
        if count[most] >= _UNBALANCED * count[least] or count[most] >= _MAJORITY * count.sum():
            yield (
                f"classes of the {count.sum():,} {examples} examples are unbalanced: {count[most]:,} of class "
                f"{most}, and"
                f" {count[least]:,} of class {least}; always answering {most} has an accuracy of"
                f" {count[most] / count.sum():.3g}"
            )


def _classes(classes: Iterable[np.integer]) -> str:
    listed = [str(int(each)) for each in classes]
    more = f" and {len(listed) - 5:,} more" if len(listed) > 5 else ""
    return f"class{'es' if len(listed) > 1 else ''} {', '.join(listed[:5])}{more}"
