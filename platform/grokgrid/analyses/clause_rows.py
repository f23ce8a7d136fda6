"""Clauses as texts. The headline prints the same ones as the tables, so the two cannot disagree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from grokgrid.analyses.clauses import Clause
from grokgrid.analyses.ends import ENDED
from grokgrid.analyses.trials import states_of
from grokgrid.analyses.wording import NOT_TRUSTED, NOTHING, PERCENT, beside
from grokgrid.results import Results, State
from grokgrid.statistics import Estimator, Verdict, WhyOpen
from search_spaces import Cell
from search_spaces.predicates import Agreement, Before, Change, Correlation, Difference, Level, Predicate, Slope, Sooner

SINCE = {"first": "first", "max": "largest", "min": "smallest"}
_SIGNS = {Estimator.LOWER_BOUND: "≥ ", Estimator.UPPER_BOUND: "≤ "}


class Claim(NamedTuple):
    """A clause in words: `subject holds`, or `subject fails`."""

    subject: str
    holds: str
    fails: str


@dataclass(frozen=True, eq=False)
class Row:
    """A clause as it is printed.

    claim    what the clause says
    reached  of a ratio of steps, how many seeds came to each of its two events; NOTHING otherwise
    others   states of trials of its cells that did not come to an end
    why      why it is inconclusive; NOTHING otherwise
    reason   the verdict in words, with the figures
    """

    c: Clause
    claim: str
    statistic: str
    estimate: str
    interval: str
    threshold: str
    n: str
    reached: str
    others: str
    verdict: str
    why: str
    reason: str


def row_of(results: Results, c: Clause, names: Mapping[str, str]) -> Row:
    """names: of the cells, by their own names"""
    claim = claim_of(c.predicate, [names[cell.name] for cell in c.cells])
    figure, limit = c.figure, c.predicate.bound.value
    estimate = NOTHING if figure.estimate is None else beside(figure.estimate, figure.sd, limit)
    sign = _SIGNS.get(figure.estimator, "") if figure.estimator else ""
    num_seeds = len(results.study.seed_list)
    texts = {
        "estimate": sign + estimate,
        "interval": _interval(c),
        "n": f"{figure.n}/{num_seeds}",
        "reached": ", ".join(f"{num}/{figure.n}" for num in reversed(figure.reached)) if figure.reached else NOTHING,
        "others": _others(results, c.cells),
    }
    return Row(
        c=c,
        claim=f"{claim.subject} {claim.holds}",
        statistic=c.predicate.statistic,
        threshold=str(c.predicate.bound),
        verdict=str(c.judged.verdict),
        why=str(c.judged.why) if c.judged.why else NOTHING,
        reason=_reason(c, claim, texts),
        **texts,
    )


def claim_of(predicate: Predicate, cells: Sequence[str]) -> Claim:
    """cells: the names of those that it is of"""
    side, value = predicate.bound
    lies = (f"is {side} {value:g}", f"is not {side} {value:g}")
    match predicate:
        case Level():
            return Claim(f"{predicate.metric} of {cells[0]}", *lies)
        case Difference():
            return Claim(f"{predicate.metric} of {cells[0]} minus {cells[1]}’s", *lies)
        case Change():
            how = "minus" if predicate.by == "difference" else "over"
            return Claim(f"{predicate.metric} of {cells[0]} {how} its {SINCE[predicate.since]} value", *lies)
        case Correlation():
            over = f" over the cells of {', '.join(predicate.arms)}" if predicate.arms else " over cells"
            return Claim(f"the rank correlation of {' and '.join(predicate.metrics)}{over}", *lies)
        case Slope():
            return Claim(f"the slope of log {predicate.metric} along the grid of {predicate.arm}", *lies)
        case Agreement():
            a, b = predicate.metrics
            since = f" from step {predicate.from_step} on" if predicate.from_step else ""
            return Claim(f"the largest deviation of {a} from {b} of {cells[0]}{since}", *lies)
        case Sooner():
            factor = f"more than {predicate.factor:g} times " if predicate.factor != 1 else ""
            event = f"{predicate.event} {factor}sooner than {cells[1]}"
            return Claim(cells[0], f"reaches {event}", f"does not reach {event}")
        case Before():
            events = f"{predicate.first} before {predicate.then}"
            return Claim(cells[0], f"reaches {events}", f"does not reach {events}")
        case _:
            raise ValueError(f"{predicate.statistic}: a statistic that no report prints")


def _reason(c: Clause, claim: Claim, texts: Mapping[str, str]) -> str:
    known = ["no estimate" if texts["estimate"] == NOTHING else f"{_what(c.predicate)}{texts['estimate']}"]
    known += [f"{PERCENT} interval {texts['interval']}"] if c.figure.interval else []
    known.append(f"{texts['n']} seeds")
    if c.figure.reached and set(c.figure.reached) != {c.figure.n}:
        known.append(f"reached by {texts['reached'].replace(', ', ' and by ')}")
    known += [texts["others"]] if texts["others"] != NOTHING else []
    figures = f"({', '.join(known)})"
    if c.judged.verdict is Verdict.INCONCLUSIVE:
        return f"whether {claim.subject} {claim.holds} is open because {c.judged.why} {figures}"
    return f"{claim.subject} {claim.holds if c.judged.verdict is Verdict.AGREE else claim.fails} {figures}"


def _what(predicate: Predicate) -> str:
    return "ratio of steps " if isinstance(predicate, Sooner | Before) else ""


def _interval(c: Clause) -> str:
    ends, limit, sd = c.figure.interval, c.predicate.bound.value, c.figure.sd
    if ends is None:
        is_hint = c.figure.estimate is not None and c.figure.why not in (WhyOpen.ONE_SEED, WhyOpen.NO_SPREAD)
        return NOT_TRUSTED if is_hint else NOTHING
    low, high = (beside(end, sd, limit) for end in ends)
    if c.figure.estimator is Estimator.LOWER_BOUND:
        return f"at least {low}"
    return f"at most {high}" if c.figure.estimator is Estimator.UPPER_BOUND else f"{low} to {high}"


def _others(results: Results, cells: Sequence[Cell]) -> str:
    counts = Counter(state for cell in cells for state in states_of(results, cell))
    return ", ".join(f"{counts[state]} {state}" for state in State if counts[state] and state not in ENDED) or NOTHING
