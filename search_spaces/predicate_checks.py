"""The checks of a statement's clauses that need the study: its arms, their cells, and what they measure.

They read the clauses as they were given, so that a clause which is wrong by itself is checked against the study, too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search_spaces.cells import Cell
from search_spaces.predicates import Predicate, Slope
from search_spaces.search import measured_by
from trainables.configuration import Config
from trainables.validation import Path, Problem, nearest

_ACCURACY = re.compile(r"_accuracy(_at)?(_\d|$)")
"""Accuracies, also under noise and attacks of some size."""

FEWEST_CELLS = 3
"""Of fewer cells the ranks of two metrics agree or do not, which is no correlation; and any two lie on a line."""


def problems_of_clauses(
    given: Any,
    arms: Sequence[str],
    cells: Sequence[Cell],
    measured: Sequence[str],
    afterwards: Sequence[str],
) -> Iterator[Problem]:
    """Of clauses as they are given, right or wrong; paths begin with the place of a clause.

    measured    what evaluations measure; empty while that is not known
    afterwards  what assessments measure
    """
    for index, each in enumerate(given if isinstance(given, list | tuple) else ()):
        clause = each.model_dump() if isinstance(each, Config) else each
        name = clause.get("statistic") if isinstance(clause, dict) else None
        kind = next(
            (kind for kind in Predicate.__subclasses__() if kind.model_fields["statistic"].default == name), None
        )
        if kind is None:
            continue
        for problem in (
            *_of_cells(clause, kind, arms, cells),
            *_of_metrics(clause, kind, measured, afterwards),
            *_of_accuracies(clause),
        ):
            yield problem.below(index)


def cells_at(cells: Sequence[Cell], arm: str, at: Mapping[str, Any]) -> tuple[Cell, ...]:
    """The cells of an arm that have these values of these settings."""
    return tuple(cell for cell in cells if cell.arm == arm and dict(cell.point).items() >= at.items())


def _of_cells(
    clause: dict[str, Any], kind: type[Predicate], arms: Sequence[str], cells: Sequence[Cell]
) -> Iterator[Problem]:
    if kind is Slope:
        yield from problems_of_scale(clause.get("arm"), arms, cells)
        return
    found: list[Cell] = []
    for field, at_field in (("arm", "at"), ("than", "than_at")):
        arm, at = clause.get(field), clause.get(at_field) or {}
        if field not in kind.model_fields or not isinstance(arm, str):
            continue
        if arm not in arms:
            yield Problem((field,), f"{arm!r} is no arm; {nearest(arm, arms)}")
            continue
        those = list(cells_at(cells, arm, at)) if isinstance(at, dict) else []
        yield from _of_choice([cell for cell in cells if cell.arm == arm], those, at, at_field, field)
        found += those if len(those) == 1 else []
    if len(found) == 2 and found[0] is found[1]:
        yield Problem(("than",), f"{found[0].name!r} is on both sides; name another arm, or another cell by than_at")
    if "arms" in kind.model_fields:
        yield from _of_many_cells(clause.get("arms"), arms, cells)


def problems_of_scale(arm: Any, arms: Sequence[str], cells: Sequence[Cell]) -> Iterator[Problem]:
    """Of an arm along whose grid a power law is looked for."""
    if not isinstance(arm, str):
        return
    if arm not in arms:
        yield Problem(("arm",), f"{arm!r} is no arm; {nearest(arm, arms)}")
        return
    points = [dict(cell.point) for cell in cells if cell.arm == arm]
    if points and len(points[0]) != 1:
        wrong = f"{arm!r} has {len(points[0])} settings on its grid; one is needed, against which the slope is"
        yield Problem(("arm",), wrong)
    elif points and not all(_is_positive(value) for point in points for value in point.values()):
        wrong = f"{arm!r} has other values than positive numbers on its grid, and a slope is of logarithms"
        yield Problem(("arm",), wrong)
    elif points and len(points) < FEWEST_CELLS:
        yield Problem(("arm",), f"{arm!r} has {len(points)} cells; a slope needs at least {FEWEST_CELLS}")


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _of_choice(mine: list[Cell], those: list[Cell], at: Any, at_field: str, field: str) -> Iterator[Problem]:
    """mine: the cells of the arm; those: of them the ones that `at` fits."""
    if not mine or not isinstance(at, dict):
        return
    paths = [path for path, _ in mine[0].point]
    if unknown := [path for path in at if path not in paths]:
        allowed = nearest(unknown[0], paths) if paths else f"{mine[0].arm!r} has no grid"
        yield Problem((at_field,), f"{unknown[0]!r} is not on the grid of the arm; {allowed}")
    elif not those:
        names = "; ".join(cell.name for cell in mine[:20]) + ("; …" if len(mine) > 20 else "")
        yield Problem((at_field,), f"{mine[0].arm!r} has no such cell. Allowed: {names}")
    elif len(those) > 1:
        settings = ", ".join(path for path in paths if path not in at)
        wrong = f"{mine[0].arm!r} has a grid, of which {len(those)} cells fit, and a clause is of one"
        yield Problem((at_field if at else field,), f"{wrong}; give {at_field}, with a value of {settings}")


def _of_many_cells(given: Any, arms: Sequence[str], cells: Sequence[Cell]) -> Iterator[Problem]:
    named = [arm for arm in given if isinstance(arm, str)] if isinstance(given, list | tuple) else list(arms)
    for arm in named:
        if arm not in arms:
            yield Problem(("arms",), f"{arm!r} is no arm; {nearest(arm, arms)}")
    num = sum(cell.arm in named for cell in cells)
    if cells and named and set(named) <= set(arms) and num < FEWEST_CELLS:
        wrong = f"{num} of the study's cells are meant; a correlation over cells needs at least {FEWEST_CELLS}"
        yield Problem(("arms",) if given else (), wrong)


def _of_metrics(
    clause: dict[str, Any], kind: type[Predicate], measured: Sequence[str], afterwards: Sequence[str]
) -> Iterator[Problem]:
    allowed = [*measured, *afterwards] if kind.takes == "assessments" else list(measured)
    for path, metric in _metrics(clause):
        plain = metric if kind.takes == "evaluations" else measured_by(metric)
        if plain != metric and plain in afterwards:
            wrong = f"{metric!r}: an assessment is made once, and has no extremes over it; write {plain}"
            yield Problem(path, wrong)
        elif plain not in allowed and measured and measured_by(metric) in allowed:
            wrong = f"{metric!r}: {clause['statistic']} reads every evaluation, and takes a metric by itself"
            yield Problem(path, f"{wrong}; write {measured_by(metric)}")
        elif plain not in allowed and plain in afterwards:
            wrong = f"{metric!r} is measured after training alone, and {clause['statistic']} reads evaluations"
            yield Problem(path, f"{wrong}; {nearest(metric, allowed)}")
        elif plain not in allowed and measured:
            yield Problem(path, f"{metric!r} is not measured; {nearest(metric, allowed)}")


def _metrics(clause: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    pair, events = clause.get("metrics"), {name: clause.get(name) for name in ("first", "then")}
    found: list[tuple[Path, Any]] = [(("metric",), clause.get("metric"))]
    found += [(("metrics", index), each) for index, each in enumerate(pair if isinstance(pair, list | tuple) else ())]
    found += [((name, "metric"), each.get("metric")) for name, each in events.items() if isinstance(each, dict)]
    yield from ((path, metric) for path, metric in found if isinstance(metric, str))


def _of_accuracies(clause: dict[str, Any]) -> Iterator[Problem]:
    """A threshold in percent would make any clause fail, or hold, whatever the results are."""
    where: list[tuple[Path, Any]] = [(("first",), clause.get("first")), (("then",), clause.get("then"))]
    where += [((), clause)] if clause["statistic"] in ("level", "sooner") else []
    for path, each in where:
        metric = each.get("metric") if isinstance(each, dict) else None
        if not isinstance(metric, str) or not _ACCURACY.search(metric):
            continue
        for side in ("above", "below"):
            value = each.get(side)
            if isinstance(value, int | float) and not isinstance(value, bool) and not 0 <= value <= 1:
                wrong = f"{value:g} cannot be reached: accuracies are fractions, from 0 to 1"
                yield Problem((*path, side), wrong)
