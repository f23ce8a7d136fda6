"""The headline: a sentence an analysis, made of the rows that its table prints.

Every number and every verdict of a sentence is the text of a table's field, of a title or of a caption. Whatever has no
interval to trust is open, and the sentence says why. Up to six arms are named; of more it says how many there are, and
in which table.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from grokgrid.analyses import acceleration_rows, measurement_rows
from grokgrid.analyses.acceleration_rows import Row
from grokgrid.analyses.measurement_rows import Row as MeasurementRow
from grokgrid.analyses.parts import Section, Table
from grokgrid.analyses.trials import states
from grokgrid.analyses.wording import NOT_TRUSTED, NOTHING, PERCENT, listed, when_read
from grokgrid.plurals import plural
from grokgrid.results import Results, State
from grokgrid.statistics import Estimator, Evidence, WhyOpen
from search_spaces import Study
from search_spaces.search import measured_by, reading_of

MANY = 6
"""Of more arms than this the headline names the first ones, and the table all."""


def headline(results: Results, sections: Sequence[Section]) -> str:
    found = states(results)
    if set(found) <= {State.MISSING, State.RUNNING, State.FAILED} and not len(results.curves):
        begun = [f"{found.count(state)} {state}" for state in (State.RUNNING, State.FAILED) if state in found]
        return f"Nothing to tell yet: of {plural(len(found), 'trial')} {listed(begun) or 'none has begun'}."
    sentences = [section.sentence for section in sections if section.sentence]
    if not sentences:
        sentences = [f"The study asks for no analysis of its {plural(len(found), 'trial')}"]
    return f"{'. '.join(sentences)}.{_incomplete(found)}"


def _incomplete(found: Sequence[State]) -> str:
    parts = [f"{found.count(state)} {state}" for state in State if not state.is_over and state in found]
    told = f" Not complete: of {plural(len(found), 'trial')} {', '.join(parts)}." if parts else ""
    if State.DIVERGED in found:
        told += f" {plural(found.count(State.DIVERGED), 'trial')} diverged."
    return told


def first_of(clauses: Sequence[str], what: str, place: str) -> str:
    """Of many clauses the first ones, and how many others are in which table."""
    told = list(clauses[:MANY])
    if num := len(clauses) - len(told):
        told.append(f"{plural(num, f'other {what}')} {'is' if num == 1 else 'are'} in {place}")
    return "; ".join(told)


def sooner(rows: Sequence[Row], place: str) -> str:
    """Of comparisons by one measure, a clause an arm. place: the table that has all rows."""
    arms: dict[str, list[Row]] = {}
    for row in rows:
        arms.setdefault(row.c.cell.arm, []).append(row)
    clauses: list[str] = []
    for mine in arms.values():
        clauses.append(_arm_sooner(mine, is_first=not clauses))
    return first_of(clauses, "arm", place)


def _arm_sooner(rows: Sequence[Row], *, is_first: bool) -> str:
    row, name = _best(rows)
    evidence, why = row.c.finding
    goal = row.c.cell.config.goal
    if not row.c.finding.has_side:
        where = f"On the way to {goal}, " if is_first else ""
        if evidence is Evidence.NO_CLEAR_DIFFERENCE:
            return f"{where}{name} shows no clear difference from {row.baseline}: {_figures(row)}"
        return f"{where}whether {name} is sooner than {row.baseline} is open because {why}: {_figures(row)}"
    reaches = f"{name} reaches {goal if is_first else 'it'}"
    compared = f" than {row.baseline}" if is_first else ""
    size = _but_p(row.is_but_p, row.family, row.holms_p, row.p, row.least_p)
    size += f", and how much {acceleration_rows.SIDES[evidence]} is open because {why}" if why else ""
    if evidence is Evidence.ABOVE:
        times = row.estimate.replace("≥ ", "at least ")
        return f"{reaches} in {times} times fewer steps{compared} ({_known(row)}){size}"
    return f"{reaches} later{compared}: {_figures(row)}{size}"


def _best(rows: Sequence[Row]) -> tuple[Row, str]:
    """Of an arm's cells the soonest, of those that are not open if there are such; and what to call it."""
    num, decided = len(rows), [row for row in rows if row.c.finding.evidence is not Evidence.OPEN]
    row = max(decided or rows, key=lambda row: -math.inf if row.c.estimate is None else row.c.estimate)
    if num == 1:
        return row, row.cell
    if row.c.estimate is None:
        return row, f"any of the {num} cells of {row.c.cell.arm}"
    # The best of many is so partly by luck: its figure alone would flatter.
    among = f"the {len(decided)} of {num} cells that are not open" if 0 < len(decided) < num else f"{num} cells"
    return row, f"{row.cell}, the best of {among} on these seeds,"


