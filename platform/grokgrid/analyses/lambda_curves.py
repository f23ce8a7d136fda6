"""Metrics against the strength of a method, the band of a strength of 0, and which strength is best.

Choosing is not claiming: the best figure of many is so partly by luck, and is to be run again on other seeds.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd

from grokgrid.analyses import drawing
from grokgrid.analyses.accelerations import FEW_TO_CHECK
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.strengths import Choice, LambdaCurves, Point
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import (
    LEVEL,
    NOT_TRUSTED,
    NOTHING,
    PERCENT,
    finite,
    listed,
    number,
    precise,
    slug,
)
from grokgrid.plurals import plural
from grokgrid.statistics import FEW_SEEDS, NUM_RESAMPLES, Estimator, SampleMean
from grokgrid.view import View
from trainables.names import file_part

NORM, ACCURACY = "train_jacobian_norm_mean", "test_accuracy"


def lambda_curve_section(view: View, curves: LambdaCurves, *, name: str = "lambda_curve") -> Section:
    arm, setting, points = curves.analysis.arm, curves.setting, curves.points
    num_seeds = len(view.study.seed_list)
    return Section(
        title=f"{arm} against its {setting}",
        tables=tuple(_table(curves, metric, num_seeds, name) for metric in points),
        figures=tuple(_figures(view, curves, name)),
        notes=(*absent(view), *_notes(curves, num_seeds)),
        metrics=dict(_metrics(curves, name)),
    )


def chosen(curves: LambdaCurves) -> str | None:
    """The choice, in a sentence without its full stop; None if there is none yet."""
    choice, best = curves.choice, curves.best
    if choice is None or best is None:
        return None
    most = "least" if curves.analysis.chosen_for == "less" else "greatest"
    at = f"{curves.analysis.arm} at {curves.setting} {_strength(best)}" if best.strength else best.cell.name
    known = f", {_estimate(best)} ({PERCENT} interval {_interval(best)})" if best.interval else ""
    seeds = plural(choice.num_seeds, "seed")
    return f"{at} has the {most} {_title(best)} on these {seeds}{known}; {_how_sure(curves, choice)}"


def _how_sure(curves: LambdaCurves, choice: Choice) -> str:
    order = sorted(range(len(choice.shares)), key=lambda index: -choice.shares[index])
    rivals = [index for index in order if index != choice.best and choice.shares[index] >= 0.005][:2]
    told = [f"{_strength(curves.first[index])} in {choice.shares[index]:.0%}" for index in rivals]
    return f"of resamples of them it is best in {choice.share:.0%}" + (f", {listed(told)}" if told else "")


def _title(point: Point) -> str:
    return f"{point.metric} to {point.cell.config.goal}" if point.is_time else point.metric.replace("_", " ")


def _figures(view: View, curves: LambdaCurves, name: str) -> Iterator[Figure]:
    for metric, points in curves.points.items():
        if any(point.estimate is not None for point in points[1:]):
            best = curves.best if points is curves.first else None
            yield Figure(
                f"{name}-{file_part(metric, '/')}",
                f"{_title(points[0])} against {curves.setting}",
                partial(drawing.lambda_curve, view.study, points, best),
                "A dot a seed, an arrow where a trial was censored and its time is longer; the diamond is the estimate "
                f"with its {PERCENT} interval, hollow and off the line where it is a bound or not to be trusted. "
                f"The band and the line across are those of {curves.analysis.baseline}."
                + (" A ring marks the best." if best else ""),
            )
    if {NORM, ACCURACY} <= set(curves.points):
        yield Figure(
            f"{name}-accuracy-norm",
            f"Clean accuracy against the Jacobian norm, along {curves.setting}",
            partial(drawing.against, view.study, curves.points[NORM], curves.points[ACCURACY]),
            f"Means over seeds where training ended, at each {curves.setting}.",
        )


def _table(curves: LambdaCurves, metric: str, num_seeds: int, name: str) -> Table:
    points = curves.points[metric]
    choice = curves.choice if points is curves.first else None
    columns = [
        Column(curves.setting, tuple(_named(point) for point in points), "name"),
        Column("typical" if points[0].is_time else "mean", tuple(map(_estimate, points))),
        Column(f"{PERCENT} interval", tuple(map(_interval, points))),
        Column("reached" if points[0].is_time else "n", tuple(f"{point.num_known}/{num_seeds}" for point in points)),
    ]
    if any(point.others != NOTHING for point in points):
        columns.append(Column("the others", tuple(point.others for point in points)))
    caption = (
        "Geometric means; where trials were censored, log-normal fits that allow for it, or bounds."
        if points[0].is_time
        else f"Means over seeds where training ended, with Student’s {PERCENT} interval."
    )
    if choice:
        columns.append(Column("best in", tuple(f"{share:.0%}" for share in choice.shares)))
        caption += (
            f" Best in: how many of {NUM_RESAMPLES:,} resamples of the {plural(choice.num_seeds, 'seed')} that are "
            f"over at every {curves.setting} it wins."
        )
    if points[0].is_time and any(point.interval for point in points) and num_seeds < FEW_TO_CHECK:
        caption += " Intervals presume log-normal times: with so few seeds, two modes make them too narrow."
    title = f"{_title(points[0])} against {curves.setting}"
    return Table(f"{name}-{file_part(metric, '/')}", title, _tidy(points, choice, num_seeds), tuple(columns), caption)


def _strength(point: Point) -> str:
    return f"{point.strength:.4g}"


def _named(point: Point) -> str:
    return _strength(point) if point.strength else f"0 ({point.cell.name})"


def _estimate(point: Point) -> str:
    if isinstance(point.found, SampleMean):
        return precise(point.found.mean, point.found.sd)
    return ("≥ " if point.estimator is Estimator.LOWER_BOUND else "") + number(point.estimate)


def _interval(point: Point) -> str:
    ends = point.interval
    if point.estimate is not None and not point.is_trusted:
        return NOT_TRUSTED
    if ends is None:
        return NOTHING
    if isinstance(point.found, SampleMean):
        return f"{precise(ends.low, point.found.sd)} to {precise(ends.high, point.found.sd)}"
    return f"at least {number(ends.low)}" if math.isinf(ends.high) else f"{number(ends.low)} to {number(ends.high)}"


def _numbers(point: Point, share: float | None) -> dict[str, float | None]:
    """What both the table and MLflow's metrics hold."""
    ends = point.interval
    return {
        "estimate": point.estimate,
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
        "n": len(point.seeds),
        "known": point.num_known,
        "best_in": share,
    }


