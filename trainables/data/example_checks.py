"""What a careful colleague would say about the examples."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from trainables.data.arrays import Array, never_changes
from trainables.data.near_copies import TOLERANCE, near_copies
from trainables.data.parts import Part, chunks, plural

# Standard deviations that differ by the first are certainly a problem, by the second perhaps.
_OTHER_SCALE, _ODD_SCALE = 10.0, 2.5

# Pixels of [0, 1] beside those of [-1, 1]: only one part has values below 0, by more than such a share of the largest.
_NEGATIVE = 0.1

# Initial weights expect inputs of about 1: bytes left as they are have 80, bytes divided by 255 twice have 0.002.
_LARGE, _SMALL = 10.0, 0.01

# Points with few coordinates may well have equal ones; a larger example without contrast is an empty one.
_NUM_PIXELS = 16

_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class _Values:
    """Of a part's values as a network gets them: uint8 divided by 255. Uniform examples hold one value throughout.

    place: of the value that is largest in size, with the value as it is in the array
    """

    mean: float
    std: float
    low: float
    high: float
    num_uniform: int
    first_uniform: int
    place: str

    @property
    def size(self) -> float:
        """Their root mean square."""
        return float(np.hypot(self.mean, self.std))

    @property
    def largest(self) -> float:
        return max(abs(self.low), abs(self.high))

    def __str__(self) -> str:
        return f"mean {self.mean:.3g}, standard deviation {self.std:.3g}, from {self.low:.3g} to {self.high:.3g}"


def unlike_types(parts: list[Part]) -> Iterator[str]:
    train, test = parts[0], parts[-1]
    if (train.x.dtype == np.uint8) != (test.x.dtype == np.uint8):
        yield (
            f"x_train is {train.x.dtype} and x_test is {test.x.dtype}, and uint8 alone is divided by 255: give both the"
            " same type"
        )


def not_finite_in(parts: list[Part]) -> Iterator[str]:
    """Values that training cannot survive: NaN, infinity, and those beyond float32."""
    for part in parts:
        if part.x.dtype != np.uint8 and (sentence := _not_finite(part)):
            yield sentence


def _not_finite(part: Part) -> str | None:
    counts, examples, first = {"NaN": 0, "infinite": 0, "beyond float32": 0}, 0, ""
    with np.errstate(invalid="ignore", over="ignore"):
        for start, chunk in chunks(part.x):
            wrong = ~np.isfinite(chunk) if part.x.dtype != np.float64 else ~(np.abs(chunk) <= _FLOAT32_MAX)
            if not wrong.any():
                continue
            nan, infinite = np.isnan(chunk), np.isinf(chunk)
            counts["NaN"] += int(nan.sum())
            counts["infinite"] += int(infinite.sum())
            counts["beyond float32"] += int((wrong & ~nan & ~infinite).sum())
            examples += int(wrong.any(1).sum())
            if not first:
                row, column = (int(each[0]) for each in np.nonzero(wrong))
                first = part.value(start + row, column)
    if not examples:
        return None
    found = " and ".join(f"{num:,} {'is' if num == 1 else 'are'} {kind}" for kind, num in counts.items() if num)
    return (
        f"of the {part.x.size:,} values of {len(part.x):,} {part.examples} examples {found}, in"
        f" {plural(examples, 'example')}; the first is {first}"
    )


def still_coordinates(parts: list[Part]) -> Iterator[str]:
    """Coordinates with one value in training and others elsewhere, which standardising leaves as they are."""
    train, *others = (part.x.reshape(len(part.x), -1).astype(np.float64) for part in parts)
    still = never_changes(train)
    for part, x in zip(parts[1:], others, strict=True):
        moves = still & (np.abs(x - train[0]) > 1e-12 * np.abs(train[0])).any(0)
        if moves.any():
            num, column = plural(int(moves.sum()), "coordinate"), int(np.argmax(moves))
            row = int(np.argmax(x[:, column] != train[0, column]))
            yield (
                f"{num} with one value in all training examples {'has' if moves.sum() == 1 else 'have'} another in"
                f" {part.examples} examples, the first {part.value(row, column)} in the place of"
                f" {train[0, column]:g}: they cannot be standardised"
            )


def scales(parts: list[Part], *, is_standardised: bool = False) -> Iterator[tuple[bool, str]]:
    """is_standardised: whether it does not matter how large values are"""
    train, *others = parts
    values = {part.examples: _values(part) for part in parts}
    for part in parts:
        yield from _scale(part, values[part.examples], is_standardised=is_standardised)
    ours = values["training"]
    for other in others:
        theirs = values[other.examples]
        if not (ours.std and theirs.std):
            continue
        ratio, largest = theirs.std / ours.std, theirs.largest / ours.largest
        shift = abs(theirs.mean - ours.mean) / max(ours.std, theirs.std)
        # A few faint examples have a small deviation as well; a wrong scale shows in the largest value, too.
        signs = (
            min(ours.low, theirs.low) < -_NEGATIVE * max(ours.largest, theirs.largest)
            and max(ours.low, theirs.low) >= 0
        )
        refused = min(ratio, largest) >= _OTHER_SCALE or max(ratio, largest) <= 1 / _OTHER_SCALE
        if refused or signs or shift > 1 or not 1 / _ODD_SCALE < ratio < _ODD_SCALE:
            how = "are" if refused else "may be"
            said = (
                f"training and {other.examples} examples {how} scaled differently: training {ours}; "
                f"{other.examples} {theirs}; the largest values in size are {ours.place} and {theirs.place}"
            )
            yield refused, said


def _scale(part: Part, values: _Values, *, is_standardised: bool) -> Iterator[tuple[bool, str]]:
    """Of one part by itself."""
    if values.low == values.high:
        yield True, f"all values of the {len(part.x):,} {part.examples} examples are {values.low + 0.0:.3g}"
        return
    if values.num_uniform and part.x[0].size >= _NUM_PIXELS:
        num = f"{values.num_uniform:,} of {len(part.x):,} {part.examples} examples"
        yield False, f"{num} hold one value throughout, the first is {part.place(values.first_uniform)}"
    if part.examples != "training" or is_standardised:
        return
    if values.size > _LARGE or values.size < _SMALL:
        scaled = (
            "uint8 was divided by 255" if part.x.dtype == np.uint8 else f"{part.x.dtype} is not scaled, uint8 would be"
        )
        yield (
            False,
            f"values are far from 1 in size, which networks expect: {values} ({scaled}); the largest in size is"
            f" {values.place}. Scale them, or give `standardise: true` to an .npz file",
        )


def same_examples(parts: list[Part]) -> Iterator[tuple[bool, str]]:
    """Copies: within the training examples, and of them among the others; there also those that rounding changed."""
    train, *others = parts
    kind = min((part.x.dtype for part in parts), key=lambda dtype: dtype.itemsize)
    seen: dict[bytes, int] = {}
    again: list[tuple[int, int]] = []
    for row, name in enumerate(_names(train.x, kind)):
        if (before := seen.setdefault(name, row)) != row:
            again.append((row, before))
    if len(seen) == 1 and again:
        yield True, f"all {len(train.x):,} training examples are the same"
        return
    if again:
        yield (
            False,
            f"{len(again):,} of {len(train.x):,} training examples are copies of others{_copies(train, again, train)}",
        )
    for other in others:
        found = [(row, seen.get(name)) for row, name in enumerate(_names(other.x, kind))]
        copies = [(row, before) for row, before in found if before is not None]
        there = f"of {len(other.x):,} {other.examples} examples are among the training examples"
        if copies:
            yield False, f"{len(copies):,} {there}{_copies(other, copies, train)}"
        rest = [row for row, before in found if before is None]
        if rest and kind != np.uint8:
            near = near_copies(train.x, np.array(list(seen.values())), other.x, np.array(rest))
            if near:
                yield (
                    False,
                    f"{len(near):,} {there} but for rounding, equal to {TOLERANCE:.0e} of their range"
                    f"{_copies(other, near, train, sign='≈')}",
                )


def _copies(part: Part, copies: list[tuple[int, int]], train: Part, *, sign: str = "=") -> str:
    places = ", ".join(f"{part.place(row)} {sign} {train.place(before)}" for row, before in copies[:3])
    relabelled = [(row, before) for row, before in copies if np.any(part.y[row] != train.y[before])]
    more = ""
    if relabelled:
        row, before = relabelled[0]
        more = (
            f"; {len(relabelled):,} of them with another label, the first {part.place(row)} with {part.y[row]} and"
            f" {train.place(before)} with {train.y[before]}"
        )
    return f": {places}{' …' if len(copies) > 3 else ''}{more}"


def _names(x: Array, kind: np.dtype[np.generic]) -> Iterator[bytes]:
    """A hash of each example."""
    for _, chunk in chunks(x):
        with np.errstate(over="ignore"):  # Where float16 holds less; adding 0 turns -0 into 0.
            rows = np.ascontiguousarray(chunk.astype(kind, copy=False) + kind.type(0))
        yield from (blake2b(row, digest_size=16).digest() for row in rows)


def _values(part: Part) -> _Values:
    num = squares = total = 0.0
    low, high, num_uniform, first_uniform = np.inf, -np.inf, 0, 0
    largest, place = -1.0, (0, 0)
    scale = 255.0 if part.x.dtype == np.uint8 else 1.0
    for start, chunk in chunks(part.x):
        lows, highs = chunk.min(1), chunk.max(1)
        uniform = np.flatnonzero(lows == highs)
        if len(uniform) and not num_uniform:
            first_uniform = start + int(uniform[0])
        num_uniform += len(uniform)
        low, high = min(low, float(lows.min())), max(high, float(highs.max()))
        sizes = np.maximum(-lows.astype(np.float64), highs)
        row = int(sizes.argmax())
        if sizes[row] > largest:
            largest, place = float(sizes[row]), (start + row, int(np.abs(chunk[row].astype(np.float64)).argmax()))
        num += chunk.size
        doubles = chunk.astype(np.float64).ravel()
        total += float(doubles.sum())
        squares += float(doubles @ doubles)
    mean = total / num
    std = float(np.sqrt(max(squares / num - mean**2, 0.0))) if low != high else 0.0
    return _Values(mean / scale, std / scale, low / scale, high / scale, num_uniform, first_uniform, part.value(*place))
