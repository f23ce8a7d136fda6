"""From arms and grids to cells: what a study says of an arm, laid over what it says of all trials.

An arm's settings are laid over the study's `trial`, field by field; a component given with another name replaces the
one below it whole; null takes it away. Each cell's configuration is then checked, and a problem in it is told where it
was made: in the arm, in its grid, or in the trial that all arms share.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from search_spaces.grid import Axis, axis_of
from trainables.gradient_config import SHORT_FORMS, default_name
from trainables.names import fit_one_column, segment, written
from trainables.trial import TrialConfig
from trainables.validation import ENOUGH, Path, Problem, nearest, problems_of, shown
from trainables.work import cell_key, seed_key

Settings = dict[str, Any]
Grid = dict[str, Axis]

MAX_CELLS = 10_000
_MAX_DEPTH = 20
"""Of a setting within settings."""


@dataclass(frozen=True)
class Cell:
    """An arm at one point of its grid.

    point: the dotted path of each setting on the grid, and its value here; empty for an arm without a grid.
    columns: the same for a table; where a study's values of a setting are of several types, they are texts.
    """

    arm: str
    point: tuple[tuple[str, Any], ...]
    config: TrialConfig
    columns: tuple[tuple[str, Any], ...] = ()

    @cached_property
    def name(self) -> str:
        """`jacobian`, or `jacobian strength=0.001` for one point of a grid. No two cells of a study share one."""
        return self.named()

    def named(self, write: Callable[[Any], str] = written) -> str:
        """The name with its values written in another way."""
        return " ".join([self.arm, *(f"{written(setting)}={write(value)}" for setting, value in self.settings)])

    @property
    def slug(self) -> str:
        """`jacobian/strength/0.001`: the cell within the name of a metric."""
        return "/".join([self.arm, *(segment(part) for setting in self.settings for part in setting)])

    @property
    def settings(self) -> tuple[tuple[str, Any], ...]:
        """The point with the last part of each path, `strength`, or all of it where two paths share that part."""
        last = Counter(path.rpartition(".")[2] for path, _ in self.point)
        return tuple(
            (short if last[short := path.rpartition(".")[2]] == 1 else path, value) for path, value in self.point
        )

    @cached_property
    def _key(self) -> str:
        return cell_key(self.config)

    def key_of(self, seed: int) -> str:
        """Of its trial with this seed: `Trial.key`, but the configuration is hashed once for all seeds."""
        return seed_key(self._key, seed if self.config.draws else 0)


def cells_of(trial: Settings, arms: dict[str, Settings]) -> tuple[list[Cell], list[Problem]]:
    """All cells of a study's arms, and the problems of those that are none, with paths as in the study."""
    grids: dict[str, Grid] = {}
    problems: list[Problem] = []
    for arm, given in arms.items():
        grid, wrong = _grid(arm, given)
        problems += wrong
        if not wrong:
            grids[arm] = grid
    sizes = {arm: math.prod(num for num, _ in grid.values()) for arm, grid in grids.items()}
    if sum(sizes.values()) > MAX_CELLS:
        return [], [*problems, _too_many(sizes)]
    axes = {arm: {path: values() for path, (_, values) in grid.items()} for arm, grid in grids.items()}
    mixed = _mixed(axes.values())
    cells: list[Cell] = []
    of_arms: list[tuple[str, Problem]] = []
    for arm in axes:
        settings = _without_grid(arms[arm])
        if wrong := list(_misspelt(arm, trial, settings, axes[arm])):
            problems += wrong
            continue
        for values in itertools.product(*axes[arm].values()):
            if len(problems) + len(of_arms) >= ENOUGH:
                break
            point = tuple(zip(axes[arm], values, strict=True))
            merged = _merged(trial, settings, point)
            try:
                columns = tuple((path, written(value) if path in mixed else value) for path, value in point)
                cells.append(Cell(arm, point, TrialConfig.model_validate(merged), columns))
            except ValidationError as error:
                found = problems_of(error)
                of_arms += [(arm, _placed(problem, arm, trial, settings, dict(point))) for problem in found]
    return cells, [*problems, *_with_arms(of_arms, set(arms))]


def _with_arms(found: list[tuple[str, Problem]], arms: set[str]) -> Iterator[Problem]:
    """Each problem once; one in what all arms share says of which of them it is, if only of some."""
    having: dict[Problem, dict[str, None]] = {}
    for arm, problem in found:
        having.setdefault(problem, {})[arm] = None
    for problem, those in having.items():
        if problem.path[:1] == ("trial",) and set(those) != arms:
            yield replace(problem, message=f"{problem.message} (in {', '.join(those)})")
        else:
            yield problem