def _shares(choice: Choice | None, points: Sequence[Point]) -> Sequence[float | None]:
    return choice.shares if choice else [None] * len(points)


def _tidy(points: Sequence[Point], choice: Choice | None, num_seeds: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"metric": point.metric, "cell": point.cell.name, "arm": point.cell.arm, "strength": point.strength}
            | _numbers(point, share)
            | {
                "level": LEVEL,
                "estimator": str(point.estimator) if point.estimator else None if point.is_time else "mean",
                "trusted": point.is_trusted,
                "seeds": num_seeds,
                "others": point.others,
            }
            for point, share in zip(points, _shares(choice, points), strict=True)
        ]
    )


def _notes(curves: LambdaCurves, num_seeds: int) -> Iterator[str]:
    choice, best = curves.choice, curves.best
    if choice is None or best is None:
        yield f"No {curves.setting} is chosen: no seed is over at every one."
    else:
        yield f"{chosen(curves)}. The best of many is so partly by luck: run it again on other seeds."
        if choice.num_seeds < num_seeds:
            yield f"The choice rests on {choice.num_seeds} of {plural(num_seeds, 'seed')}."
        if choice.num_seeds < FEW_SEEDS:
            yield f"Resamples of fewer than {FEW_SEEDS} seeds are much too sure of themselves."
        if len(curves.first) > 2 and choice.best in (1, len(curves.first) - 1):
            yield f"The best lies at an end of the grid: a better {curves.setting} may lie beyond."
    fitted = {
        _named(point): None
        for points in curves.points.values()
        for point in points
        if point.estimator is Estimator.CENSORED_FIT and point.is_trusted
    }
    if fitted:
        yield (
            f"Fits of censored times (at {listed(list(fitted))}) presume that logarithms are normal: with a long tail "
            "or two modes, and two in five censored or more, they are too early, and their intervals too narrow."
        )
    if curves.not_comparable:
        yield f"Seconds do not compare, and none are told: {curves.not_comparable}."
    for metric, points in curves.points.items():
        weak = [_named(point) for point in points if point.estimate is not None and not point.is_trusted]
        if weak:
            yield f"Intervals of {metric} not trusted, for too few of the times are known: at {listed(weak)}."


def _metrics(curves: LambdaCurves, name: str) -> Iterator[tuple[str, float]]:
    for metric, points in curves.points.items():
        choice = curves.choice if points is curves.first else None
        for point, share in zip(points, _shares(choice, points), strict=True):
            for key, value in finite(_numbers(point, share)).items():
                yield f"{name}/{slug(point.cell)}/{metric}/{key}", value
    if curves.choice is not None and curves.best is not None:
        yield f"{name}/best", curves.best.strength
        yield f"{name}/best_in", curves.choice.share
