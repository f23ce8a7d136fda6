"""Signs of masked gradients as people read them: the table, and sentences that say what was looked for and found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from grokgrid.analyses.masking import Look, NotLooked, Seen, Sign
from grokgrid.analyses.measurement_tables import interval_of
from grokgrid.analyses.parts import Column, Table
from grokgrid.analyses.robustness import norm_of, size_text
from grokgrid.analyses.wording import (
    BUT_P,
    LEVEL,
    NOT_TRUSTED,
    NOTHING,
    PERCENT,
    cell_label,
    difference,
    finite,
    labels,
    listed,
    mean_sd,
    number,
    open_because,
    p_value,
    slug,
)
from grokgrid.plurals import plural
from grokgrid.statistics import FEW_SEEDS, SIGNIFICANT, SampleMean, WhyOpen
from search_spaces import Study

TITLE = "Signs of masked gradients"
SEEN = (Seen.BEYOND_CHANCE, Seen.OPEN, Seen.WITHIN_CHANCE)
"""From the most to the least that may be there."""


@dataclass(frozen=True, eq=False)
class Row:
    """A look as it is printed.

    sizes       that of the attack and, where it is another, that of the noise
    num_weaker  on how many of the seeds the attack is the weaker one
    p, holms_p  NOTHING where the sign is not seen: nothing is tested there
    why         why a sign that is open is so; NOTHING otherwise
    """

    look: Look
    sign: str
    size: str
    sizes: str
    beside_size: str
    cell: str
    attack: str
    beside: str
    num_weaker: str
    difference: str
    interval: str
    seen: str
    p: str
    holms_p: str
    least_p: str
    why: str


def rows_of(study: Study, looks: Sequence[Look]) -> tuple[Row, ...]:
    names = labels(study)
    return tuple(_row(study, look, names[look.cell.name]) for look in looks)


def _row(study: Study, look: Look, cell: str) -> Row:
    apart, means = look.difference, look.means
    mean = apart.mean if apart else None
    size = size_text(study, look.assessment, look.size)
    beside_size = size_text(study, look.other, look.beside_size)
    is_labelled = look.other.title != look.other.name and look.sign is not Sign.LATE
    is_seen = look.seen in SEEN
    why = mean.why_open if mean and look.seen is Seen.OPEN else WhyOpen.NO_PAIR if look.seen is Seen.NO_PAIR else None
    return Row(
        look=look,
        sign=f"{look.sign} ({look.other.title})" if is_labelled else str(look.sign),
        size=size,
        sizes=size if size == beside_size else f"{size}, noise {beside_size}",
        beside_size=beside_size,
        cell=cell,
        attack=number(means[0].mean) if means else NOTHING,
        beside=number(means[1].mean) if means else NOTHING,
        num_weaker=f"{look.num_weaker}/{look.n}" if look.n else NOTHING,
        difference=mean_sd(mean.mean_sd if mean else None),
        interval=_interval(mean),
        seen=str(look.seen) + (BUT_P if look.is_but_p else ""),
        p=p_value(apart.test.p if apart and is_seen else None),
        holms_p=p_value(look.p_holm if is_seen else None),
        least_p=p_value(apart.test.floor if apart else None),
        why=str(why) if why else NOTHING,
    )


def _interval(mean: SampleMean | None) -> str:
    ends = interval_of(mean)
    if mean is not None and ends is not None:
        return f"{difference(ends.low, mean.sd)} to {difference(ends.high, mean.sd)}"
    return NOT_TRUSTED if mean is not None and mean.why_open is WhyOpen.TWO_SEEDS else NOTHING


def table_of(study: Study, rows: Sequence[Row], name: str) -> Table:
    groups = _groups(rows)
    shown = [min(mine, key=_clearest) for mine in groups]

    def column(label: str, text: Callable[[Row], str]) -> Column:
        return Column(label, tuple(map(text, shown)))

    sizes = tuple(f"{sum(r.look.seen is Seen.BEYOND_CHANCE for r in mine)}/{len(mine)}" for mine in groups)
    columns = [
        Column("sign", tuple(row.sign for row in shown), "name"),
        Column("attack", tuple(row.look.assessment.title for row in shown), "name"),
        Column(cell_label(study), tuple(row.cell for row in shown), "name"),
        column("size", lambda row: row.sizes),
        column("accuracy", lambda row: row.attack),
        column("beside it", lambda row: row.beside),
        column("weaker in", lambda row: row.num_weaker),
        column("minus beside it", lambda row: row.difference),
        column("its interval", lambda row: row.interval),
        column("seen", lambda row: row.seen),
        Column("sizes", sizes),
        column("p", lambda row: row.p),
        *([column("Holm’s p", lambda row: row.holms_p)] if any(row.look.family > 1 for row in rows) else []),
        column("least p", lambda row: row.least_p),
    ]
    if any(row.why != NOTHING for row in shown):
        columns.append(Column("why", tuple(open_because(row.why) for row in shown), "prose"))
    return Table(name, TITLE, _tidy(rows), tuple(columns), " ".join(_caption(rows)))


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """The sizes of each sign, attack, companion and cell."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        look = row.look
        groups.setdefault((row.sign, look.assessment.title, look.other.title, row.cell), []).append(row)
    return list(groups.values())


