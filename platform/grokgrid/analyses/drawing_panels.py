"""Curves side by side: a row of panels, or a row an arm, on one axis of steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grokgrid.analyses.curves import thin
from grokgrid.analyses.drawing import BASELINE, DASHES, LEGEND_LINE, cut, in_legend, styles
from grokgrid.analyses.drawing_scales import (
    colour_bar,
    colour_map,
    in_a_line,
    legend_above,
    new_figure,
    norm_of,
    plain,
    step_axis,
    value_axis,
)
from grokgrid.statistics.times import Floats
from search_spaces import Study
from search_spaces.analyses import Panel, Panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

SHADE = "#009e73"
MOST_MARKERS = 40

Lines = Mapping[str, Sequence[Floats]]
Styles = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is drawn.

    lines    metric -> cell -> curves of seeds, (evaluations, 2) each
    diverged metric -> cell -> ends of the curves that diverged, (trials, 2)
    means    cell, metric, steps, mean, low, high: as far as the mean is one of the same trials
    regions  cell -> the stretches that are shaded
    """

    lines: Mapping[str, Lines]
    diverged: Mapping[str, Mapping[str, Floats]]
    means: pd.DataFrame
    regions: Mapping[str, Sequence[tuple[float, float]]]

    def mean(self, cell: str, metric: str) -> pd.DataFrame:
        return self._means.get((cell, metric), self.means[:0])

    def values(self, metrics: Sequence[str]) -> Floats:
        """All that these metrics' panels show."""
        curves = [curve[:, 1] for m in metrics for those in self.lines.get(m, {}).values() for curve in those]
        return np.concatenate([[], *curves])

    @cached_property
    def _means(self) -> dict[tuple[str, str], pd.DataFrame]:
        grouped = self.means.groupby(["cell", "metric"], sort=False)
        return {(str(cell), str(metric)): mean for (cell, metric), mean in grouped}

    @property
    def steps(self) -> Floats:
        curves = [c[:, 0] for of_metric in self.lines.values() for those in of_metric.values() for c in those]
        return np.unique(np.concatenate([[], *curves]))


