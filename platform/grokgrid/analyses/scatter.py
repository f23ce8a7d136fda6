"""One measured quantity against another, a dot a trial, coloured by a third."""

from collections.abc import Iterator
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing_maps as drawing
from grokgrid.analyses.ends import end_values, num_ended
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.pictures import other_trials, read_at, shown_in
from grokgrid.analyses.wording import cell_label, in_words, labels, mean_sd
from grokgrid.plurals import plural
from grokgrid.results import Results
from grokgrid.statistics import SampleMean
from search_spaces.analyses import Scatter

FEW_CELLS = 3
"""Fewer have no ranks to speak of."""


def section(results: Results, analysis: Scatter, name: str) -> Section:
    rows = _rows(results, analysis)
    title = f"{in_words(analysis.y)} against {in_words(analysis.x)}"
    table = _table(results, analysis, rows, title, name)
    names = (analysis.x, analysis.y, analysis.colour)
    caption = " ".join(_caption(results, analysis, rows))
    figure = Figure(name, title, partial(drawing.scatter, results.study, rows, names), caption)
    return Section(
        title="Scatter",
        tables=(table,),
        figures=(figure,) if len(rows) else (),
        notes=tuple(_correlations(analysis, rows)),
        sentence=shown_in(title, rows["cell"].nunique()),
    )


def _rows(results: Results, analysis: Scatter) -> pd.DataFrame:
    """A row a trial of which all quantities are known."""
    quantities = {"x": analysis.x, "y": analysis.y} | ({"colour": analysis.colour} if analysis.colour else {})
    frames = []
    for cell in results.study.cells:
        values = pd.DataFrame({key: end_values(results, cell, metric) for key, metric in quantities.items()})
        known = values.dropna().rename_axis("seed").reset_index()
        frames.append(known.assign(cell=cell.name, arm=cell.arm, **dict(cell.columns)))
    columns = ["cell", "arm", *dict.fromkeys(path for cell in results.study.cells for path, _ in cell.point), "seed"]
    found = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    return found.reindex(columns=[*columns, "x", "y", "colour"]).astype({"x": float, "y": float, "colour": float})


def _table(results: Results, analysis: Scatter, rows: pd.DataFrame, title: str, name: str) -> Table:
    """For people the means of each cell; the figure shows the trials."""
    study, names = results.study, labels(results.study)
    means = {
        (cell, key): SampleMean.of(mine[key]).mean_sd
        for cell, mine in rows.groupby("cell", sort=False)
        for key in ("x", "y", *(["colour"] if analysis.colour else []))
    }
    shown = [(analysis.x, "x"), (analysis.y, "y"), *([(analysis.colour, "colour")] if analysis.colour else [])]
    counts = rows["cell"].value_counts()
    columns = (
        Column(cell_label(study), tuple(names.values()), "name"),
        *(Column(metric, tuple(mean_sd(means.get((cell, key))) for cell in names)) for metric, key in shown),
        Column("n", tuple(f"{counts.get(cell, 0)}/{len(study.seed_list)}" for cell in names)),
    )
    return Table(
        name, title, rows, columns, "Mean ± standard deviation over the trials of which all of these are known."
    )


def _caption(results: Results, analysis: Scatter, rows: pd.DataFrame) -> Iterator[str]:
    study = results.study
    coloured = f"its colour is {in_words(analysis.colour)}" if analysis.colour else "its colour is the arm’s"
    num, cells = plural(len(rows), "trial"), plural(rows["cell"].nunique(), "cell")
    if len(study.seed_list) > 1:
        yield f"A small marker a trial, {num} of {cells}; a large one the mean of a cell over seeds; {coloured}."
    else:
        yield f"A marker a trial, one seed of {cells}; {coloured}."
    yield from read_at(analysis.metrics_named)
    if len(study.arms) > 1 and analysis.colour:
        yield "An arm has one shape."
    if told := other_trials(results, study.cells):
        yield f"Trials that did not simply come to the end: {told}; only those with an end are drawn."
    if lost := sum(num_ended(results, cell) for cell in study.cells) - len(rows):
        yield f"Left out: {plural(lost, 'trial')} that came to the end without a number for each of these."


def _correlations(analysis: Scatter, rows: pd.DataFrame) -> Iterator[str]:
    from scipy import stats

    quantities = {"x": analysis.x, "y": analysis.y} | ({"colour": analysis.colour} if analysis.colour else {})
    means = rows.groupby("cell", sort=False)[list(quantities)].mean()
    if len(means) < FEW_CELLS:
        return
    told = []
    for one, other in combinations(quantities, 2):
        varies = means[one].nunique() > 1 and means[other].nunique() > 1
        rho = float(stats.spearmanr(means[one], means[other]).statistic) if varies else np.nan
        figure = f"{rho:.2f}" if varies else "undefined, since one is the same everywhere"
        told.append(f"{in_words(quantities[one])} and {in_words(quantities[other])}: {figure}")
    yield (
        f"Spearman’s rank correlation over the means of {len(means)} cells. {'; '.join(told)}. It describes "
        "these cells, which were chosen, and is no test."
    )
