"""How often the intervals that grokgrid prints hold the truth, and how often its tests err, by simulation.

    python benchmarks/coverage.py [--simulations 1000] [--seed 0] [--out docs/results/coverage.csv]
                                 [--markdown]

Per seed, log times are drawn for a baseline and an arm, c + x/2 and c - x/2: x is the log ratio, c what the seed does
to both. Both are censored at one budget and given to the functions of grokgrid.statistics, as a report gives them
trials. Scaling all logarithms alike changes nothing, so the sd of x is always 0.15 (Walker et al.'s Table 1 comes to
0.11 to 0.18).

    ratios    log-normal: x and c normal with equal sd; unpaired: c with half of it, so that the two times are
              independent; skewed: x gamma with skewness 1; two modes: one seed in four is of a second mode, 7.5 of
              the first one's sd away
    side      whose times the budget censors: the baseline's (the true ratio is 7.56), the arm's (1/7.56), or both
              sides' alike (1)
    censored  the true share of those times beyond the budget

A cell's times alone are drawn as x is. The truth is exp of the mean of x. Each cell has a generator of its own, of the
seed and its name, and cells that --out already holds from the same command are kept, so an interrupted command goes on
where it was.

The tables leave out rates of fewer than 100 intervals, so they are empty if --simulations is less than that; --out
holds all.

A coverage p of m simulations has a standard error of sqrt(p (1 - p) / m): 0.7% for 95% of 1,000.
"""

import argparse
import itertools
import math
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from grokgrid.statistics import (
    Bound,
    Interval,
    PairedTestKind,
    Published,
    Times,
    Verdict,
    acceleration,
    fraction_reached,
    mean_curve,
    typical_time,
    verdict,
)

SIZES = (3, 5, 10, 20)
RATIOS = ("log-normal", "unpaired", "skewed", "two modes")
SIDES = {"baseline": 7.56, "arm": 1 / 7.56, "both": 1.0}
CENSORED = (0.2, 0.4, 0.6, 0.8)
SD = 0.15
ALPHA = 0.05
TITLES = {"interval": "interval of the acceleration", "bound": "bound of the acceleration"}
ENOUGH = 100
"""A rate of fewer intervals than this is not shown: its standard error is above 2%."""

Floats = NDArray[np.float64]
Row = dict[str, Any]
Simulation = Callable[[np.random.Generator, int], Iterator[Row]]
"""So many simulations of a cell, as its rows of the table."""


def standardised(rng: np.random.Generator, ratios: str, num: int) -> Floats:
    """(num,) draws with mean 0 and sd 1."""
    if ratios == "skewed":
        return (rng.gamma(4.0, size=num) - 4) / 2
    if ratios == "two modes":
        # sd s within a mode, the modes d apart: s^2 + d^2 / 4 * 3 / 4 = 1 at d = 7.5 s.
        s = 1 / math.sqrt(1 + 7.5**2 * 3 / 16)
        return s * (rng.normal(size=num) + 7.5 * ((rng.random(num) < 0.25) - 0.25))
    return rng.normal(size=num)


def log_times(rng: np.random.Generator, ratios: str, mean: float, num: int) -> tuple[Floats, Floats]:
    """(num,) each: of the baseline and of the arm."""
    x = mean + SD * standardised(rng, ratios, num)
    c = SD * (0.5 if ratios == "unpaired" else 1.0) * rng.normal(size=num)
    return c + x / 2, c - x / 2


def seen(log_time: Floats, log_budget: float) -> Times:
    return Times(np.exp(np.minimum(log_time, log_budget)), log_time <= log_budget, range(len(log_time)))


def mean_width(ends: list[Interval]) -> float:
    """The mean log width of those that are closed; NaN without."""
    closed = [math.log(low_high.factor) for low_high in ends if math.isfinite(low_high.factor)]
    return float(np.mean(closed)) if closed else math.nan


def held(what: str, intervals: list[Interval], truth: float, num: int) -> Row:
    """`rate`: of the intervals that are printed, the share that holds the truth."""
    inside = sum(low <= truth <= high for low, high in intervals)
    return {
        "what": what,
        "printed": len(intervals) / num,
        "rate": inside / len(intervals) if intervals else math.nan,
        "log_width": mean_width(intervals),
    }


