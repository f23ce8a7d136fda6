"""The fraction of seeds that has reached the goal, against training: the whole picture, censoring included."""

from functools import partial

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing
from grokgrid.analyses.headlines import reached
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.times import goal_times
from grokgrid.analyses.trials import others
from grokgrid.analyses.wording import LEVEL, NOTHING, cell_label, count, labels, slug
from grokgrid.results import Results, State
from grokgrid.statistics import Times, fraction_reached

ReachedTimes = dict[str, Times]
"""By the name of the cell, in the unit of the study's budget."""


def reached_times(results: Results) -> ReachedTimes:
    return {cell.name: goal_times(results, cell, cell.config.budget.unit) for cell in results.study.cells}


def reaching_section(results: Results, *, is_in_headline: bool = False) -> Section:
    """is_in_headline: whether the headline says who reached the goal, since no analysis compares times to it."""
    study, times = results.study, reached_times(results)
    unit = study.cells[0].config.budget.unit
    fractions = _fractions(times, unit)
    figure = Figure(
        "reached-fraction",
        f"Fraction of seeds that has reached {study.goal}",
        partial(drawing.fractions, study, times, unit),
        f"The fraction of trials whose {study.goal} has been seen, a step where one gets there; a cross where a trial "
        "was last seen without.",
    )
    summary = _summary(results, times, unit)
    return Section(
        title="Who reached the goal, and when",
        tables=(
            summary,
            Table("reached-fraction", figure.title, fractions),
            Table("reached-times", "When each trial reached the goal", _by_trial(times, unit)),
        ),
        figures=(figure,) if len(fractions) else (),
        metrics={f"reached/{slug(cell)}": float(times[cell.name].reached.sum()) for cell in study.cells},
        sentence=reached(study, summary) if is_in_headline else "",
    )


def _summary(results: Results, times: ReachedTimes, unit: str) -> Table:
    num_seeds = len(results.study.seed_list)
    rows = []
    for cell in results.study.cells:
        mine = times[cell.name]
        done = np.sort(mine.value[mine.reached])
        rows.append(
            {
                "cell": cell.name,
                "arm": cell.arm,
                **dict(cell.columns),
                "seeds": num_seeds,
                "reached": len(done),
                "unit": unit,
                "first": done[0] if len(done) else None,
                "median": _median(mine),
                "last": done[-1] if len(done) and len(done) == num_seeds else None,
                "others": others(results, cell, but=[State.REACHED]),
            }
        )
    data = pd.DataFrame(rows)
    some = bool((data["others"] != NOTHING).any())
    columns = (
        Column(cell_label(results.study), tuple(labels(results.study).values()), "name"),
        Column("reached", tuple(f"{row['reached']}/{num_seeds}" for row in rows)),
        *(Column(f"{name} at", tuple(count(value) for value in data[name])) for name in ("first", "median", "last")),
        *([Column("the others", tuple(data["others"]))] if some else []),
    )
    title = f"Seeds that reached {results.study.goal}, and the {unit} they took"
    return Table("reached", title, data, columns)


def _median(times: Times) -> float | None:
    """The first time by which half of the trials are there, censoring allowed for."""
    grid = np.unique(times.value[times.reached])
    fraction = fraction_reached(times, grid).fraction
    # Rounded, for Kaplan and Meier's product of fractions may miss a half by its last bit.
    there = grid[np.round(fraction, 12) >= 0.5]
    return float(there[0]) if len(there) else None


def _fractions(times: ReachedTimes, unit: str) -> pd.DataFrame:
    frames = []
    for cell, mine in times.items():
        found = fraction_reached(mine, np.unique(mine.value))
        low, high = found.confidence_interval(LEVEL)
        frames.append(
            pd.DataFrame({unit: found.grid, "fraction": found.fraction, "low": low, "high": high, "n": found.n}).assign(
                cell=cell, level=LEVEL
            )
        )
    return pd.concat(frames, ignore_index=True)[["cell", unit, "fraction", "low", "high", "n", "level"]]


def _by_trial(times: ReachedTimes, unit: str) -> pd.DataFrame:
    frames = [
        pd.DataFrame({"seed": mine.seeds, unit: mine.value, "reached": mine.reached}).assign(cell=cell)
        for cell, mine in times.items()
    ]
    return pd.concat(frames, ignore_index=True)[["cell", "seed", unit, "reached"]]
