"""Figures: one colour an arm everywhere, from a palette that colour-blind readers can tell apart (Okabe and Ito).

Figures are made without pyplot, which would keep each one alive and needs no screen.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grokgrid.analyses.wording import labels
from grokgrid.statistics import Estimator, RatioKind, Times, WhyOpen, fraction_reached
from grokgrid.statistics.times import Floats
from search_spaces import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from grokgrid.analyses.comparisons import Comparison
    from grokgrid.analyses.strengths import Point

BASELINE = "#7a7a7a"
GRID = "#dddddd"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("-", "--", "-.", ":")

MOST_OF_AN_ARM = 10
"""In a legend: nobody tells more shades of a colour apart."""

LEGEND_LINE = 0.2
"""Inches, with what is left between two."""

_FIGURES = {100: (1.0,), 5: (1.0, 2.0, 5.0), 2.2: (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)}
"""Where a logarithmic axis that spans more than so many times its least says a figure, within each decade: two
at least. One that spans less is nearly linear.
"""

_BEYOND = 1e12
"""Where an open end runs out of every figure."""


def colours(study: Study) -> dict[str, str]:
    """By the name of the cell: its arm's colour; an arm of several cells goes from light to dark along its grid."""
    baselines = {analysis.grey_arm for analysis in study.analyses if analysis.grey_arm} or {"baseline"}
    found: dict[str, str] = {}
    others = [arm for arm in study.arms if arm not in baselines]
    for arm in study.arms:
        base = PALETTE[others.index(arm) % len(PALETTE)] if arm in others else BASELINE
        cells = [cell.name for cell in study.cells if cell.arm == arm]
        shades = np.linspace(0.5, -0.3, len(cells)) if len(cells) > 1 else [0.0]
        found |= {cell: _shade(base, shade) for cell, shade in zip(cells, shades, strict=True)}
    return found


def fractions(study: Study, times: Mapping[str, Times], unit: str) -> "Figure":
    told = in_legend(study)
    figure, axes = new_figure(height=max(3.6, LEGEND_LINE * len(told)))
    ends = [mine.value.max() for mine in times.values() if mine.n]
    first = min(mine.value[mine.value > 0].min(initial=math.inf) for mine in times.values() if mine.n)
    end = max(ends) if ends else 1.0
    for cell, style in styles(study).items():
        mine = times[cell]
        if not mine.n:
            continue
        grid = np.unique(mine.value)
        fraction = fraction_reached(mine, grid).fraction
        known = ~np.isnan(fraction)
        last = end if mine.reached.all() else grid[known][-1]
        x = np.concatenate([[min(first, end) / 2], grid[known], [last]])
        y = np.concatenate([[0.0], fraction[known], fraction[known][-1:]])
        label = f"{told[cell]} ({mine.reached.sum()}/{mine.n})" if cell in told else None
        axes.plot(x, y, drawstyle="steps-post", label=label, **style)
        censored = mine.value[~mine.reached]
        seen = np.interp(censored, grid[known], fraction[known])
        axes.plot(censored, seen, "x", color=style["color"], markersize=6, clip_on=False, zorder=3)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("fraction of seeds")
    log_axis(axes, unit)
    _legend(axes, cut(study, told))
    return figure


def curves(study: Study, metric: str, seed_curves: Mapping[str, Sequence[Floats]], means: pd.DataFrame) -> "Figure":
    from matplotlib.collections import LineCollection, PolyCollection

    told, style_of = in_legend(study), styles(study)
    # Step 0 has no place on a logarithmic axis.
    means = means[means["steps"] > 0]
    figure, axes = new_figure(height=max(4.0, LEGEND_LINE * len(told)))
    lines = [line for those in seed_curves.values() for line in those]
    inks = [style_of[cell]["color"] for cell, those in seed_curves.items() for _ in those]
    values = np.concatenate([line[:, 1] for line in lines])
    # What is alike is one artist: each one costs a millisecond in every file.
    axes.add_collection(LineCollection(lines, colors=inks, linewidths=0.6, alpha=0.45))
    last_steps, last_values = np.array([line[-1] for line in lines]).T
    axes.scatter(last_steps, last_values, s=16, marker=".", color=inks, zorder=2)
    bands = {}
    for cell, mean in means.groupby("cell", sort=False):
        style = style_of[str(cell)]
        # Once the quick trials have ended, the mean would be that of the slow ones.
        whole = mean[mean["n"] == mean["n"].max()]
        steps, low, high = whole[["steps", "low", "high"]].to_numpy(float).T
        if np.isfinite(low).all():
            ends = np.clip(np.concatenate([low, high[::-1]]), values.min(), values.max())
            bands[str(cell)] = np.column_stack([np.concatenate([steps, steps[::-1]]), ends])
        axes.plot(steps, whole["mean"].to_numpy(float), label=told.get(str(cell)), **style)
    shades = [style_of[cell]["color"] for cell in bands]
    axes.add_collection(PolyCollection([*bands.values()], facecolors=shades, alpha=0.13, linewidths=0))
    axes.set_ylabel(metric.replace("_", " "))
    _goal_line(study, metric, axes)
    log_axis(axes, "steps")
    _legend(axes, cut(study, told))
    return figure


