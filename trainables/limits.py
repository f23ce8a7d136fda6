"""How large what users write may be, and which characters it may hold: checked before anything is made of it."""

import re
from collections.abc import Iterator, Sized
from typing import Any

from trainables.validation import Path, Problem

MAX_BYTES = 2**20
"""Of a file that people write."""

MAX_VALUES, MAX_ITEMS, MAX_DEPTH = 100_000, 10_000, 50
"""Of a file or a call: values altogether, values of one list or set of fields, and lists within lists."""

MAX_DIGITS = 100
"""Of a whole number."""

_UNPRINTABLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and line feed, what reverses the direction of a line, and half characters."""


def wrong_text(text: str) -> str | None:
    """Why a text cannot be printed or kept; None if it can."""
    found = _UNPRINTABLE.search(text)
    return f"holds the character U+{ord(found[0]):04X}, which cannot be printed" if found else None


def wrong_size(num: int, path: Path) -> str | None:
    """What is wrong with a list or a set of `num` values at this path; None if nothing is."""
    if num > MAX_ITEMS:
        return f"holds more than {MAX_ITEMS:,} values, which is the limit"
    return f"lies more than {MAX_DEPTH} levels deep, which is the limit" if len(path) > MAX_DEPTH else None


def wrong_values(content: Any) -> list[Problem]:
    """What is wrong with values that were made in Python, whatever they are meant for."""
    problems: list[Problem] = []
    left: list[tuple[Path, Any]] = [((), content)]
    num = 0
    while left and not problems:
        path, value = left.pop()
        num += 1
        wrong = _wrong(value, path, num)
        if wrong is not None:
            problems.append(Problem(path, wrong))
        else:
            left += _inner(value, path)
    return problems


def _wrong(value: Any, path: Path, num: int) -> str | None:
    if num > MAX_VALUES:
        return f"more than {MAX_VALUES:,} values are given"
    if isinstance(value, str):
        return wrong_text(value)
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        return f"is a whole number of more than {MAX_DIGITS} digits"
    is_collection = isinstance(value, Sized) and not isinstance(value, bytes)
    return wrong_size(len(value), path) if is_collection else None


def _inner(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, "its names"), name
            yield (*path, name), inner
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield (*path, index), inner
