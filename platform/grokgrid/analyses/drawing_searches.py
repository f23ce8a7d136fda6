"""Figures of a search. `data`: a row a candidate, as in its table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokgrid.analyses.drawing import BASELINE, PALETTE, log_axis, new_figure, plain_figures
from search_spaces.search import Objective, Range
from trainables.names import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOUR = PALETTE[0]


def history(data: pd.DataFrame, objective: Objective) -> "Figure":
    figure, axes = new_figure(height=3.2)
    _candidates(axes, data, data["candidate"].to_numpy(float), data[objective.metric].to_numpy(float))
    known = data[data[objective.metric].notna() & ~data["state"].isin(["failed"])]
    values = known[objective.metric]
    so_far = values.cummin() if objective.sought == "less" else values.cummax()
    axes.plot(known["candidate"], so_far, drawstyle="steps-post", color=_COLOUR, linewidth=1)
    axes.set_xlabel("candidate")
    _value_axis(axes, objective)
    return figure


def slice_(data: pd.DataFrame, path: str, spread: Range, objective: Objective) -> "Figure":
    """One setting, whatever the others are."""
    figure, axes = new_figure(height=3.2)
    if spread.choice is not None:
        places = {spread.in_table(value): place for place, value in enumerate(spread.choice)}
        x = np.array([places[value] for value in data[path]], float)
        axes.set_xticks(range(len(spread.choice)), [written(value) for value in spread.choice])
    else:
        x = data[path].to_numpy(float)
    _candidates(axes, data, x, data[objective.metric].to_numpy(float))
    axes.set_xlabel(path)
    if spread.log_uniform is not None:
        axes.set_xlim(spread.log_uniform.from_, spread.log_uniform.to)
        log_axis(axes, path)
    _value_axis(axes, objective)
    return figure


def front(data: pd.DataFrame, one: Objective, other: Objective) -> "Figure":
    figure, axes = new_figure(height=3.6)
    x, y = data[one.metric].to_numpy(float), data[other.metric].to_numpy(float)
    _candidates(axes, data, x, y)
    on = data[data["state"] == "best"].sort_values(one.metric)
    axes.plot(on[one.metric], on[other.metric], color=_COLOUR, linewidth=0.8)
    axes.set_xlabel(one.metric.replace("_", " "))
    if one.is_time:
        log_axis(axes, one.metric)
    _value_axis(axes, other)
    return figure


def importance(found: Sequence[Mapping[str, float]], names: Sequence[str]) -> "Figure":
    settings = list(dict.fromkeys(path for each in found for path in each))
    figure, axes = new_figure(height=1.0 + 0.4 * len(settings))
    thick = 0.8 / len(found)
    for index, each in enumerate(found):
        rows = np.arange(len(settings)) + (index - (len(found) - 1) / 2) * thick
        widths = [each.get(path, 0.0) for path in settings]
        axes.barh(rows, widths, thick * 0.9, color=PALETTE[index % len(PALETTE)], label=names[index])
    axes.set_yticks(range(len(settings)), settings)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share")
    axes.grid(False, axis="y")
    if len(found) > 1:
        axes.legend(frameon=False, fontsize="small")
    return figure


def _candidates(axes: "Axes", data: pd.DataFrame, x: np.ndarray, y: np.ndarray) -> None:
    most = max(int(data["seeds"].max()), 1)
    for state, mark in (("not told apart", "o"), ("out", "x"), ("best", "o")):
        mine = (data["state"] == state).to_numpy() & np.isfinite(y)
        strength = 0.25 + 0.75 * data["seeds"].to_numpy(float)[mine] / most
        colour = BASELINE if state == "out" else _COLOUR
        axes.scatter(x[mine], y[mine], s=28, marker=mark, color=colour, alpha=strength if mine.any() else None)
        if state == "best":
            axes.plot(x[mine], y[mine], "o", color=_COLOUR, markersize=14, fillstyle="none", linewidth=0)


def _value_axis(axes: "Axes", objective: Objective) -> None:
    axes.set_ylabel(objective.metric.replace("_", " "))
    if objective.is_time:
        axes.set_yscale("log")
        plain_figures(axes.yaxis)
