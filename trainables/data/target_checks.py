"""What a careful colleague would say about the targets of a regression."""

from collections.abc import Iterator

import numpy as np

from trainables.data.parts import Part, plural

_LARGE, _SMALL = 10.0, 0.01

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def not_finite_targets(parts: list[Part]) -> Iterator[str]:
    """Targets that training cannot survive: NaN, infinity, and those beyond float32."""
    for part in parts:
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(part.y.astype(np.float64)) <= _FLOAT32_MAX)
        if wrong.any():
            index = tuple(int(each) for each in np.argwhere(wrong)[0])
            place = ", ".join(map(str, (part.first + index[0], *index[1:])))
            num = plural(int(wrong.sum()), "target")
            rest = f"y_{part.name}[{place}] = {part.y[index]}"
            yield f"{num} of {len(part.y):,} {part.examples} examples cannot be learnt, the first is {rest}"


def target_refusals(parts: list[Part]) -> Iterator[str]:
    train = parts[0].y.reshape(len(parts[0].y), -1)
    if len(train) == 1:
        return
    constant = np.flatnonzero((train == train[:1]).all(0))
    if len(constant) and train.shape[1] == 1:
        yield f"all targets of the {len(train):,} training examples are {train[0, 0]}: there is nothing to learn"
    elif len(constant):
        which = ", ".join(f"y_train[:, {column}]" for column in constant[:3])
        yield f"{which} {'is' if len(constant) == 1 else 'are'} the same for all {len(train):,} training examples"


def target_warnings(parts: list[Part], *, is_standardised: bool) -> Iterator[str]:
    for part in parts:
        y = part.y.reshape(len(part.y), -1)
        if (y == y[:1]).all(0).any():
            num = plural(len(y), f"{part.examples} example")
            yield f"a target is the same for all of {num}: R^2 is no number there"
    size = float(np.sqrt(np.mean(np.square(parts[0].y.astype(np.float64)))))
    if not is_standardised and not _SMALL <= size <= _LARGE:
        yield (
            f"targets are far from 1 in size, which networks expect: their root mean square is {size:.3g}. Scale them,"
            " or give `standardise: true` to an .npz file"
        )