def _misspelt(arm: str, trial: Settings, settings: Settings, paths: Iterable[str]) -> Iterator[Problem]:
    """Where an arm changes in one of the two forms what the trial gives in the other, or takes away what is not there:
    it would change nothing.
    """
    on_grid = {path.partition(".")[0]: ("arms", arm, "grid", path) for path in paths}
    for short, long in SHORT_FORMS.items():
        for mine, theirs in ((short, long), (long, short)):
            place = ("arms", arm, mine) if mine in settings else on_grid.get(mine)
            if place is not None and trial.get(theirs) and not trial.get(mine):
                wrong = (
                    f"the trial gives {theirs}, and {mine} here would change nothing of that: write {theirs} here, too"
                )
                yield Problem(place, wrong)
        below, above = trial.get(long) or {}, settings.get(long)
        if isinstance(below, dict) and isinstance(above, dict) and not trial.get(short):
            for name, each in above.items():
                if each is None and name not in below:
                    allowed = nearest(str(name), below) if below else "the trial gives none"
                    yield Problem(("arms", arm, long, str(name)), f"there is none of that name to take away; {allowed}")


def placed(problem: Problem, cell: Cell, trial: Settings, arm: Settings) -> Problem:
    """A problem of a cell's configuration with its path in the study, where a component may be in its short form."""
    settings, path = _without_grid(arm), problem.path
    given = _merged(trial, settings, cell.point)
    for short, long in SHORT_FORMS.items():
        one = given.get(short)
        name = one.get("name") if isinstance(one, dict) else one
        if isinstance(name, str) and path[:2] == (long, default_name(name)):
            path = (short, *path[2:])
    if not path:
        return problem.below("arms", cell.name)
    return _placed(Problem(path, problem.message), cell.arm, trial, settings, dict(cell.point))


def _merged(trial: Settings, settings: Settings, point: Iterable[tuple[str, Any]]) -> Settings:
    merged = overlay(trial, settings)
    for path, value in point:
        merged = overlay(merged, nested(path, value))
    return merged


def _without_grid(arm: Settings) -> Settings:
    return {name: value for name, value in arm.items() if name != "grid"}


def _too_many(sizes: dict[str, int]) -> Problem:
    arm = max(sizes, key=lambda arm: sizes[arm])
    place = ("arms", arm, "grid") if sizes[arm] > MAX_CELLS else ("arms",)
    num = sizes[arm] if sizes[arm] > MAX_CELLS else sum(sizes.values())
    told = f"{num:,}" if num < 10**15 else "more than 10^15"
    return Problem(place, f"makes {told} cells; a study has at most {MAX_CELLS:,}")


def _mixed(axes: Iterable[dict[str, list[Any]]]) -> set[str]:
    """The settings whose values do not fit one column of a table."""
    values: dict[str, list[Any]] = {}
    for each in axes:
        for path, on_it in each.items():
            values.setdefault(path, []).extend(on_it)
    return {path for path, those in values.items() if not fit_one_column(those)}


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


def _grid(arm: str, given: Settings) -> tuple[Grid, list[Problem]]:
    grid = given.get("grid") or {}
    if not isinstance(grid, dict):
        return {}, [Problem(("arms", arm, "grid"), f"{shown(grid)} is not a set of `setting: values`")]
    found: Grid = {}
    problems: list[Problem] = []
    for path, axis in grid.items():
        place = ("arms", arm, "grid", path)
        if not isinstance(path, str) or path.count(".") > _MAX_DEPTH:
            problems.append(Problem(place, "is not the path of a setting; write model.width"))
            continue
        parts = tuple(path.split("."))
        if _depth(_without_grid(given), parts) == len(parts):
            problems.append(Problem(("arms", arm, *parts), "is on the arm's grid too; give one of the two"))
        try:
            found[path] = axis_of(axis)
        except ValidationError as error:
            problems += [Problem((*place, *found.path), found.message) for found in problems_of(error)]
        except ValueError as error:
            problems.append(Problem(place, str(error)))
    return found, problems


def nested(path: str, value: Any) -> Settings:
    """`a.b` and a value as {"a": {"b": value}}."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value  # type: ignore[no-any-return]


def _placed(problem: Problem, arm: str, trial: Settings, settings: Settings, point: Settings) -> Problem:
    """The problem with its path in the study: on the grid, in the arm or in the trial, whichever says most of it."""
    for path in point:
        parts = tuple(path.split("."))
        if problem.path[: len(parts)] == parts:
            return Problem(("arms", arm, "grid", path), problem.message)
    in_arm, in_trial = _depth(settings, problem.path), _depth(trial, problem.path)
    for path in point:
        # Only the grid gives it.
        is_on_it = tuple(path.split("."))[: len(problem.path)] == problem.path
        if problem.path and is_on_it and max(in_arm, in_trial) < len(problem.path):
            return Problem(("arms", arm, "grid", path), problem.message)
    if in_arm > 0 and in_arm >= in_trial:
        return Problem(("arms", arm, *problem.path), problem.message)
    return Problem(("trial", *problem.path), problem.message)


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
