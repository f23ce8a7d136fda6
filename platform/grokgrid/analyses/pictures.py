"""What panels, scatters and heat maps say alike: of how many seeds they are, and what became of other trials."""

from collections.abc import Iterable

from grokgrid.analyses.trials import others
from grokgrid.analyses.wording import NOTHING, labels
from grokgrid.plurals import plural
from grokgrid.results import Results, State
from grokgrid.statistics import WhyOpen
from search_spaces import Cell


def other_trials(results: Results, cells: Iterable[Cell]) -> str:
    """`baseline 1 diverged, 2 missing; jacobian 1 censored`; empty if all came to the goal or, without one, the end."""
    names, but = labels(results.study), (State.REACHED, State.FINISHED)
    told = ((names[cell.name], others(results, cell, but=but)) for cell in cells)
    return "; ".join(f"{name} {those}" for name, those in told if those != NOTHING)


def num_seeds(results: Results) -> str:
    return plural(len(results.study.seed_list), "seed")


def shown_in(what: str, num_cells: int, place: str) -> str:
    """A sentence for a study of which no analysis says more."""
    if not num_cells:
        return f"{what} is open because {WhyOpen.NO_VALUE}"
    open_because = f"; whether they differ is open because {WhyOpen.NOT_COMPARED}" if num_cells > 1 else ""
    return f"{what} of {plural(num_cells, 'cell')} is in {place}{open_because}"