def accelerations(study: Study, comparisons: Sequence["Comparison"]) -> "Figure":
    figure, axes = new_figure(height=0.9 + 0.42 * len(comparisons))
    palette, names = colours(study), labels(study)
    inks, rows = [palette[c.cell.name] for c in comparisons], np.arange(len(comparisons))
    ratios = pd.concat([c.found.ratios for c in comparisons])
    row_of = np.repeat(rows, [c.found.n for c in comparisons])
    for kind, marker in ((RatioKind.EXACT, "o"), (RatioKind.AT_LEAST, ">"), (RatioKind.AT_MOST, "<")):
        mine = ratios["kind"].to_numpy() == kind
        x, y, colours_of = (
            ratios["ratio"].to_numpy(float)[mine],
            row_of[mine] + 0.22,
            [inks[row] for row in row_of[mine]],
        )
        axes.scatter(x, y, s=20, marker=marker, color=colours_of, alpha=0.55)
    for row, (c, colour) in enumerate(zip(comparisons, inks, strict=True)):
        ends = c.interval
        if ends is not None:
            # An open end runs out of the figure.
            low, high = max(ends.low, 1e-9), min(ends.high, 1e9)
            axes.plot([low, high], [row - 0.12] * 2, color=colour, linewidth=2, scalex=False)
    estimates = np.array([c.estimate for c in comparisons], float)
    fills = [ink if _is_solid(c) else "none" for c, ink in zip(comparisons, inks, strict=True)]
    axes.scatter(estimates, rows - 0.12, s=49, marker="D", facecolor=fills, edgecolor=inks, zorder=3)
    seen = np.concatenate([[1.0], *_extents(comparisons)])
    axes.set_xlim(seen.min() / 1.15, seen.max() * 1.15)
    axes.axvline(1.0, color=BASELINE, linewidth=1, linestyle="--")
    axes.set_yticks(range(len(comparisons)), [names[c.cell.name] for c in comparisons])
    axes.set_ylim(len(comparisons) - 0.5, -0.5)
    log_axis(axes, f"times fewer steps than {comparisons[0].baseline.name}")
    axes.grid(False, axis="y")
    return figure


def lambda_curve(study: Study, points: Sequence["Point"], best: "Point | None") -> "Figure":
    """points: the baseline's, then one a strength."""
    figure, axes = new_figure(height=3.6)
    baseline, strengths = points[0], points[1:]
    palette = colours(study)
    if baseline.estimate is not None:
        axes.axhline(baseline.estimate, color=BASELINE, linewidth=1.2, label=baseline.cell.name)
        if baseline.interval is not None:
            low, high = baseline.interval
            axes.axhspan(low, min(high, _BEYOND), color=BASELINE, alpha=0.15, linewidth=0)
    line = np.array([(point.strength, point.estimate) for point in strengths if _is_joined(point)], float)
    axes.plot(*line.reshape(-1, 2).T, color=palette[strengths[-1].cell.name], linewidth=0.8)
    for point in strengths:
        colour = palette[point.cell.name]
        for known, marker in ((True, "o"), (False, "^")):
            values = point.seeds.loc[point.seeds["known"] == known, "value"].to_numpy(float)
            x = np.full(len(values), point.strength)
            axes.plot(x, values, marker, color=colour, alpha=0.45, markersize=4, linewidth=0)
        if point.interval is not None:
            low, high = point.interval
            axes.plot([point.strength] * 2, [low, min(high, _BEYOND)], color=colour, linewidth=2)
        if point.estimate is not None:
            fill = colour if _is_solid(point) else "none"
            axes.plot([point.strength], [point.estimate], "D", color=colour, markersize=7, markerfacecolor=fill)
            if point is best:
                axes.plot([point.strength], [point.estimate], "o", color=colour, markersize=15, fillstyle="none")
    seen = np.concatenate([np.array([*p.seeds["value"], p.estimate, *(p.interval or ())], float) for p in points])
    seen = seen[np.isfinite(seen)]
    if baseline.is_time:
        axes.set_yscale("log")
        axes.set_ylim(seen.min() / 1.15, seen.max() * 1.15)
        plain_figures(axes.yaxis)
    else:
        margin = 0.05 * np.ptp(seen) or 1.0
        axes.set_ylim(seen.min() - margin, seen.max() + margin)
    ((path, _),) = strengths[0].cell.point
    log_axis(axes, path)
    axes.set_ylabel(baseline.metric.replace("_", " "))
    _legend(axes)
    return figure


