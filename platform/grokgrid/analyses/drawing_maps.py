"""Scatters of measured quantities, and heat maps over two settings."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grokgrid.analyses.drawing import BASELINE, LEGEND_LINE, colours, cut, in_legend
from grokgrid.analyses.drawing_scales import (
    LETTER,
    colour_bar,
    colour_map,
    in_a_line,
    legend_above,
    new_figure,
    norm_of,
    plain,
    value_axis,
)
from grokgrid.analyses.wording import NOTHING, in_words, precise
from grokgrid.statistics import SampleMean
from grokgrid.statistics.times import Floats
from search_spaces import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_WRITTEN = 100
"""Cells of a heat map in which figures have room."""


def scatter(study: Study, rows: pd.DataFrame, names: tuple[str, str, str | None]) -> "Figure":
    """rows: cell, arm, x, y, colour, a trial each; names: of the three."""
    told, palette, colour = in_legend(study), colours(study), names[2]
    arms = dict(zip(study.arms, MARKERS * len(study.arms), strict=False))
    keys = _keys(study, rows, arms, None if colour else told) if not colour or len(arms) > 1 else []
    lines = -(-len(keys) // in_a_line(7.6, (str(key.get_label()) for key in keys)))
    figure = new_figure(height=3.8 + LEGEND_LINE * lines)
    axes = figure.add_subplot()
    plain(axes)
    norm = norm_of(rows["colour"]) if colour else None
    several = rows.groupby("cell").size().max() > 1
    # What is alike is one artist: a study may have thousands of cells.
    for arm, mine in rows.groupby("arm", sort=False):
        means = mine.groupby("cell", sort=False)[["x", "y", "colour"]].mean().reset_index()
        for points, is_large in ((mine, False), (means, True)) if several else ((mine, True),):
            how: dict[str, Any] = {"c": points["colour"], "norm": norm, "cmap": colour_map()} if norm else {}
            how = how or {"c": [palette[cell] for cell in points["cell"]]}
            edge = {"s": 70, "edgecolors": "#3a3a3a", "linewidths": 0.8, "zorder": 3} if is_large else {"s": 18}
            axes.scatter(points["x"], points["y"], marker=arms[str(arm)], alpha=1 if is_large else 0.6, **how, **edge)
    value_axis(axes, "x", rows["x"])
    value_axis(axes, "y", rows["y"])
    axes.set_xlabel(in_words(names[0]))
    axes.set_ylabel(in_words(names[1]))
    if norm is not None and colour:
        colour_bar(figure, norm, [axes], in_words(colour))
    legend_above(figure, keys, None if colour else cut(study, told))
    return figure


def _keys(study: Study, rows: pd.DataFrame, arms: Mapping[str, str], told: Mapping[str, str] | None) -> "list[Line2D]":
    """Of a legend: the cells in their colours; or, without any to tell, the arms' shapes alone."""
    from matplotlib.lines import Line2D

    palette, cells, drawn = colours(study), set(rows["cell"]), set(rows["arm"])
    if told is None:
        named = [(arm, marker, BASELINE) for arm, marker in arms.items() if arm in drawn]
    else:
        shown = [cell for cell in study.cells if cell.name in told and cell.name in cells]
        named = [(told[cell.name], arms[cell.arm], palette[cell.name]) for cell in shown]
    return [Line2D([], [], linewidth=0, marker=marker, color=ink, label=name) for name, marker, ink in named]


def heat_map(
    found: Sequence[Sequence[SampleMean | None]],
    across: tuple[str, Sequence[str]],
    up: tuple[str, Sequence[str]],
    metric: str,
) -> "Figure":
    """found: (values up, values across); across, up: the path of a setting, and its values as people read them."""
    means = np.array([[mean.mean if mean else np.nan for mean in row] for row in found], float)
    figure = new_figure(height=max(3.0, min(0.42 * len(up[1]) + 1.2, 12.0)))
    axes = figure.add_subplot(facecolor="none")
    norm = norm_of(means)
    axes.pcolormesh(means, norm=norm, cmap=colour_map(), edgecolors="face", linewidth=0.3)
    for which, (path, values) in (("x", across), ("y", up)):
        longest = max(map(len, values))
        # Of columns the texts must fit side by side, of rows one above the other.
        places, texts = _ticks(values, 400 / (LETTER * (longest + 1)) if which == "x" else 24)
        (axes.set_xticks if which == "x" else axes.set_yticks)(places, texts)
        (axes.set_xlabel if which == "x" else axes.set_ylabel)(path)
    axes.tick_params(length=0, labelsize="small")
    axes.spines[:].set_visible(False)
    if means.size <= MOST_WRITTEN:
        for (row, column), value in np.ndenumerate(means):
            mean = found[row][column]
            text = precise(mean.mean, mean.sd) if mean else NOTHING
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize="small", **_ink(norm, value))
    colour_bar(figure, norm, [axes], in_words(metric))
    return figure


def _ticks(values: Sequence[str], room: float) -> tuple[Floats, list[str]]:
    """At the middle of each, or of as many as there is room for."""
    step = math.ceil(len(values) / room)
    return np.arange(0.5, len(values), step), list(values[::step])


def _ink(norm: Any, value: float) -> dict[str, Any]:
    """What can be read on the colour of a value; on none, the page's own."""
    if not np.isfinite(value):
        return {}
    red, green, blue, _ = colour_map()(float(norm(value)))
    return {"color": "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "#000000"}
