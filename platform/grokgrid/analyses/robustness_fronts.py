"""Clean accuracy against robustness: the Pareto front of the means, and how often a cell dominates the baseline."""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from grokgrid.analyses.parts import Column, Table
from grokgrid.analyses.robustness import OVER_SIZES, Curve, Place, size_text
from grokgrid.analyses.wording import LEVEL, NOTHING, PERCENT, cell_label, labels, mean_sd, open_because
from grokgrid.statistics import SampleMean, Share, WhyOpen
from search_spaces import Study
from trainables.names import file_part


def front_table(study: Study, curve: Curve, places: Sequence[Place], baseline: str | None, name: str) -> Table:
    names = labels(study)
    at_largest = {m.cell.name: m for m in curve.at_sizes if curve.size_of(m) == curve.sizes[-1]}
    areas = {m.cell.name: m for m in curve.areas}

    def column(label: str, text: Callable[[Place], str]) -> Column:
        return Column(label, tuple(map(text, places)))

    def mean(values: "pd.Series[float]") -> str:
        return mean_sd(SampleMean.of(values).mean_sd) if len(values) else NOTHING

    def of_largest(place: Place) -> str:
        found = at_largest[place.cell.name].found
        return mean_sd(found.mean_sd) if found else NOTHING

    columns = [
        Column(cell_label(study), tuple(names[place.cell.name] for place in places), "name"),
        column("clean accuracy", lambda place: mean(place.points["clean"])),
        column(OVER_SIZES, lambda place: mean(place.points["area"])),
        column("at the largest size", of_largest),
        column("n", lambda place: f"{len(place.points)}/{len(study.seed_list)}"),
        column("front", lambda place: NOTHING if place.is_on_front is None else "yes" if place.is_on_front else "no"),
        column("front in", lambda place: _share(place.front_in)),
    ]
    if any(m.others != NOTHING for m in areas.values()):
        columns.append(column("the others", lambda place: areas[place.cell.name].others))
    if baseline is not None:
        columns += [
            column(f"dominates {baseline}", lambda place: _share(place.beside.dominates if place.beside else None)),
            column("its interval", lambda place: _share_interval(place.beside.dominates if place.beside else None)),
            column("is dominated", lambda place: _share(place.beside.is_dominated if place.beside else None)),
        ]
    whys = [_why(place, baseline) for place in places]
    if any(why != NOTHING for why in whys):
        columns.append(Column("why", tuple(map(open_because, whys)), "prose"))
    return Table(
        f"{name}-{file_part(curve.title, '/')}-front",
        f"Clean accuracy and accuracy under {curve.title}",
        _tidy(study, curve, places, baseline),
        tuple(columns),
        " ".join(_caption(study, curve, places, baseline)),
    )


def _why(place: Place, baseline: str | None) -> str:
    """Why a cell is neither on the front nor off it, or nothing is said of it beside the baseline."""
    if place.is_on_front is None:
        return str(WhyOpen.NO_VALUE)
    is_compared = baseline is not None and place.cell.arm != baseline
    return str(WhyOpen.NO_PAIR) if is_compared and place.beside is None else NOTHING


def _share(share: Share | None) -> str:
    return f"{share.num}/{share.n}" if share else NOTHING


def _share_interval(share: Share | None) -> str:
    if share is None:
        return NOTHING
    low, high = share.confidence_interval(LEVEL)
    return f"{low:.0%} to {high:.0%}"


def _caption(study: Study, curve: Curve, places: Sequence[Place], baseline: str | None) -> Iterator[str]:
    yield (
        "Clean accuracy is of the same examples, unperturbed; means ± sd over seeds with a number at every size. "
        "Front: no other cell’s means are as good in both and better in one (a Pareto front); it does not say that "
        "differences are beyond chance. Front in: on how many seeds, of those that all cells have, it is on that "
        "seed’s front."
    )
    yield f"The largest size is {size_text(study, curve.assessment, curve.sizes[-1])}."
    if len({tuple(place.points.index) for place in places if len(place.points)}) > 1:
        yield "The means are not all of the same seeds, so the front may owe to seeds that are missing."
    if baseline is not None:
        yield (
            f"Dominates {baseline}: on how many seeds it is not worse in both and better in one; the {PERCENT} "
            f"interval is Clopper and Pearson’s, of the share of seeds. Is dominated: on how many {baseline} dominates "
            "it. On the others the two trade one for the other, or are the same."
        )


def _tidy(study: Study, curve: Curve, places: Sequence[Place], baseline: str | None) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"assessment": curve.title, "cell": place.cell.name, "arm": place.cell.arm}
            | dict(place.cell.columns)
            | front_figures(place)
            | {"seeds": len(study.seed_list), "level": LEVEL, "baseline": baseline}
            for place in places
        ]
    )


def front_figures(place: Place) -> dict[str, float | None]:
    """What both the table and MLflow's metrics hold."""
    means, beside, front_in = place.means, place.beside, place.front_in
    ends = beside.dominates.confidence_interval(LEVEL) if beside else None
    return {
        "n": len(place.points),
        "clean_accuracy": means[0] if means else None,
        "mean_over_sizes": means[1] if means else None,
        "is_on_front": None if place.is_on_front is None else float(place.is_on_front),
        "on_front_in": front_in.share if front_in else None,
        "dominates": beside.dominates.share if beside else None,
        "dominates_low": ends.low if ends else None,
        "dominates_high": ends.high if ends else None,
        "is_dominated": beside.is_dominated.share if beside else None,
        "pairs": beside.dominates.n if beside else None,
    }