def _caption(rows: Sequence[Row]) -> Iterator[str]:
    yield (
        "Accuracy under an attack by gradients, where training ended, and beside it accuracy under what should fool no "
        "more examples: noise, the attack itself after a quarter of its steps (late), examples made on another seed’s "
        "network (transfer), FGSM (one step). Over seeds with both, at the size at which the sign is clearest. Weaker "
        "in: on how many of these seeds the attack fools fewer. Minus beside it: the difference, paired by seed, its "
        f"mean ± sd and {PERCENT} interval; beyond chance where that lies above 0. Sizes: at how many of the "
        "attack’s sizes it is."
    )
    if any(row.look.sign is Sign.NOISE for row in rows):
        yield (
            "Noise stands beside an attack whose largest perturbation has the same l2 norm, or a larger one: at most "
            "the attack’s size in linf; in l2 its size divided by the root of the number of pixels. In linf some "
            "pixels of such noise leave the ball, so it is a sign and no proof."
        )
    if any(row.look.sign is Sign.LATE for row in rows):
        yield "Of the sign late, accuracy is under the attack’s last point alone."
    if family := max((row.look.family for row in rows), default=0):
        tests = "" if family == 1 else f"; Holm’s p allows for the {family} tests or fewer of a sign, p does not"
        yield f"P: Wilcoxon’s signed-rank test, where the attack is weaker in the mean{tests}."
    if any(row.look.is_but_p for row in rows):
        yield f"P above {SIGNIFICANT:g}: the interval shows a side, and p, Holm’s of several tests, does not."
    yield "That accuracy stays above 0 at the largest size is no sign by itself."


def notes_of(rows: Sequence[Row], not_looked: Sequence[NotLooked]) -> Iterator[str]:
    """A warning for each cell with a sign; what was not seen, and where; what could not be looked for."""
    cells = list(dict.fromkeys(row.cell for row in rows))
    for cell in cells:
        worst = _worst([row for row in rows if row.cell == cell])
        if strong := [row for row in worst if row.look.seen is not Seen.WITHIN_CHANCE]:
            told = "; ".join(map(_clause, strong))
            yield f"{cell}: {told}: its gradients may be masked, so its robustness may not be real."
    if weak := [row for row in _worst(rows) if row.look.seen is Seen.WITHIN_CHANCE]:
        yield f"Signs of masked gradients within chance: {'; '.join(f'{row.cell}: {_clause(row)}' for row in weak)}."
    yield from _not_seen(rows, cells)
    for attack in dict.fromkeys(each.attack for each in not_looked):
        told = "; ".join(f"{_named(each.sign)} ({each.why})" for each in not_looked if each.attack == attack)
        yield f"Signs of masked gradients that could not be looked for under {attack}: {told}."
    if not rows and not not_looked:
        yield "Signs of masked gradients were not looked for: the analysis has no attack by gradients, such as pgd."


def _worst(rows: Sequence[Row]) -> list[Row]:
    """Of each sign that was seen, the size at which it is clearest."""
    clearest = [min(mine, key=_clearest) for mine in _groups(rows)]
    return [row for row in clearest if row.look.seen in SEEN]


def _clearest(row: Row) -> tuple[int, float]:
    apart = row.look.difference
    return list(Seen).index(row.look.seen), -apart.mean.mean if apart else 0.0


def _clause(row: Row) -> str:
    look = row.look
    seen = f"open because {row.why}" if look.seen is Seen.OPEN else row.seen
    seen = "" if look.seen is Seen.WITHIN_CHANCE else f", {seen}"
    figures = f"{row.attack} against {row.beside}, {look.num_weaker} of {plural(look.n, 'seed')}{seen}"
    attack, other = look.assessment.title, look.other.title
    what = {
        Sign.NOISE: f"{attack} fools fewer than {other} {_how_large(row)} does at {row.size}",
        Sign.LATE: f"{attack} fools fewer at its last step than after a quarter of its steps at {row.size}",
        Sign.TRANSFER: f"{attack} fools fewer than {other}, made on another seed’s network, does at {row.size}",
        Sign.ONE_STEP: f"{attack} fools fewer than {other}, a single step, does at {row.size}",
    }
    return f"{what[look.sign]} (accuracy {figures})"


