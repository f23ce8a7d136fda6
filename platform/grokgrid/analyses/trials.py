"""How many trials are where, and where they ran: what every figure of a report rests on."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.wording import NOTHING, cell_label, count, labels, listed, seeds
from grokgrid.plurals import plural
from grokgrid.view import State, View
from search_spaces import Cell
from search_spaces.study import Acceleration, Measurements

_FOLDERS = re.compile(r"(?<![\w.:/])(?:/|[A-Za-z]:[\\/])(?:[^\s/\\'\"]+[\\/])+")
"""All of an absolute path but its last part."""

PLACE = ("device", "device_name", "num_threads", "share", "torch_version")
_KEPT = ("key", "state", "updates", "passes", "seconds", "diverged_at", "run_id", "reason", *PLACE)

_TREATED = {
    State.DIVERGED: "diverged: counted as never reaching a goal",
    State.RUNNING: "still running: counted up to the last look",
    State.STOPPED: "stopped before the end: counted up to the last look",
    State.FAILED: "failed: counted up to the last look, if there was one",
    State.MISSING: "missing: left out",
}
"""What becomes of trials that did not simply reach the goal or spend their budget."""


def states(view: View) -> list[State]:
    return [State(state) for state in view.trials["state"]]


def without_folders(reason: str) -> str:
    """A page is passed on, and needs no folders of whoever ran it."""
    return _FOLDERS.sub("…/", reason)


def trials_section(view: View) -> Section:
    found = states(view)
    # Where an analysis says itself what becomes of them, they stand beside it.
    told = any(isinstance(analysis, Acceleration | Measurements) for analysis in view.study.analyses)
    notes = () if told else absent(view)
    return Section(
        title="Trials",
        tables=(_state_table(view), _place_table(view), _trial_table(view)),
        notes=(*notes, *unlike_places(view)),
        metrics={f"trials/{state}": float(found.count(state)) for state in State if state in found},
    )


def absent(view: View, treated: Mapping[State, str] = _TREATED) -> tuple[str, ...]:
    """Every trial of which not all is known, by name, and what becomes of it."""
    return tuple(
        f"{plural(states(view).count(state), 'trial')} {what} ({_where(view, state)}).{_why(view, state)}"
        for state, what in treated.items()
        if state in states(view) and not _has_not_begun(view)
    )


def unlike_places(view: View) -> tuple[str, ...]:
    """What else than the study's settings differed between trials."""
    rows = view.trials.reindex(columns=[*PLACE]).dropna(how="all")
    notes = []
    for column, what in (("torch_version", "versions of torch"), ("device_name", "devices")):
        values = sorted(str(value) for value in rows[column].dropna().unique())
        if len(values) > 1:
            notes.append(f"The trials ran on different {what}: {listed(values)}.")
    return tuple(notes)


def ran_differently(view: View, cells: Iterable[Cell]) -> str | None:
    """Why seconds of these cells' trials do not compare, if so."""
    found: Counter[str] = Counter()
    for cell in cells:
        seen = view.seen_of(cell).reindex(columns=["device", "num_threads", "share"])
        for place, num in Counter(zip(*seen.to_dict("list").values(), strict=True)).items():
            found[_how(*place)] += num
    if len(found) < 2:
        return None
    return f"the trials ran differently: {listed([f'{num} on {how}' for how, num in sorted(found.items())])}"


def others(view: View, cell: Cell, *, but: Iterable[State]) -> str:
    """`2 diverged, 1 missing`: how many trials of a cell are in which states, but for some."""
    rows = [State(state) for state in view.trials_of(cell)["state"]]
    return ", ".join(f"{rows.count(state)} {state}" for state in State if state in rows and state not in but) or NOTHING


def _has_not_begun(view: View) -> bool:
    return set(states(view)) == {State.MISSING}


def _where(view: View, state: State) -> str:
    rows = view.trials[view.trials["state"] == state]
    num_seeds = len(view.study.seed_list)
    names, parts = labels(view.study), []
    for cell, mine in rows.groupby("cell", sort=False):
        parts.append(f"{names[str(cell)]} {'all seeds' if len(mine) == num_seeds > 1 else seeds(mine['seed'])}")
    return "; ".join(parts)


def _why(view: View, state: State) -> str:
    """` Reason: …`, of trials that failed, without the folders of whoever ran them: a page is passed on."""
    rows = view.trials[view.trials["state"] == state]
    told = rows.reindex(columns=["reason"])["reason"].dropna()
    reasons = list(dict.fromkeys(without_folders(str(reason)) for reason in told))
    more = f" and {plural(len(reasons) - 1, 'other')}" if len(reasons) > 1 else ""
    return f" Reason: {reasons[0].rstrip('.')}{more}." if reasons else ""


def _how(device: Any, num_threads: Any, share: Any) -> str:
    if pd.isna(device):
        return "a device that is not known"
    threads = "" if pd.isna(num_threads) else f" with {plural(int(num_threads), 'thread')}"
    part = "" if pd.isna(share) or share == 1 else f", a share of {share:g}"
    return f"{str(device).partition(':')[0]}{threads}{part}"


def _state_table(view: View) -> Table:
    found = states(view)
    present = [state for state in State if state in found]
    counts = pd.DataFrame(
        [
            {"cell": cell.name, "arm": cell.arm, "trials": len(mine)}
            | {state.value: sum(State(each) is state for each in mine) for state in State}
            for cell in view.study.cells
            for mine in [view.trials_of(cell)["state"]]
        ]
    )
    shown = ["trials", *(state.value for state in present)]
    # The sum, which the headline speaks of, is for people: programs would count it again.
    has_sum = len(counts) > 1
    names = (*labels(view.study).values(), *(["all"] if has_sum else []))
    numbers = {name: [*counts[name], *([counts[name].sum()] if has_sum else [])] for name in shown}
    return Table(
        "states",
        "How many trials are where",
        counts,
        (
            Column(cell_label(view.study), names, "name"),
            *(
                Column(name, tuple(count(value) if value else NOTHING for value in column))
                for name, column in numbers.items()
            ),
        ),
    )


def _place_table(view: View) -> Table:
    rows = view.trials.reindex(columns=[*PLACE, "host"]).dropna(subset=["device"])
    grouped = rows.groupby(list(PLACE), dropna=False, sort=False)["host"]
    places = grouped.agg(trials="size", hosts="nunique").reset_index()
    return Table(
        "places",
        "Where they ran",
        places,
        (
            Column("device", _texts(places["device"]), "name"),
            Column("name", _texts(places["device_name"]), "name"),
            Column("threads", tuple(count(value) for value in places["num_threads"])),
            Column("share", tuple(NOTHING if pd.isna(value) else f"{value:g}" for value in places["share"])),
            Column("torch", _texts(places["torch_version"])),
            Column("trials", tuple(count(value) for value in places["trials"])),
            Column("hosts", tuple(count(value) for value in places["hosts"])),
        )
        if len(places)
        else (),
    )


def _trial_table(view: View) -> Table:
    """For programs: one row a trial."""
    paths = [path for cell in view.study.cells for path, _ in cell.point]
    finals = [name for name in view.trials.columns if str(name).startswith("final/")]
    columns = ["cell", "arm", *dict.fromkeys(paths), "seed", *_KEPT, *finals]
    trials = view.trials.reindex(columns=columns)
    return Table("trials", "Every trial", trials.assign(state=[str(state.value) for state in states(view)]))


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(NOTHING if pd.isna(value) else str(value) for value in values)
