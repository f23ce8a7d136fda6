"""What panels, scatters and heat maps say alike: of how many seeds they are, and what became of other trials."""

from collections.abc import Iterable, Iterator

from grokgrid.analyses.trials import others
from grokgrid.analyses.wording import NOTHING, labels
from grokgrid.plurals import plural
from grokgrid.results import Results, State
from grokgrid.statistics import WhyOpen
from search_spaces import Cell
from search_spaces.search import reading_of


def other_trials(results: Results, cells: Iterable[Cell]) -> str:
    """`baseline 1 diverged, 2 missing; jacobian 1 censored`; empty if all came to the goal or, without one, the end."""
    names, but = labels(results.study), (State.REACHED, State.FINISHED)
    told = ((names[cell.name], others(results, cell, but=but)) for cell in cells)
    return "; ".join(f"{name} {those}" for name, those in told if those != NOTHING)


def read_at(metrics: Iterable[str]) -> Iterator[str]:
    """Of which evaluations these metrics are."""
    readings = {reading_of(metric) for metric in metrics}
    told = {
        "first": "First: at the first evaluation of a trial, be it at step 0.",
        "max": "Largest: over the evaluations of a trial from the first step on.",
        "min": "Least: over the evaluations of a trial from the first step on.",
        "": "Without such a word: where training ended.",
    }
    yield from (told[reading] for reading in told if reading in readings and (reading or len(readings) > 1))
    if readings == {""}:
        yield "Measured where training ended."


def num_seeds(results: Results) -> str:
    return plural(len(results.study.seed_list), "seed")


def shown_in(title: str, num_cells: int) -> str:
    """A sentence for the headline of a study that asks for nothing but pictures. num_cells: with a number"""
    if not num_cells:
        return f"“{title}” is open because {WhyOpen.NO_VALUE}"
    open_because = f"; whether they differ is open because {WhyOpen.NOT_COMPARED}" if num_cells > 1 else ""
    return f"“{title}” shows {plural(num_cells, 'cell')}{open_because}"