def _how_large(row: Row) -> str:
    look = row.look
    is_same = norm_of(look.assessment) != "l2" and look.size == look.beside_size
    return "of the same size" if is_same else f"of standard deviation {row.beside_size}"


def _not_seen(rows: Sequence[Row], cells: Sequence[str]) -> Iterator[str]:
    """By what was looked for in vain: in which cells."""
    where: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    unknown: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for attack in dict.fromkeys(row.look.assessment.title for row in rows):
        for cell in cells:
            mine = [row for row in rows if row.look.assessment.title == attack and row.cell == cell]
            signs = {sign: {row.look.seen for row in mine if row.look.sign is sign} for sign in Sign}
            absent = tuple(_named(sign) for sign, seen in signs.items() if seen == {Seen.NOT_SEEN})
            some = tuple(_named(sign) for sign, seen in signs.items() if Seen.NO_PAIR in seen)
            if absent:
                where.setdefault((attack, absent), []).append(cell)
            if some:
                unknown.setdefault((attack, some), []).append(cell)
    for (attack, signs_of), those in where.items():
        mine = [row for row in rows if row.look.assessment.title == attack and row.cell in those]
        nums = [row.look.n for row in mine if _named(row.look.sign) in signs_of]
        seeds = plural(max(nums), "seed") if min(nums) == max(nums) else f"{min(nums)} to {max(nums)} seeds"
        few = f", too few to be sure: under {FEW_SEEDS}" if min(nums) < FEW_SEEDS else ""
        yield (
            f"Signs of masked gradients that were looked for under {attack} and not seen in {listed(those)} ({seeds}"
            f"{few}): {listed(signs_of)}."
        )
    for (attack, signs_of), those in unknown.items():
        yield (
            f"Signs of masked gradients under {attack} that are open in {listed(those)}, at some size at least, "
            f"because {WhyOpen.NO_PAIR}: {listed(signs_of)}."
        )


def _named(sign: Sign) -> str:
    return {
        Sign.NOISE: "noise of its size or less that fools more",
        Sign.LATE: "a last step that fools fewer than an early one",
        Sign.TRANSFER: "examples made on another seed’s network that fool more",
        Sign.ONE_STEP: "a single step that fools more",
    }[sign]


def cells_beyond_chance(rows: Sequence[Row], attack: str) -> set[str]:
    """Names of cells with a sign under that attack that is beyond chance."""
    return {
        row.look.cell.name
        for row in rows
        if row.look.assessment.title == attack and row.look.seen is Seen.BEYOND_CHANCE
    }


def metrics_of(rows: Sequence[Row], name: str) -> Iterator[tuple[str, float]]:
    """Of each cell, attack and sign: at how many sizes it is beyond chance, and the largest mean difference."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        key = f"{slug(row.look.cell)}/{row.look.assessment.title}/{row.look.sign.name.lower()}"
        groups.setdefault(key, []).append(row)
    for key, mine in groups.items():
        apart = [row.look.difference.mean.mean for row in mine if row.look.difference]
        beyond = float(sum(row.look.seen is Seen.BEYOND_CHANCE for row in mine))
        found = {"beyond_chance": beyond if apart else None, "difference": max(apart, default=None)}
        for figure, value in finite(found).items():
            yield f"{name}/{key}/{figure}", value


def _tidy(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "sign": look.sign.name.lower(),
                "attack": look.assessment.title,
                "beside": look.other.title,
                "size": look.size,
                "beside_size": look.beside_size,
                "cell": look.cell.name,
                "arm": look.cell.arm,
                **dict(look.cell.columns),
                "accuracy": means[0].mean if means else None,
                "accuracy_beside": means[1].mean if means else None,
                "n": look.n,
                "weaker_in": look.num_weaker,
                "difference": mean.mean if mean else None,
                "difference_sd": mean.sd if mean else None,
                "difference_low": ends.low if ends else None,
                "difference_high": ends.high if ends else None,
                "level": LEVEL,
                "p": apart.test.p if apart else None,
                "p_holm": look.p_holm,
                "p_floor": apart.test.floor if apart else None,
                "seen": row.seen,
                "open_because": None if row.why == NOTHING else row.why,
            }
            for row in rows
            for look in [row.look]
            for means, apart in [(look.means, look.difference)]
            for mean in [apart.mean if apart else None]
            for ends in [interval_of(mean)]
        ]
    )
