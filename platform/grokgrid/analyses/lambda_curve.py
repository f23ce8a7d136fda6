"""Metrics against the strength of a method, the band of a strength of 0, and which strength is best.

Choosing is not claiming: the best figure of many is so partly by luck, and is to be run again on other seeds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from grokgrid.analyses import drawing
from grokgrid.analyses.acceleration import FEW_TO_CHECK
from grokgrid.analyses.parts import Column, Figure, Section, Table
from grokgrid.analyses.strengths import Choice, LambdaCurves, Point, lambda_curves
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import (
    LEVEL,
    NOT_TRUSTED,
    NOTHING,
    PERCENT,
    finite,
    listed,
    number,
    open_because,
    p_value,
    precise,
    slug,
)
from grokgrid.plurals import plural
from grokgrid.results import Results
from grokgrid.statistics import FEW_SEEDS, NUM_RESAMPLES, Estimator, SampleMean, WhyOpen
from search_spaces.analyses import LambdaCurve
from trainables.names import file_part

NORM, ACCURACY = "train_jacobian_norm_mean", "test_accuracy"


def section(results: Results, analysis: LambdaCurve, name: str) -> Section:
    curves = lambda_curves(results, analysis)
    num_seeds = len(results.study.seed_list)
    rows = {metric: _rows(curves, metric, num_seeds) for metric in curves.points}
    return Section(
        title=f"{analysis.arm} against its {curves.setting}",
        tables=tuple(_table(curves, metric, rows[metric], num_seeds, name) for metric in rows),
        figures=tuple(_figures(results, curves, name)),
        notes=(*absent(results), *_notes(curves, num_seeds)),
        metrics=dict(_metrics(curves, name)),
        sentence=_sentence(curves, rows[analysis.metrics[0]]),
    )


@dataclass(frozen=True, eq=False)
class Row:
    """A strength as it is printed, in the table and in the headline.

    why    why the estimate has no interval to trust; NOTHING otherwise
    """

    point: Point
    strength: str
    estimate: str
    interval: str
    num: str
    others: str
    share: str
    p: str
    why: str


def _rows(curves: LambdaCurves, metric: str, num_seeds: int) -> tuple[Row, ...]:
    points = curves.points[metric]
    choice = curves.choice if points is curves.first else None
    shares, p = _shares(choice, points), _ps(choice, points)
    return tuple(
        Row(
            point=point,
            strength=_named(point),
            estimate=_estimate(point),
            interval=_interval(point),
            num=f"{point.num_known}/{num_seeds}",
            others=point.others,
            share=NOTHING if share is None else f"{share:.0%}",
            p=p_value(p_not_behind),
            why=str(point.why_open) if point.why_open else NOTHING,
        )
        for point, share, p_not_behind in zip(points, shares, p, strict=True)
    )


def _sentence(curves: LambdaCurves, rows: Sequence[Row]) -> str:
    """Which strength is best, as far as that is not open."""
    choice, arm, setting = curves.choice, curves.analysis.arm, curves.setting
    most = f"{'least' if curves.analysis.chosen_for == 'less' else 'greatest'} {_title(rows[0].point)}"
    if choice is None:
        return f"Which {setting} of {arm} has the {most} is open because {curves.why_open}"
    row, seeds = rows[choice.best], f"on {plural(choice.num_seeds, 'seed')}"
    interval = f"{PERCENT} interval {row.interval}, " if row.point.interval else ""
    figures = f"{row.estimate} ({interval}{row.num} {'seeds reached it' if row.point.is_time else 'seeds'})"
    sure = f", {_how_sure(choice, rows)}" if choice.shares else ""
    if curves.why_open:
        best = f"of {len(rows)} values, {seeds}, it is {row.strength}, {figures}{sure}"
        return f"Which {setting} of {arm} has the {most} is open because {curves.why_open}: {best}"
    at = f"{arm} at {setting} {row.strength}" if row.point.strength else row.point.cell.name
    luck = "the best of several is so partly by luck"
    return f"{at} has the {most} of {len(rows)} values, {seeds}: {figures}{sure}; {luck}"


def _how_sure(choice: Choice, rows: Sequence[Row]) -> str:
    assert choice.shares is not None
    order = sorted(range(len(rows)), key=lambda index: -(choice.shares or ())[index])
    rivals = [index for index in order if index != choice.best and choice.shares[index] >= 0.005][:2]
    told = [f"{rows[index].strength} in {rows[index].share}" for index in rivals]
    return f"best in {rows[choice.best].share} of resamples" + (f", {listed(told)}" if told else "")


def _title(point: Point) -> str:
    return f"{point.metric} to {point.cell.config.goal}" if point.is_time else point.metric.replace("_", " ")


def _figures(results: Results, curves: LambdaCurves, name: str) -> Iterator[Figure]:
    for metric, points in curves.points.items():
        if any(point.estimate is not None for point in points[1:]):
            best = curves.best if points is curves.first else None
            yield Figure(
                f"{name}-{file_part(metric, '/')}",
                f"{_title(points[0])} against {curves.setting}",
                partial(drawing.lambda_curve, results.study, points, best),
                "A dot a seed, an arrow where a trial was censored and its time is longer; the diamond is the estimate "
                f"with its {PERCENT} interval, hollow where it is a bound or has no interval to trust. "
                f"The band and the line across are those of {curves.analysis.baseline}."
                + (" A ring marks the best." if best else ""),
            )
    if {NORM, ACCURACY} <= set(curves.points):
        yield Figure(
            f"{name}-accuracy-norm",
            f"Clean accuracy against the Jacobian norm, along {curves.setting}",
            partial(drawing.against, results.study, curves.points[NORM], curves.points[ACCURACY]),
            f"Means over seeds where training ended, at each {curves.setting}.",
        )


def _table(curves: LambdaCurves, metric: str, rows: Sequence[Row], num_seeds: int, name: str) -> Table:
    points = curves.points[metric]
    choice, is_time = curves.choice if points is curves.first else None, points[0].is_time
    columns = [
        Column(curves.setting, tuple(row.strength for row in rows), "name"),
        Column("typical" if is_time else "mean", tuple(row.estimate for row in rows)),
        Column(f"{PERCENT} interval", tuple(row.interval for row in rows)),
        Column("reached" if is_time else "n", tuple(row.num for row in rows)),
    ]
    if any(row.others != NOTHING for row in rows):
        columns.append(Column("the others", tuple(row.others for row in rows)))
    if choice and choice.shares:
        columns.append(Column("best in", tuple(row.share for row in rows)))
    if choice and any(p is not None for p in choice.p):
        columns.append(Column("p beside the best", tuple(row.p for row in rows)))
    if any(row.why != NOTHING for row in rows):
        columns.append(Column("why", tuple(map(open_because, (row.why for row in rows))), "prose"))
    title = f"{_title(points[0])} against {curves.setting}"
    caption = " ".join(_caption(curves, points, choice, num_seeds))
    return Table(f"{name}-{file_part(metric, '/')}", title, _tidy(points, choice, num_seeds), tuple(columns), caption)


def _caption(curves: LambdaCurves, points: Sequence[Point], choice: Choice | None, num_seeds: int) -> Iterator[str]:
    if points[0].is_time:
        yield "Geometric means; where trials were censored, log-normal fits that allow for it, or bounds."
    else:
        yield f"Means over seeds where training ended, with Student’s {PERCENT} interval."
    if choice:
        yield (
            f"The choice is among {len(points)} on the {plural(choice.num_seeds, 'seed')} that are over at every "
            f"{curves.setting}."
        )
        if choice.shares:
            yield f"Best in: how many of {NUM_RESAMPLES:,} resamples of these seeds it wins."
        yield (
            "P beside the best: of its being no worse than the best, by a paired t-test, times the number of others. "
            + (f"Which is best is open because {curves.why_open}." if curves.why_open else "Which is best is clear.")
        )
    if points[0].is_time and any(point.interval for point in points) and num_seeds < FEW_TO_CHECK:
        yield "Intervals presume log-normal times: with so few seeds, two modes make them too narrow."


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
    if ends is None:
        shows_none = point.estimate is None or point.why_open in (WhyOpen.ONE_SEED, WhyOpen.NO_SPREAD)
        return NOTHING if shows_none else NOT_TRUSTED
    if isinstance(point.found, SampleMean):
        return f"{precise(ends.low, point.found.sd)} to {precise(ends.high, point.found.sd)}"
    return f"at least {number(ends.low)}" if math.isinf(ends.high) else f"{number(ends.low)} to {number(ends.high)}"


def _numbers(point: Point, share: float | None, p: float | None) -> dict[str, float | None]:
    """What both the table and MLflow's metrics hold."""
    ends = point.interval
    return {
        "estimate": point.estimate,
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
        "n": len(point.seeds),
        "known": point.num_known,
        "best_in": share,
        "p_beside_best": p,
    }