def _figures(row: Row) -> str:
    estimate = f"acceleration {row.estimate}" if row.c.estimate is not None else "no acceleration"
    return f"{estimate} ({_known(row)})"


def _known(row: Row) -> str:
    """What the figure rests on."""
    known = [f"{PERCENT} interval {row.interval}"] if row.c.interval is not None else []
    if row.c.estimator is Estimator.GEOMETRIC_MEAN:
        known.append(f"geometric mean of {plural(int(row.pairs), 'seed')}")
    else:
        known += [str(row.c.estimator)] if row.c.estimator is Estimator.CENSORED_FIT else []
        known.append(f"reached by {row.reached} seeds, by {row.reached_baseline} of {row.baseline}’s")
    if not row.c.finding.has_side and row.others != NOTHING:
        known.append(row.others)
    return ", ".join(known)


def _but_p(is_but_p: bool, family: int, holms_p: str, p: str, least_p: str) -> str:
    """What to add to a side that the interval shows, where p does not."""
    if not is_but_p:
        return ""
    return f", but {f'Holm’s p is {holms_p}' if family > 1 else f'p is {p}'} (least p {least_p})"


def measured(rows: Sequence[MeasurementRow], baseline: str | None, place: str) -> str:
    """Of the first metric, cell by cell; and where the others are. place: the table that has all rows."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    first = [row for row in rows if row.metric == metrics[0]]
    told = _means(first, place) if baseline is None else _differences(first, baseline, place)
    if num := len(metrics) - 1:
        told += f"; {plural(num, 'other metric')} {'is' if num == 1 else 'are'} in {place}"
    return told


def _means(rows: Sequence[MeasurementRow], place: str) -> str:
    read = _read_at_the_end(rows[0].metric)
    if all(row.m.found is None for row in rows):
        return f"{read} is open because {WhyOpen.NO_VALUE}"
    told = _cell_by_cell([(row.m.cell.arm, f"{row.cell} {_mean(row)}") for row in rows], place)
    return f"{read} is: {told}{_not_compared(rows)}"


def _read_at_the_end(metric: str) -> str:
    """A metric at the beginning of a sentence."""
    return f"At the first evaluation {measured_by(metric)}" if reading_of(metric) == "first" else f"At the end {metric}"


def _mean(row: MeasurementRow) -> str:
    if row.m.found is None:
        return f"open because {row.why} ({row.n} seeds{_and(row.others)})"
    interval = f"its interval is open because {row.why}" if row.why != NOTHING else f"{PERCENT} interval {row.interval}"
    return f"{row.mean} ({interval}, {row.n} seeds{_and(row.others)})"


def _not_compared(cells: Sequence[object]) -> str:
    return f"; whether they differ is open because {WhyOpen.NOT_COMPARED}" if len(cells) > 1 else ""


def _differences(rows: Sequence[MeasurementRow], baseline: str, place: str) -> str:
    """An arm of one cell by its figures; of an arm of several how many cells are what."""
    arms = _by_arm(rows)
    if not arms:
        return _means(rows, place)
    clauses = []
    for arm, mine in arms.items():
        if len(mine) == 1:
            clauses.append(_difference(mine[0]))
        else:
            clauses.append(f"of {arm}’s {len(mine)} cells {_findings(mine)} ({place})")
    return f"{when_read(rows[0].metric, 'at the end')} beside {baseline}’s: {first_of(clauses, 'arm', place)}"


def _difference(row: MeasurementRow) -> str:
    assert row.m.finding is not None
    figures = _known_difference(row) if row.m.difference else f"{row.n} seeds{_and(row.others)}"
    evidence, why = row.m.finding
    if evidence is Evidence.OPEN:
        return f"whether {row.cell} differs is open because {why} ({figures})"
    if evidence is Evidence.NO_CLEAR_DIFFERENCE:
        return f"{row.cell} shows no clear difference ({figures})"
    but_p = _but_p(row.is_but_p, row.m.family, row.holms_p, row.p, row.least_p)
    return f"{row.cell} is {measurement_rows.SIDES[evidence]} ({figures}){but_p}"


def robust(
    rows: Sequence[MeasurementRow], baseline: str | None, under: str, masked: Collection[str], place: str
) -> str:
    """Of accuracy over the sizes of one assessment, arm by arm.

    masked: names of cells whose gradients may be masked
    """
    if baseline is None or all(row.m.finding is None for row in rows):
        if all(row.m.found is None for row in rows):
            return f"{under} is open because {WhyOpen.NO_VALUE}"
        told = [(row.m.cell.arm, f"{row.cell} {_mean(row)}{_masked([row], masked)}") for row in rows]
        return f"{under} is: {_cell_by_cell(told, place)}{_not_compared(rows)}"
    reference = next(row for row in rows if row.m.finding is None)
    clauses = [
        _robust(mine[0], reference, masked)
        if len(mine) == 1
        else f"of {arm}’s {len(mine)} cells {_findings(mine)} ({place}){_masked(mine, masked)}"
        for arm, mine in _by_arm(rows).items()
    ]
    of_reference = f"; {reference.cell}’s gradients may be masked" if reference.m.cell.name in masked else ""
    return f"{under} beside {baseline}’s: {first_of(clauses, 'arm', place)}{of_reference}"


def _robust(row: MeasurementRow, reference: MeasurementRow, masked: Collection[str]) -> str:
    assert row.m.finding is not None
    evidence, why = row.m.finding
    both = f"{row.mean} against {reference.mean}" if row.m.found and reference.m.found else f"{row.n} seeds"
    figures = f"{both}, {_known_difference(row)}" if row.m.difference else f"{both}{_and(row.others)}"
    told = {
        Evidence.ABOVE: f"{row.cell} stays more accurate ({figures})",
        Evidence.BELOW: f"{row.cell} stays less accurate ({figures})",
        Evidence.NO_CLEAR_DIFFERENCE: f"{row.cell} shows no clear difference ({figures})",
        Evidence.OPEN: f"whether {row.cell} differs is open because {why} ({figures})",
    }
    but_p = _but_p(row.is_but_p, row.m.family, row.holms_p, row.p, row.least_p)
    return f"{told[evidence]}{but_p}{_masked([row], masked)}"


def _masked(rows: Sequence[MeasurementRow], masked: Collection[str]) -> str:
    num = sum(row.m.cell.name in masked for row in rows)
    of_some = f", and the gradients of {num} of them may be masked"
    return "" if not num else ", and its gradients may be masked" if len(rows) == 1 else of_some


def _findings(rows: Sequence[MeasurementRow]) -> str:
    counts = Counter(row.finding for row in rows)
    return listed([f"{num} “{finding}”" for finding, num in counts.items()])


def _by_arm(rows: Sequence[MeasurementRow]) -> dict[str, list[MeasurementRow]]:
    """Rows of which something is found, beside the baseline."""
    arms: dict[str, list[MeasurementRow]] = {}
    for row in rows:
        if row.m.finding is not None:
            arms.setdefault(row.m.cell.arm, []).append(row)
    return arms


def _known_difference(row: MeasurementRow) -> str:
    known = [f"difference {row.difference}"]
    known += [f"{PERCENT} interval {row.its_interval}"] if row.its_interval not in (NOTHING, NOT_TRUSTED) else []
    known.append(plural(int(row.pairs), "pair"))
    return ", ".join(known) + _and(row.others)


def _and(others: str) -> str:
    return f", {others}" if others != NOTHING else ""


def _cell_by_cell(told: Sequence[tuple[str, str]], place: str) -> str:
    """told: the arm and the clause of each cell. Of many cells, an arm that has several says how many, and where."""
    arms: dict[str, list[str]] = {}
    for arm, clause in told:
        arms.setdefault(arm, []).append(clause)
    if len(told) <= MANY:
        return "; ".join(clause for _, clause in told)
    clauses = [f"{arm}’s {len(mine)} cells see {place}" if len(mine) > 1 else mine[0] for arm, mine in arms.items()]
    return first_of(clauses, "arm", place)


def reached(study: Study, table: Table) -> str:
    """Who reached the goal, of a study that compares no times. table: a row a cell of the study."""
    rows = zip(study.cells, table.columns[0].text, table.columns[1].text, strict=True)
    told = [(cell.arm, f"{name} {count} seeds") for cell, name, count in rows]
    seen = _cell_by_cell(told, f"the table “{table.title}”")
    return f"{study.goal} was reached: {seen}{_not_compared(told)}"


def ended(study: Study, table: Table, metric: str) -> str:
    """Where the trials ended, of a study that compares nothing. table: a row a cell of the study."""
    texts = {column.label: column.text for column in table.columns}
    if set(texts[metric]) == {NOTHING}:
        return f"At the end {metric} is open because {WhyOpen.NO_VALUE}"
    rows = zip(study.cells, table.columns[0].text, texts[metric], texts["ended"], strict=True)
    told = [(cell.arm, f"{name} {mean} ({num} seeds)") for cell, name, mean, num in rows]
    seen = _cell_by_cell(told, f"the table “{table.title}”")
    return f"At the end {metric} is: {seen}{_not_compared(told)}"
