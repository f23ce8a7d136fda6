"""Metrics against a setting on logarithmic axes, with the slope of a line through them."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing_power_law as drawing
from grokgrid.analyses.ends import end_values, num_ended
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.pictures import other_trials, read_at, shown_in
from grokgrid.analyses.slopes import log_slopes, positions
from grokgrid.analyses.wording import LEVEL, NOTHING, PERCENT, finite, in_words, open_because, precise, short
from grokgrid.plurals import plural
from grokgrid.results import Results
from grokgrid.statistics import SampleMean
from search_spaces import Cell
from search_spaces.analyses import PowerLaw
from trainables.names import file_part


class Law(NamedTuple):
    """A metric along the setting.

    x       the setting, (cells,)
    values  of each cell, by seed
    slope   its mean over seeds; None if no seed has a positive value in every cell
    lost    seeds of which a cell has no positive value
    """

    metric: str
    x: "np.ndarray"
    values: "Sequence[pd.Series[float]]"
    slope: SampleMean | None
    lost: int


def section(results: Results, analysis: PowerLaw, name: str) -> Section:
    cells = [cell for cell in results.study.cells if cell.arm == analysis.arm]
    path = cells[0].point[0][0]
    laws = [_law(results, cells, metric) for metric in analysis.metrics]
    return Section(
        title=f"Power laws of {analysis.arm}",
        tables=(_slopes(results, laws, path, name), *(_means(results, law, cells, path, name) for law in laws)),
        figures=tuple(_figures(results, laws, path, name)),
        notes=tuple(_notes(results, laws, cells)),
        metrics={metric: value for law in laws for metric, value in _metrics(law, name)},
        sentence=shown_in(f"{in_words(analysis.metrics[0])} against {path}", len(cells)),
    )


def _law(results: Results, cells: Sequence[Cell], metric: str) -> Law:
    x, values = positions(cells), [end_values(results, cell, metric) for cell in cells]
    slopes = log_slopes(x, values)
    lost = max(num_ended(results, cell) for cell in cells) - len(slopes)
    return Law(metric, x, values, SampleMean.of(slopes) if len(slopes) else None, lost)


def _slopes(results: Results, laws: Sequence[Law], path: str, name: str) -> Table:
    num = len(results.study.seed_list)
    rows = [(law, law.slope, law.slope.confidence_interval(LEVEL) if law.slope else None) for law in laws]
    columns = (
        Column("metric", tuple(in_words(law.metric) for law in laws), "name"),
        Column("slope", tuple(precise(s.mean, s.sd) if s else NOTHING for _, s, _ in rows)),
        Column(
            f"{PERCENT} interval",
            tuple(f"{precise(e.low, s.sd)} to {precise(e.high, s.sd)}" if s and e else NOTHING for _, s, e in rows),
        ),
        Column("n", tuple(f"{s.n if s else 0}/{num}" for _, s, _ in rows)),
        Column(
            "why", tuple(open_because(str(s.why_open)) if s and s.why_open else NOTHING for _, s, _ in rows), "prose"
        ),
    )
    data = pd.DataFrame(
        [
            {"metric": law.metric, "setting": path, **_numbers(law), "level": LEVEL, "seeds": num, "lost": law.lost}
            for law in laws
        ]
    )
    caption = f"Of log metric against log {path}, by least squares; one a seed, mean over seeds, Student’s interval."
    return Table(f"{name}-slopes", f"Slopes against {path}", data, columns, caption)


def _means(results: Results, law: Law, cells: Sequence[Cell], path: str, name: str) -> Table:
    means = [SampleMean.of(values) if len(values) else None for values in law.values]
    num = len(results.study.seed_list)
    columns = (
        Column(path, tuple(short(value) for cell in cells for _, value in cell.point), "name"),
        Column("mean", tuple(precise(each.mean, each.sd) if each else NOTHING for each in means)),
        Column("sd", tuple(precise(each.sd, each.sd) if each and each.sd else NOTHING for each in means)),
        Column("n", tuple(f"{each.n if each else 0}/{num}" for each in means)),
    )
    data = pd.DataFrame(
        [
            {"metric": law.metric, "cell": cell.name, "setting": x, "seed": seed, "value": value}
            for cell, x, values in zip(cells, law.x, law.values, strict=True)
            for seed, value in values.items()
        ],
        columns=["metric", "cell", "setting", "seed", "value"],
    )
    title = f"{in_words(law.metric)} against {path}"
    return Table(f"{name}-{file_part(law.metric, '/')}", title, data, columns, "Over seeds, where training ended.")


def _figures(results: Results, laws: Sequence[Law], path: str, name: str) -> Iterator[Figure]:
    shown = [law for law in laws if law.slope is not None]
    if shown:
        caption = "A dot a seed; the diamond is the geometric mean over seeds, the line has the mean slope."
        yield Figure(
            name,
            f"{', '.join(in_words(law.metric) for law in shown)} against {path}",
            partial(drawing.power_laws, [(law.metric, law.x, law.values, law.slope) for law in shown], path),
            " ".join([caption, *read_at(law.metric for law in shown)]),
        )


def _notes(results: Results, laws: Sequence[Law], cells: Sequence[Cell]) -> Iterator[str]:
    if told := other_trials(results, cells):
        yield f"Trials that did not simply come to the end: {told}."
    for law in laws:
        if law.lost:
            seeds = plural(law.lost, "seed")
            yield f"{in_words(law.metric)}: left out are {seeds} without a positive value in each cell."


def _numbers(law: Law) -> dict[str, float | None]:
    ends = law.slope.confidence_interval(LEVEL) if law.slope else None
    return {
        "slope": law.slope.mean if law.slope else None,
        "sd": law.slope.sd if law.slope else None,
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
        "n": law.slope.n if law.slope else 0,
    }


def _metrics(law: Law, name: str) -> Iterator[tuple[str, float]]:
    for key, value in finite(_numbers(law)).items():
        yield f"{name}/{law.metric}/{key}", value
