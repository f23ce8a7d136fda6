"""Every cell beside the baseline, paired by seed, by every measure of time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from grokgrid import statistics
from grokgrid.analyses.times import Measure, budget_in_steps, goal_times, phase_times
from grokgrid.analyses.trials import others, ran_differently
from grokgrid.analyses.wording import LEVEL
from grokgrid.results import Results, State
from grokgrid.statistics import Direction, Estimator, Finding, Times, WhyOpen, judge_ratio
from search_spaces import Cell
from search_spaces.analyses import Acceleration
from trainables.procedure_config import ProcedureConfig


@dataclass(frozen=True, eq=False)
class Comparison:
    """A cell beside the baseline, by one measure.

    not_comparable  why the two sides' figures do not compare, if so: then there is no estimate
    others          the states of the cell's trials that did not reach the goal
    """

    cell: Cell
    baseline: Cell
    measure: Measure
    found: statistics.Acceleration
    num_seeds: int
    reached: int
    reached_baseline: int
    not_comparable: str | None
    others: str

    @property
    def estimate(self) -> float | None:
        return None if self.not_comparable else self.found.estimate

    @cached_property
    def interval(self) -> statistics.Interval | None:
        return None if self.not_comparable else self.found.confidence_interval(LEVEL)

    @property
    def why_open(self) -> WhyOpen | None:
        """Why there is no interval to trust; None if there is one."""
        if self.not_comparable:
            return WhyOpen.UNLIKE_STEPS if self.measure is Measure.STEPS else WhyOpen.UNLIKE
        return self.found.why_open

    @property
    def is_trusted(self) -> bool:
        return self.why_open is None

    @cached_property
    def finding(self) -> Finding:
        """ABOVE: the cell is sooner than the baseline."""
        return judge_ratio(self.interval, self.why_open)

    @property
    def test(self) -> statistics.PairedTest | None:
        return None if self.not_comparable else self.found.test

    @property
    def estimator(self) -> Estimator | None:
        return None if self.not_comparable else self.found.estimator

    def mean_sd(self, direction: Direction) -> statistics.MeanSd | None:
        return None if self.not_comparable else self.found.mean_sd(direction)


def compare(results: Results, analysis: Acceleration) -> tuple[Comparison, ...]:
    """Every cell but the baseline's, measure by measure."""
    (baseline,) = (cell for cell in results.study.cells if cell.arm == analysis.baseline)
    differs = {cell.name: ran_differently(results, (baseline, cell)) for cell in results.study.cells}
    return tuple(
        comparison
        for measure in _measures(baseline, analysis)
        for comparison in _by_measure(results, analysis, baseline, measure, differs)
    )


def unlike_steps(one: Cell, other: Cell) -> str | None:
    """Why numbers of steps do not compare, if so: what a step is, each procedure decides."""
    kinds = {_stepper(cell) for cell in (one, other)}
    return None if len(kinds) == 1 else f"steps of {' and of '.join(sorted(kinds))} are not one unit"


def _stepper(cell: Cell) -> str:
    config = cell.config
    return f"procedure {config.procedure.name}" if isinstance(config, ProcedureConfig) else "an optimiser"


def _pairs_of(baseline: Cell, ours: Times, cell: Cell, theirs: Times) -> tuple[Times, Times]:
    """Of two that draw nothing all seeds are one pair."""
    if baseline.config.draws or cell.config.draws:
        return ours, theirs
    one, other = (Times(each.value[:1], each.reached[:1], each.seeds[:1]) for each in (ours, theirs))
    return one, other


def holm(comparisons: Sequence[Comparison]) -> tuple[float | None, ...]:
    """Holm's adjusted p value of each. A family is all that one measure compares and that has a p value."""
    tests = [c.test for c in comparisons]
    return statistics.holm_within([c.measure for c in comparisons], [test.p if test else None for test in tests])


def _measures(baseline: Cell, analysis: Acceleration) -> list[Measure]:
    goal = baseline.config.goal
    assert goal is not None
    has_phase = goal.above is not None and analysis.phase_from is not None and analysis.phase_from < goal.above
    return [measure for measure in Measure if has_phase or measure is not Measure.PHASE_SECONDS]


def _by_measure(
    results: Results, analysis: Acceleration, baseline: Cell, measure: Measure, differs: Mapping[str, str | None]
) -> Iterator[Comparison]:
    """differs: by the name of each cell, why seconds of it and of the baseline do not compare, if so."""

    def times(cell: Cell) -> Times:
        if measure is Measure.PHASE_SECONDS:
            assert analysis.phase_from is not None
            return phase_times(results, cell, analysis.phase_from)
        return goal_times(results, cell, "steps" if measure is Measure.STEPS else "seconds")

    def budget(cell: Cell) -> float | None:
        return budget_in_steps(results, cell) if measure is Measure.STEPS else None

    ours, limit = times(baseline), budget(baseline)
    for cell in results.study.cells:
        if cell.arm == baseline.arm:
            continue
        theirs = times(cell)
        limits = [each for each in (limit, budget(cell)) if each is not None]
        yield Comparison(
            cell=cell,
            baseline=baseline,
            measure=measure,
            found=statistics.acceleration(*_pairs_of(baseline, ours, cell, theirs), budget=min(limits, default=None)),
            num_seeds=len(results.study.seed_list),
            reached=int(theirs.reached.sum()),
            reached_baseline=int(ours.reached.sum()),
            not_comparable=unlike_steps(baseline, cell) if measure is Measure.STEPS else differs[cell.name],
            others=others(results, cell, but=[State.REACHED]),
        )
