"""Finding the runs of given trials, and leaving one run a trial."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from grokgrid.tracking.client import Client, Run, RunState
from grokgrid.tracking.records import (
    CELL_KEY,
    CELL_LENGTH,
    KEY,
    TRIALS,
    WorkRecord,
    WorkStatus,
    rank,
    record,
    status,
)

_NUM_THREADS = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


def find(client: Client, keys: Iterable[str]) -> dict[str, WorkRecord]:
    """What is known of each trial; those of which nothing is known are left out."""
    if client.is_empty():
        return {}
    records = {key: record(runs) for key, runs in runs_of(client, keys).items()}
    return {key: found for key, found in records.items() if found is not None}


def runs_of(client: Client, keys: Iterable[str]) -> dict[str, list[Run]]:
    """The live runs of each key.

    MLflow finds many runs at once only by their own ids or by what they have in common: a list of tags is refused. And
    each search by a tag reads all values of it. So keys with a common beginning, the seeds of one configuration, share
    a search: with 10,000 trials in SQLite that took 3 ms a key, where a search a key took 28 ms.
    """
    wanted = set(keys)
    experiment = client.find_experiment(TRIALS)
    if experiment is None:
        return defaultdict(list)
    cells: dict[str, list[str]] = defaultdict(list)
    for key in wanted:
        assert re.fullmatch(r"[0-9a-z]+", key), key
        cells[key[:CELL_LENGTH]].append(key)

    def search(cell: Sequence[str]) -> list[Run]:
        tag, value = (KEY, cell[0]) if len(cell) == 1 else (CELL_KEY, cell[0][:CELL_LENGTH])
        return client.search([experiment], f"tags.`{tag}` = '{value}'")

    found: dict[str, list[Run]] = defaultdict(list)
    for runs in in_parallel(client, search, list(cells.values())):
        for run in runs:
            if status(run) is not None and run.tags[KEY] in wanted:
                found[run.tags[KEY]].append(run)
    return found


def complete(client: Client, run: Run, others: Iterable[Run] | None = None) -> None:
    """The last step of recording a finished or failed trial: closes its run and deletes those that it replaces.

    Can be repeated, and is, by whoever finds such a run open after its owner died.

    Raises:
        RunGone: the run itself was replaced by a better one.
    """
    if others is None:
        others = runs_of(client, [run.tags[KEY]])[run.tags[KEY]]
    finished = status(run) is WorkStatus.FINISHED
    for other in others:
        if other.id == run.id:
            continue
        if finished and status(other) is WorkStatus.FINISHED and rank(other) < rank(run):
            # Both are of the same trial, so what the other lacks is nothing.
            client.discard(run.id)
            break
        if status(other) is WorkStatus.FAILED or (finished and status(other) is WorkStatus.FINISHED):
            (client.discard if other.state is RunState.RUNNING else client.delete)(other.id)
    client.set_state(run.id, RunState.FINISHED if finished else RunState.FAILED)


def in_parallel(client: Client, call: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Several calls at once where each waits for a server. MLflow's own work on an embedded database is Python's."""
    if not client.is_remote or len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        return list(pool.map(call, items))
