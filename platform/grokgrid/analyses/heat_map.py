"""The mean of a metric at every point of a grid of two settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from grokgrid.analyses import drawing_maps as drawing
from grokgrid.analyses.ends import end_values
from grokgrid.analyses.measurement_tables import interval_of
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.pictures import num_seeds, other_trials, read_at, shown_in
from grokgrid.analyses.wording import LEVEL, NOTHING, finite, in_words, mean_sd, short, slug
from grokgrid.results import Results
from grokgrid.statistics import SampleMean
from search_spaces import Cell
from search_spaces.analyses import HeatMap
from trainables.names import written


@dataclass(frozen=True, eq=False)
class Grid:
    """Two settings of an arm, and what was found at each point.

    across, up  the values of x and of y and how people read them: numbers from the least on, others in the order of the
                study
    """

    arm: str
    cells: Mapping[tuple[str, str], Cell]
    found: Mapping[tuple[str, str], SampleMean | None]
    across: Mapping[str, str]
    up: Mapping[str, str]

    @property
    def num_known(self) -> int:
        return sum(mean is not None for mean in self.found.values())


def section(results: Results, analysis: HeatMap, name: str) -> Section:
    grid = _grid(results, analysis)
    title = f"{in_words(analysis.metric)} over {analysis.x} and {analysis.y}"
    of_table, of_figure = (
        " ".join(_caption(results, analysis, grid, what)) for what in ("mean ± standard deviation", "mean")
    )
    means = [[grid.found.get((x, y)) for x in grid.across] for y in grid.up]
    axes = (analysis.x, tuple(grid.across.values())), (analysis.y, tuple(grid.up.values()))
    draw = partial(drawing.heat_map, means, *axes, analysis.metric)
    return Section(
        title="Heat map",
        tables=(_table(results, analysis, grid, title, of_table, name),),
        figures=(Figure(name, title, draw, of_figure),) if grid.num_known else (),
        metrics={
            f"{name}/{slug(grid.cells[point])}/{analysis.metric}/{key}": value
            for point, mean in grid.found.items()
            for key, value in finite(_figures(mean)).items()
        },
        sentence=shown_in(title, grid.num_known),
    )


def _grid(results: Results, analysis: HeatMap) -> Grid:
    arm = analysis.arm_in(results.study.arms)
    cells = {}
    for cell in results.study.cells:
        if cell.arm == arm:
            point = dict(cell.point)
            cells[written(point[analysis.x]), written(point[analysis.y])] = cell
    values = {point: end_values(results, cell, analysis.metric) for point, cell in cells.items()}
    found = {point: SampleMean.of(mine) if len(mine) else None for point, mine in values.items()}
    points = [dict(cell.point) for cell in cells.values()]
    across, up = (_ordered([point[path] for point in points]) for path in (analysis.x, analysis.y))
    return Grid(arm, cells, found, across, up)


def _ordered(values: list[Any]) -> dict[str, str]:
    """Each value as cells are found by it, and as people read it."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        values = sorted(values)
    shown = {written(value): short(value) for value in values}
    return shown if len(set(shown.values())) == len(shown) else {text: text for text in shown}


def _figures(mean: SampleMean | None) -> dict[str, float | None]:
    """What both the table and MLflow's metrics hold."""
    ends = interval_of(mean)
    return {
        "mean": mean.mean if mean else None,
        "sd": mean.sd if mean else None,
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
        "n": mean.n if mean else 0,
    }


def _table(results: Results, analysis: HeatMap, grid: Grid, title: str, caption: str, name: str) -> Table:
    """As it is drawn: the largest y first."""
    seeds = len(results.study.seed_list)
    rows = [
        {"cell": cell.name, "arm": cell.arm, **dict(cell.columns), "metric": analysis.metric}
        | _figures(grid.found[point])
        | {"level": LEVEL, "seeds": seeds}
        for point, cell in grid.cells.items()
    ]
    data = pd.DataFrame(rows).astype(dict.fromkeys(("mean", "sd", "low", "high"), float))
    down = dict(reversed(list(grid.up.items())))
    columns = (
        Column(f"{analysis.y}, across {analysis.x}", tuple(down.values()), "name"),
        *(Column(label, tuple(_text(grid.found.get((x, y)), seeds) for y in down)) for x, label in grid.across.items()),
    )
    return Table(name, title, data, columns, caption)


def _text(mean: SampleMean | None, seeds: int) -> str:
    if mean is None:
        return NOTHING
    return mean_sd(mean.mean_sd) + (f" ({mean.n})" if mean.n < seeds else "")


def _caption(results: Results, analysis: HeatMap, grid: Grid, what: str) -> Iterator[str]:
    yield f"{in_words(analysis.metric)} of {grid.arm}: the {what} over {num_seeds(results)}."
    yield from read_at((analysis.metric,))
    seeds = len(results.study.seed_list)
    if any(mean is None or mean.n < seeds for mean in grid.found.values()):
        yield f"Where fewer have come to the end with a number, the table has how many in brackets; {NOTHING} is none."
    if told := other_trials(results, grid.cells.values()):
        yield f"Trials that did not simply come to the end: {told}."
