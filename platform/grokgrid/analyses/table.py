"""A metric of every arm at every value of one setting, as papers print it: arms down, the setting's values across."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from grokgrid.analyses.headlines import measured
from grokgrid.analyses.measurement_rows import Measurement, at_the_end, rows_of, with_holm
from grokgrid.analyses.measurement_tables import caption_of_differences, differences, logged, of_few_pairs, tidy, why
from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.wording import LEVEL, NOTHING, PERCENT, precise, when_read
from grokgrid.results import Results
from grokgrid.statistics import SampleMean
from search_spaces.analyses import ArmsBySetting
from trainables.names import written


def section(results: Results, analysis: ArmsBySetting, name: str) -> Section:
    measurements = [
        m
        for m in at_the_end(results, analysis.metric, analysis.baseline, at_same_point=True)
        if [path for path, _ in m.cell.point] == [analysis.setting]
    ]
    found = {
        (m.cell.arm, m.cell.point[0][1]): m for m in with_holm(measurements, [analysis.metric] * len(measurements))
    }
    table = _table(results, analysis, found, name)
    if analysis.baseline is None:
        return Section(title=table.title, tables=(table,))
    compared = [m for m in found.values() if m.finding is not None]
    beside = _differences(results, analysis, compared, name)
    return Section(
        title=table.title,
        tables=(table, beside),
        notes=tuple(of_few_pairs(compared)),
        metrics=dict(logged(list(found.values()), name)),
        sentence=measured(rows_of(results.study, compared), analysis.baseline, f"the table “{beside.title}”")
        if compared
        else "",
    )


def _table(results: Results, analysis: ArmsBySetting, found: dict[tuple[str, Any], Measurement], name: str) -> Table:
    arms, values = (list(dict.fromkeys(each)) for each in zip(*found, strict=True))
    num_seeds = len(results.study.seed_list)
    columns = (
        Column("arm", tuple(arms), "name"),
        *(
            Column(
                analysis.null_as if value is None else written(value),
                tuple(_text(found.get((arm, value)), num_seeds) for arm in arms),
            )
            for value in values
        ),
    )
    few = any(m.n < num_seeds for m in found.values())
    caption = (
        f"{when_read(analysis.metric)} by {analysis.setting}: the mean over {num_seeds} seeds ± half of its"
        f" {PERCENT} interval, Student's."
    )
    more = " Where fewer seeds have come to the end with a number, how many is in brackets." if few else ""
    return Table(name, f"{analysis.metric} by {analysis.setting}", _tidy(found, num_seeds), columns, caption + more)


def _differences(results: Results, analysis: ArmsBySetting, compared: Sequence[Measurement], name: str) -> Table:
    """A row a cell that is compared with the baseline at the same value."""
    rows, baseline = rows_of(results.study, compared), analysis.baseline
    assert baseline is not None
    columns = (
        Column("arm", tuple(m.cell.arm for m in compared), "name"),
        Column(
            analysis.setting,
            tuple(analysis.null_as if (value := m.cell.point[0][1]) is None else written(value) for m in compared),
            "name",
        ),
        *differences(rows, baseline),
        *why(rows),
    )
    caption = [
        f"{when_read(analysis.metric)}, each arm beside {baseline} at the same {analysis.setting}.",
        *caption_of_differences(results.study, rows, baseline, "In all"),
    ]
    data = tidy(rows, baseline, len(results.study.seed_list))
    title = f"{analysis.metric} minus {baseline}’s"
    return Table(f"{name}-differences", title, data, columns if rows else (), " ".join(caption))


def _text(m: Measurement | None, num_seeds: int) -> str:
    if m is None or m.found is None:
        return NOTHING
    half = _half(m.found)
    spread = f" ± {precise(half, half)}" if half is not None else ""
    return f"{precise(m.found.mean, half)}{spread}{f' ({m.n})' if m.n < num_seeds else ''}"


def _half(found: SampleMean) -> float | None:
    """Of the mean's interval."""
    interval = found.confidence_interval(LEVEL)
    return None if interval is None else (interval.high - interval.low) / 2


def _tidy(found: dict[tuple[str, object], Measurement], num_seeds: int) -> pd.DataFrame:
    rows = [
        {
            "arm": arm,
            "value": value,
            "mean": m.found.mean if m.found else None,
            "half_interval": _half(m.found) if m.found else None,
            "n": m.n,
            "seeds": num_seeds,
            "level": LEVEL,
        }
        for (arm, value), m in found.items()
    ]
    data = pd.DataFrame(rows)
    return data.astype({"mean": float, "half_interval": float})
