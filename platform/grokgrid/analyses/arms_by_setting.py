"""A metric of every arm at every value of one setting, as papers print it: arms down, the setting's values across."""

import pandas as pd

from grokgrid.analyses.measurement_rows import Measurement, measure
from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.wording import LEVEL, NOTHING, PERCENT, precise
from grokgrid.results import Results
from grokgrid.statistics import SampleMean
from search_spaces.study import ArmsBySetting, Measurements
from trainables.names import written

FEWER = "of fewer seeds"


def table_section(results: Results, analysis: ArmsBySetting, *, name: str = "table") -> Section:
    found = {
        (m.cell.arm, dict(m.cell.point)[analysis.setting]): m
        for m in measure(results, Measurements(metrics=(analysis.metric,)))
        if [path for path, _ in m.cell.point] == [analysis.setting]
    }
    arms, values = (list(dict.fromkeys(each)) for each in zip(*found, strict=True))
    num_seeds = len(results.study.seed_list)
    columns = (
        Column("arm", tuple(arms), "name"),
        *(Column(written(value), tuple(_text(found.get((arm, value)), num_seeds) for arm in arms)) for value in values),
    )
    few = any(m.n < num_seeds for m in found.values())
    caption = (
        f"{analysis.metric} at the end of training by {analysis.setting}: the mean over {num_seeds} seeds ± half of its"
        f" {PERCENT} interval, Student's."
    )
    more = " Where fewer seeds have come to the end with a number, how many is in brackets." if few else ""
    table = Table(name, f"{analysis.metric} by {analysis.setting}", _tidy(found, num_seeds), columns, caption + more)
    return Section(title=table.title, tables=(table,))


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
