"""The sentences that a study states, each with the clauses that it rests on and a verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from grokgrid.analyses.clause_rows import Row, row_of
from grokgrid.analyses.clauses import judge
from grokgrid.analyses.headlines import MANY, first_of
from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.trials import absent
from grokgrid.analyses.wording import LEVEL, NOTHING, PERCENT, finite, labels, open_because
from grokgrid.plurals import plural
from grokgrid.results import Results, State
from grokgrid.statistics import Verdict, of_all
from search_spaces.analyses import Statement
from search_spaces.predicates import Correlation

NAME, TITLE = "statements", "Statements"
VERDICTS = "Do the results agree?"
CLAUSES = "What each statement rests on"

IN_METRICS = {Verdict.AGREE: 1.0, Verdict.INCONCLUSIVE: 0.0, Verdict.DIFFER: -1.0}
"""How MLflow's metrics say a verdict, for they are numbers."""

_WITH = {
    Verdict.AGREE: "The results agree with",
    Verdict.DIFFER: "The results differ from",
    Verdict.INCONCLUSIVE: "The results are inconclusive on",
}
_UNTIL = "no clause on its cell is judged until it is over"
TREATED = {
    State.DIVERGED: "diverged: counted as never reaching a value; no other clause on its cell is judged",
    State.RUNNING: f"still running: {_UNTIL}",
    State.STOPPED: f"stopped before the end: {_UNTIL}",
    State.FAILED: f"failed: {_UNTIL}",
    State.MISSING: f"missing: {_UNTIL}",
}


@dataclass(frozen=True, eq=False)
class Judged:
    """A statement and its clauses as they are printed."""

    statement: Statement
    rows: tuple[Row, ...]

    @property
    def verdict(self) -> Verdict:
        return of_all([row.c.judged.verdict for row in self.rows])

    @property
    def because(self) -> str:
        """The clauses that decide: those of the statement's own verdict."""
        decide = [row.reason for row in self.rows if row.c.judged.verdict is self.verdict]
        return first_of(decide, "clause", f"the table “{CLAUSES}”")

    @property
    def quoted(self) -> str:
        source = f" ({self.statement.source})" if self.statement.source else ""
        return f"“{self.statement.sentence.rstrip('.')}”{source}"

    @property
    def said(self) -> str:
        """For the headline."""
        return f"{_WITH[self.verdict]} {self.quoted}: {self.because}"


def section(results: Results, analysis: Statement, name: str) -> Section:
    """Of all statements of a study; the names of tables and metrics begin with NAME, whatever `name` is."""
    names = labels(results.study)
    statements = [each for each in results.study.analyses if isinstance(each, Statement)]
    found = [
        Judged(statement, tuple(row_of(results, judge(results, predicate), names) for predicate in statement.that))
        for statement in statements
    ]
    return Section(
        title=TITLE,
        tables=(_verdicts(found), _clauses(results, found)),
        notes=absent(results, TREATED),
        metrics=dict(_metrics(found)),
        sentence=_sentence(found),
    )


def _sentence(found: Sequence[Judged]) -> str:
    """Of many statements the first ones, and how many others are in which table."""
    said = [judged.said for judged in found[:MANY]]
    if num := len(found) - len(said):
        said.append(f"{plural(num, 'other statement')} {'is' if num == 1 else 'are'} in the table “{VERDICTS}”")
    return ". ".join(said)


def _verdicts(found: Sequence[Judged]) -> Table:
    data = pd.DataFrame(
        {
            "statement": range(1, len(found) + 1),
            "sentence": [judged.statement.sentence for judged in found],
            "source": [judged.statement.source for judged in found],
            "verdict": [judged.verdict.value for judged in found],
            "because": [judged.because for judged in found],
        }
    )
    columns = (
        Column("statement", tuple(str(num) for num in data["statement"]), "name"),
        Column("verdict", tuple(data["verdict"])),
        Column("sentence and reason", tuple(f"{judged.quoted}: {judged.because}" for judged in found), "prose"),
    )
    caption = "The results agree if every clause does, and differ if one differs."
    return Table(NAME, VERDICTS, data, columns, caption)


def _clauses(results: Results, found: Sequence[Judged]) -> Table:
    rows = [row for judged in found for row in judged.rows]
    nums = [f"{num}.{index}" for num, judged in enumerate(found, 1) for index, _ in enumerate(judged.rows, 1)]

    def column(label: str, texts: Sequence[str], kind: Literal["name", "value", "prose"] = "value") -> Column:
        return Column(label, tuple(texts), kind)

    def some(label: str, texts: Sequence[str]) -> tuple[Column, ...]:
        return (column(label, texts),) if any(text != NOTHING for text in texts) else ()

    why = [open_because(row.why) for row in rows]
    columns = (
        column("clause", nums, "name"),
        column("statistic", [row.statistic for row in rows]),
        column("estimate", [row.estimate for row in rows]),
        column(f"{PERCENT} interval", [row.interval for row in rows]),
        column("threshold", [row.threshold for row in rows]),
        column("n", [row.n for row in rows]),
        *some("reached", [row.reached for row in rows]),
        *some("the others", [row.others for row in rows]),
        column("verdict", [row.verdict for row in rows]),
        column("claim", [row.claim for row in rows], "prose"),
        *([column("why", why, "prose")] if any(text != NOTHING for text in why) else []),
    )
    return Table(f"{NAME}-clauses", CLAUSES, _tidy(results, found), columns, " ".join(_caption(rows)))


def _caption(rows: Sequence[Row]) -> Iterator[str]:
    yield "Clause 1.2 is the second one of statement 1."
    yield (
        f"A clause agrees if the whole {PERCENT} interval lies on its side of the threshold, and differs if all of it "
        "lies on the other."
    )
    if any(row.reached != NOTHING for row in rows):
        yield "Reached: of the pairs, how many came to each of the two values."
    if any(isinstance(row.c.predicate, Correlation) for row in rows):
        yield "Correlations are Spearman's over cells, one a seed; their mean, and Student's interval, are over seeds."


def _tidy(results: Results, found: Sequence[Judged]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "statement": num,
                "clause": index,
                "claim": row.claim,
                "statistic": row.statistic,
                "cells": "; ".join(cell.name for cell in row.c.cells),
                "metrics": "; ".join(row.c.predicate.metrics_named),
                **_figures(row),
                "level": LEVEL,
                "side": row.c.predicate.bound.side,
                "threshold": row.c.predicate.bound.value,
                "seeds": len(results.study.seed_list),
                "estimator": row.c.figure.estimator.value if row.c.figure.estimator else None,
                "others": row.others,
                "verdict": row.c.judged.verdict.value,
                "open_because": None if row.why == NOTHING else row.why,
            }
            for num, judged in enumerate(found, 1)
            for index, row in enumerate(judged.rows, 1)
        ]
    )


def _figures(row: Row) -> dict[str, float | None]:
    """What both the table and MLflow's metrics hold."""
    ends = row.c.figure.interval
    return {
        "n": row.c.figure.n,
        "estimate": row.c.figure.estimate,
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
    }


def _metrics(found: Sequence[Judged]) -> Iterator[tuple[str, float]]:
    for num, judged in enumerate(found, 1):
        yield f"{NAME}/{num}/verdict", IN_METRICS[judged.verdict]
        for index, row in enumerate(judged.rows, 1):
            yield f"{NAME}/{num}/{index}/verdict", IN_METRICS[row.c.judged.verdict]
            for key, value in finite(_figures(row)).items():
                yield f"{NAME}/{num}/{index}/{key}", value
