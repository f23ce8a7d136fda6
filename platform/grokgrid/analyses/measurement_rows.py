"""Metrics where training ended, cell by cell, and their differences from the baseline: as figures, and as the texts
that the table and the headline print.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from grokgrid.analyses.ends import ENDED, end_values, num_ended
from grokgrid.analyses.trials import others
from grokgrid.analyses.wording import BUT_P, LEVEL, NOT_TRUSTED, NOTHING, difference, labels, mean_sd, p_value, precise
from grokgrid.results import Results, State
from grokgrid.statistics import (
    Evidence,
    Finding,
    PairedDifference,
    SampleMean,
    WhyOpen,
    holm_within,
    is_significant,
    judge_difference,
    paired_difference,
)
from search_spaces import Cell, Study
from search_spaces.analyses import Measurements
from search_spaces.assessing import metrics_of_assessments
from search_spaces.search import measured_by

SIDES = {Evidence.ABOVE: "higher", Evidence.BELOW: "lower"}


@dataclass(frozen=True)
class Measurement:
    """A metric of a cell's trials that ended.

    found       None if there is none
    is_measured whether its trials measure it, as far as that is known beforehand
    num_ended   that ended, whether the metric is a number there or not
    difference  from the baseline; None for the baseline itself, without one, and without a common seed
    finding     what the difference's interval says: ABOVE, the cell's is higher. None where none is asked for
    p_holm      the difference's p, allowing for all cells of which this metric is compared
    family      how many these are
    others      the states of the trials that did not end
    """

    cell: Cell
    metric: str
    found: SampleMean | None
    is_measured: bool
    num_ended: int
    difference: PairedDifference | None
    finding: Finding | None
    p_holm: float | None
    family: int
    others: str

    @property
    def n(self) -> int:
        return self.found.n if self.found else 0


def measure(results: Results, analysis: Measurements) -> tuple[Measurement, ...]:
    """Metric by metric, every cell."""
    found = [m for metric in analysis.metrics for m in at_the_end(results, metric, analysis.baseline)]
    return with_holm(found, [m.metric for m in found])


def at_the_end(
    results: Results, metric: str, baseline: str | None, *, at_same_point: bool = False
) -> Iterator[Measurement]:
    """A metric where training ended: see `compared`."""
    values = {cell.name: end_values(results, cell, metric) for cell in results.study.cells}
    is_assessed = metric in metrics_of_assessments(results.study.assessments)
    measured = {cell.name: is_assessed or measures(cell, metric) for cell in results.study.cells}
    is_accuracy = measured_by(metric).endswith("_accuracy") or (is_assessed and "accuracy_at_" in metric)
    return compared(
        results, metric, values, baseline, measured=measured, is_accuracy=is_accuracy, at_same_point=at_same_point
    )


def with_holm(found: Sequence[Measurement], families: Sequence[str]) -> tuple[Measurement, ...]:
    """With p values that allow for all tests of a family. families: that of each."""
    tests = [m.difference.test if m.difference else None for m in found]
    adjusted = holm_within(families, [test.p if test else None for test in tests])
    sizes = Counter(family for m, family in zip(found, families, strict=True) if m.finding)
    both = zip(found, adjusted, families, strict=True)
    return tuple(replace(m, p_holm=p, family=sizes[family]) for m, p, family in both)


@dataclass(frozen=True, eq=False)
class Row:
    """A measurement as it is printed.

    finding  what the difference's interval says; NOTHING where none is asked for
    why      why the difference is open or, where none is asked for, the mean; NOTHING otherwise
    """

    m: Measurement
    metric: str
    cell: str
    mean: str
    interval: str
    min: str
    max: str
    n: str
    others: str
    difference: str
    its_interval: str
    finding: str
    why: str
    pairs: str
    p: str
    holms_p: str
    least_p: str

    @property
    def is_but_p(self) -> bool:
        """Whether the interval shows a side that p, Holm's where several cells are compared, does not confirm."""
        return self.finding.endswith(BUT_P)


def rows_of(study: Study, found: Sequence[Measurement]) -> tuple[Row, ...]:
    names, num_seeds = labels(study), len(study.seed_list)
    return tuple(_row(m, names[m.cell.name], num_seeds) for m in found)


