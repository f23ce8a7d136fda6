"""Accuracy against the size of a perturbation: what was measured, cell by cell, and its differences from the baseline.

A curve is one assessment's. Its robustness is the mean accuracy over sizes, the area under the curve divided by its
range; a trial has one if it ended and is accurate to some degree, a number, at every size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from grokgrid.analyses.ends import end_values
from grokgrid.analyses.measurement_rows import Measurement, compared, with_holm
from grokgrid.results import Results
from grokgrid.statistics import Dominance, Share, dominance, mean_over_sizes, on_front
from search_spaces import Cell, Study
from search_spaces.analyses.robustness_curve import RobustnessCurve, has_curve, sizes_of
from trainables.assessments._sizes import accuracy_at
from trainables.assessments.base import Assessment

NOISE, FGSM, TRANSFER = "white_noise", "fgsm", "transfer"
OVER_SIZES = "mean over sizes"
BY_GRADIENTS = ("pgd", "autoattack")
"""Attacks that search by gradients of the network itself, in many steps."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Of one assessment.

    sizes     growing, from 0
    values    of each cell, by its name: accuracies of trials that ended, a row a seed, a column a size; NaN where an
              accuracy is missing
    at_sizes  size by size, every cell; p values allow for all sizes and cells
    areas     of every cell, the mean accuracy over sizes; p values allow for all cells
    """

    assessment: Assessment
    sizes: tuple[float, ...]
    values: Mapping[str, pd.DataFrame]
    at_sizes: tuple[Measurement, ...]
    areas: tuple[Measurement, ...]

    @property
    def title(self) -> str:
        return self.assessment.title

    def size_of(self, m: Measurement) -> float | None:
        """None of an area."""
        names = {metric_at(self.assessment, size): size for size in self.sizes}
        return names.get(m.metric)


@dataclass(frozen=True, eq=False)
class Place:
    """A cell between clean accuracy and robustness.

    points          clean accuracy and the mean over sizes, a row a seed, of trials with both
    is_on_front     whether no other cell's means are as good in both and better in one; None without means
    front_in        in how many of the seeds that all cells have it is on that seed's front; None without such a seed
    beside          who dominates whom, the baseline or this cell; None for the baseline, without one, and without a
                    common seed
    """

    cell: Cell
    points: pd.DataFrame
    is_on_front: bool | None
    front_in: Share | None
    beside: Dominance | None

    @property
    def means(self) -> tuple[float, float] | None:
        return (self.points["clean"].mean(), self.points["area"].mean()) if len(self.points) else None


def metric_at(assessment: Assessment, size: float, when: str = "") -> str:
    """when: "early_" or "late_", of what an attack had found by then."""
    return f"{assessment.title}_{when}{accuracy_at(size)}"


def area_metric(assessment: Assessment) -> str:
    return f"{assessment.title}_mean_over_sizes"


def assessed(study: Study, analysis: RobustnessCurve) -> tuple[Assessment, ...]:
    """In the order in which the analysis names them."""
    found = {each.title: each for each in study.assessments if has_curve(each)}
    return tuple(found[title] for title in analysis.assessments or found)


def curve_of(results: Results, assessment: Assessment, baseline: str | None) -> Curve:
    cells, sizes = results.study.cells, (0.0, *sizes_of(assessment))
    values = {
        cell.name: pd.DataFrame(
            {size: end_values(results, cell, metric_at(assessment, size)) for size in sizes}, columns=list(sizes)
        )
        for cell in cells
    }
    given: dict[str, Any] = {"measured": {cell.name: True for cell in cells}, "is_accuracy": True}
    at_sizes: list[Measurement] = []
    for size in sizes:
        of_size = {cell: table[size].dropna() for cell, table in values.items()}
        at_sizes += compared(results, metric_at(assessment, size), of_size, baseline, **given)
    areas = list(compared(results, area_metric(assessment), areas_of(sizes, values), baseline, **given))
    title = assessment.title
    return Curve(
        assessment, sizes, values, with_holm(at_sizes, [title] * len(at_sizes)), with_holm(areas, [title] * len(areas))
    )


def areas_of(sizes: Sequence[float], values: Mapping[str, pd.DataFrame]) -> "dict[str, pd.Series[float]]":
    """By cell and seed, of seeds that have a number at every size."""
    found = {}
    for cell, table in values.items():
        whole = table.dropna()
        found[cell] = pd.Series(mean_over_sizes(sizes, whole.to_numpy(float)), whole.index, dtype=float)
    return found


def places_of(study: Study, curve: Curve, baseline: str | None) -> tuple[Place, ...]:
    """Of every cell."""
    areas = areas_of(curve.sizes, curve.values)
    points = {
        cell: pd.DataFrame({"clean": curve.values[cell].loc[area.index, 0.0], "area": area})
        for cell, area in areas.items()
    }
    with_means = [cell for cell, mine in points.items() if len(mine)]
    front = dict(zip(with_means, on_front([points[cell].mean().to_numpy() for cell in with_means]), strict=True))
    front_in = _front_in({cell: points[cell] for cell in with_means})
    reference = next((cell.name for cell in study.cells if cell.arm == baseline), None)
    places = []
    for cell in study.cells:
        mine, beside = points[cell.name], None
        if reference is not None and cell.name != reference:
            seeds = points[reference].index.intersection(mine.index)
            beside = dominance(points[reference].loc[seeds].to_numpy(float), mine.loc[seeds].to_numpy(float))
        is_on_front = bool(front[cell.name]) if cell.name in front else None
        places.append(Place(cell, mine, is_on_front, front_in.get(cell.name), beside))
    return tuple(places)


def _front_in(points: Mapping[str, pd.DataFrame]) -> dict[str, Share]:
    if not points:
        return {}
    seeds = set.intersection(*(set(mine.index) for mine in points.values()))
    fronts = [on_front([mine.loc[seed].to_numpy(float) for mine in points.values()]) for seed in sorted(seeds)]
    counts = np.sum(fronts, axis=0, dtype=int) if fronts else []
    return {cell: Share(int(num), len(fronts)) for cell, num in zip(points, counts, strict=False)}


def norm_of(assessment: Assessment) -> str | None:
    """Of an attack; None of noise and of whatever has none."""
    return "linf" if assessment.name == FGSM else getattr(assessment, "norm", None)


def size_label(study: Study, assessment: Assessment) -> str:
    """What a size is, and its unit."""
    norm = norm_of(assessment)
    what = "standard deviation" if assessment.name == NOISE else f"size in {norm}" if norm else "size"
    return f"{what} ({'pixels in [0, 1]' if _in_pixels(study, assessment) else 'units of the inputs'})"


def size_text(study: Study, assessment: Assessment, size: float) -> str:
    """Four digits; beside them the fraction of 255 that people mean by what four digits do not say."""
    text = f"{size:.4g}"
    steps = size * 255
    if float(text) != size and abs(steps - round(steps)) < 1e-6 and _in_pixels(study, assessment):
        return f"{text} ({round(steps)}/255)"
    return text


def _in_pixels(study: Study, assessment: Assessment) -> bool:
    return assessment.needs_pixels or all(data.has_pixels for cell in study.cells for data in cell.config.data_sets)
