"""The published figures that a study reproduces, each with its own estimator computed beside it, and a verdict."""

from collections.abc import Sequence

import pandas as pd

from grokgrid.analyses.comparisons import Comparison
from grokgrid.analyses.parts import Column, Table
from grokgrid.analyses.times import Measure
from grokgrid.analyses.wording import NOTHING, cell_label, labels, mean_sd
from grokgrid.statistics import Direction, Judgement, Published, Verdict, verdict
from search_spaces import Study
from search_spaces.study import Reference


def published_table(study: Study, comparisons: Sequence[Comparison], name: str) -> Table:
    """A row a published figure, and a cell of its arm."""
    rows = []
    for reference in study.reference:
        mine = [c for c in comparisons if (c.cell.arm, c.measure.value) == (reference.arm, reference.measure)]
        rows += [(reference, c.cell.name, _judge(c, reference)) for c in mine]
        if not mine:
            why = f"{Measure(reference.measure).label} of {reference.arm} are not compared here"
            rows.append((reference, reference.arm, Judgement(Verdict.NOT_COMPARABLE, why)))
    data = pd.DataFrame(
        [
            {
                "cell": cell,
                "measure": reference.measure,
                "direction": reference.direction,
                "published": reference.value,
                "published_sd": reference.error,
                "published_n": reference.num_seeds,
                "ours": judged.ours.mean if judged.ours else None,
                "ours_sd": judged.ours.sd if judged.ours else None,
                "ours_n": judged.ours.n if judged.ours else None,
                "verdict": judged.verdict.value,
                "reason": judged.reason,
                "source": reference.source,
            }
            for reference, cell, judged in rows
        ]
    )
    names = labels(study)
    columns = (
        Column("measure", tuple(Measure(r.measure).label for r, _, _ in rows), "name"),
        Column(cell_label(study), tuple(names.get(cell, cell) for _, cell, _ in rows), "name"),
        Column("published", tuple(_figure(r) for r, _, _ in rows)),
        Column("ours", tuple(mean_sd(judged.ours) if judged.ours else NOTHING for _, _, judged in rows)),
        Column("n", tuple(str(judged.ours.n) if judged.ours else NOTHING for _, _, judged in rows)),
        Column("times", tuple(r.direction for r, _, _ in rows)),
        Column("verdict", tuple(judged.verdict.value for _, _, judged in rows)),
        Column("because", tuple(judged.reason for _, _, judged in rows), "prose"),
    )
    sources = "; ".join(dict.fromkeys(r.source for r in study.reference))
    caption = (
        f"{sources}. Mean ± standard deviation over seeds, of the baseline's time over the other's where it says "
        "“fewer”, of the other's over the baseline's where it says “more”."
    )
    return Table(name, "Beside the published figures", data, columns, caption)


def _judge(c: Comparison, reference: Reference) -> Judgement:
    published = Published(reference.value, reference.error, reference.num_seeds, Direction(reference.direction))
    judged = verdict(c.found, published, not_comparable=c.not_comparable or reference.not_comparable)
    # Ours cannot be computed from trials that ran differently; from figures that the paper measured otherwise it can.
    return Judgement(judged.verdict, judged.reason) if c.not_comparable else judged


def _figure(reference: Reference) -> str:
    return f"{reference.value:g}" + (f" ± {reference.error:g}" if reference.error is not None else "")