def against(study: Study, across: Sequence["Point"], up: Sequence["Point"]) -> "Figure":
    """One metric's means against another's, along the strengths."""
    figure, axes = new_figure(height=3.6)
    palette = colours(study)
    for a, b in zip(across, up, strict=True):
        if a.estimate is None or b.estimate is None:
            continue
        here = (a.estimate, b.estimate)
        axes.plot(*here, "D", color=palette[a.cell.name], markersize=7)
        axes.annotate(f"{a.strength:.3g}", here, (6, 4), textcoords="offset points", fontsize="small")
    log_axis(axes, across[0].metric.replace("_", " "))
    axes.set_ylabel(up[0].metric.replace("_", " "))
    return figure


def _is_solid(found: "Comparison | Point") -> bool:
    """Whether it has an estimate with an interval to trust, and is not a mere bound."""
    return found.estimate is not None and found.is_trusted and not _is_bound(found)


def _is_joined(point: "Point") -> bool:
    """Whether a line may go through it. One seed, or equal ones, are an estimate too, though without an interval."""
    no_spread = (None, WhyOpen.ONE_SEED, WhyOpen.TWO_SEEDS, WhyOpen.NO_SPREAD)
    return point.estimate is not None and point.why_open in no_spread and not _is_bound(point)


def _is_bound(found: "Comparison | Point") -> bool:
    return found.estimator in (Estimator.LOWER_BOUND, Estimator.UPPER_BOUND)


def _extents(comparisons: Sequence["Comparison"]) -> list[np.ndarray]:
    """What has to fit on the axis."""
    found = []
    for c in comparisons:
        ends = [end for end in (c.interval or ()) if 0 < end < math.inf]
        found.append(np.array([*c.found.ratios["ratio"].dropna(), c.estimate, *ends], float))
    return found


def new_figure(*, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    # 72 dots an inch are points, the unit of SVG and PDF; no background, for pages have their own.
    figure = Figure(figsize=(7.6, height), dpi=72, layout="tight", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def log_axis(axes: "Axes", label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    plain_figures(axes.xaxis)


def plain_figures(axis: "Axis") -> None:
    """On a logarithmic axis, whose powers of ten would be formulas."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    # Over little more than a decade, powers of ten alone would leave the axis without figures.
    subs = next((subs for span, subs in _FIGURES.items() if high / low > span), None)
    axis.set_major_locator(LogLocator(subs=subs) if subs else MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda x, _: _plain(x)))
    axis.set_minor_formatter(NullFormatter())


def _plain(x: float) -> str:
    return f"{round(x):,}" if x >= 1 and math.isclose(x, round(x)) else f"{x:g}"


def _legend(axes: "Axes", title: str | None = None) -> None:
    """Outside, where it hides nothing: above, or, if that took many lines, beside."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = 1 if len(labels) > 6 or max(map(len, labels)) > 28 else min(4, len(labels))
        beside = columns == 1 and len(labels) > 1
        axes.legend(
            handles,
            labels,
            loc="upper left" if beside else "lower left",
            bbox_to_anchor=(1, 1) if beside else (0, 1),
            ncols=columns,
            frameon=False,
            fontsize="small",
            title=title,
            title_fontsize="small",
            alignment="left",
        )


def cut(study: Study, told: Mapping[str, str]) -> str | None:
    """What is said above a legend that does not tell all."""
    return f"{len(told)} of {len(study.cells)} cells" if len(told) < len(study.cells) else None


def in_legend(study: Study) -> dict[str, str]:
    """The names for people of the cells that a legend tells: of an arm of many, a few from the first to the last."""
    names, found = labels(study), []
    for arm in study.arms:
        cells = [cell.name for cell in study.cells if cell.arm == arm]
        found += [cells[i] for i in np.unique(np.linspace(0, len(cells) - 1, MOST_OF_AN_ARM).round().astype(int))]
    return {cell: names[cell] for cell in found}


def _goal_line(study: Study, metric: str, axes: "Axes") -> None:
    goal = study.goal
    if goal is not None and goal.metric == metric:
        at = goal.above if goal.above is not None else goal.below
        assert at is not None
        axes.axhline(at, color=BASELINE, linewidth=0.8, linestyle="--")


def styles(study: Study) -> dict[str, dict[str, Any]]:
    """Colour by arm and, with more arms than colours, dashes."""
    palette, arms = colours(study), list(study.arms)
    return {
        cell.name: {
            "color": palette[cell.name],
            "linewidth": 1.8,
            "linestyle": DASHES[arms.index(cell.arm) // (len(PALETTE) + 1) % len(DASHES)],
        }
        for cell in study.cells
    }


def _shade(colour: str, by: float) -> str:
    """Towards white, by > 0, or black."""
    channels = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    towards = 255 if by > 0 else 0
    return "#" + "".join(f"{round(channel + abs(by) * (towards - channel)):02x}" for channel in channels)
