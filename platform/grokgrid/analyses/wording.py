"""Numbers and names as people and as MLflow read them."""

import math
from collections.abc import Iterable, Sequence

from grokgrid.statistics import SIGNIFICANT, Interval, MeanSd, is_significant
from search_spaces import Cell, Study
from search_spaces.search import measured_by, reading_of
from trainables.names import written

NOTHING = "–"
NOT_TRUSTED = "not trusted"
BUT_P = f", p above {SIGNIFICANT:g}"
"""Of a cell whose interval shows a side, while p does not: Holm's, where several cells are compared."""

LEVEL = 0.95
PERCENT = f"{LEVEL:.0%}"
MANY_TIMES = 1000
_MOST_DECIMALS = 6


def number(value: float | None) -> str:
    """Three significant digits; whole numbers from a thousand on."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if float(f"{abs(value):.3g}") >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".removesuffix(".")


def ratio(value: float | None) -> str:
    """A ratio, with as many digits as it takes to see on which side of 1 it lies."""
    text = number(value)
    if value is None or text != number(1.0):
        return text
    return next((more for digits in range(4, 10) if float(more := f"{value:.{digits}g}") != 1), text)


def bounded(value: float) -> str:
    """The end of an interval of ratios: beyond a factor of a thousand its size tells nothing more."""
    if 0 < value < 1 / MANY_TIMES:
        return f"under {1 / MANY_TIMES:g}"
    return f"over {MANY_TIMES:,}" if MANY_TIMES < value < math.inf else ratio(value)


def count(value: float | None) -> str:
    return NOTHING if value is None or math.isnan(value) else f"{value:,.0f}"


def interval(ends: Interval | None) -> str:
    """Of a ratio."""
    if ends is None:
        return NOTHING
    if math.isinf(ends.high):
        return f"at least {bounded(ends.low)}"
    return f"at most {bounded(ends.high)}" if ends.low <= 0 else f"{bounded(ends.low)} to {bounded(ends.high)}"


def mean_sd(found: MeanSd | None) -> str:
    """With as many decimals as two significant digits of the standard deviation need."""
    if found is None:
        return NOTHING
    spread = f" ± {precise(found.sd, found.sd) if found.sd else 0}" if found.sd is not None else ""
    return precise(found.mean, found.sd) + spread


def precise(value: float, sd: float | None) -> str:
    """With as many decimals as two significant digits of its standard deviation need; three digits without any, or
    where both are tiny.
    """
    if not sd:
        return number(value)
    decimals = max(1 - math.floor(math.log10(sd)), 0)
    if decimals > _MOST_DECIMALS and 0 < abs(value) < 0.001:
        return number(value)
    return f"{value:z,.{min(decimals, _MOST_DECIMALS)}f}"


def difference(value: float, sd: float | None) -> str:
    """As `precise`, with as many digits as it takes to see on which side of 0 it lies."""
    text = precise(value, sd)
    return number(value) if value and not float(text.replace(",", "")) else text


def beside(value: float, sd: float | None, limit: float) -> str:
    """As `difference`, with as many digits as it takes to see on which side of the limit it lies."""
    if not math.isfinite(value):
        return number(value)
    text = difference(value, sd)
    if value == limit or _is_beyond(float(text.replace(",", "")), limit, value):
        return text
    texts = (f"{value:.{digits}g}" for digits in range(3, 18))
    return next((more for more in texts if _is_beyond(float(more), limit, value)), text)


def _is_beyond(shown: float, limit: float, value: float) -> bool:
    return shown != limit and (shown > limit) == (value > limit)


def p_value(p: float | None) -> str:
    """Two digits, or as many as it takes to see on which side of the limit it lies."""
    if p is None:
        return NOTHING
    texts = (f"{p:.{digits}g}" for digits in range(2, 18))
    return next(text for text in texts if is_significant(float(text)) == is_significant(p))


def open_because(why: str) -> str:
    return why if why == NOTHING else f"open because {why}"


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def when_read(metric: str, end: str = "at the end of training") -> str:
    """A metric and the evaluation that it is of."""
    return f"{measured_by(metric)} at the first evaluation" if reading_of(metric) == "first" else f"{metric} {end}"


def in_words(metric: str) -> str:
    """`first train loss`, `largest test accuracy`: what axes and titles say."""
    how = {"first": "first ", "max": "largest ", "min": "least "}.get(reading_of(metric), "")
    return how + measured_by(metric).replace("_", " ")


def seeds(numbers: Iterable[int]) -> str:
    found = [str(seed) for seed in numbers]
    return f"seed {found[0]}" if len(found) == 1 else f"seeds {', '.join(found)}"


def cell_label(study: Study) -> str:
    """What to call the rows of a table: arms, unless one has several cells."""
    return "arm" if len(study.cells) == len(study.arms) else "cell"


def labels(study: Study) -> dict[str, str]:
    """By the name of each cell, a shorter one for people: four digits of a number are enough, unless they are not."""
    found = {cell.name: cell.named(short) for cell in study.cells}
    return found if len(set(found.values())) == len(found) else {name: name for name in found}


def slug(cell: Cell) -> str:
    """`jacobian/strength/0.001`: a cell within the name of a metric."""
    return cell.slug


def short(value: object) -> str:
    """A value of a setting for people: four digits of a number."""
    return f"{value:.4g}" if isinstance(value, float) else written(value)


def finite(values: dict[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}
