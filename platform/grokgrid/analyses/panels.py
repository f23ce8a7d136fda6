"""Curves side by side: means over seeds, coloured by a further metric, with the steps at which one changes shaded."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing_panels as drawing
from grokgrid.analyses.curves import drawn_seeds, ends_table, mean_curves, seed_curves
from grokgrid.analyses.headlines import ended
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.pictures import num_seeds, other_trials
from grokgrid.analyses.wording import NOTHING, PERCENT, cell_label, labels, listed
from grokgrid.results import Results, State
from grokgrid.statistics import by_trial, where_changing
from grokgrid.statistics.times import Floats
from search_spaces.analyses import Panels

TITLE = "Curves side by side"

MOST_STRETCHES = 3
"""How many stretches of a region the table lists."""

Regions = Mapping[str, Sequence[tuple[float, float]]]


def section(results: Results, analysis: Panels, name: str) -> Section:
    asked = analysis.metrics_named
    trained = results.curves[results.curves["steps"] > 0]
    metrics = [metric for metric in asked if metric in trained and np.isfinite(trained[metric]).any()]
    means = mean_curves(results, metrics, but=(State.DIVERGED,))
    whole = _whole(means)
    regions = _regions(whole, analysis)
    drawn = drawing.Drawn(
        {metric: seed_curves(results, metric, first=0) for metric in metrics},
        {metric: _diverged(results, metric) for metric in metrics},
        whole,
        regions,
    )
    figure = Figure(
        name,
        TITLE,
        partial(drawing.panels, results.study, analysis, drawn),
        " ".join(_caption(results, analysis, drawn)),
    )
    first = analysis.panels[0].metrics[0]
    where_ended = ends_table(results, (first,), f"{name}-ends")
    return Section(
        title=TITLE,
        tables=(
            *([where_ended] if results.study.is_in_headline(analysis) else []),
            Table(name, "Mean curves side by side", means),
            *([_region_table(results, analysis, regions, f"{name}-region")] if analysis.region else []),
        ),
        figures=(figure,) if len(drawn.values([m for panel in analysis.panels for m in panel.metrics])) else (),
        notes=tuple(_notes(results, [metric for metric in asked if metric not in metrics])),
        sentence=ended(results.study, where_ended, first),
    )


def _whole(means: pd.DataFrame) -> pd.DataFrame:
    """Up to where the first trial ends: beyond, the mean would be that of the others."""
    most = means.groupby(["cell", "metric"], sort=False)["n"].transform("max")
    return means[means["n"] == most]


def _regions(means: pd.DataFrame, analysis: Panels) -> Regions:
    """By cell, the steps at which the mean of the region's metric changes."""
    if analysis.region is None:
        return {}
    mine = means[(means["metric"] == analysis.region.metric) & (means["steps"] > 0)]
    return {
        str(cell): where_changing(mean["steps"], mean["mean"], analysis.region.share)
        for cell, mean in mine.groupby("cell", sort=False)
    }


def _diverged(results: Results, metric: str) -> dict[str, Floats]:
    """By cell, where the curves of the trials that diverged were last measured."""
    found = {}
    for cell in results.study.cells:
        trials, evaluations = results.trials_of(cell), results.evaluations_of(cell)
        lost = trials["seed"][trials["state"] == State.DIVERGED]
        curves = by_trial(evaluations[evaluations["seed"].isin(lost)], metric)
        found[cell.name] = np.array([(steps[-1], values[-1]) for steps, values in curves], float).reshape(-1, 2)
    return found


def _caption(results: Results, analysis: Panels, drawn: drawing.Drawn) -> Iterator[str]:
    study = results.study
    if len(study.seed_list) == 1:
        yield "Curves of one seed."
    else:
        yield (
            f"The mean over {num_seeds(results)} and, of three or more, its {PERCENT} band, point by point, up to "
            f"where the first trial ends. {drawn_seeds(results)}."
        )
    for panel in analysis.panels:
        if panel.colour:
            mean = "" if len(study.seed_list) == 1 else "the mean of "
            yield f"On {panel.metrics[0]} a marker’s colour is {mean}{panel.colour} at its step."
    if analysis.region is not None:
        has_bars = drawing.has_several(study, analysis)
        how = "Bars along the bottom, one a cell in its colour" if has_bars else "Shaded"
        yield (
            f"{how}: where {analysis.region.metric} changes with the logarithm of steps at more than "
            f"{analysis.region.share:.3g} of its largest rate."
        )
    if analysis.rows == "arms":
        yield "A row an arm; the panels of a column have the same limits."
    steps = drawn.steps
    if len(steps) > 1 and steps[0] == 0:
        yield f"The axis of steps is logarithmic from {steps[1]:,.0f} on, and linear from 0 to there."
    if told := other_trials(results, study.cells):
        lost = (
            ": no mean is made of those that diverged, a cross is where they were last seen"
            if "diverged" in told
            else ""
        )
        yield f"Trials that did not simply come to the end: {told}{lost}."


def _region_table(results: Results, analysis: Panels, regions: Regions, name: str) -> Table:
    region, names = analysis.region, labels(results.study)
    assert region is not None
    rows = [
        {"cell": cell, "metric": region.metric, "share": region.share, "from_steps": start, "to_steps": stop}
        for cell, stretches in regions.items()
        for start, stop in stretches
    ]
    data = pd.DataFrame(rows, columns=["cell", "metric", "share", "from_steps", "to_steps"])
    texts = tuple(_stretches(regions.get(cell, ())) for cell in names)
    columns = (Column(cell_label(results.study), tuple(names.values()), "name"), Column("steps", texts))
    caption = (
        f"The steps between which the mean of {region.metric} over seeds changes with the logarithm of steps, from one "
        f"evaluation to the next, at more than {region.share:.3g} of its largest rate."
    )
    return Table(name, f"Where {region.metric} changes", data, columns, caption)


def _stretches(found: Sequence[tuple[float, float]]) -> str:
    told = [f"{start:,.0f} to {stop:,.0f}" for start, stop in found[:MOST_STRETCHES]]
    more = [f"{len(found) - MOST_STRETCHES} more"] if len(found) > MOST_STRETCHES else []
    return listed([*told, *more]) or NOTHING


def _notes(results: Results, missing: Sequence[str]) -> Iterator[str]:
    if missing and len(results.curves):
        yield f"{listed(missing)}: no trial has measured it after a step, so the panels are without it."
