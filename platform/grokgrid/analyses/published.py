"""The published figures that a study reproduces, each with its own estimator computed beside it, and a verdict."""

from collections.abc import Sequence

import pandas as pd

from grokgrid.analyses.comparisons import Comparison
from grokgrid.analyses.parts import Column, Table
from grokgrid.analyses.times import Measure
from grokgrid.analyses.wording import NOTHING, cell_label, labels, mean_sd
from grokgrid.statistics import (
    Direction,
    Judgement,
    Published,
    SampleMean,
    Verdict,
    sample_verdict,
    standard_deviation,
    verdict,
)
from search_spaces import Cell, Study
from search_spaces.references import Reference

Row = tuple[Reference, str, Judgement]
"""A published figure, the name of the cell (or of the arm) beside it, and what comes of it."""

_NUMBERS = ("published", "published_sd", "published_n", "ours", "ours_sd", "ours_n")
TITLE = "Beside the published figures"


def published_table(study: Study, comparisons: Sequence[Comparison], name: str) -> Table:
    """A row a published ratio of times, and a cell of its arm."""
    rows: list[Row] = []
    for reference in study.reference:
        if reference.measure is None:
            continue
        mine = [
            c
            for c in comparisons
            if (c.cell.arm, c.measure.value) == (reference.arm, reference.measure) and _is_at(c.cell, reference)
        ]
        rows += [(reference, c.cell.name, _judge(c, reference)) for c in mine]
        if not mine:
            why = f"{Measure(reference.measure).label} of {reference.arm} are not compared here"
            rows.append((reference, reference.arm, Judgement(Verdict.NOT_COMPARABLE, why)))
    data = _tidy(rows, measure=[r.measure for r, _, _ in rows], direction=[r.direction for r, _, _ in rows])
    measures = tuple(Measure(r.measure).label for r, _, _ in rows if r.measure is not None)
    names = (Column("measure", measures, "name"), _cell_column(study, rows))
    times = Column("times", tuple(r.direction for r, _, _ in rows))
    caption = (
        f"{_sources(rows)}. Mean ± standard deviation over seeds, of the baseline's time over the other's where it "
        "says “fewer”, of the other's over the baseline's where it says “more”."
    )
    columns = (*names, *_both(rows), times, *_verdicts(rows))
    return Table(name, TITLE, data, columns if rows else (), caption)


def published_measurements(study: Study, means: Sequence[tuple[Cell, str, SampleMean | None]], name: str) -> Table:
    """A row a figure published of a metric, and a cell of its arm. means: ours, with their cells and metrics."""
    rows: list[Row] = [
        (reference, cell.name, _judge_mean(ours, reference))
        for reference in study.reference
        for cell, metric, ours in means
        if (cell.arm, metric) == (reference.arm, reference.metric) and _is_at(cell, reference)
    ]
    measured = tuple(r.metric for r, _, _ in rows if r.metric is not None)
    columns = (Column("metric", measured, "name"), _cell_column(study, rows), *_both(rows), *_verdicts(rows))
    caption = f"{_sources(rows)}. Ours: mean ± standard deviation over seeds."
    return Table(name, TITLE, _tidy(rows, metric=measured), columns if rows else (), caption)


def _is_at(cell: Cell, reference: Reference) -> bool:
    """Whether it is the cell of its arm that the figure was published of."""
    return dict(cell.point).items() >= reference.at.items()


def _judge(c: Comparison, reference: Reference) -> Judgement:
    published = Published(reference.value, _sd(reference), reference.num_seeds, Direction(reference.direction))
    judged = verdict(c.found, published, not_comparable=c.not_comparable or reference.not_comparable)
    # Ours cannot be computed from trials that ran differently; from figures that the paper measured otherwise it can.
    return Judgement(judged.verdict, judged.reason) if c.not_comparable else judged


def _judge_mean(ours: SampleMean | None, reference: Reference) -> Judgement:
    return sample_verdict(
        ours,
        value=reference.value,
        error=_sd(reference),
        n=reference.num_seeds,
        not_comparable=reference.not_comparable,
    )


def _tidy(rows: Sequence[Row], **of: Sequence[object]) -> pd.DataFrame:
    """of: columns that say what the figures are of."""
    data = pd.DataFrame(
        {
            "cell": [cell for _, cell, _ in rows],
            **of,
            "published": [reference.value for reference, _, _ in rows],
            "published_sd": [_sd(reference) for reference, _, _ in rows],
            "published_n": [reference.num_seeds for reference, _, _ in rows],
            "ours": [judged.ours.mean if judged.ours else None for _, _, judged in rows],
            "ours_sd": [judged.ours.sd if judged.ours else None for _, _, judged in rows],
            "ours_n": [judged.ours.n if judged.ours else None for _, _, judged in rows],
            "verdict": [judged.verdict.value for _, _, judged in rows],
            "reason": [judged.reason for _, _, judged in rows],
            "source": [reference.source for reference, _, _ in rows],
        }
    )
    # Also where none is known, as of a paper that gives no errors.
    return data.astype(dict.fromkeys(_NUMBERS, float))


def _cell_column(study: Study, rows: Sequence[Row]) -> Column:
    names = labels(study)
    return Column(cell_label(study), tuple(names.get(cell, cell) for _, cell, _ in rows), "name")


def _both(rows: Sequence[Row]) -> tuple[Column, ...]:
    return (
        Column("published", tuple(_figure(reference) for reference, _, _ in rows)),
        Column("ours", tuple(mean_sd(judged.ours) for _, _, judged in rows)),
        Column("n", tuple(str(judged.ours.n) if judged.ours else NOTHING for _, _, judged in rows)),
    )


def _verdicts(rows: Sequence[Row]) -> tuple[Column, ...]:
    return (
        Column("verdict", tuple(judged.verdict.value for _, _, judged in rows)),
        Column("because", tuple(judged.reason for _, _, judged in rows), "prose"),
    )


def _sources(rows: Sequence[Row]) -> str:
    return "; ".join(dict.fromkeys(reference.source for reference, _, _ in rows))


def _figure(reference: Reference) -> str:
    if reference.error is None:
        return f"{reference.value:g}"
    of_mean = {"sd": "", "sem": " (standard error)", "ci95": " (95% interval)"}[reference.error_is]
    return f"{reference.value:g} ± {reference.error:g}{of_mean}"


def _sd(reference: Reference) -> float | None:
    return standard_deviation(reference.error, reference.error_is, reference.num_seeds)
