"""The four arrays of a data set: their names, their digest, and the form that they must have. Needs no torch."""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trainables.tasks import Task

NAMES = ("x_train", "y_train", "x_test", "y_test")

Array = NDArray[np.generic]
Arrays = dict[str, Array]
"""x_train, y_train, x_test, y_test, whole and as they lie in the files."""


def digest(arrays: Arrays) -> str:
    """The digest of the four arrays' names, types, shapes and content."""
    sha = hashlib.sha256()
    for name in NAMES:
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.data)
    return f"sha256:{sha.hexdigest()}"


def shortened(text: object, most: int = 150) -> str:
    """For messages: text out of a file may be long, and hold what a terminal would obey."""
    printable = "".join(each if each.isprintable() else "?" for each in str(text)[: 2 * most])
    return printable if len(printable) <= most else f"{printable[:most]}…"


def digests(arrays: Arrays) -> dict[str, str]:
    """Each array's own."""
    found = {}
    for name in NAMES:
        array = np.ascontiguousarray(arrays[name])
        found[name] = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes()).hexdigest()
    return found


def form_problems(arrays: Arrays, task: Task = "classification") -> Iterator[str]:
    """One sentence for each array of a wrong shape or type, with the likely remedy."""
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.ndim < 2 or x.size == 0:
            yield f"x_{part} must be (examples, …), is {x.shape}"
        elif x.dtype not in (np.uint8, np.float16, np.float32, np.float64):
            remedy = _other_byte_order(x) or (
                f": x_{part}.astype(np.float32) is taken as it is, uint8 is divided by 255"
                if x.dtype.kind in "iub"
                else ""
            )
            yield f"x_{part} must be uint8 or float16, 32 or 64, is {shortened(x.dtype)}{remedy}"
        if x.ndim > 0:
            wrong = _wrong_targets(y, len(x)) if task == "regression" else _wrong_labels(y, len(x))
            needed = _NEEDED[task].format(len(x))
            if wrong:
                yield f"y_{part} must be {needed}, is {shortened(y.dtype)} {y.shape}: {wrong}"
    shapes = arrays["x_train"].shape[1:], arrays["x_test"].shape[1:]
    if shapes[0] != shapes[1] and all(arrays[name].ndim > 1 for name in ("x_train", "x_test")):
        yield f"examples of x_train and x_test differ in shape: {shapes[0]} and {shapes[1]}"
    targets = arrays["y_train"].shape[1:], arrays["y_test"].shape[1:]
    if task == "regression" and targets[0] != targets[1]:
        yield f"targets of y_train and y_test differ in shape: {targets[0]} and {targets[1]}"


_NEEDED: dict[Task, str] = {
    "classification": "({0},) integer classes from 0",
    "binary": "({0},) integer labels 0 and 1",
    "regression": "({0},) or ({0}, targets) numbers",
}


def never_changes(x: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which coordinates of x (examples, coordinates) have one value, but for rounding."""
    wide: NDArray[np.bool_] = np.ptp(x, axis=0) <= 1e-12 * np.abs(x).max(0)
    return wide


def num_outputs(arrays: Arrays, task: Task) -> int:
    """How many outputs a network for these arrays, of the right form, has."""
    if task == "binary":
        return 1
    if task == "regression":
        return arrays["y_train"].shape[1] if arrays["y_train"].ndim > 1 else 1
    # Data to test on has no training labels.
    return 1 + max(int(arrays[f"y_{part}"].max(initial=0)) for part in ("train", "test"))


def _wrong_targets(y: Array, num_examples: int) -> str | None:
    if y.ndim == 0 or len(y) != num_examples:
        return f"there are {num_examples:,} examples and {y.size if y.ndim < 2 else len(y):,} targets"
    if y.ndim > 2 or y.shape[1:] == (0,):
        return "a number, or a row of numbers, an example is needed"
    if y.dtype.kind not in "iuf":
        return "targets are needed as numbers"
    return _other_byte_order(y).removeprefix(": ") or None


def _wrong_labels(y: Array, num_examples: int) -> str | None:
    if y.ndim == 0 or len(y) != num_examples:
        return f"there are {num_examples:,} examples and {y.size if y.ndim < 2 else len(y):,} labels"
    if y.ndim == 2 and y.shape[1] == 1:
        return "y[:, 0] has the right shape"
    if y.ndim == 2 and y.dtype.kind in "biuf" and bool(((y == 1).sum(1) == 1).all() and ((y != 0).sum(1) == 1).all()):
        return "these are one-hot rows; y.argmax(1) gives the classes"
    if y.ndim != 1:
        return "one label an example is needed"
    if y.dtype.kind == "b":
        return "y.astype(int) gives classes 0 and 1"
    if y.dtype.kind == "f":
        wrong = ~(np.isfinite(y) & (y == np.floor(y)))
        if not wrong.any():
            return "y.astype(int) gives classes"
        return f"{_first(wrong, y)} not whole numbers; targets of a regression are meant with `task: regression`"
    if y.dtype.kind not in "iu":
        return "labels are needed as integers"
    if other := _other_byte_order(y):
        return other.removeprefix(": ")
    if y.dtype.kind == "i" and (negative := y < 0).any():  # type: ignore[operator]
        remedy = "; (y > 0).astype(int) gives 0 and 1" if set(np.unique(y).tolist()) == {-1, 1} else ""
        return f"{_first(negative, y)} negative{remedy}"
    return None


def _first(wrong: NDArray[np.bool_], y: Array) -> str:
    index = int(np.argmax(wrong))
    num = int(wrong.sum())
    return f"{num:,} of {len(y):,} labels, the first y[{index:,}] = {y[index]}, {'is' if num == 1 else 'are'}"


def _other_byte_order(array: Array) -> str:
    if array.dtype.isnative or array.dtype.kind not in "iuf":
        return ""
    return f": its bytes lie in the other order, astype({array.dtype.newbyteorder('=').name!r}) turns them"
