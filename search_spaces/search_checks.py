"""The checks of a study's search that need its arms, their cells, and what they measure."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search_spaces.cells import Cell, Settings, nested, overlay
from search_spaces.search import TIMES, Search, allowed_like, measured_by
from trainables.trial import TrialConfig
from trainables.validation import Problem, nearest, problems_of


def problems_of_search(study: dict[str, Any], cells: list[Cell], measured: list[str]) -> Iterator[Problem]:
    """Those of a search that is right by itself; the others are told by it."""
    try:
        search = TypeAdapter(Search | None).validate_python(study.get("search"))
    except ValidationError:
        return
    if search is None:
        return
    arms = study["arms"]
    for field in ("arm", "baseline"):
        if (name := getattr(search, field)) not in arms:
            yield Problem((field,), f"{name!r} is no arm; {nearest(name, arms)}")
    num_cells = sum(cell.arm == search.baseline for cell in cells)
    if num_cells > 1:
        yield Problem(("baseline",), f"{search.baseline!r} has a grid of {num_cells} cells; a baseline is one cell")
    if search.arm == search.baseline:
        yield Problem(("arm",), f"{search.arm!r} is the baseline too: the best of an arm is held against another one")
    draws_nothing = any(cell.arm == search.arm and not cell.config.draws for cell in cells)
    by_others = [o.metric for o in search.objectives if not measured_by(o.metric).startswith("validation_")]
    if draws_nothing and by_others:
        wrong = (
            f"{search.arm!r} draws nothing, so all seeds have one figure; what is chosen by {by_others[0]!r} cannot be"
        )
        yield Problem(("arm",), f"{wrong} claimed on other seeds. Choose by examples held out: data.num_validation")
    seeds = study.get("seeds")
    claimed = range(seeds) if isinstance(seeds, int) else seeds if isinstance(seeds, list | tuple) else ()
    if common := sorted(seed for seed in search.seed_list if seed in claimed):
        wrong = f"{', '.join(map(str, common[:5]))}: also the study’s; what is chosen on a seed cannot be claimed on it"
        yield Problem(("seeds",), wrong)
    for index, objective in enumerate(search.objectives):
        place = ("objectives", index, "metric")
        if objective.is_time and cells and cells[0].config.goal is None:
            yield Problem(place, f"{objective.metric!r} needs a goal: give trial.goal")
        elif measured and not objective.is_time and measured_by(objective.metric) not in measured:
            held_out = "; give data.num_validation" if "validation_" in objective.metric else ""
            others = [m for m in measured if not m.startswith("test_")]
            times = () if "/" in objective.metric else TIMES
            known = nearest(objective.metric, [*times, *allowed_like(objective.metric, others)])
            yield Problem(place, f"{objective.metric!r} is not measured{held_out}; {known}")
    if search.arm in arms:
        yield from _problems_of_settings(study["trial"], arms[search.arm] or {}, search, cells)


def _problems_of_settings(trial: Settings, arm: Settings, search: Search, cells: list[Cell]) -> Iterator[Problem]:
    """What is not allowed at the ends of the ranges."""
    below = overlay(trial, {name: value for name, value in arm.items() if name != "grid"})
    arm_is_right = any(cell.arm == search.arm for cell in cells)
    for corner in search.corners():
        merged = below
        for path, value in corner.items():
            merged = overlay(merged, nested(path, value))
        try:
            TrialConfig.model_validate(merged)
        except ValidationError as error:
            for problem in problems_of(error):
                steps = {path: tuple(path.split(".")) for path in corner}
                at = [path for path, parts in steps.items() if problem.path == parts]
                around = [path for path, parts in steps.items() if problem.path == parts[: len(problem.path)]]
                if at:
                    yield Problem(("settings", at[0]), problem.message)
                elif arm_is_right and around:
                    yield Problem(("settings", around[0]), problem.message)
                elif arm_is_right:
                    # The arm's grid gave it, say.
                    yield Problem(("settings",), f"leave the arm without what it needs: {problem}")
