"""Tidying up after owners that died."""

from contextlib import suppress

from grokgrid.tracking.claims import open_runs, settle
from grokgrid.tracking.client import Client, RunGone, RunState
from grokgrid.tracking.owners import LEASE_UNTIL, Owners, is_alive
from grokgrid.tracking.records import OWNER, TRIALS


def clean_up(client: Client) -> None:
    """Removes the claims of dead owners, finishes what they had all but recorded, and ends their report runs."""
    owners = Owners(client)
    for run in open_runs(client):
        if not owners.is_alive(run.tags[OWNER]):
            settle(client, run)
    # An owner that died while it tried out whether MLflow takes what it is given.
    for run in client.search([client.experiment(TRIALS, "trials")], "attributes.status = 'RUNNING'"):
        if LEASE_UNTIL in run.tags and not is_alive(run):
            client.discard(run.id)
    # Whoever discards a run ends it first, and may have died before deleting it.
    for run in client.search([client.experiment(TRIALS, "trials")], "attributes.status = 'KILLED'"):
        client.delete(run.id)
    for run in client.search(client.experiments("study"), "attributes.status = 'RUNNING'"):
        if LEASE_UNTIL in run.tags and not is_alive(run):
            with suppress(RunGone):
                client.set_state(run.id, RunState.KILLED)
