"""Which assessments of networks are made, and why others are not."""

from collections.abc import Iterator

import pandas as pd

from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.trials import without_folders
from grokgrid.analyses.wording import NOTHING, cell_label, count, labels, listed, seeds
from grokgrid.assessments import Stage
from grokgrid.plurals import plural
from grokgrid.results import Results


def assessments_section(results: Results) -> Section:
    """Of a study that has some."""
    assert results.assessments is not None
    return Section(
        title="Assessments",
        tables=(_stages(results, results.assessments), Table("assessments", "Every assessment", _plain(results))),
        notes=tuple(_notes(results, results.assessments)),
        metrics={
            f"assessments/{stage.replace(' ', '_')}": float(num)
            for stage in Stage
            if (num := int((results.assessments["stage"] == stage).sum()))
        },
    )


def _precisions(results: Results) -> Iterator[str]:
    """Where an assessment computes in another precision than the network."""
    names = labels(results.study)
    for each in results.study.assessments:
        own = getattr(each, "computes_in", None)
        others = [c for c in results.study.cells if own is not None and getattr(c.config, "dtype", own) != own]
        if others:
            of, theirs = listed([names[cell.name] for cell in others]), getattr(others[0].config, "dtype", "")
            yield f"{each.title} computes in {own}, and the networks of {of} in {theirs}."


def _plain(results: Results) -> pd.DataFrame:
    assert results.assessments is not None
    return results.assessments.assign(stage=[str(Stage(stage).value) for stage in results.assessments["stage"]])


def _stages(results: Results, assessed: pd.DataFrame) -> Table:
    places = [(each.title, cell) for each in results.study.assessments for cell in results.study.cells]
    counts = [
        {stage.value: int((mine["stage"] == stage).sum()) for stage in Stage}
        for title, cell in places
        for mine in [assessed[(assessed["cell"] == cell.name) & (assessed["assessment"] == title)]]
    ]
    table = pd.DataFrame(counts)
    present = [stage.value for stage in Stage if table[stage.value].any()]
    table.insert(0, "cell", [cell.name for _, cell in places])
    table.insert(1, "arm", [cell.arm for _, cell in places])
    table.insert(2, "assessment", [title for title, _ in places])
    names, num = labels(results.study), len(results.study.cells)
    titles = tuple(title if index % num == 0 else "" for index, (title, _) in enumerate(places))
    return Table(
        "assessed",
        "How many assessments are where",
        table,
        (
            Column("assessment", titles, "name"),
            Column(cell_label(results.study), tuple(names[cell.name] for _, cell in places), "name"),
            *(Column(name, tuple(count(num) if num else NOTHING for num in table[name])) for name in present),
        ),
    )


def _notes(results: Results, assessed: pd.DataFrame) -> Iterator[str]:
    """Every one that is not made, by name, and why."""
    names = labels(results.study)
    left = assessed[assessed["stage"] != Stage.DONE]
    for (title, stage), rows in left.groupby(["assessment", "stage"], sort=False):
        parts = [f"{names[str(cell)]} {seeds(mine['seed'])}" for cell, mine in rows.groupby("cell", sort=False)]
        reasons = [without_folders(str(why)) for why in dict.fromkeys(rows["why"].dropna()) if why]
        more = f" and {plural(len(reasons) - 1, 'other')}" if len(reasons) > 1 else ""
        told = f": {reasons[0].rstrip('.')}{more}" if reasons else ""
        yield f"{title} is missing of {plural(len(rows), 'network')}, {stage} ({'; '.join(parts)}){told}."
    for each in results.study.assessments:
        done = assessed[(assessed["assessment"] == each.title) & (assessed["stage"] == Stage.DONE)]
        without = done[done[list(each.metrics)].isna().any(axis=1)]
        if len(without):
            parts = [f"{names[str(cell)]} {seeds(mine['seed'])}" for cell, mine in without.groupby("cell", sort=False)]
            yield f"{each.title} gave no number of {plural(len(without), 'network')} ({'; '.join(parts)})."
    yield from _precisions(results)
    devices = sorted(str(device) for device in assessed["device"].dropna().unique())
    if len(devices) > 1:
        yield f"The assessments were made on different devices: {listed(devices)}."