def accelerations(n: int, ratios: str, side: str, censored: float) -> Simulation:
    """Intervals of the acceleration; where the arms do not differ, also errors of the paired tests."""
    ratio = 1.0 if censored == 0 else SIDES[side]

    def simulate(rng: np.random.Generator, num: int) -> Iterator[Row]:
        many = log_times(rng, ratios, math.log(ratio), 50_000)
        log_budget = float(np.quantile(many[1 if side == "arm" else 0], 1 - censored)) if censored else math.inf
        intervals: list[Interval] = []
        bounds: list[Interval] = []
        p: dict[PairedTestKind, list[float]] = {kind: [] for kind in PairedTestKind}
        for _ in range(num):
            baseline, arm = (seen(each, log_budget) for each in log_times(rng, ratios, math.log(ratio), n))
            found = acceleration(baseline, arm)
            ends = found.confidence_interval()
            if ends is not None:
                (bounds if isinstance(found.headline, Bound) else intervals).append(ends)
            if found.test is not None:
                p[found.test.kind].append(found.test.p)
        yield held("interval", intervals, ratio, num)
        if censored:
            yield held("bound", bounds, ratio, num)
        if ratio == 1 and ratios in ("log-normal", "unpaired"):
            for kind, values in p.items():
                rate = float(np.mean(np.array(values) <= ALPHA)) if values else math.nan
                if values:
                    yield {"what": f"error of the {kind}", "printed": len(values) / num, "rate": rate}

    return simulate


def times_alone(n: int, shape: str, censored: float) -> Simulation:
    """Intervals of a cell's typical time, as a curve against the strength has them."""

    def simulate(rng: np.random.Generator, num: int) -> Iterator[Row]:
        many = SD * standardised(rng, shape, 50_000)
        log_budget = float(np.quantile(many, 1 - censored)) if censored else math.inf
        intervals: list[Interval] = []
        bounds: list[Interval] = []
        for _ in range(num):
            found = typical_time(seen(SD * standardised(rng, shape, n), log_budget))
            ends = found.confidence_interval()
            if ends is not None:
                (bounds if isinstance(found.headline, Bound) else intervals).append(ends)
        yield held("interval of a typical time", intervals, 1.0, num)
        if censored:
            yield held("bound of a typical time", bounds, 1.0, num)

    return simulate


def verdicts(n: int, ratios: str) -> Simulation:
    """How often a verdict says "differ" of a figure published by a laboratory with the same true ratio and 10 seeds."""

    def simulate(rng: np.random.Generator, num: int) -> Iterator[Row]:
        mean = math.log(SIDES["baseline"])
        found = []
        for _ in range(num):
            theirs = np.exp(np.subtract(*log_times(rng, ratios, mean, 10)))
            published = Published(float(theirs.mean()), float(theirs.std(ddof=1)), 10)
            ours = acceleration(*(seen(each, math.inf) for each in log_times(rng, ratios, mean, n)))
            found.append(verdict(ours, published).verdict)
        decided = [each for each in found if each in (Verdict.AGREE, Verdict.DIFFER)]
        rate = sum(each is Verdict.DIFFER for each in decided) / len(decided) if decided else math.nan
        yield {"what": "error of the verdict", "printed": len(decided) / num, "rate": rate}

    return simulate


def fractions(n: int, common_budget: bool, fraction: float) -> Simulation:
    """The interval of the fraction that has reached the goal, where that is truly so much. All trials are seen up to
    one budget beyond or, as while a study runs, three in ten only up to times of their own before.
    """

    def simulate(rng: np.random.Generator, num: int) -> Iterator[Row]:
        intervals = []
        for _ in range(num):
            time = rng.random(n)
            limit = np.full(n, 1.0) if common_budget else np.where(rng.random(n) < 0.3, fraction * rng.random(n), 1.0)
            curve = fraction_reached(Times(np.minimum(time, limit), time <= limit, range(n)), [fraction])
            (low,), (high,) = curve.confidence_interval()
            if math.isfinite(low):
                intervals.append(Interval(float(low), float(high)))
        yield held("fraction reached", intervals, fraction, num) | {"log_width": math.nan}

    return simulate


def means(n: int, ratios: str) -> Simulation:
    """The interval of a metric's mean over seeds, at one point of a curve."""

    def simulate(rng: np.random.Generator, num: int) -> Iterator[Row]:
        # One evaluation a point: so many curves at once.
        values = 5 + SD * standardised(rng, ratios, n * num)
        curves = pd.DataFrame(
            {"key": np.repeat(np.arange(n), num), "steps": np.tile(np.arange(1, num + 1), n), "metric": values}
        )
        low, high = mean_curve(curves, "metric").confidence_interval()
        intervals = [Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)]
        yield held("mean of a curve", intervals, 5.0, num) | {"log_width": math.nan}

    return simulate


