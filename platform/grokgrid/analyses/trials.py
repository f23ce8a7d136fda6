"""How many trials are where, and where they ran: what every figure of a report rests on."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from grokgrid.analyses.parts import Column, Section, Table
from grokgrid.analyses.wording import NOTHING, cell_label, count, labels, listed, seeds
from grokgrid.plurals import plural
from grokgrid.results import Results, State
from search_spaces import Cell

_FOLDERS = re.compile(r"(?<![\w.:/])(?:/|[A-Za-z]:[\\/])(?:[^\s/\\'\"]+[\\/])+")
"""All of an absolute path but its last part."""

PLACE = ("device", "device_name", "num_threads", "share", "torch_version")
_KEPT = ("key", "state", "steps", "epochs", "seconds", "diverged_at", "run_id", "reason", *PLACE)

_TREATED = {
    State.DIVERGED: "diverged: counted as never reaching a goal",
    State.RUNNING: "still running: counted up to the last evaluation",
    State.STOPPED: "stopped before the end: counted up to the last evaluation",
    State.FAILED: "failed: counted up to the last evaluation, if there was one",
    State.MISSING: "missing: left out",
}
"""What becomes of trials that did not simply reach the goal or spend their budget."""


def states(results: Results) -> list[State]:
    return [State(state) for state in results.trials["state"]]


def states_of(results: Results, cell: Cell) -> list[State]:
    """Of the trials of a cell."""
    return [State(state) for state in results.trials_of(cell)["state"]]


def without_folders(reason: str) -> str:
    """A page is passed on, and needs no folders of whoever ran it."""
    return _FOLDERS.sub("…/", reason)


def trials_section(results: Results) -> Section:
    found = states(results)
    # Where an analysis says itself what becomes of them, they stand beside it.
    told = any(analysis.accounts_for_trials for analysis in results.study.analyses)
    notes = () if told else absent(results)
    return Section(
        title="Trials",
        tables=(_state_table(results), _place_table(results), _trial_table(results)),
        notes=(*notes, *_without_seed(results), *unlike_places(results)),
        metrics={f"trials/{state}": float(found.count(state)) for state in State if state in found},
    )


def absent(results: Results, treated: Mapping[State, str] = _TREATED) -> tuple[str, ...]:
    """Every trial of which not all is known, by name, and what becomes of it."""
    return tuple(
        f"{plural(states(results).count(state), 'trial')} {what} ({_where(results, state)}).{_why(results, state)}"
        for state, what in treated.items()
        if state in states(results) and not _has_not_begun(results)
    )


def _without_seed(results: Results) -> tuple[str, ...]:
    """Of cells whose one trial stands for all seeds."""
    names = labels(results.study)
    found = [names[cell.name] for cell in results.study.cells if not cell.config.draws]
    if not found or len(results.study.seed_list) == 1:
        return ()
    return (f"Nothing is drawn in {listed(found)}: one trial stands for all seeds, and is counted once a seed.",)


def unlike_places(results: Results) -> tuple[str, ...]:
    """What else than the study's settings differed between trials."""
    rows = results.trials.reindex(columns=[*PLACE]).dropna(how="all")
    notes = []
    for column, what in (("torch_version", "versions of torch"), ("device_name", "devices")):
        values = sorted(str(value) for value in rows[column].dropna().unique())
        if len(values) > 1:
            notes.append(f"The trials ran on different {what}: {listed(values)}.")
    return tuple(notes)


def ran_differently(results: Results, cells: Iterable[Cell]) -> str | None:
    """Why seconds of these cells' trials do not compare, if so."""
    found: Counter[str] = Counter()
    for cell in cells:
        seen = results.seen_of(cell).reindex(columns=["device", "num_threads", "share"])
        for place, num in Counter(zip(*seen.to_dict("list").values(), strict=True)).items():
            found[_how(*place)] += num
    if len(found) < 2:
        return None
    return f"the trials ran differently: {listed([f'{num} on {how}' for how, num in sorted(found.items())])}"


def others(results: Results, cell: Cell, *, but: Iterable[State]) -> str:
    """`2 diverged, 1 missing`: how many trials of a cell are in which states, but for some."""
    rows = states_of(results, cell)
    return ", ".join(f"{rows.count(state)} {state}" for state in State if state in rows and state not in but) or NOTHING


def _has_not_begun(results: Results) -> bool:
    return set(states(results)) == {State.MISSING}


def _where(results: Results, state: State) -> str:
    rows = results.trials[results.trials["state"] == state]
    num_seeds = len(results.study.seed_list)
    names, parts = labels(results.study), []
    for cell, mine in rows.groupby("cell", sort=False):
        parts.append(f"{names[str(cell)]} {'all seeds' if len(mine) == num_seeds > 1 else seeds(mine['seed'])}")
    return "; ".join(parts)


def _why(results: Results, state: State) -> str:
    """` Reason: …`, of trials that failed, without the folders of whoever ran them: a page is passed on."""
    rows = results.trials[results.trials["state"] == state]
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


def _state_table(results: Results) -> Table:
    found = states(results)
    present = [state for state in State if state in found]
    counts = pd.DataFrame(
        [
            {"cell": cell.name, "arm": cell.arm, "trials": len(mine)}
            | {state.value: sum(State(each) is state for each in mine) for state in State}
            for cell in results.study.cells
            for mine in [results.trials_of(cell)["state"]]
        ]
    )
    shown = ["trials", *(state.value for state in present)]
    # The sum, which the headline speaks of, is for people: programs would count it again.
    has_sum = len(counts) > 1
    names = (*labels(results.study).values(), *(["all"] if has_sum else []))
    numbers = {name: [*counts[name], *([counts[name].sum()] if has_sum else [])] for name in shown}
    return Table(
        "states",
        "How many trials are where",
        counts,
        (
            Column(cell_label(results.study), names, "name"),
            *(
                Column(name, tuple(count(value) if value else NOTHING for value in column))
                for name, column in numbers.items()
            ),
        ),
    )


def _place_table(results: Results) -> Table:
    rows = results.trials.reindex(columns=[*PLACE, "host"]).dropna(subset=["device"])
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


def _trial_table(results: Results) -> Table:
    """For programs: one row a trial."""
    paths = [path for cell in results.study.cells for path, _ in cell.point]
    finals = [name for name in results.trials.columns if str(name).startswith("final/")]
    columns = ["cell", "arm", *dict.fromkeys(paths), "seed", *_KEPT, *finals]
    trials = results.trials.reindex(columns=columns)
    return Table("trials", "Every trial", trials.assign(state=[str(state.value) for state in states(results)]))


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(NOTHING if pd.isna(value) else str(value) for value in values)
