"""Several processes at once, and processes that die: whatever happens, one run a trial is left and none is running."""

import os
import signal
import time

import pytest
from test_tracking_contract import mlflow_client, runs_in_mlflow
from tracking_rivals import claim_all, claim_and_hang, die_while_ingesting, never
from tracking_trials import Folders, keys, trial

from grokgrid.tracking import Tracking
from grokgrid.tracking.client import Client
from grokgrid.tracking.owners import is_alive, owner_tags

NUM_RIVALS, NUM_KEYS = 3, 40


@pytest.mark.slow
def test_every_trial_is_won_once(tracking, uri: str, study: str, processes) -> None:
    wanted = keys(NUM_KEYS)
    start, done, won = processes.barrier(NUM_RIVALS), processes.event(), processes.queue()
    rivals = [processes.start(claim_all, uri, study, wanted, start, won, done) for _ in range(NUM_RIVALS)]
    shares = [won.get(timeout=120) for _ in rivals]
    counts = {key: sum(key in share for share in shares) for key in wanted}
    runs = {key: runs_in_mlflow(uri, key) for key in wanted[:5]}
    done.set()
    for rival in rivals:
        rival.join(timeout=60)
        assert rival.exitcode == 0
    assert counts == dict.fromkeys(wanted, 1)
    assert all(found == [("RUNNING", "running")] for found in runs.values())
    assert tracking.find(wanted) == {}


@pytest.mark.slow
def test_the_claims_of_a_killed_process_are_free_at_once(tracking, uri: str, study: str, folders, processes) -> None:
    subject = trial()
    told = processes.queue()
    victim = processes.start(claim_and_hang, uri, study, [subject.key], told)
    owner = told.get(timeout=60)
    report = tracking.open_report(study, "digest")
    assert tracking.claim(report, [subject.key], never).taken == {subject.key: owner}

    os.kill(victim.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while not (won := tracking.claim(report, [subject.key], never).won):
        assert time.monotonic() < deadline
    victim.join()
    tracking.ingest(won[subject.key], folders.finished(subject))
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]
    report.abandon()
    tracking.clean_up()
    assert mlflow_client(uri).get_run(owner).info.status == "KILLED"


# 1 upload, 2 results, 3 status, 4 deleting the earlier run, 5 closing. Killed before each; and after all of them.
@pytest.mark.parametrize("calls", range(6))
def test_a_driver_killed_while_ingesting(sqlite: str, study: str, folders: Folders, processes, calls: int) -> None:
    die_and_recover(sqlite, study, folders, processes, calls)


def test_a_driver_killed_with_two_finished_runs(uri: str, study: str, folders: Folders, processes) -> None:
    die_and_recover(uri, study, folders, processes, calls=3)


def die_and_recover(uri: str, study: str, folders: Folders, processes, calls: int) -> None:
    subject = trial()
    tracking = Tracking(uri)
    report = tracking.open_report(study, "digest")
    earlier = tracking.claim(report, [subject.key], never).won[subject.key]
    tracking.ingest(earlier, folders.finished(subject, steps=20))
    snapshot = folders.finished(subject, steps=40)
    victim = processes.start(die_while_ingesting, uri, study, subject, snapshot.path, calls)
    victim.join(timeout=60)
    assert victim.exitcode == -signal.SIGKILL

    tracking.clean_up()
    claims = tracking.claim(report, [subject.key], lambda known: known.summary.steps >= 40)
    for held in claims.won.values():
        tracking.ingest(held, snapshot)
    assert bool(claims.won) == (calls < 3)
    assert tracking.find([subject.key])[subject.key].summary == snapshot.summary()
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]
    report.abandon()


def test_cleaning_up_leaves_the_living_alone(tracking, uri: str, study: str) -> None:
    wanted = keys(2)
    report = tracking.open_report(study, "digest")
    claims = tracking.claim(report, wanted, never)
    tracking.clean_up()
    assert tracking.claim(report, wanted, never) == claims
    assert mlflow_client(uri).get_run(report.run_id).info.status == "RUNNING"
    report.abandon()
    assert mlflow_client(uri).get_run(report.run_id).info.lifecycle_stage == "deleted"


def test_a_lapsed_lease_is_taken_over_and_its_owner_comes_back(uri: str, study: str, folders: Folders) -> None:
    """A laptop that slept: its trial was handed on, it renews, and its result is not needed."""
    subject = trial()
    sleeper = Tracking(uri, lease_s=0.5)
    asleep = sleeper.open_report(study, "digest")
    held = sleeper.claim(asleep, [subject.key], never).won[subject.key]
    time.sleep(0.6)

    tracking = Tracking(uri)
    tracking.clean_up()
    assert mlflow_client(uri).get_run(asleep.run_id).info.status == "KILLED"
    report = tracking.open_report(study, "digest")
    assert subject.key in tracking.claim(report, [subject.key], never).won

    asleep.keep_alive()
    assert mlflow_client(uri).get_run(asleep.run_id).info.status == "RUNNING"
    assert sleeper.ingest(held, folders.finished(subject)) is None
    assert runs_in_mlflow(uri, subject.key) == [("RUNNING", "running")]
    asleep.abandon()
    report.abandon()


def test_leases_and_processes(uri: str, study: str, processes) -> None:
    """What another process would say of an owner, tag by tag."""
    report = Tracking(uri).open_report(study, "digest")
    client = Client(uri)

    def alive(**tags: str) -> bool:
        client.log(
            report.run_id, tags={**owner_tags(120), **{f"grokgrid.{name}": value for name, value in tags.items()}}
        )
        return is_alive(client.run(report.run_id))

    gone = processes.start(time.sleep, 0)
    gone.join()
    assert alive()
    assert not alive(lease_until=str(time.time() - 1))
    assert not alive(pid=str(gone.pid))
    assert not alive(process_started="1")
    # Of a process on another machine, or in another container, only the lease tells.
    assert alive(boot="another", pid=str(gone.pid))
    assert alive(boot="another", process_started="1")
    report.abandon()
    assert not is_alive(client.run(report.run_id))


def test_a_process_that_has_ended_but_lingers_is_gone(uri: str, study: str) -> None:
    report = Tracking(uri).open_report(study, "digest")
    client = Client(uri)
    child = os.fork()
    if child == 0:
        os._exit(0)
    time.sleep(0.2)
    os.kill(child, 0)
    client.log(report.run_id, tags={"grokgrid.pid": str(child)})
    assert not is_alive(client.run(report.run_id))
    os.waitpid(child, 0)
    report.abandon()
