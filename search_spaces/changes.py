"""Changing and narrowing a study, as the command line's --set, --seeds and --arms do."""

from collections.abc import Sequence
from typing import Any

from search_spaces.study import Acceleration, Study
from trainables.mistakes import Mistake, Mistakes, nearest, validate
from trainables.reading import parse_value


def narrow(
    study: Study, *, seeds: int | Sequence[int] | None = None, arms: Sequence[str] = (), settings: Sequence[str] = ()
) -> Study:
    """A study with other seeds, with some of its arms, or with other settings.

    settings: `path=value` as in the study's file, `trial.budget.passes=2000`. Published figures are then no longer
    comparable. Analyses against a baseline that is left out are left out too, as are figures published of it.

    Raises:
        Mistakes: unknown arms or fields, or what makes the changed study wrong.
    """
    content = study.model_dump()
    mistakes: list[Mistake] = []
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            mistakes.append(Mistake((), f"--set {setting}: write it as path=value"))
        elif not _put(content, _steps(path), parse_value(value)):
            mistakes.append(Mistake((), f"--set {setting}: is no setting; {nearest(path, _paths(study.model_dump()))}"))
    unknown = [arm for arm in arms if arm not in study.arms]
    mistakes += [Mistake((), f"--arms {arm}: is no arm; {nearest(arm, study.arms)}") for arm in unknown]
    if mistakes:
        raise Mistakes(study.name, mistakes)
    if settings:
        for reference in content["reference"]:
            reference["not_comparable"] = reference["not_comparable"] or f"changed: {', '.join(settings)}"
    if seeds is not None:
        content["seeds"] = seeds if isinstance(seeds, int) else tuple(seeds)
    if arms:
        content["arms"] = {name: arm for name, arm in content["arms"].items() if name in arms}
        kept = [a for a in study.analyses if not isinstance(a, Acceleration) or a.baseline in arms]
        content["analyses"] = [analysis.model_dump() for analysis in kept]
        compares = any(isinstance(analysis, Acceleration) for analysis in kept)
        content["reference"] = [r for r in content["reference"] if compares and r["arm"] in arms]
    return validate(Study, content, source=study.name)


def _put(content: dict[str, Any], path: list[str], value: Any) -> bool:
    """Sets a field, and any fields around it that are not there yet, below the fields that a study has."""
    if path[0] not in content or len(path) > 1 and not isinstance(content[path[0]], dict):
        return False
    here = content
    for name in path[:-1]:
        if not isinstance(here.get(name), dict):
            here[name] = {}
        here = here[name]
    here[path[-1]] = value
    return True


def _steps(path: str) -> list[str]:
    """`arms.ARM.grid.SETTING=…`: a grid's settings are named by their whole path."""
    start, grid, setting = path.partition(".grid.")
    return [*start.split("."), "grid", setting] if grid and start.startswith("arms.") else path.split(".")


def _paths(content: dict[str, Any], prefix: str = "") -> list[str]:
    paths = []
    for name, value in content.items():
        paths += _paths(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [f"{prefix}{name}"]
    return paths