def _row(m: Measurement, cell: str, num_seeds: int) -> Row:
    mean, apart = m.found, m.difference.mean if m.difference else None
    test = m.difference.test if m.difference else None
    nothing = WhyOpen.NO_VALUE if m.is_measured else WhyOpen.NOT_MEASURED
    why = m.finding.why if m.finding else mean.why_open if mean else nothing
    if mean and not m.finding and not m.cell.config.draws:
        # All seeds have the one figure, which is exact.
        why = None
    return Row(
        m=m,
        metric=m.metric,
        cell=cell,
        mean=mean_sd(mean.mean_sd if mean else None),
        interval=_interval(mean, precise),
        min=precise(mean.min, mean.sd) if mean else NOTHING,
        max=precise(mean.max, mean.sd) if mean else NOTHING,
        n=f"{m.n}/{num_seeds}",
        others=m.others,
        difference=mean_sd(apart.mean_sd if apart else None),
        its_interval=_interval(apart, difference),
        finding=_finding(m),
        why=str(why) if why else NOTHING,
        pairs=str(apart.n) if apart else NOTHING,
        p=p_value(test.p if test else None),
        holms_p=p_value(m.p_holm),
        least_p=p_value(test.floor if test else None),
    )


def _interval(mean: SampleMean | None, write: Callable[[float, float | None], str]) -> str:
    ends = mean.confidence_interval(LEVEL) if mean else None
    if mean is not None and ends is not None:
        return f"{write(ends.low, mean.sd)} to {write(ends.high, mean.sd)}"
    return NOT_TRUSTED if mean is not None and mean.why_open is WhyOpen.TWO_SEEDS else NOTHING


def _finding(m: Measurement) -> str:
    if m.finding is None:
        return NOTHING
    evidence = m.finding.evidence
    return SIDES.get(evidence, str(evidence)) + (BUT_P if m.finding.has_side and not is_significant(m.p_holm) else "")


def compared(
    results: Results,
    metric: str,
    values: "Mapping[str, pd.Series[float]]",
    baseline: str | None,
    *,
    measured: Mapping[str, bool],
    is_accuracy: bool,
    at_same_point: bool = False,
) -> Iterator[Measurement]:
    """Every cell, without p values that allow for several tests: `with_holm` gives them.

    values: of each cell's trials that ended, finite, by seed
    measured: of each cell, whether its trials measure the metric
    at_same_point: whether each cell is compared with the baseline's cell at the same point of the grid
    """
    references = [cell for cell in results.study.cells if cell.arm == baseline]
    for cell in results.study.cells:
        reference = next((each for each in references if not at_same_point or each.point == cell.point), None)
        mine, difference, finding = values[cell.name], None, None
        if reference is not None and cell is not reference:
            theirs = values[reference.name]
            # Of two that draw nothing all seeds are one pair.
            is_one_pair = not (reference.config.draws or cell.config.draws)
            difference = paired_difference(theirs[:1], mine[:1]) if is_one_pair else paired_difference(theirs, mine)
            # Of trials that diverged, or ended without a number, nothing enters: what is left flatters.
            is_left_out = any(_num_lost(results, each, len(values[each.name])) for each in (reference, cell))
            finding = _judged(difference, theirs, is_left_out=is_left_out, is_accuracy=is_accuracy)
            if not (measured[reference.name] and measured[cell.name]):
                finding = Finding(Evidence.OPEN, WhyOpen.NOT_MEASURED)
        yield Measurement(
            cell=cell,
            metric=metric,
            found=SampleMean.of(mine) if len(mine) else None,
            is_measured=measured[cell.name],
            num_ended=num_ended(results, cell) if measured[cell.name] else 0,
            difference=difference,
            finding=finding,
            p_holm=None,
            family=0,
            others=others(results, cell, but=ENDED),
        )


def measures(cell: Cell, metric: str) -> bool:
    """Whether its trials do, as far as that is known beforehand."""
    return cell.config.metrics is None or measured_by(metric) in cell.config.metrics


def _num_lost(results: Results, cell: Cell, num_values: int) -> int:
    return int((results.trials_of(cell)["state"] == State.DIVERGED).sum()) + num_ended(results, cell) - num_values


def _judged(
    difference: PairedDifference | None, baseline: "pd.Series[float]", *, is_left_out: bool, is_accuracy: bool
) -> Finding:
    if difference is None:
        return Finding(Evidence.OPEN, WhyOpen.LEFT_OUT if is_left_out else WhyOpen.NO_PAIR)
    why, mean = difference.mean.why_open, float(baseline.mean())
    # Of an accuracy near 1 the error is what may differ by much.
    sizes = [mean, mean - 1] if is_accuracy else [mean]
    if why is None and is_left_out:
        why = WhyOpen.LEFT_OUT
    return judge_difference(difference.mean.confidence_interval(LEVEL), why, sizes)
