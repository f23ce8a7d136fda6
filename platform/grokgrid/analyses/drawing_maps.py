"""Scatters of measured quantities, and heat maps over two settings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grokgrid.analyses.drawing import BASELINE, LEGEND_LINE, colours, cut, in_legend
from grokgrid.analyses.drawing_robustness import figure_legend
from grokgrid.analyses.drawing_scales import colour_bar, colour_map, new_figure, norm_of, plain, value_axis
from grokgrid.analyses.wording import NOTHING, precise
from grokgrid.statistics import SampleMean
from grokgrid.statistics.times import Floats
from search_spaces import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_WRITTEN = 100
"""Cells of a heat map in which figures have room."""


def scatter(study: Study, rows: pd.DataFrame, names: tuple[str, str, str | None]) -> "Figure":
    """rows: cell, arm, x, y, colour, a trial each; names: of the three."""
    told, palette, colour = in_legend(study), colours(study), names[2]
    lines = 0 if colour and len(study.arms) == 1 else len(study.arms) if colour else len(told)
    figure = new_figure(height=max(4.0, LEGEND_LINE * lines + 0.6))
    axes = figure.add_subplot()
    plain(axes)
    norm = norm_of(rows["colour"]) if colour else None
    several = rows.groupby("cell").size().max() > 1
    for cell in study.cells:
        mine = rows[rows["cell"] == cell.name]
        if mine.empty:
            continue
        marker = MARKERS[list(study.arms).index(cell.arm) % len(MARKERS)]
        for points, is_mean in ((mine, False), (mine[["x", "y", "colour"]].mean().to_frame().T, True)):
            if is_mean and not several:
                continue
            how: dict[str, Any] = {"c": points["colour"], "norm": norm, "cmap": colour_map()} if norm else {}
            how = how or {"color": palette[cell.name]}
            large = is_mean or not several
            edge = {"s": 70, "edgecolors": "#3a3a3a", "linewidths": 0.8, "zorder": 3} if large else {"s": 18}
            axes.scatter(points["x"], points["y"], marker=marker, alpha=1.0 if large else 0.6, **how, **edge)
        if lines and not colour and cell.name in told:
            axes.scatter([], [], marker=marker, color=palette[cell.name], label=told[cell.name])
    if lines and colour:
        for arm, marker in zip(study.arms, MARKERS * len(study.arms), strict=False):
            axes.scatter([], [], marker=marker, color=BASELINE, label=arm)
    value_axis(axes, "x", rows["x"])
    value_axis(axes, "y", rows["y"])
    axes.set_xlabel(names[0].replace("_", " "))
    axes.set_ylabel(names[1].replace("_", " "))
    if norm is not None and colour:
        colour_bar(figure, norm, [axes], colour.replace("_", " "))
    if lines:
        figure_legend(figure, [axes], None if colour else cut(study, told))
    return figure


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
        places, texts = _ticks(values)
        (axes.set_xticks if which == "x" else axes.set_yticks)(places, texts)
        (axes.set_xlabel if which == "x" else axes.set_ylabel)(path)
    axes.tick_params(length=0, labelsize="small")
    axes.spines[:].set_visible(False)
    if means.size <= MOST_WRITTEN:
        for (row, column), value in np.ndenumerate(means):
            mean = found[row][column]
            text = precise(mean.mean, mean.sd) if mean else NOTHING
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize="small", **_ink(norm, value))
    colour_bar(figure, norm, [axes], metric.replace("_", " "))
    return figure


def _ticks(values: Sequence[str]) -> tuple[Floats, list[str]]:
    """At the middle of each, or of as many as have room."""
    step = max(1, -(-len(values) // 20))
    return np.arange(0.5, len(values), step), list(values[::step])


def _ink(norm: Any, value: float) -> dict[str, Any]:
    """What can be read on the colour of a value; on none, the page's own."""
    if not np.isfinite(value):
        return {}
    red, green, blue, _ = colour_map()(float(norm(value)))
    return {"color": "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "#000000"}
