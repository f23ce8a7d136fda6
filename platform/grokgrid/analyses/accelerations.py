"""The acceleration table: how much sooner each cell reaches the goal than the baseline, and how sure that is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing
from grokgrid.analyses.comparisons import Comparison, holm
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.published import published_table
from grokgrid.analyses.times import Measure
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import (
    LEVEL,
    NOT_TRUSTED,
    NOTHING,
    PERCENT,
    cell_label,
    finite,
    interval,
    labels,
    listed,
    mean_sd,
    number,
    p_value,
    slug,
)
from grokgrid.statistics import Direction, Estimator, RatioKind
from grokgrid.view import View
from search_spaces import Study
from search_spaces.study import Acceleration

FEW_TO_CHECK = 20
"""Of fewer ratios than this, two modes make the interval too narrow, and a glance may not see them."""

SLUG = {
    Estimator.GEOMETRIC_MEAN: "geometric_mean",
    Estimator.CENSORED_FIT: "censored_fit",
    Estimator.LOWER_BOUND: "lower_bound",
    Estimator.UPPER_BOUND: "upper_bound",
}

ESTIMATORS = {
    Estimator.GEOMETRIC_MEAN: "geometric means",
    Estimator.CENSORED_FIT: "log-normal fits that allow for censoring",
    Estimator.LOWER_BOUND: "lower bounds",
    Estimator.UPPER_BOUND: "upper bounds",
}


def acceleration_section(
    view: View, analysis: Acceleration, comparisons: Sequence[Comparison], *, name: str = "acceleration"
) -> Section:
    """`name` begins the names of tables and metrics: a study may compare with several baselines."""
    adjusted = holm(comparisons)
    tables = [_table(view, analysis, comparisons, adjusted, name)]
    if view.study.reference:
        tables.append(published_table(view.study, comparisons, f"{name}-published"))
    tables.append(_pairs(comparisons, f"{name}-pairs"))
    drawn = [c for c in comparisons if c.measure is Measure.UPDATES and c.estimate is not None]
    figures = [
        Figure(
            f"{name}-updates",
            "Acceleration in updates",
            partial(drawing.accelerations, view.study, drawn),
            "A dot a seed, an arrow where one of its two trials was censored and the ratio is a bound; the diamond is "
            f"the estimate with its {PERCENT} interval, hollow where it is a bound or not to be trusted.",
        )
    ]
    return Section(
        title=f"Acceleration over {analysis.baseline}",
        tables=tuple(tables),
        figures=tuple(figures if drawn else ()),
        notes=(*absent(view), *_notes(view, comparisons)),
        metrics=dict(_metrics(comparisons, adjusted, name)),
    )


def _table(
    view: View, analysis: Acceleration, comparisons: Sequence[Comparison], adjusted: Sequence[float | None], name: str
) -> Table:
    def column(label: str, texts: Iterator[str]) -> Column:
        return Column(label, tuple(texts))

    names = labels(view.study)
    tests = [c.test for c in comparisons]
    family = max(Counter(c.measure for c in comparisons).values(), default=0)
    estimators = {c.estimator for c in comparisons if c.estimator}
    some = any(c.others != NOTHING for c in comparisons)
    columns = (
        Column("measure", tuple(c.measure.label for c in comparisons), "name"),
        Column(cell_label(view.study), tuple(names[c.cell.name] for c in comparisons), "name"),
        column("acceleration", (_estimate(c) for c in comparisons)),
        column(f"{PERCENT} interval", (_interval(c) for c in comparisons)),
        *([column("estimator", (_estimator(c) for c in comparisons))] if len(estimators) > 1 else []),
        column("mean ± sd", (mean_sd(c.mean_sd(Direction.FEWER)) for c in comparisons)),
        column("pairs", (str(c.found.n) for c in comparisons)),
        column("p", (p_value(test.p if test else None) for test in tests)),
        *([column("Holm’s p", map(p_value, adjusted))] if family > 1 else []),
        column("least p", (p_value(test.floor if test else None) for test in tests)),
        column("reached", (f"{c.reached}/{c.num_seeds}" for c in comparisons)),
        *([column("the others", (c.others for c in comparisons))] if some else []),
        column(f"{analysis.baseline}’s", (f"{c.reached_baseline}/{c.num_seeds}" for c in comparisons)),
        column("sooner", (_share(c) for c in comparisons)),
        column("restricted", (_restricted(c) for c in comparisons)),
    )
    goal, baseline = view.study.goal, analysis.baseline
    caption = [f"Time of {baseline} to {goal} over the time of the other, paired by seed: above 1 the other is sooner."]
    if len(estimators) == 1:
        caption.append(f"Estimates are {ESTIMATORS[estimators.pop()]}.")
    caption.append(
        "Reached: how many seeds got there, and of the baseline’s. Least p: what so many pairs could give at best. "
        "Sooner: on how many of the seeds of which it is known. Restricted: the ratio of mean times up to the budget."
    )
    if family > 1:
        caption.append(
            f"By each measure {family} {cell_label(view.study)}s are compared with {baseline}: Holm’s p allows for so "
            "many tests, p alone does not."
        )
    if any(c.found.n < FEW_TO_CHECK for c in comparisons if c.interval is not None):
        caption.append(
            "Intervals presume that ratios are log-normal: with so few seeds, two modes make them too narrow "
            "(docs/statistics.md)."
        )
    if any(c.measure is Measure.PHASE_SECONDS for c in comparisons):
        caption.append(f"Phase: seconds from the first look at {analysis.phase_from:g} to the goal.")
    return Table(
        name, "How many times sooner", _tidy(comparisons, adjusted), columns if comparisons else (), " ".join(caption)
    )


def _estimate(c: Comparison) -> str:
    if c.not_comparable:
        return "not comparable"
    sign = {Estimator.LOWER_BOUND: "≥ ", Estimator.UPPER_BOUND: "≤ "}
    return sign.get(c.estimator, "") + number(c.estimate) if c.estimator else NOTHING


def _interval(c: Comparison) -> str:
    return interval(c.interval) if c.is_trusted or c.estimate is None else NOT_TRUSTED


def _estimator(c: Comparison) -> str:
    return SLUG[c.estimator].replace("_", " ") if c.estimator else NOTHING


def _share(c: Comparison) -> str:
    found = c.found.improvement
    decided = found.num_sooner + found.num_later + found.num_tied
    tied = f", {found.num_tied} tied" if found.num_tied else ""
    return NOTHING if not decided or c.not_comparable else f"{found.num_sooner}/{decided}{tied}"


def _restricted(c: Comparison) -> str:
    return NOTHING if c.not_comparable else number(c.found.restricted_mean_ratio)


def _tidy(comparisons: Sequence[Comparison], adjusted: Sequence[float | None]) -> pd.DataFrame:
    rows = []
    for c, p_holm in zip(comparisons, adjusted, strict=True):
        found, ends = c.found, c.interval
        fewer, more = c.mean_sd(Direction.FEWER), c.mean_sd(Direction.MORE)
        test = c.test
        rows.append(
            {"baseline": c.baseline.name, "cell": c.cell.name, "arm": c.cell.arm}
            | dict(c.cell.columns)
            | {
                "measure": c.measure.value,
                "estimate": c.estimate,
                "low": ends.low if ends else None,
                "high": ends.high if ends else None,
                "level": LEVEL,
                "trusted": None if c.estimate is None else c.is_trusted,
                "estimator": c.estimator.value if c.estimator else None,
                "pairs": found.n,
                **{kind.value.replace(" ", "_"): found.num(kind) for kind in RatioKind},
                "seeds": c.num_seeds,
                "reached": c.reached,
                "reached_baseline": c.reached_baseline,
                "mean_fewer": fewer.mean if fewer else None,
                "sd_fewer": fewer.sd if fewer else None,
                "mean_more": more.mean if more else None,
                "sd_more": more.sd if more else None,
                "p": test.p if test else None,
                "p_holm": p_holm,
                "test": test.kind.value if test else None,
                "p_floor": test.floor if test else None,
                "test_pairs": test.num_pairs if test else None,
                "probability_of_improvement": None if c.not_comparable else found.improvement.probability,
                "restricted_means_ratio": None if c.not_comparable else found.restricted_mean_ratio,
                "restricted_at": None if c.not_comparable else found.restricted_at,
                "not_comparable": c.not_comparable,
            }
        )
    return pd.DataFrame(rows)


def _pairs(comparisons: Sequence[Comparison], name: str) -> Table:
    columns = ["cell", "measure", "seed", "baseline", "arm", "ratio", "kind"]
    pairs = pd.DataFrame(columns=columns)
    if comparisons:
        of = np.repeat(np.arange(len(comparisons)), [c.found.n for c in comparisons])
        pairs = pd.concat([c.found.ratios for c in comparisons], ignore_index=True).assign(
            cell=np.array([c.cell.name for c in comparisons], object)[of],
            measure=np.array([c.measure.value for c in comparisons], object)[of],
            kind=lambda ratios: [str(kind) for kind in ratios["kind"]],
        )
    return Table(name, "Every pair", pairs[columns].rename(columns={"baseline": "time_baseline", "arm": "time"}))


def _notes(view: View, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The warnings of the statistics, each once, with whom it concerns."""
    if not comparisons:
        yield "There is no other arm to compare."
    concerned: dict[str, list[Comparison]] = {}
    for c in comparisons:
        for warning in [f"Not comparable, for {c.not_comparable}."] if c.not_comparable else c.found.warnings:
            concerned.setdefault(warning, []).append(c)
    for warning, those in concerned.items():
        whom = _whom(view.study, comparisons, those)
        yield f"{whom}: {warning}" if whom else warning
    names = {
        str(name)
        for cell in {id(c.cell): c.cell for c in comparisons}.values()
        for name in view.seen_of(cell).reindex(columns=["device_name"])["device_name"].dropna()
    }
    if len(names) > 1 and not all(c.not_comparable for c in comparisons if c.measure is not Measure.UPDATES):
        yield f"The seconds are of different devices: {listed(sorted(names))}."


