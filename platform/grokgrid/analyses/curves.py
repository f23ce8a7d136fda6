"""Metrics against steps: each seed's curve, their mean and its band."""

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing
from grokgrid.analyses.ends import ENDED, ends
from grokgrid.analyses.headlines import ended
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.trials import others
from grokgrid.analyses.wording import LEVEL, NOTHING, PERCENT, cell_label, labels, mean_sd
from grokgrid.results import Results, State
from grokgrid.statistics import by_trial, mean_curve
from grokgrid.statistics.times import Bools, Floats, Ints
from search_spaces.analyses import Curves
from trainables.names import file_part

NUM_POINTS = 300
"""Of a curve: more than a figure can show, and few enough to ship in a page."""


USUAL, MOST_METRICS = ("train_accuracy", "test_accuracy", "train_r2", "test_r2"), 4
"""What is drawn where a study names no metrics."""

MAX_LINES, MAX_POINTS = 100, 10_000
"""In a figure: more cannot be told apart."""


def section(results: Results, analysis: Curves, name: str) -> Section:
    asked = _asked(results, analysis)
    trained = results.curves[results.curves["steps"] > 0]
    metrics = [metric for metric in asked if metric in trained and np.isfinite(trained[metric]).any()]
    means = mean_curves(results, metrics)
    figures = tuple(
        Figure(
            f"{name}-{file_part(metric, '/')}",
            metric.replace("_", " "),
            partial(
                drawing.curves, results.study, metric, seed_curves(results, metric), means[means["metric"] == metric]
            ),
            f"{drawn_seeds(results)}, a dot where it ends; the mean over seeds and, of three or more, "
            f"its {PERCENT} band, point by point, up to where the first trial ends: beyond, it would be the mean of "
            "the slow ones.",
        )
        for metric in metrics
    )
    where_ended = ends_table(results, asked, f"{name}-ends")
    # The headline has room for one.
    metric = "test_accuracy" if "test_accuracy" in asked else next(reversed(asked), None)
    return Section(
        title="Curves",
        tables=(where_ended, Table(name, "Mean curves", means)),
        figures=figures,
        sentence=ended(results.study, where_ended, metric) if metric is not None else "",
    )


def _asked(results: Results, analysis: Curves) -> tuple[str, ...]:
    """The metrics of the analysis; by default those that every trial has, or the first ones of a training function."""
    if analysis.metrics is not None:
        return analysis.metrics
    known = [metric for cell in results.study.cells for metric in cell.config.metrics or ()]
    columns = [name.removeprefix("final/") for name in results.trials.columns if name.startswith("final/")]
    measured = list(dict.fromkeys([*known, *columns]))
    return tuple(metric for metric in USUAL if metric in measured) or tuple(measured[:MOST_METRICS])


def thin(steps: Ints | Floats, num_points: int = NUM_POINTS) -> Bools:
    """Which of these increasing evaluations to keep: about so many, evenly spaced on a logarithmic axis, the first and
    the last among them.
    """
    if len(steps) <= num_points:
        return np.ones(len(steps), bool)
    place = np.log(np.maximum(steps, 1))
    step = (place[-1] - place[0]) / num_points
    keep: Bools = np.diff(np.floor((place - place[0]) / step), prepend=-1) > 0
    keep[-1] = True
    return keep


def seed_curves(results: Results, metric: str, *, first: int = 1) -> dict[str, list[Floats]]:
    """The curves to draw of each cell, (evaluations, 2) each: steps from `first` on, since a logarithmic axis has no
    step 0, and the metric.
    """
    seeds = _seeds(results)
    num_points = max(50, min(NUM_POINTS, MAX_POINTS // (len(results.study.cells) * len(seeds))))
    found = {}
    for cell in results.study.cells:
        evaluations = results.evaluations_of(cell)
        evaluations = evaluations[evaluations["seed"].isin(seeds) & (evaluations["steps"] >= first)]
        curves = (np.column_stack(curve).astype(float) for curve in by_trial(evaluations, metric))
        found[cell.name] = [curve[thin(curve[:, 0], num_points)] for curve in curves]
    return found


def _seeds(results: Results) -> tuple[int, ...]:
    return results.study.seed_list[: max(1, MAX_LINES // len(results.study.cells))]


def drawn_seeds(results: Results) -> str:
    """What a thin line is."""
    num_drawn, num_seeds = len(_seeds(results)), len(results.study.seed_list)
    return "A thin line a seed" + (f", the first {num_drawn} of {num_seeds}" if num_drawn < num_seeds else "")


def mean_curves(results: Results, metrics: Sequence[str], *, but: Collection[State] = ()) -> pd.DataFrame:
    """Cell by cell and metric by metric, over the trials that are not in these states."""
    columns = ["cell", "metric", "steps", "mean", "sd", "low", "high", "n", "level"]
    frames = []
    for cell in results.study.cells:
        trials, evaluations = results.trials_of(cell), results.evaluations_of(cell)
        evaluations = evaluations[evaluations["seed"].isin(trials["seed"][~trials["state"].isin(but)])]
        for metric in metrics:
            steps = np.unique(evaluations["steps"].to_numpy()[np.isfinite(evaluations[metric].to_numpy(float))])
            if not len(steps):
                continue
            mean = mean_curve(evaluations, metric, steps[thin(steps)])
            low, high = mean.confidence_interval(LEVEL)
            row = (cell.name, metric, mean.grid, mean.mean, mean.sd, low, high, mean.n, LEVEL)
            frames.append(pd.DataFrame(dict(zip(columns, row, strict=True))))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def ends_table(results: Results, metrics: tuple[str, ...], name: str) -> Table:
    """Metrics where the trials ended, a row a cell."""
    study = results.study
    found = {(cell.name, metric): ends(results, cell, metric) for cell in study.cells for metric in metrics}
    data = pd.DataFrame(
        [
            {
                "cell": cell,
                "metric": metric,
                "mean": end.mean if end else None,
                "sd": end.sd if end else None,
                "n": end.n if end else 0,
                "seeds": len(study.seed_list),
            }
            for (cell, metric), end in found.items()
        ],
        columns=["cell", "metric", "mean", "sd", "n", "seeds"],
    )
    cells = [cell.name for cell in study.cells]
    most = {
        cell: max((end.n if (end := found[cell, metric]) else 0 for metric in metrics), default=0) for cell in cells
    }
    absent = [others(results, cell, but=ENDED) for cell in study.cells]
    columns = (
        Column(cell_label(study), tuple(labels(study).values()), "name"),
        *(Column(metric, tuple(mean_sd(found[cell, metric]) for cell in cells)) for metric in metrics),
        Column("ended", tuple(f"{most[cell]}/{len(study.seed_list)}" for cell in cells)),
        *([Column("diverged or not over", tuple(absent))] if set(absent) != {NOTHING} else []),
    )
    return Table(name, "Where the trials ended", data, columns, "Mean ± standard deviation over seeds.")
