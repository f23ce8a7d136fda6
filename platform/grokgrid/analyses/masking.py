"""Signs that an attack is weak because the network's gradients are masked: it then seems robust, and is not.

Four things that an attack by gradients should be better than, each over the seeds of one cell (Athalye et al. 2018,
https://arxiv.org/abs/1802.00420, section 3.1):

    noise      white noise of the same or of a smaller size fools more examples
    late       the attack's last point fools fewer than the one after a quarter of its steps
    transfer   examples made on another seed's network, of the same size, fool more
    one step   FGSM, a single step of the same size, fools more

Noise of standard deviation s has the l2 norm s sqrt(d) on d pixels. That is the norm of the largest perturbation that
an attack of size s may make in linf, s in each pixel; an attack of size s in l2 is as large as noise of standard
deviation s / sqrt(d). Of the noise that is assessed, the largest is taken that is not larger than the attack. In linf
it leaves the ball nonetheless, for some pixels move by more than s. So this is a sign and not a proof; but noise hardly
ever points where an attack would, and a search that noise outdoes has found little.

That accuracy stays above 0 at the largest size is no sign by itself.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import pandas as pd

from grokgrid.analyses.ends import end_values
from grokgrid.analyses.robustness import BY_GRADIENTS, FGSM, NOISE, TRANSFER, metric_at, norm_of
from grokgrid.analyses.wording import LEVEL
from grokgrid.results import Results
from grokgrid.statistics import PairedDifference, SampleMean, holm_within, is_significant, paired_difference
from grokgrid.statistics.robustness import TIE
from search_spaces import Cell
from search_spaces.analyses.robustness_curve import sizes_of
from trainables.assessments.base import Assessment


class Sign(StrEnum):
    NOISE = "noise"
    LATE = "late"
    TRANSFER = "transfer"
    ONE_STEP = "one step"


class Seen(StrEnum):
    """Whether a sign is there."""

    BEYOND_CHANCE = "beyond chance"
    """The interval of the mean difference lies above 0."""
    OPEN = "open"
    """The mean difference lies above 0, and has no interval to trust."""
    WITHIN_CHANCE = "within chance"
    """The mean difference lies above 0, and its interval holds 0."""
    NOT_SEEN = "not seen"
    """The mean difference is not above 0."""
    NO_PAIR = "no pair"
    """No seed has a number on both sides."""


@dataclass(frozen=True, eq=False)
class Look:
    """A sign looked for in one cell, at one size.

    attack, beside      accuracies by seed, of seeds that have both: under the attack (of `late` under its last point),
                        and under what should be weaker
    size, beside_size   of the attack and of the other
    p_holm, family      the p of the attack's being no weaker, allowing for all `family` looks for this sign
    """

    sign: Sign
    cell: Cell
    assessment: Assessment
    other: Assessment
    size: float
    beside_size: float
    attack: "pd.Series[float]"
    beside: "pd.Series[float]"
    p_holm: float | None = None
    family: int = 0

    @cached_property
    def difference(self) -> PairedDifference | None:
        """Accuracy under the attack minus that beside it: above 0 where the attack is weaker."""
        return paired_difference(self.beside, self.attack)

    @property
    def n(self) -> int:
        return len(self.attack)

    @property
    def num_weaker(self) -> int:
        """Seeds on which the attack fools fewer."""
        return int((self.attack - self.beside > TIE).sum())

    @property
    def means(self) -> tuple[SampleMean, SampleMean] | None:
        return (SampleMean.of(self.attack), SampleMean.of(self.beside)) if self.n else None

    @property
    def seen(self) -> Seen:
        if self.difference is None:
            return Seen.NO_PAIR
        mean = self.difference.mean
        if mean.mean <= TIE:
            return Seen.NOT_SEEN
        interval = mean.confidence_interval(LEVEL)
        if interval is None:
            return Seen.OPEN
        return Seen.BEYOND_CHANCE if interval.low > 0 else Seen.WITHIN_CHANCE

    @property
    def is_but_p(self) -> bool:
        """Whether it is beyond chance by its interval, and p, Holm's of several looks, does not confirm it."""
        return self.seen is Seen.BEYOND_CHANCE and not is_significant(self.p_holm)


@dataclass(frozen=True)
class NotLooked:
    """A sign that could not be looked for in an attack, and why."""

    sign: Sign
    attack: str
    why: str


@dataclass(frozen=True)
class _Pair:
    sign: Sign
    other: Assessment
    size: float
    beside_size: float
    metrics: tuple[str, str]