def panels(study: Study, analysis: Panels, drawn: Drawn) -> "Figure":
    rows, told, style_of = rows_of(study, analysis), in_legend(study), styles(study)
    lines = len(told) if has_several(study, analysis) else 0
    # Four panels beside each other need more room than a page's figure has.
    width = 7.6 if len(analysis.panels) < 4 else 10.0
    above = LEGEND_LINE * -(-lines // in_a_line(width, told.values()))
    figure = new_figure(height=2.3 * len(rows) + 0.7 + above, width=width)
    grid = figure.subplots(len(rows), len(analysis.panels), sharex=True, sharey="col", squeeze=False)
    for column, panel in enumerate(analysis.panels):
        norm = norm_of(_marker_values(drawn, panel)) if panel.colour else None
        for (arm, cells), axes in zip(rows, grid[:, column], strict=True):
            plain(axes)
            axes.tick_params(labelsize="small")
            if panel.shaded is not False:
                _shade(style_of, axes, cells, drawn, as_bars=lines > 0)
            for cell in cells:
                _curve(style_of, axes, panel, cell, drawn, norm, told)
            if arm and column == 0:
                axes.set_ylabel(arm, fontsize="medium", fontweight="bold")
        _head(grid[0, column], panel, width=round(10 * width / len(analysis.panels)))
        value_axis(grid[0, column], "y", drawn.values(panel.metrics))
        if norm is not None and panel.colour:
            colour_bar(figure, norm, grid[:, column], panel.colour.replace("_", " "))
        grid[-1, column].set_xlabel("steps", fontsize="small")
    trained = drawn.steps[drawn.steps > 0]
    narrow = 72 * width / len(analysis.panels) - 52
    step_axis(grid[0, 0], trained[0], trained[-1], from_zero=len(trained) < len(drawn.steps), width_pt=narrow)
    if lines:
        shown = [line for axes in grid[:, 0] for line in axes.lines if not line.get_label().startswith("_")]
        legend_above(figure, shown, cut(study, told))
    return figure


def rows_of(study: Study, analysis: Panels) -> list[tuple[str, list[str]]]:
    """Each row of panels: the arm, if it is of one, and its cells."""
    if analysis.rows == "together":
        return [("", [cell.name for cell in study.cells])]
    return [(arm, [cell.name for cell in study.cells if cell.arm == arm]) for arm in study.arms]


def has_several(study: Study, analysis: Panels) -> bool:
    """Whether a row has several cells, which a legend names, and of which each has a bar in the place of a shade."""
    return any(len(cells) > 1 for _, cells in rows_of(study, analysis))


def _curve(
    style_of: Styles,
    axes: "Axes",
    panel: Panel,
    cell: str,
    drawn: Drawn,
    norm: "Normalize | None",
    told: Mapping[str, str],
) -> None:
    """A cell's seeds, their mean and its band; coloured markers on the mean, if the panel has a colour."""
    from matplotlib.collections import LineCollection

    ink = style_of[cell]["color"]
    for index, metric in enumerate(panel.metrics):
        dash = DASHES[index]
        seeds, mean = drawn.lines.get(metric, {}).get(cell, ()), drawn.mean(cell, metric)
        label = told.get(cell) if index == 0 else None
        if len(seeds) > 1 or mean.empty:
            axes.add_collection(LineCollection(list(seeds), colors=ink, linewidths=0.6, alpha=0.4, linestyles=dash))
        if len(ends := drawn.diverged.get(metric, {}).get(cell, ())):
            axes.plot(*np.asarray(ends).T, "x", color=ink, markersize=5, zorder=3)
        steps, means, low, high = mean[["steps", "mean", "low", "high"]].to_numpy(float).T
        if len(seeds) and np.isfinite(low).all():
            values = np.concatenate([curve[:, 1] for curve in seeds])
            low, high = (np.clip(end, values.min(), values.max()) for end in (low, high))
            axes.fill_between(steps, low, high, color=ink, alpha=0.13, linewidth=0)
        width = 1.0 if norm else 1.8
        axes.plot(steps, means, color=ink, linewidth=width, linestyle=dash, label=label if len(seeds) else None)
        if norm is not None:
            x, y, colour = markers(drawn, panel, cell)
            axes.scatter(x, y, s=18, c=colour, norm=norm, cmap=colour_map(), edgecolors=ink, linewidths=0.5, zorder=3)


def markers(drawn: Drawn, panel: Panel, cell: str) -> tuple[Floats, Floats, Floats]:
    """Steps, the mean of the panel's metric and that of the one that colours it, where both are known: some of the
    evaluations, evenly spaced on a logarithmic axis.
    """
    assert panel.colour is not None
    steps, means = drawn.mean(cell, panel.metrics[0])[["steps", "mean"]].to_numpy(float).T
    at, colours = drawn.mean(cell, panel.colour)[["steps", "mean"]].to_numpy(float).T
    if not len(steps) or not len(at):
        return np.empty(0), np.empty(0), np.empty(0)
    colour = np.interp(steps, at, colours, left=np.nan, right=np.nan)
    known = np.isfinite(colour)
    steps, means, colour = steps[known], means[known], colour[known]
    some = thin(steps, MOST_MARKERS)
    return steps[some], means[some], colour[some]


def _marker_values(drawn: Drawn, panel: Panel) -> Floats:
    return np.concatenate([[], *(markers(drawn, panel, str(cell))[2] for cell in drawn.means["cell"].unique())])


def _shade(style_of: Styles, axes: "Axes", cells: Sequence[str], drawn: Drawn, *, as_bars: bool) -> None:
    """All of the height; or a bar a cell, one above the other, along the bottom."""
    for index, cell in enumerate(cells):
        high = min(0.02, 0.15 / len(cells))
        bar: dict[str, Any] = {"ymin": high * index, "ymax": high * (index + 0.8), "alpha": 0.6}
        how = bar | {"color": style_of[cell]["color"]} if as_bars else {"alpha": 0.15, "color": SHADE}
        for start, stop in drawn.regions.get(cell, ()):
            axes.axvspan(start, stop, linewidth=0, zorder=0.7, **how)


def _head(axes: "Axes", panel: Panel, *, width: int) -> None:
    """Above the topmost panel of a column: what is drawn there."""
    from matplotlib.lines import Line2D

    names = [fill(metric.replace("_", " "), width) for metric in panel.metrics]
    if len(names) == 1:
        axes.set_title(names[0], loc="left", fontsize="small")
        return
    handles = [Line2D([], [], color=BASELINE, linewidth=1.5, ls=dash) for dash in DASHES[: len(names)]]
    axes.legend(handles, names, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize="small", borderpad=0.1)
