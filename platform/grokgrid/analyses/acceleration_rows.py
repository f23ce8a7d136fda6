"""The acceleration table as texts. The headline prints the same ones, so the two cannot disagree."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from grokgrid.analyses.comparisons import Comparison, holm
from grokgrid.analyses.wording import BUT_P, NOT_TRUSTED, NOTHING, interval, labels, mean_sd, number, p_value, ratio
from grokgrid.statistics import Direction, Estimator, Evidence, WhyOpen, is_significant
from search_spaces import Study

SIDES = {Evidence.ABOVE: "sooner", Evidence.BELOW: "later"}

SLUG = {
    Estimator.GEOMETRIC_MEAN: "geometric_mean",
    Estimator.CENSORED_FIT: "censored_fit",
    Estimator.LOWER_BOUND: "lower_bound",
    Estimator.UPPER_BOUND: "upper_bound",
}

_SIGNS = {Estimator.LOWER_BOUND: "≥ ", Estimator.UPPER_BOUND: "≤ "}


@dataclass(frozen=True, eq=False)
class Row:
    """A comparison as it is printed.

    p_holm    Holm's p as a number; None without a test
    finding   what the interval says
    why       why that is open, or why its size is; NOTHING otherwise
    family    how many cells its measure compares
    """

    c: Comparison
    p_holm: float | None
    measure: str
    cell: str
    baseline: str
    estimate: str
    interval: str
    finding: str
    why: str
    estimator: str
    mean_sd: str
    pairs: str
    p: str
    holms_p: str
    least_p: str
    reached: str
    reached_baseline: str
    others: str
    sooner: str
    restricted: str
    family: int

    @property
    def is_but_p(self) -> bool:
        """Whether the interval shows a side that p, Holm's where several cells are compared, does not confirm."""
        return self.finding.endswith(BUT_P)


def rows_of(study: Study, comparisons: Sequence[Comparison]) -> tuple[Row, ...]:
    names, families = labels(study), Counter(c.measure for c in comparisons)
    return tuple(
        _row(c, p_holm, names[c.cell.name], names[c.baseline.name], families[c.measure])
        for c, p_holm in zip(comparisons, holm(comparisons), strict=True)
    )


def _row(c: Comparison, p_holm: float | None, cell: str, baseline: str, family: int) -> Row:
    return Row(
        c=c,
        p_holm=p_holm,
        measure=c.measure.label,
        cell=cell,
        baseline=baseline,
        estimate=_estimate(c),
        interval=_interval(c),
        finding=_finding(c, p_holm),
        why=str(c.finding.why) if c.finding.why else NOTHING,
        estimator=SLUG[c.estimator].replace("_", " ") if c.estimator else NOTHING,
        mean_sd=mean_sd(c.mean_sd(Direction.FEWER)),
        pairs=str(c.found.n),
        p=p_value(c.test.p if c.test else None),
        holms_p=p_value(p_holm),
        least_p=p_value(c.test.floor if c.test else None),
        reached=f"{c.reached}/{c.num_seeds}",
        reached_baseline=f"{c.reached_baseline}/{c.num_seeds}",
        others=c.others,
        sooner=_sooner(c),
        restricted=NOTHING if c.not_comparable else number(c.found.restricted_mean_ratio),
        family=family,
    )


def _estimate(c: Comparison) -> str:
    if c.not_comparable:
        return "not comparable"
    return _SIGNS.get(c.estimator, "") + ratio(c.estimate) if c.estimator else NOTHING


def _interval(c: Comparison) -> str:
    if c.estimate is None or c.why_open in (WhyOpen.ONE_SEED, WhyOpen.NO_SPREAD):
        return NOTHING
    return interval(c.interval) if c.is_trusted else NOT_TRUSTED


def _finding(c: Comparison, p_holm: float | None) -> str:
    evidence = c.finding.evidence
    return SIDES.get(evidence, str(evidence)) + (BUT_P if c.finding.has_side and not is_significant(p_holm) else "")


def _sooner(c: Comparison) -> str:
    found = c.found.improvement
    decided = found.num_sooner + found.num_later + found.num_tied
    tied = f", {found.num_tied} tied" if found.num_tied else ""
    return NOTHING if not decided or c.not_comparable else f"{found.num_sooner}/{decided}{tied}"
