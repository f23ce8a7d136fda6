"""What pictures of several quantities share: axes that are logarithmic where values span decades, and colours."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from grokgrid.analyses.drawing import GRID, plain_figures
from grokgrid.statistics.times import Floats

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

DECADES = 2
"""A quantity that is positive and spans more than these has a logarithmic scale."""

LETTER = 5.2
"""Points that one of a figure's small letters is wide."""


def new_figure(*, height: float, width: float = 7.6) -> "Figure":
    from matplotlib.figure import Figure

    # As drawing.new_figure; "constrained", for it leaves room for colour bars and for a legend of the whole figure.
    return Figure(figsize=(width, height), dpi=72, layout="constrained", facecolor="none")


def in_a_line(width: float, names: Iterable[str]) -> int:
    """How many names a legend has room for beside each other."""
    return max(1, int(72 * width / (LETTER * (max(map(len, names), default=0) + 8))))


def legend_above(figure: "Figure", handles: "Sequence[Artist]", title: str | None) -> None:
    """Above all panels, of artists by their labels, in as many columns as there is room for."""
    if not handles:
        return
    num = in_a_line(figure.get_figwidth(), (str(each.get_label()) for each in handles))
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(num, len(handles)),
        alignment="left",
        frameon=False,
        fontsize="small",
        title=title,
        title_fontsize="small",
    )


def plain(axes: "Axes") -> None:
    """Without a box, with a grid below all else."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def spans_decades(values: ArrayLike) -> bool:
    """Whether these values (n,) want a logarithmic scale."""
    seen = _finite(values)
    return len(seen) > 0 and seen.min() > 0 and bool(seen.max() / seen.min() > 10**DECADES)


def value_axis(axes: "Axes", which: Literal["x", "y"], values: ArrayLike) -> None:
    """Limits around all values, with a margin; logarithmic if they span decades."""
    seen = _finite(values)
    axis, is_log = (axes.xaxis if which == "x" else axes.yaxis), spans_decades(values)
    if not len(seen):
        return
    low, high = (float(f(np.log(seen) if is_log else seen)) for f in (np.min, np.max))
    margin = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    low, high = low - margin, high + margin
    if is_log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        low, high = math.exp(low), math.exp(high)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    if is_log:
        plain_figures(axis)


def step_axis(axes: "Axes", first: float, last: float, *, from_zero: bool, width_pt: float) -> None:
    """From `first` to `last` on a logarithmic axis; or from step 0, if there is one: linear up to `first`.

    width_pt: how wide the axis is, about
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    last = last if last > first else first * 2
    if not from_zero:
        axes.set_xscale("log")
        axes.set_xlim(first / 1.2, last * 1.2)
        plain_figures(axes.xaxis)
        return
    axes.set_xscale("symlog", linthresh=first, linscale=0.4)
    axes.set_xlim(-0.3 * first, last * 1.25)
    powers = [10.0**k for k in range(math.ceil(math.log10(first)), math.floor(math.log10(last)) + 1)]
    decade_pt = width_pt / (math.log10(last / first) + 0.5)
    every = math.ceil(LETTER * (len(f"{last:,.0f}") + 1) / decade_pt)
    shown = powers[::every] if len(powers) > 1 else [first, last]
    axes.xaxis.set_major_locator(FixedLocator([0.0, *shown]))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{step:,.0f}" for step in (0.0, *shown)]))
    axes.xaxis.set_minor_locator(NullLocator())


def colour_map() -> "Colormap":
    """Viridis: its order is seen by colour-blind readers, and in grey. In as many steps as anybody can tell apart."""
    from matplotlib import colormaps

    return colormaps["viridis"].resampled(64)


def norm_of(values: ArrayLike) -> "Normalize":
    """From values to the map's colours."""
    from matplotlib.colors import LogNorm, Normalize

    seen = _finite(values)
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    if spans_decades(seen):
        return LogNorm(low, high)
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def colour_bar(figure: "Figure", norm: "Normalize", axes: "Iterable[Axes]", label: str) -> None:
    """One for all of these axes, beside them."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    bar = figure.colorbar(
        ScalarMappable(norm, colour_map()), ax=(beside := list(axes)), aspect=24 * len(beside), pad=0.02
    )
    # As shapes and not as an image, which a page would load; with edges in their own colour, so that no gaps show.
    assert bar.solids is not None
    bar.solids.set_rasterized(False)
    bar.solids.set_edgecolor("face")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize="small")
    if isinstance(norm, LogNorm):
        plain_figures(bar.ax.yaxis)
    bar.set_label(label, fontsize="small")


def _finite(values: ArrayLike) -> Floats:
    seen: Floats = np.asarray(values, float).ravel()
    return seen[np.isfinite(seen)]