def _whom(study: Study, comparisons: Sequence[Comparison], those: Sequence[Comparison]) -> str:
    """`jacobian, seconds`: which of the comparisons, as briefly as can be; nothing if it is all of them."""
    if len(those) == len(comparisons):
        return ""
    measures = list(dict.fromkeys(c.measure for c in comparisons))
    all_cells = frozenset(c.cell.name for c in comparisons)
    alike: dict[frozenset[str], list[str]] = {}
    for measure in measures:
        if cells := frozenset(c.cell.name for c in those if c.measure is measure):
            alike.setdefault(cells, []).append(measure.label)
    clauses = []
    for cells, mine in alike.items():
        whom = [] if cells == all_cells else [_cells(study, cells)]
        clauses.append(", ".join(whom + ([listed(mine)] if len(mine) < len(measures) else [])))
    return "; ".join(clauses)


def _cells(study: Study, names: frozenset[str]) -> str:
    short, told = labels(study), []
    for arm in study.arms:
        cells = [cell.name for cell in study.cells if cell.arm == arm]
        mine = [short[name] for name in cells if name in names]
        told += mine if len(mine) <= 2 else [f"{arm} ({len(mine)} of {len(cells)} cells)"]
    return listed(told)


def _metrics(
    comparisons: Sequence[Comparison], adjusted: Sequence[float | None], name: str
) -> Iterator[tuple[str, float]]:
    for c, p_holm in zip(comparisons, adjusted, strict=True):
        ends, ours = c.interval, c.mean_sd(Direction.FEWER)
        values = {
            **({SLUG[c.estimator]: c.estimate} if c.estimator else {}),
            "low": ends.low if ends else None,
            "high": ends.high if ends else None,
            "n": float(c.found.n),
            "mean": ours.mean if ours else None,
            "sd": ours.sd if ours else None,
            "p": c.test.p if c.test else None,
            "p_holm": p_holm,
        }
        for key, value in finite(values).items():
            yield f"{name}/{slug(c.cell)}/{c.measure}/{key}", value
