"""Changing and narrowing a study, as the command line's --set, --seeds and --arms do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from search_spaces.cells import cells_of
from search_spaces.references import shows_ratios
from search_spaces.study import Study
from trainables.limits import wrong_size
from trainables.reading import parse_value
from trainables.validation import Problem, ValidationErrors, cut, nearest, validate


def narrow(
    study: Study, *, seeds: int | Sequence[int] | None = None, arms: Sequence[str] = (), settings: Sequence[str] = ()
) -> Study:
    """A study with other seeds, with some of its arms, or with other settings.

    settings: `path=value` as in the study's file, `trial.budget.epochs=2000`. Where trials change, published figures
    are no longer comparable. Analyses against a baseline that is left out are left out too, as are figures published of
    them; measurements stand without it.

    Raises:
        ValidationErrors: unknown arms or fields, or what makes the changed study wrong.
    """
    content = study.model_dump()
    problems: list[Problem] = []
    for setting in settings:
        path, equals, value = setting.partition("=")
        for wrong in _wrong_to_set(study, content, path, value) if equals else ["write it as path=value"]:
            problems.append(Problem((), f"--set {cut(setting, 200)}: {wrong}"))
    unknown = [arm for arm in arms if arm not in study.arms]
    problems += [Problem((), f"--arms {arm}: is no arm; {nearest(arm, study.arms)}") for arm in unknown]
    if problems:
        raise ValidationErrors(study.name, problems)
    changed = [cut(setting, 200) for setting in settings if setting.startswith(("trial.", "arms."))]
    if changed:
        for reference in content["reference"]:
            reference["not_comparable"] = reference["not_comparable"] or f"changed: {', '.join(changed)}"
    if any(".grid." in setting for setting in changed):
        content["reference"] = _of_cells(content)
    if seeds is not None:
        content["seeds"] = seeds if isinstance(seeds, int) else tuple(seeds)
    if arms:
        content["arms"] = {name: arm for name, arm in content["arms"].items() if name in arms}
        kept = [left for analysis in study.analyses if (left := analysis.among(arms, study.arms)) is not None]
        content["analyses"] = [analysis.model_dump() for analysis in kept]
        compares = shows_ratios([analysis.kind for analysis in kept])
        if study.search is not None and not {study.search.arm, study.search.baseline} <= set(arms):
            content["search"] = None
        content["reference"] = [
            r for r in content["reference"] if r["arm"] in arms and (compares or r["measure"] is None)
        ]
    return validate(Study, content, source=study.name)


def _of_cells(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The published figures but those of points that are not on the grids any more."""
    cells, problems = cells_of(content["trial"], content["arms"])
    if problems:
        return list(content["reference"])
    points = [(cell.arm, dict(cell.point).items()) for cell in cells]
    return [
        reference
        for reference in content["reference"]
        if any(arm == reference["arm"] and point >= (reference["at"] or {}).items() for arm, point in points)
    ]


def _wrong_to_set(study: Study, content: dict[str, Any], path: str, text: str) -> list[str]:
    """Sets a field to what the text says, or tells what is wrong."""
    try:
        value = parse_value(text)
    except ValidationErrors as problems:
        return [str(replace(problem, line=None)) for problem in problems.problems]
    wrong = wrong_size(0, tuple(path.split("."))) or _put(content, _steps(study, path), value)
    return [wrong] if wrong is not None else []


def _put(content: dict[str, Any], path: list[str], value: Any) -> str | None:
    """Sets a field, and any fields around it that are not there yet, below the fields and arms that a study has. Or
    tells what is wrong.
    """
    first, *rest = path
    if first not in content or rest and not isinstance(content[first], dict | list | tuple):
        return f"is no setting; {nearest('.'.join(path), _paths(content))}"
    if first == "arms" and rest and rest[0] not in content["arms"]:
        return f"{rest[0]!r} is no arm; {nearest(rest[0], content['arms'])}"
    here = content
    for depth, name in enumerate(path[:-1], 1):
        if isinstance(here.get(name), list | tuple):
            field = ".".join(path[:depth])
            return f"items of a list cannot be set by themselves; set all of it, --set '{field}=[…, …]'"
        if not isinstance(here.get(name), dict):
            here[name] = {}
        here = here[name]
    here[path[-1]] = value
    return None


def _steps(study: Study, path: str) -> list[str]:
    """`arms.ARM.grid.SETTING=…`, `search.settings.SETTING=…`: settings of a grid and of a search are named by their
    whole path. Of a search it is a whole range, or one of its ends, `search.settings.SETTING.log_uniform.to=1.0`.
    """
    start, grid, setting = path.partition(".grid.")
    if grid and start.startswith("arms."):
        return [*start.split("."), "grid", setting]
    if study.search is not None and path.startswith("search.settings."):
        setting = path.removeprefix("search.settings.")
        known = next((name for name in study.search.settings if f"{setting}.".startswith(f"{name}.")), setting)
        return ["search", "settings", known, *setting.removeprefix(known).split(".")[1:]]
    return path.split(".")


def _paths(content: dict[str, Any], prefix: str = "") -> list[str]:
    paths = []
    for name, value in content.items():
        paths += _paths(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [f"{prefix}{name}"]
    return paths
