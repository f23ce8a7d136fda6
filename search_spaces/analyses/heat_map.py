"""The mean of a metric at every point of a grid of two settings."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, Self

from search_spaces.analyses._picture import Picture, problems_of_quantities
from search_spaces.analyses.base import Content, StudyContent
from trainables.validation import Problem, nearest

Arms = Mapping[str, Any]


class HeatMap(Picture):
    """The mean over seeds of a metric at every point of a grid of two settings.

    x, y  the paths of the settings
    arm   the arm that has them on its grid; needed if several have
    """

    kind: Literal["heat_map"] = "heat_map"
    metric: str
    x: str
    y: str
    arm: str | None = None

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        yield from problems_of_quantities(content, ("metric",), study)
        yield from _problems_of_axes(content, study.arms)

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return (self.metric,)

    def arm_in(self, arms: Arms) -> str:
        """The arm whose grid it is of."""
        wanted = {self.x, self.y}
        return self.arm or next(arm for arm, paths in _grids(arms).items() if wanted == set(paths))

    def among(self, kept: Collection[str], arms: Arms) -> Self | None:
        return self if self.arm_in(arms) in kept else None


def _problems_of_axes(content: Content, arms: Arms) -> Iterator[Problem]:
    """Whether two settings are on the grid of one arm, and nothing else is."""
    grids, arm = _grids(arms), content.get("arm")
    axes = {field: path for field in ("x", "y") if isinstance(path := content.get(field), str)}
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


def _grids(arms: Arms) -> dict[str, list[str]]:
    """The paths on the grid of each arm that has one, as the study gives it."""
    given = {arm: settings.get("grid") for arm, settings in arms.items() if isinstance(settings, Mapping)}
    return {arm: [str(path) for path in grid] for arm, grid in given.items() if isinstance(grid, Mapping) and grid}
