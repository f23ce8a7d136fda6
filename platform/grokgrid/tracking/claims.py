"""Claiming trials: each by one owner at a time, with nothing to build on but creating runs and reading them.

MLflow assigns run ids itself and knows no unique names, so two drivers that search and then create both create. Letting
the lowest id win is not enough either: ids are random, and a later claim may have a lower one. The protocol instead:

    1. Announce: create a run for the key, status `claiming`.
    2. Look at all claims of the key.
         One is running: withdraw.
         One with a lower id is claiming: withdraw.
         Some with higher ids are claiming: wait, and look again, until each has withdrawn or is running.
         Otherwise: confirm, by setting the status to `running`. The trial is ours.

Why two can never both confirm: everyone announces before looking, so of any two the later to announce sees the other
in all its looks. If it has the higher id it withdraws. If it has the lower id it waits for the other to decide.
Why somebody confirms unless a trial is running already: the lowest id that is claiming withdraws for nobody else.

The claims of dead owners are removed on sight. An owner that was only slow (a laptop asleep for longer than its lease)
may find its run deleted: then its trial may be trained twice, but never recorded twice, see `trials.ingest`.

An exception in between leaves runs of our own behind, and so may MLflow's client when it sends a request again whose
answer got lost. They are recognised by their owner: the next claim of the key takes over one that is running already
and removes the rest.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from grokgrid.tracking.client import Client, Run, RunGone
from grokgrid.tracking.owners import Owners
from grokgrid.tracking.records import (
    CELL_KEY,
    CELL_LENGTH,
    KEY,
    OWNER,
    STATUS,
    TRIALS,
    Label,
    WorkRecord,
    WorkStatus,
    record,
    status,
)
from grokgrid.tracking.runs import complete, runs_of

PATIENCE_S = 10.0
"""How long to wait while nobody decides. Giving up is always safe: the trial is theirs, or is claimed again later."""


@dataclass(frozen=True)
class Claim:
    """A trial that is ours to run. `earlier`: its other runs, results or failures, which a new result replaces."""

    key: str
    run_id: str
    owner: str
    earlier: tuple[Run, ...] = ()


@dataclass
class Claims:
    """What came of asking for some trials; every key is in one of the three.

    won      ours to run now
    settled  nothing to do: `enough` said so of their records
    taken    key -> its present owner, who runs it, or is about to: look again later
    """

    won: dict[str, Claim] = field(default_factory=dict)
    settled: dict[str, WorkRecord] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)


def claim(
    client: Client,
    owner: str,
    keys: Iterable[str],
    enough: Callable[[WorkRecord], bool],
    labels: Mapping[str, Label] | None = None,
    patience_s: float = PATIENCE_S,
) -> Claims:
    """Claims every key it can get.

    enough: whether a finished or failed trial needs no run; asked again after a key is won, for somebody may have
        finished it since the caller last looked
    labels: what people call them, where that is known; others are named by their keys
    """
    claims = Claims()
    wanted = set(keys)
    # Whatever is in hand already need not be announced; this look decides nothing else.
    for key, others in _rivals(client, owner, wanted).items():
        holder = next((other for other in others if status(other) is not WorkStatus.CLAIMING), None)
        if holder is not None:
            _lose(claims, owner, key, holder)
            wanted.remove(key)
    undecided = {key: _announce(client, owner, key, (labels or {}).get(key)) for key in wanted}
    announced = {run.id for run in undecided.values()}
    waited_for: set[str] = set()
    waiting_since, pause_s = time.monotonic(), 0.05
    while undecided:
        rivals = _rivals(client, owner, undecided, announced)
        present = {other.id for others in rivals.values() for other in others}
        if present != waited_for:
            waited_for, waiting_since = present, time.monotonic()
        for key, run in list(undecided.items()):
            others = rivals[key]
            holder = next((other for other in others if _is_ahead(other, run)), None)
            if holder is None and others and time.monotonic() > waiting_since + patience_s:
                holder = others[0]
            if holder is not None:
                client.discard(run.id)
                _lose(claims, owner, key, holder)
            elif not others:
                try:
                    client.log(run.id, tags={STATUS: WorkStatus.RUNNING})
                    claims.won[key] = Claim(key, run.id, owner)
                except RunGone:
                    claims.taken[key] = ""
            else:
                continue
            del undecided[key]
        if undecided:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 1.0)
    for key, runs in runs_of(client, claims.won).items():
        claims.won[key] = held = replace(
            claims.won[key], earlier=tuple(r for r in runs if r.id != claims.won[key].run_id)
        )
        found = record(runs)
        if found is not None and found.status in (WorkStatus.FINISHED, WorkStatus.FAILED) and enough(found):
            client.discard(held.run_id)
            claims.settled[key] = found
            del claims.won[key]
    return claims


def withdraw(client: Client, claims: Iterable[Claim]) -> None:
    """Gives trials back that were not run, or not to their end."""
    for claim in claims:
        client.discard(claim.run_id)


def release(client: Client, owner: str) -> None:
    """Ends all that an owner still holds."""
    for run in open_runs(client):
        if run.tags[OWNER] == owner:
            settle(client, run)


def settle(client: Client, run: Run) -> None:
    """Ends a run whose owner does not work on it any more: kept if its result is in, else removed."""
    if status(run) in (WorkStatus.FINISHED, WorkStatus.FAILED):
        with suppress(RunGone):
            complete(client, run)
    else:
        client.discard(run.id)


def open_runs(client: Client) -> list[Run]:
    """All trials that somebody has in hand, or had when they died."""
    running = client.search([client.experiment(TRIALS, "trials")], "attributes.status = 'RUNNING'")
    return [run for run in running if status(run) is not None]


def _announce(client: Client, owner: str, key: str, label: Label | None) -> Run:
    tags = {KEY: key, CELL_KEY: key[:CELL_LENGTH], STATUS: WorkStatus.CLAIMING.value, OWNER: owner}
    known = label.tags if label is not None else {}
    return client.create_run(client.experiment(TRIALS, "trials"), label.name if label else key, {**known, **tags})


def _lose(claims: Claims, owner: str, key: str, holder: Run) -> None:
    """To somebody else; or to ourselves, if we hold the trial without knowing."""
    if holder.tags[OWNER] == owner:
        claims.won[key] = Claim(key, holder.id, owner)
    else:
        claims.taken[key] = holder.tags[OWNER]


def _is_ahead(other: Run, run: Run) -> bool:
    return status(other) is not WorkStatus.CLAIMING or other.id < run.id


def _rivals(client: Client, owner: str, keys: Container[str], announced: Container[str] = ()) -> dict[str, list[Run]]:
    """The claims of each key that count, but our own. What dead owners and lost answers left of them is removed."""
    owners = Owners(client)
    rivals: dict[str, list[Run]] = defaultdict(list)
    for run in open_runs(client):
        if run.id in announced or run.tags[KEY] not in keys:
            continue
        if run.tags[OWNER] == owner:
            counts = status(run) is WorkStatus.RUNNING
        else:
            counts = owners.is_alive(run.tags[OWNER])
        if counts:
            rivals[run.tags[KEY]].append(run)
        else:
            settle(client, run)
    return rivals
