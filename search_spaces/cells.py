"""From arms and grids to cells: what a study says of an arm, laid over what it says of all trials.

An arm's settings are laid over the study's `trial`, field by field; a component given with another name replaces the
one below it whole; null takes it away. Each cell's configuration is then checked, and a mistake in it is told where it
was made: in the arm, in its grid, or in the trial that all arms share.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from search_spaces.grid import Spacing, grid_values
from trainables.mistakes import Mistake, Path, mistakes_of
from trainables.trial import TrialConfig, cell_key, seed_key

Settings = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """An arm at one point of its grid.

    point: the dotted path of each setting on the grid, and its value here; empty for an arm without a grid.
    """

    arm: str
    point: tuple[tuple[str, Any], ...]
    config: TrialConfig

    @property
    def name(self) -> str:
        """`jacobian`, or `jacobian strength=0.001` for one point of a grid."""
        return " ".join([self.arm, *(f"{path.rpartition('.')[2]}={value}" for path, value in self.point)])

    @cached_property
    def _key(self) -> str:
        return cell_key(self.config)

    def key_of(self, seed: int) -> str:
        """Of its trial with this seed: `Trial.key`, but the configuration is hashed once for all seeds."""
        return seed_key(self._key, seed)


def cells_of(trial: Settings, arms: dict[str, Settings]) -> tuple[list[Cell], list[Mistake]]:
    """All cells of a study's arms, and the mistakes of those that are none, with paths as in the study."""
    cells: list[Cell] = []
    mistakes: list[Mistake] = []
    for arm, given in arms.items():
        settings = {name: value for name, value in given.items() if name != "grid"}
        points, wrong = _points(arm, given.get("grid") or {})
        mistakes += wrong
        for path in given["grid"] if isinstance(given.get("grid"), dict) else ():
            if _depth(settings, tuple(path.split("."))) == len(path.split(".")):
                mistakes.append(
                    Mistake(("arms", arm, *path.split(".")), "is on the arm's grid too; give one of the two")
                )
        for point in points:
            merged = overlay(trial, settings)
            for path, value in point:
                merged = overlay(merged, nested(path, value))
            try:
                cells.append(Cell(arm, point, TrialConfig.model_validate(merged)))
            except ValidationError as error:
                found = mistakes_of(TrialConfig, error)
                mistakes += [_placed(mistake, arm, trial, settings, dict(point)) for mistake in found]
    return cells, mistakes


def overlay(below: Settings, above: Settings) -> Settings:
    """`above` laid over `below`, field by field; neither is changed."""
    merged = dict(below)
    for name, over in above.items():
        under = merged.get(name)
        # A component by its name alone, `model: mlp`, is short for `model: {name: mlp}`.
        if isinstance(under, str) and isinstance(over, dict):
            under = {"name": under}
        if isinstance(under, dict) and isinstance(over, str):
            over = {"name": over}
        if isinstance(under, dict) and isinstance(over, dict) and over.get("name") in (None, under.get("name")):
            over = overlay(under, over)
        merged[name] = over
    return merged


def without(settings: Settings, path: Path) -> Settings:
    """The settings but for the one at this path."""
    name, *rest = path
    inner = settings.get(str(name))
    if not rest:
        return {each: value for each, value in settings.items() if each != name}
    return settings | {str(name): without(inner, tuple(rest))} if isinstance(inner, dict) else settings


def _points(arm: str, grid: Any) -> tuple[Iterator[tuple[tuple[str, Any], ...]], list[Mistake]]:
    if not isinstance(grid, dict):
        return iter(()), [Mistake(("arms", arm, "grid"), f"{grid!r} is not a set of `setting: values`")]
    axes: list[list[tuple[str, Any]]] = []
    mistakes: list[Mistake] = []
    for path, axis in grid.items():
        place = ("arms", arm, "grid", path)
        try:
            axes.append([(path, value) for value in grid_values(axis)])
        except ValidationError as error:
            mistakes += [Mistake((*place, *found.path), found.message) for found in mistakes_of(Spacing, error)]
        except ValueError as error:
            mistakes.append(Mistake(place, str(error)))
    return (itertools.product(*axes) if not mistakes else iter(())), mistakes


def nested(path: str, value: Any) -> Settings:
    """`a.b` and a value as {"a": {"b": value}}."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value  # type: ignore[no-any-return]


def _placed(mistake: Mistake, arm: str, trial: Settings, settings: Settings, point: Settings) -> Mistake:
    """The mistake with its path in the study: on the grid, in the arm or in the trial, whichever says most of it."""
    for path in point:
        parts = tuple(path.split("."))
        if mistake.path[: len(parts)] == parts:
            return Mistake(("arms", arm, "grid", path), mistake.message)
    in_arm, in_trial = _depth(settings, mistake.path), _depth(trial, mistake.path)
    for path in point:
        if mistake.path and tuple(path.split("."))[: len(mistake.path)] == mistake.path and not in_arm and not in_trial:
            return Mistake(("arms", arm, "grid", path), mistake.message)
    if in_arm > 0 and in_arm >= in_trial:
        return Mistake(("arms", arm, *mistake.path), mistake.message)
    return Mistake(("trial", *mistake.path), mistake.message)


def _depth(settings: Any, path: Path) -> int:
    """How many steps of `path` can be taken in `settings`."""
    depth = 0
    for part in path:
        if isinstance(settings, dict) and part in settings:
            settings = settings[part]
        elif isinstance(settings, list | tuple) and isinstance(part, int) and part < len(settings):
            settings = settings[part]
        else:
            break
        depth += 1
    return depth
