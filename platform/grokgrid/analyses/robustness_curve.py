"""Accuracy against the size of a perturbation, what it costs in clean accuracy, and signs of masked gradients."""

from collections.abc import Iterator, Sequence
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
    OVER_SIZES,
    Curve,
    Place,
    assessed,
    curve_of,
    places_of,
    size_label,
    size_text,
)
from grokgrid.analyses.robustness_fronts import front_figures, front_table
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import PERCENT, cell_label, finite, labels, listed, mean_sd, slug
from grokgrid.plurals import plural
from grokgrid.results import Results
from grokgrid.statistics import SIGNIFICANT
from search_spaces import Study
from search_spaces.analyses import RobustnessCurve
from trainables.names import file_part

TITLE = "Robustness"


def section(results: Results, analysis: RobustnessCurve, name: str) -> Section:
    study, baseline = results.study, analysis.baseline
    curves = [curve_of(results, assessment, baseline) for assessment in assessed(study, analysis)]
    places = [places_of(study, curve, baseline) for curve in curves]
    looks, not_looked = look_for(results, [curve.assessment for curve in curves])
    signs = masking_rows_of(study, looks)
    tables: list[Table] = [_summary(study, curves, name)] if len(curves) > 1 else []
    for curve, of_curve in zip(curves, places, strict=True):
        tables += [_table(study, curve, baseline, name), front_table(study, curve, of_curve, baseline, name)]
    if signs:
        tables.append(table_of(study, signs, f"{name}-masking"))
    told = _told(analysis, curves)
    return Section(
        title=TITLE,
        tables=tuple(tables),
        figures=tuple(_figures(study, curves, places, name)),
        notes=(*absent(results, LEFT_OUT), *_notes(study, curves), *notes_of(signs, not_looked)),
        metrics=dict([*_metrics(curves, places, name), *metrics_of(signs, name)]),
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


def _summary(study: Study, curves: Sequence[Curve], name: str) -> Table:
    """Every cell under every assessment, of which the tables below tell more."""
    means = [[mean_sd(m.found.mean_sd if m.found else None) for m in curve.areas] for curve in curves]
    rows = [
        {"cell": m.cell.name, "assessment": curve.title, "mean": m.found.mean if m.found else None}
        | {"sd": m.found.sd if m.found else None, "n": m.n}
        for curve in curves
        for m in curve.areas
    ]
    columns = (
        Column(cell_label(study), tuple(labels(study).values()), "name"),
        *(Column(curve.title, tuple(texts)) for curve, texts in zip(curves, means, strict=True)),
    )
    caption = f"Accuracy, {OVER_SIZES} of each assessment: mean ± standard deviation over seeds."
    return Table(f"{name}-summary", "Robustness by assessment", pd.DataFrame(rows), columns, caption)


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


def _figures(study: Study, curves: Sequence[Curve], places: Sequence[Sequence[Place]], name: str) -> Iterator[Figure]:
    shown = [curve for curve in curves if any(m.found for m in curve.at_sizes)]
    if shown:
        yield Figure(
            name,
            f"Accuracy against size under {listed([curve.title for curve in shown])}",
            partial(drawing.curves, study, shown),
            f"Where training ended: a thin line a seed, the thick one their mean, the band its {PERCENT} interval at "
            "each size by itself. Two cells are not to be compared by whether their bands overlap: trials share their "
            "seeds.",
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


def _notes(study: Study, curves: Sequence[Curve]) -> Iterator[str]:
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
            for key, value in finite(front_figures(place)).items():
                yield f"{name}/{slug(place.cell)}/{curve.title}/front/{key}", value