def look_for(results: Results, attacks: Sequence[Assessment]) -> tuple[tuple[Look, ...], tuple[NotLooked, ...]]:
    """In each attack by gradients of `attacks`, beside whatever the study assesses."""
    looks: list[Look] = []
    not_looked: list[NotLooked] = []
    for attack in attacks:
        if attack.name not in BY_GRADIENTS:
            continue
        pairs: list[_Pair] = []
        for found in (_noise(results, attack), _late(attack), *_same_sizes(results, attack)):
            if isinstance(found, NotLooked):
                not_looked.append(found)
            else:
                pairs += found
        looks += [_look(results, cell, attack, pair) for pair in pairs for cell in results.study.cells]
    tests = [_p(look) for look in looks]
    families = [look.sign for look in looks]
    sizes = Counter(look.sign for look in looks if look.difference)
    adjusted = zip(looks, holm_within(families, tests), strict=True)
    return tuple(replace(look, p_holm=p, family=sizes[look.sign]) for look, p in adjusted), tuple(not_looked)


def _p(look: Look) -> float | None:
    """Of the attack's being no weaker: the two-sided p, and 1 where the difference is not above 0."""
    if look.difference is None:
        return None
    return 1.0 if look.seen is Seen.NOT_SEEN else look.difference.test.p


def _look(results: Results, cell: Cell, attack: Assessment, pair: _Pair) -> Look:
    both = pd.DataFrame(
        {name: end_values(results, cell, metric) for name, metric in zip("ab", pair.metrics, strict=True)}
    )
    both = both.dropna().astype(float)
    return Look(pair.sign, cell, attack, pair.other, pair.size, pair.beside_size, both["a"], both["b"])


def _noise(results: Results, attack: Assessment) -> list[_Pair] | NotLooked:
    others = _beside(results, attack, NOISE)
    if isinstance(others, str):
        return NotLooked(Sign.NOISE, attack.title, others)
    found: list[_Pair] = []
    for size in sizes_of(attack):
        most = _as_noise(results, attack, size)
        if most is None:
            why = "how many pixels an example has, which says how large noise is in l2, is not known beforehand"
            return NotLooked(Sign.NOISE, attack.title, why)
        for other in others:
            smaller = [each for each in sizes_of(other) if each <= most * (1 + 1e-9)]
            if smaller:
                metrics = (metric_at(attack, size), metric_at(other, smaller[-1]))
                found.append(_Pair(Sign.NOISE, other, size, smaller[-1], metrics))
    why = "no noise of the size of one of its perturbations, or of a smaller one, is assessed"
    return found or NotLooked(Sign.NOISE, attack.title, why)


def _as_noise(results: Results, attack: Assessment, size: float) -> float | None:
    """The standard deviation of noise that is as large as the attack's largest perturbation."""
    saturation = getattr(attack, "saturation", None) or math.inf
    if norm_of(attack) != "l2":
        return min(size, saturation)
    data = (
        [attack.on] if not isinstance(attack.on, str) else [d for c in results.study.cells for d in c.config.data_sets]
    )
    shapes = {each.shape for each in data}
    if len(shapes) != 1 or (shape := shapes.pop()) is None:
        return None
    return min(size / math.sqrt(math.prod(shape[0])), saturation)


def _late(attack: Assessment) -> list[_Pair] | NotLooked:
    found = []
    for size in sizes_of(attack):
        late, early = (metric_at(attack, size, when) for when in ("late_", "early_"))
        if {late, early} <= {f"{attack.title}_{metric}" for metric in attack.metrics}:
            found.append(_Pair(Sign.LATE, attack, size, size, (late, early)))
    return found or NotLooked(Sign.LATE, attack.title, "it has no accuracies of its early and of its last steps")


def _same_sizes(results: Results, attack: Assessment) -> Iterator[list[_Pair] | NotLooked]:
    for sign, name in ((Sign.TRANSFER, TRANSFER), (Sign.ONE_STEP, FGSM)):
        others = _beside(results, attack, name)
        if isinstance(others, str):
            yield NotLooked(sign, attack.title, others)
            continue
        found = [
            _Pair(sign, other, size, size, (metric_at(attack, size), metric_at(other, size)))
            for other in others
            if _ball(other) == _ball(attack)
            for size in sizes_of(attack)
            if f"{size:.4g}" in {f"{each:.4g}" for each in sizes_of(other)}
        ]
        yield found or NotLooked(sign, attack.title, f"no {name} of the same norm and one of its sizes is assessed")


def _ball(attack: Assessment) -> tuple[object, ...]:
    return norm_of(attack), getattr(attack, "saturation", None)


def _beside(results: Results, attack: Assessment, name: str) -> list[Assessment] | str:
    """The assessments of that name on the same examples and networks; or why there is none."""
    named = [each for each in results.study.assessments if each.name == name]
    if not named:
        return f"no {name} is assessed"
    alike = [each for each in named if _examples(each) == _examples(attack)]
    return alike or f"{name} is assessed on other examples or networks"


def _examples(assessment: Assessment) -> tuple[object, ...]:
    return assessment.on, assessment.num_examples, assessment.network
