"""Figures of accuracy against the size of a perturbation: a panel an assessment."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from grokgrid.analyses.drawing import GRID, LEGEND_LINE, cut, in_legend, styles
from grokgrid.analyses.measurement_tables import interval_of
from grokgrid.analyses.robustness import Curve, Place, size_label
from grokgrid.statistics import SampleMean
from search_spaces import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MANY = 6
"""Cells, from which on the legend stands beside the panels and not above them."""


def curves(study: Study, found: Sequence[Curve]) -> "Figure":
    from matplotlib.collections import LineCollection

    figure, panels = _panels(study, len(found))
    told, style_of = in_legend(study), styles(study)
    for curve, axes in zip(found, panels, strict=True):
        for cell, style in style_of.items():
            means = [m for m in curve.at_sizes if m.cell.name == cell]
            known = [(size, m.found) for size, m in zip(curve.sizes, means, strict=True) if m.found is not None]
            x, y = [size for size, _ in known], [mean.mean for _, mean in known]
            label = told.get(cell)
            axes.plot(x, y, label=label, marker="o", markersize=3.5, **style)
            seeds = curve.values[cell].to_numpy(float)
            lines = [np.column_stack([curve.sizes, seed])[np.isfinite(seed)] for seed in seeds]
            axes.add_collection(LineCollection(lines, colors=style["color"], linewidths=0.6, alpha=0.35))
            bands = [(size, ends) for size, mean in known if (ends := interval_of(mean)) is not None]
            if len(bands) > 1:
                low, high = np.clip([ends for _, ends in bands], 0, 1).T
                axes.fill_between([size for size, _ in bands], low, high, color=style["color"], alpha=0.13, linewidth=0)
        axes.set_title(curve.title, loc="left", fontsize="medium")
        axes.set_xlabel(size_label(study, curve.assessment))
        axes.set_ylabel("accuracy")
        axes.set_ylim(-0.02, 1.02)
    _legend(figure, panels, cut(study, told))
    return figure


def fronts(study: Study, found: Sequence[tuple[Curve, Sequence[Place]]]) -> "Figure":
    figure, panels = _panels(study, len(found))
    told, style_of = in_legend(study), styles(study)
    for (curve, places), axes in zip(found, panels, strict=True):
        on_front = sorted(place.means for place in places if place.is_on_front and place.means is not None)
        axes.plot(*np.array(on_front).reshape(-1, 2).T, color=GRID, linewidth=4, zorder=1)
        for place in places:
            if place.means is None:
                continue
            colour = style_of[place.cell.name]["color"]
            clean, area = place.points["clean"].to_numpy(float), place.points["area"].to_numpy(float)
            axes.scatter(clean, area, s=14, color=colour, alpha=0.45, linewidth=0)
            x, y = place.means
            if (ends := interval_of(SampleMean.of(clean))) is not None:
                axes.plot(ends, [y, y], color=colour, linewidth=1.6)
            if (ends := interval_of(SampleMean.of(area))) is not None:
                axes.plot([x, x], ends, color=colour, linewidth=1.6)
            label = told.get(place.cell.name)
            fill = colour if place.is_on_front else "white"
            axes.plot([x], [y], "D", color=colour, markerfacecolor=fill, markersize=7, linewidth=0, label=label)
        axes.set_title(curve.title, loc="left", fontsize="medium")
        axes.set_xlabel("clean accuracy")
        axes.set_ylabel("mean accuracy over sizes")
    _legend(figure, panels, cut(study, told))
    return figure


def _panels(study: Study, num: int) -> "tuple[Figure, list[Axes]]":
    """Two in a row, and above them, or where there are many cells beside them, room for the legend."""
    from matplotlib.figure import Figure

    columns, lines = min(num, 2), len(in_legend(study))
    rows = -(-num // columns)
    height = max(3.1 * rows + (0 if lines > _MANY else 0.3), LEGEND_LINE * lines + 0.4)
    # As `new_figure`; "constrained", for it leaves room for a legend of the whole figure.
    figure = Figure(figsize=(7.6, height), dpi=72, layout="constrained", facecolor="none")
    axes = [figure.add_subplot(rows, columns, index + 1, facecolor="none") for index in range(num)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(True, color=GRID, linewidth=0.6)
        each.set_axisbelow(True)
    return figure, axes


def _legend(figure: "Figure", panels: "Sequence[Axes]", title: str | None) -> None:
    """Of what any panel shows."""
    shown = {name: line for axes in panels for line, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    if not shown:
        return
    names = list(shown)
    beside = len(names) > _MANY or max(map(len, names)) > 28
    figure.legend(
        list(shown.values()),
        names,
        loc="outside right upper" if beside else "outside upper left",
        ncols=1 if beside else min(4, len(names)),
        frameon=False,
        fontsize="small",
        title=title,
        title_fontsize="small",
        alignment="left",
    )
