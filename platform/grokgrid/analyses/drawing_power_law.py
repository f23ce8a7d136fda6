"""Pictures of power laws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokgrid.analyses.drawing import LEGEND_LINE, PALETTE, log_axis, plain_figures
from grokgrid.analyses.drawing_scales import legend_above, new_figure, plain
from grokgrid.analyses.wording import in_words
from grokgrid.statistics import SampleMean
from grokgrid.statistics.times import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple[str, Floats, "Sequence[pd.Series[float]]", SampleMean | None]
"""A metric, the setting (cells,), the values of each cell by seed, and the slope."""


def power_laws(laws: Sequence[Drawn], path: str) -> "Figure":
    from matplotlib.lines import Line2D

    figure = new_figure(height=3.6 + LEGEND_LINE * len(laws))
    axes = figure.add_subplot()
    plain(axes)
    axes.set_yscale("log")
    keys = []
    for index, (metric, x, values, slope) in enumerate(laws):
        ink = PALETTE[index % len(PALETTE)]
        positive = [values_of[values_of > 0].to_numpy(float) for values_of in values]
        for place, those in zip(x, positive, strict=True):
            axes.plot(np.full(len(those), place), those, "o", color=ink, alpha=0.45, markersize=4, linewidth=0)
        means = np.array([np.log(those).mean() if len(those) else np.nan for those in positive])
        axes.plot(x, np.exp(means), "D", color=ink, markersize=7)
        if slope is not None:
            line = np.nanmean(means) + slope.mean * (np.log(x) - np.log(x).mean())
            axes.plot(x, np.exp(line), color=ink, linewidth=1.2)
        told = f"{in_words(metric)}, slope {slope.mean:.2f}" if slope is not None else in_words(metric)
        keys.append(Line2D([], [], marker="D", color=ink, label=told))
    log_axis(axes, path)
    plain_figures(axes.yaxis)
    if len(laws) == 1:
        axes.set_ylabel(in_words(laws[0][0]))
    legend_above(figure, keys, None)
    return figure