def _shares(choice: Choice | None, points: Sequence[Point]) -> Sequence[float | None]:
    return choice.shares if choice and choice.shares else [None] * len(points)


def _ps(choice: Choice | None, points: Sequence[Point]) -> Sequence[float | None]:
    return choice.p if choice else [None] * len(points)


def _tidy(points: Sequence[Point], choice: Choice | None, num_seeds: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"metric": point.metric, "cell": point.cell.name, "arm": point.cell.arm, "strength": point.strength}
            | _numbers(point, share, p)
            | {
                "level": LEVEL,
                "estimator": str(point.estimator) if point.estimator else None if point.is_time else "mean",
                "trusted": point.is_trusted,
                "open_because": str(point.why_open) if point.why_open else None,
                "seeds": num_seeds,
                "others": point.others,
            }
            for point, share, p in zip(points, _shares(choice, points), _ps(choice, points), strict=True)
        ]
    )


def _notes(curves: LambdaCurves, num_seeds: int) -> Iterator[str]:
    choice, best = curves.choice, curves.best
    if choice is None or best is None:
        yield f"No {curves.setting} is chosen: {curves.why_open}."
    else:
        yield "The best of many is so partly by luck: run it again on other seeds."
        if choice.num_seeds < num_seeds:
            yield f"The choice rests on {choice.num_seeds} of {plural(num_seeds, 'seed')}."
        if choice.num_seeds < FEW_SEEDS:
            yield f"Resamples of fewer than {FEW_SEEDS} seeds would be much too sure of themselves: none are made."
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
        weak: dict[str, list[str]] = {}
        for point in points:
            if point.estimate is not None and point.why_open:
                weak.setdefault(point.why_open, []).append(_named(point))
        for why, those in weak.items():
            yield f"No interval of {metric} is trusted at {listed(those)}: {why}."


def _metrics(curves: LambdaCurves, name: str) -> Iterator[tuple[str, float]]:
    for metric, points in curves.points.items():
        choice = curves.choice if points is curves.first else None
        for point, share, p in zip(points, _shares(choice, points), _ps(choice, points), strict=True):
            for key, value in finite(_numbers(point, share, p)).items():
                yield f"{name}/{slug(point.cell)}/{metric}/{key}", value
    if curves.choice is not None and curves.best is not None:
        yield f"{name}/best", curves.best.strength
        if curves.choice.shares:
            yield f"{name}/best_in", curves.choice.shares[curves.choice.best]
