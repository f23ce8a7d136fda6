"""The checks of panels, scatters and heat maps: whether the study measures what they draw, on which grids."""

from collections.abc import Iterator, Mapping
from typing import Any

from search_spaces.analyses import HeatMap
from search_spaces.search import allowed_like, measured_by, reading_of
from trainables.validation import Problem, nearest

Settings = Mapping[str, Any]


def problems_of_pictures(
    analysis: Settings, arms: Settings, measured: list[str], afterwards: list[str]
) -> Iterator[Problem]:
    """Of an analysis as the study gives it, right or wrong; with paths below it.

    measured: by the trials, empty if that is not known; afterwards: by assessments
    """
    match analysis.get("kind"):
        case "panels":
            yield from _problems_of_panels(analysis, measured)
        case "scatter":
            yield from _problems_of_metrics(analysis, ("x", "y", "colour"), measured, afterwards)
            if isinstance(x := analysis.get("x"), str) and x == analysis.get("y"):
                yield Problem(("y",), f"{x!r} is x, too; a scatter is of two quantities")
        case "heat_map":
            yield from _problems_of_metrics(analysis, ("metric",), measured, afterwards)
            yield from _problems_of_axes(analysis, arms)


def arm_of(analysis: HeatMap, arms: Settings) -> str:
    """The arm whose grid a heat map is of."""
    wanted = {analysis.x, analysis.y}
    return analysis.arm or next(arm for arm, paths in _grids(arms).items() if wanted == set(paths))


def _problems_of_panels(analysis: Settings, measured: list[str]) -> Iterator[Problem]:
    region, panels = analysis.get("region"), analysis.get("panels")
    shown = []
    for index, panel in enumerate(panels if isinstance(panels, list | tuple) else ()):
        if not isinstance(panel, Mapping):
            continue
        given, place = panel.get("metrics"), ("panels", index)
        metrics = [m for m in given if isinstance(m, str)] if isinstance(given, list | tuple) else []
        if twice := sorted({metric for metric in metrics if metrics.count(metric) > 1}):
            yield Problem((*place, "metrics"), f"holds {', '.join(twice)} twice")
        for metric in metrics:
            yield from _not_drawn(metric, (*place, "metrics"), measured)
        yield from _not_drawn(panel.get("colour"), (*place, "colour"), measured)
        if panel.get("colour") is not None and len(metrics) > 1:
            wrong = f"colours the markers of one curve, and metrics holds {len(metrics)}: give a panel for each"
            yield Problem((*place, "colour"), wrong)
        if panel.get("shaded") is True and region is None:
            wrong = "true is not allowed without a region: give region: {metric: …, share: 0.1}"
            yield Problem((*place, "shaded"), wrong)
        shown.append(panel.get("shaded") is not False)
    if isinstance(region, Mapping):
        yield from _not_drawn(region.get("metric"), ("region", "metric"), measured)
    if region is not None and shown and not any(shown):
        yield Problem(("region",), "is shaded in no panel: take shaded: false away from one of them")


def _not_drawn(metric: Any, place: tuple[str | int, ...], measured: list[str]) -> Iterator[Problem]:
    if isinstance(metric, str) and measured and metric not in measured:
        yield Problem(place, f"{metric!r} is not measured; {nearest(metric, measured)}")


def _problems_of_metrics(
    analysis: Settings, fields: tuple[str, ...], measured: list[str], afterwards: list[str]
) -> Iterator[Problem]:
    for field in fields:
        metric = analysis.get(field)
        if not isinstance(metric, str):
            continue
        reading, plain = reading_of(metric), measured_by(metric)
        if reading and plain in afterwards:
            none = "first evaluation" if reading == "first" else "extremes over it"
            yield Problem((field,), f"{metric!r}: an assessment is made once, and has no {none}; write {plain}")
        elif measured and plain not in (*measured, *afterwards):
            others = () if "/" in metric else afterwards
            allowed = [*allowed_like(metric, measured), *others]
            yield Problem((field,), f"{metric!r} is not measured; {nearest(metric, allowed)}")


def _problems_of_axes(analysis: Settings, arms: Settings) -> Iterator[Problem]:
    """Whether two settings are on the grid of one arm, and nothing else is."""
    grids, arm = _grids(arms), analysis.get("arm")
    axes = {field: path for field in ("x", "y") if isinstance(path := analysis.get(field), str)}
    on_grids = list(dict.fromkeys(path for paths in grids.values() for path in paths))
    inside, where = on_grids, "any arm's grid"
    if isinstance(arm, str) and arm in grids:
        inside, where = grids[arm], f"the grid of {arm!r}"
    unknown = [field for field, path in axes.items() if path not in inside]
    if isinstance(arm, str) and arm not in arms:
        yield Problem(("arm",), f"{arm!r} is no arm; {nearest(arm, arms)}")
    elif isinstance(arm, str) and arm not in grids and grids:
        yield Problem(("arm",), f"{arm!r} has no grid; {nearest(arm, grids)}")
        return
    for field in unknown:
        allowed = nearest(axes[field], inside) if inside else "give an arm a grid of two settings"
        yield Problem((field,), f"{axes[field]!r} is not on {where}; {allowed}")
    if len(axes) < 2 or unknown:
        return
    if axes["x"] == axes["y"]:
        yield Problem(("y",), f"{axes['y']!r} is x, too; a heat map is over two settings")
        return
    with_both = [name for name, paths in grids.items() if {*axes.values()} <= set(paths)]
    exact = [name for name in with_both if len(grids[name]) == 2]
    if arm in with_both and arm not in exact:
        more = ", ".join(path for path in grids[arm] if path not in axes.values())
        yield Problem(("arm",), f"{arm!r} has {more} on its grid, too; a heat map is over all of a grid")
    elif arm is None and not exact:
        more = f": {', '.join(with_both)} has others, too" if with_both else ""
        yield Problem((), f"no arm has {axes['x']} and {axes['y']}, and these alone, on its grid{more}")
    elif arm is None and len(exact) > 1:
        yield Problem(("arm",), f"is missing: {', '.join(exact)} have both settings on their grids; name one of them")


def _grids(arms: Settings) -> dict[str, list[str]]:
    """The paths on the grid of each arm that has one, as the study gives it."""
    given = {arm: settings.get("grid") for arm, settings in arms.items() if isinstance(settings, Mapping)}
    return {arm: [str(path) for path in grid] for arm, grid in given.items() if isinstance(grid, Mapping) and grid}
