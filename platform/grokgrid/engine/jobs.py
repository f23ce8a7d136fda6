"""Jobs on a Ray cluster: what is asked of its job server, over HTTP.

A job is a command that the cluster runs on its head, in a copy of a folder that was sent along; the workers that the
command starts get the same folder, first on their PYTHONPATH. From when it is submitted nobody need wait for it.
"""

import logging
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, final

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from grokgrid.engine.interface import WANTS_TOKEN, EngineError
from trainables.validation import nearest

STOP_WAIT_S = 60
"""What a job that is stopped gets to save what it has in hand. Ray gives it 3 seconds unless told, then kills it."""

# They tell of every file that they send.
for _talkative in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
    logging.getLogger(f"ray.{_talkative}").setLevel(logging.WARNING)

_FOLLOWED_EVERY_S = 1.0
_STUDY = "grokgrid.study"
_WHERE = "a cluster's job server is at http://HEAD:8265, or wherever a tunnel to that port begins"


class JobState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_over(self) -> bool:
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True)
class Job:
    """A job as the cluster tells of it. message: of one that failed why, with the end of its log."""

    id: str
    study: str
    state: JobState
    started: datetime | None
    ended: datetime | None
    message: str


@final
class Jobs:
    """The job server at `address`, http://HOST:PORT.

    Every call may raise EngineError: the server cannot be reached, or refuses.
    """

    def __init__(self, address: str) -> None:
        if not address.startswith(("http://", "https://")):
            raise EngineError(f"address {address!r}: {_WHERE}")
        self.address = address
        with self._asking(), _only(address):
            self._client = JobSubmissionClient(address)

    def submit(self, id: str, command: Sequence[str], *, folder: Path, env: Mapping[str, str], study: str) -> None:
        """Has `command` run in a copy of `folder`. `env` is shown to whoever sees the dashboard."""
        env = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), **env}
        with self._asking():
            self._client.submit_job(
                # In the shell's place: whoever stops a job sends the signal to each of its processes.
                entrypoint=f"exec {shlex.join(command)}",
                submission_id=id,
                runtime_env={"working_dir": str(folder), "env_vars": env},
                metadata={_STUDY: study},
            )

    def all(self) -> list[Job]:
        """Those that grokgrid has submitted, the latest last."""
        with self._asking():
            jobs = [_job(each) for each in self._client.list_jobs() if _STUDY in (each.metadata or {})]
        return sorted(jobs, key=lambda job: (job.started is None, job.started))

    def find(self, id: str) -> Job:
        """The job of that name.

        Raises:
            EngineError: there is none.
        """
        jobs = {job.id: job for job in self.all()}
        if id not in jobs:
            raise EngineError(f"job {id!r}: {self.address} knows none; {nearest(id, jobs)}")
        return jobs[id]

    def log(self, id: str) -> str:
        """What it has printed so far."""
        with self._asking():
            return self._client.get_job_logs(id)

    def follow(self, id: str) -> Iterator[str]:
        """What it has printed and prints, until it is over. Asked for again and again: Ray's own way of telling goes on
        for seconds after a job has ended.
        """
        num_told = 0
        while True:
            is_over = self.find(id).state.is_over
            text = self.log(id)
            yield text[num_told:]
            num_told = len(text)
            if is_over:
                return
            time.sleep(_FOLLOWED_EVERY_S)

    def stop(self, id: str) -> None:
        """Asks it to stop; returns at once. It has STOP_WAIT_S seconds then."""
        with self._asking():
            self._client.stop_job(id)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (ConnectionError, requests.ConnectionError, requests.Timeout) as error:
            raise EngineError(f"address {self.address}: no job server answers there; {_WHERE}") from error
        except AuthenticationError as error:
            raise EngineError(f"address {self.address}: {WANTS_TOKEN}") from error
        except (RuntimeError, ValueError, requests.RequestException) as error:
            raise EngineError(f"address {self.address}: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


def _job(details: Any) -> Job:
    return Job(
        id=details.submission_id,
        study=details.metadata[_STUDY],
        state=JobState(details.status.value.lower()),
        started=_time(details.start_time),
        ended=_time(details.end_time),
        message=details.message or "",
    )


def _time(unix_ms: int | None) -> datetime | None:
    return datetime.fromtimestamp(unix_ms / 1000, UTC) if unix_ms else None


@contextmanager
def _only(address: str) -> Iterator[None]:
    """Ray prefers what the environment says to the address that it is given."""
    names = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