def cells() -> Iterator[tuple[Row, Simulation]]:
    for n, ratios in itertools.product(SIZES, RATIOS):
        cell = {"n": n, "ratios": ratios, "side": "none", "censored": 0.0}
        yield cell | {"of": "acceleration"}, accelerations(n, ratios, "none", 0.0)
        for side, censored in itertools.product(SIDES, CENSORED):
            censoring = {"side": side, "censored": censored}
            yield cell | censoring | {"of": "acceleration"}, accelerations(n, ratios, side, censored)
        yield cell | {"of": "verdict"}, verdicts(n, ratios)
        if ratios != "unpaired":
            yield cell | {"of": "curve"}, means(n, ratios)
            for censored in (0.0, *CENSORED):
                yield cell | {"of": "time", "side": "cell", "censored": censored}, times_alone(n, ratios, censored)
    for n, common, fraction in itertools.product(SIZES, (True, False), (0.2, 0.5, 0.8)):
        kind = {"n": n, "ratios": f"fraction {fraction:g}", "side": "one budget" if common else "unlike budgets"}
        yield kind | {"censored": 0.0 if common else 0.3, "of": "fraction"}, fractions(n, common, fraction)


NAMES = ["of", "n", "ratios", "side", "censored"]


def run(num: int, seed: int, out: Path, console: Console) -> pd.DataFrame:
    kept = pd.read_csv(out) if out.exists() else pd.DataFrame(columns=[*NAMES, "simulations", "seed"])
    kept = kept[(kept["simulations"] == num) & (kept["seed"] == seed)]
    done = set(kept[NAMES].itertuples(index=False, name=None))
    rows = kept.to_dict("records")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    for cell, simulate in track(list(cells()), "Simulating", console=console):
        name = tuple(cell[each] for each in NAMES)
        if name in done:
            continue
        rng = np.random.default_rng([seed, zlib.crc32(repr(name).encode())])
        rows += [cell | row | {"simulations": num, "seed": seed} for row in simulate(rng, num)]
        table = pd.DataFrame(rows)[[*NAMES, "what", "printed", "rate", "log_width", "simulations", "seed"]]
        table.to_csv(part, index=False, float_format="%.4g")
        os.replace(part, out)
    return pd.read_csv(out)


def compact(found: pd.DataFrame) -> Iterator[tuple[str, list[list[str]]]]:
    """A title and rows for each kind of figure, sizes beside each other, the sides' extremes in one field."""
    for what, rows in found.groupby("what", sort=False):
        by_size = rows.assign(enough=rows["printed"] * rows["simulations"] >= ENOUGH).query("enough")
        texts = []
        order = by_size["ratios"].map({ratios: i for i, ratios in enumerate(rows["ratios"].unique())})
        for (_, ratios, censored), cell in by_size.groupby([order, "ratios", "censored"]):
            rates = [cell.loc[cell["n"] == n, "rate"] for n in SIZES]
            texts.append([str(ratios), f"{censored:.0%}" if censored else "none", *map(extremes, rates)])
        yield str(what), [["", "censored", *(f"n = {n}" for n in SIZES)], *texts]


def extremes(rates: "pd.Series[float]") -> str:
    if not len(rates):
        return "–"
    low, high = f"{100 * rates.min():.1f}", f"{100 * rates.max():.1f}"
    return low if low == high else f"{low} to {high}"


def markdown(found: pd.DataFrame) -> str:
    """The tables of docs/statistics.md."""
    parts = []
    for what, (head, *rows) in compact(found):
        lines = [head, ["---"] * len(head), *rows]
        parts.append(f"**{TITLES.get(what, what)}**, %\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000, help="a cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/results/coverage.csv"))
    as_they_stand = f"print the tables as they stand in the documentation; of {ENOUGH} simulations or more"
    parser.add_argument("--markdown", action="store_true", help=as_they_stand)
    arguments = parser.parse_args()
    if arguments.markdown and arguments.simulations < ENOUGH:
        too_few = f"--simulations {arguments.simulations}: the tables of --markdown would be empty"
        parser.error(f"{too_few}, for a rate of fewer than {ENOUGH} intervals is not shown")
    console = Console(stderr=arguments.markdown)
    found = run(arguments.simulations, arguments.seed, arguments.out, console)
    if arguments.markdown:
        print(markdown(found), end="")
        return
    for what, (head, *rows) in compact(found):
        table = Table(*head, title=f"{TITLES.get(what, what)}, %")
        for row in rows:
            table.add_row(*row)
        console.print(table)


if __name__ == "__main__":
    main()
