"""Accuracy against the size of a perturbation, what it costs in clean accuracy, and signs of masked gradients."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pandas as pd

from grokgrid.analyses import drawing_robustness as drawing
from grokgrid.analyses.headlines import robust
from grokgrid.analyses.masking import look_for
from grokgrid.analyses.masking_rows import cells_beyond_chance, metrics_of, notes_of, table_of
from grokgrid.analyses.masking_rows import rows_of as masking_rows_of
from grokgrid.analyses.measurement_rows import Row, rows_of
from grokgrid.analyses.measurement_tables import columns_of, figures, of_few_seeds, tidy
from grokgrid.analyses.measurements import LEFT_OUT
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.robustness import (
    BY_GRADIENTS,
    Curve,
    Place,
    assessed,
    curve_of,
    places_of,
    size_label,
    size_text,
)
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import (
    LEVEL,
    NOTHING,
    PERCENT,
    cell_label,
    finite,
    labels,
    listed,
    mean_sd,
    open_because,
    slug,
)
from grokgrid.plurals import plural
from grokgrid.results import Results
from grokgrid.statistics import SIGNIFICANT, SampleMean, Share, WhyOpen
from search_spaces import Study
from search_spaces.study import RobustnessCurve
from trainables.names import file_part

TITLE = "Robustness"
OVER_SIZES = "mean over sizes"


def robustness_section(results: Results, analysis: RobustnessCurve, *, name: str = "robustness_curve") -> Section:
    study, baseline = results.study, analysis.baseline
    curves = [curve_of(results, assessment, baseline) for assessment in assessed(study, analysis)]
    places = [places_of(study, curve, baseline) for curve in curves]
    looks, not_looked = look_for(results, [curve.assessment for curve in curves])
    signs = masking_rows_of(study, looks)
    tables: list[Table] = []
    for curve, of_curve in zip(curves, places, strict=True):
        tables += [_table(study, curve, baseline, name), _front_table(results, curve, of_curve, baseline, name)]
    if signs:
        tables.append(table_of(study, signs, f"{name}-masking"))
    told = _told(analysis, curves)
    return Section(
        title=TITLE,
        tables=tuple(tables),
        figures=tuple(_figures(study, curves, places, name)),
        notes=(*absent(results, LEFT_OUT), *_notes(study, curves, places), *notes_of(signs, not_looked)),
        metrics=dict([*_metrics(curves, places, name), *metrics_of(signs, f"{name}")]),
        sentence=_sentence(study, told, curves, baseline, cells_beyond_chance(signs, told.title)),
    )


def _told(analysis: RobustnessCurve, curves: Sequence[Curve]) -> Curve:
    """Of which the headline is: the one that the analysis names first; by default the first attack by gradients."""
    attacks = [curve for curve in curves if curve.assessment.name in BY_GRADIENTS]
    return curves[0] if analysis.assessments or not attacks else attacks[0]


def _sentence(study: Study, told: Curve, curves: Sequence[Curve], baseline: str | None, masked: set[str]) -> str:
    under = f"Under {told.title} accuracy over sizes up to {_text(study, told, told.sizes[-1])}"
    place = f"the table “{_title(told)}”"
    sentence = robust(rows_of(study, told.areas), baseline, under, masked, place)
    if num := len(curves) - 1:
        sentence += f"; {plural(num, 'other assessment')} {'is' if num == 1 else 'are'} in the section “{TITLE}”"
    return sentence


def _title(curve: Curve) -> str:
    return f"Accuracy under {curve.title} by size"


def _text(study: Study, curve: Curve, size: float) -> str:
    return size_text(study, curve.assessment, size)


def _table(study: Study, curve: Curve, baseline: str | None, name: str) -> Table:
    rows = rows_of(study, [*curve.at_sizes, *curve.areas])
    sizes = [curve.size_of(row.m) for row in rows]
    texts = tuple(OVER_SIZES if size is None else _text(study, curve, size) for size in sizes)
    first = Column(size_label(study, curve.assessment), texts, "name")
    more = [{"assessment": curve.title, "size": size} for size in sizes]
    return Table(
        f"{name}-{file_part(curve.title, '/')}",
        _title(curve),
        tidy(rows, baseline, len(study.seed_list), more),
        columns_of(study, rows, baseline, first),
        " ".join(_caption(study, curve, rows, baseline)),
    )


def _caption(study: Study, curve: Curve, rows: Sequence[Row], baseline: str | None) -> Iterator[str]:
    yield (
        f"Where training ended, over seeds; the {PERCENT} interval is Student's of the mean. Size 0 is the same "
        f"examples, unperturbed. {OVER_SIZES.capitalize()}: the area under the curve by the trapezoidal rule, divided "
        "by the largest size, of seeds with a number at every size."
    )
    if baseline is not None:
        yield (
            f"Minus {baseline}: the difference, paired by seed, its mean ± sd and {PERCENT} interval. p is of "
            "Wilcoxon's signed-rank test, in which pairs without a difference do not count; least p: what the others "
            "could give at best."
        )
    by_size, areas = (max((m.family for m in found), default=0) for found in (curve.at_sizes, curve.areas))
    if by_size > 1:
        of_areas = f"; of the {OVER_SIZES} it is {areas}" if areas > 1 else f"; of the {OVER_SIZES} it is one alone"
        yield (
            f"At all sizes together {by_size} differences are tested{of_areas}: Holm’s p allows for so many tests, p "
            "and the interval do not."
        )
    if any(row.is_but_p for row in rows):
        yield f"P above {SIGNIFICANT:g}: the interval shows a side, and p, Holm’s of several tests, does not."


def _front_table(results: Results, curve: Curve, places: Sequence[Place], baseline: str | None, name: str) -> Table:
    study = results.study
    names, largest = labels(study), _text(study, curve, curve.sizes[-1])
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
        column(f"at {largest}", of_largest),
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
        _front_tidy(study, curve, places, baseline),
        tuple(columns),
        " ".join(_front_caption(places, baseline)),
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


def _front_caption(places: Sequence[Place], baseline: str | None) -> Iterator[str]:
    yield (
        "Clean accuracy is of the same examples, unperturbed; means ± sd over seeds with a number at every size. "
        "Front: no other cell’s means are as good in both and better in one (a Pareto front); it does not say that "
        "differences are beyond chance. Front in: on how many seeds, of those that all cells have, it is on that seed’s front."
    )
    if len({tuple(place.points.index) for place in places if len(place.points)}) > 1:
        yield "The means are not all of the same seeds, so the front may owe to seeds that are missing."
    if baseline is not None:
        yield (
            f"Dominates {baseline}: on how many seeds it is not worse in both and better in one; the {PERCENT} "
            f"interval is Clopper and Pearson’s, of the share of seeds. Is dominated: on how many {baseline} dominates "
            "it. On the others the two trade one for the other, or are the same."
        )


def _front_tidy(study: Study, curve: Curve, places: Sequence[Place], baseline: str | None) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"assessment": curve.title, "cell": place.cell.name, "arm": place.cell.arm}
            | dict(place.cell.columns)
            | _front_figures(place)
            | {"seeds": len(study.seed_list), "level": LEVEL, "baseline": baseline}
            for place in places
        ]
    )


def _front_figures(place: Place) -> dict[str, float | None]:
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


def _figures(study: Study, curves: Sequence[Curve], places: Sequence[Sequence[Place]], name: str) -> Iterator[Figure]:
    shown = [curve for curve in curves if any(m.found for m in curve.at_sizes)]
    if shown:
        yield Figure(
            name,
            f"Accuracy against size under {listed([curve.title for curve in shown])}",
            partial(drawing.curves, study, shown),
            f"Where training ended: a thin line a seed, the thick one their mean, the band its {PERCENT} interval at "
            "each size by itself. Two cells are not to be compared by whether their bands overlap: trials share their seeds.",
        )
    placed = [(c, mine) for c, mine in zip(curves, places, strict=True) if any(place.means for place in mine)]
    if placed:
        yield Figure(
            f"{name}-front",
            f"Clean accuracy against accuracy under {listed([curve.title for curve, _ in placed])}",
            partial(drawing.fronts, study, placed),
            f"A dot a seed; a diamond the means, with their {PERCENT} intervals, filled where it is on the front of "
            "the means, which the grey line joins: no other cell is as good in both and better in one.",
        )


def _notes(study: Study, curves: Sequence[Curve], places: Sequence[Sequence[Place]]) -> Iterator[str]:
    yield from of_few_seeds([m for curve in curves for m in (*curve.at_sizes, *curve.areas)])
    names = labels(study)
    for curve in curves:
        if short := [m for m in curve.areas if m.n < m.num_ended]:
            those = listed([f"{m.num_ended - m.n} of {m.num_ended} of {names[m.cell.name]}" for m in short])
            yield f"{curve.title} has no number at every size of trials that ended, which are left out: {those}."


def _metrics(curves: Sequence[Curve], places: Sequence[Sequence[Place]], name: str) -> Iterator[tuple[str, float]]:
    for curve, of_curve in zip(curves, places, strict=True):
        for m in (*curve.at_sizes, *curve.areas):
            for key, value in finite(figures(m)).items():
                yield f"{name}/{slug(m.cell)}/{m.metric}/{key}", value
        for place in of_curve:
            for key, value in finite(_front_figures(place)).items():
                yield f"{name}/{slug(place.cell)}/{curve.title}/front/{key}", value
