"""What the rest of the platform sees of MLflow."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import final

from grokgrid import home
from grokgrid.tracking import claims, report_runs, runs, sweep, trial_results, trials, trying
from grokgrid.tracking.claims import Claim, Claims
from grokgrid.tracking.client import Client
from grokgrid.tracking.owners import LEASE_S
from grokgrid.tracking.records import TRIALS, Label, WorkRecord
from grokgrid.tracking.report_runs import Report, ReportRun
from grokgrid.tracking.trial_results import TrialResults
from trainables.records import Snapshot, WorkFolder
from trainables.work import Work


@final
class Tracking:
    """Work, trials above all, and reports in MLflow. Any call may raise TrackingAway, and can be repeated then.

    uri      MLflow's tracking URI; by default MLFLOW_TRACKING_URI, else the database under GROKGRID_HOME
    lease_s  how long an owner that nobody hears of is taken to be alive
    """

    def __init__(self, uri: str | None = None, *, lease_s: float = LEASE_S) -> None:
        self._client = Client(uri or home.tracking_uri())
        self._lease_s = lease_s

    @property
    def place(self) -> str:
        """The tracking URI, fit to be shown."""
        return self._client.place

    def connect(self) -> None:
        """Imports MLflow, creates its database and the experiment of all trials if need be.

        Any other call does so too; this one is for doing it in time, for it takes seconds.
        """
        self._client.experiment(TRIALS, "trials")

    def clean_up(self) -> None:
        """Ends what dead owners left open: to be called before anything is claimed."""
        sweep.clean_up(self._client)

    def try_out(self) -> str:
        """Writes to MLflow, reads it again and removes it; returns which MLflow that is.

        Raises:
            TrackingError: it does not keep what it is given.
        """
        trying.try_out(self._client, self._lease_s)
        return self._client.version()

    # Trials

    def find(self, keys: Iterable[str]) -> dict[str, WorkRecord]:
        """What is known of each trial; those of which nothing is known are left out. Creates nothing."""
        return runs.find(self._client, keys)

    def claim(
        self,
        report: ReportRun,
        keys: Iterable[str],
        enough: Callable[[WorkRecord], bool],
        labels: Mapping[str, Label] | None = None,
    ) -> Claims:
        """Claims every trial that it can get; `enough` says which finished or failed ones need no run. labels: what
        people call them.
        """
        report.keep_alive()
        return claims.claim(self._client, report.run_id, keys, enough, labels)

    def label(self, found: WorkRecord, called: Label) -> WorkRecord:
        """Notes in a run that a study asked for it, unless that is noted; returns the record with the note."""
        return trials.label(self._client, found, called)

    def networks(self, finished: WorkRecord) -> frozenset[int]:
        """The steps after which its network is recorded."""
        return trials.networks(self._client, finished)

    def copy_network(self, finished: WorkRecord, step: int, target: Path) -> None:
        """One of its networks, into a file. Raises Damaged if it is not there any more."""
        trials.copy_network(self._client, finished, step, target)

    def withdraw(self, held: Iterable[Claim]) -> None:
        """Gives trials back that were not run to their end."""
        claims.withdraw(self._client, held)

    def ingest(self, held: Claim, snapshot: Snapshot, tags: Mapping[str, str] | None = None) -> WorkRecord | None:
        """Records a finished trial; None if it was taken over by somebody who is running it now."""
        return trials.ingest(self._client, held, snapshot, tags or {})

    def fail(self, held: Claim, work: Work, log: str, tags: Mapping[str, str] | None = None) -> None:
        """Records that a trial failed, with the log of it."""
        trials.fail(self._client, held, work, log, tags or {})

    def failure_log(self, failed: WorkRecord) -> str:
        return trials.failure_log(self._client, failed)

    def restore(self, finished: WorkRecord, folder: WorkFolder) -> None:
        """Lays the trial's last snapshot into its folder, for a worker to continue from."""
        trials.restore(self._client, finished, folder)

    def copy_tables(self, finished: WorkRecord, folder: Path) -> None:
        """The tables that a trial's probes have measured, into a folder, which is made if there are any. One that is
        damaged is left out, with a warning.
        """
        trials.copy_tables(self._client, finished, folder)

    def trial_results(self, study: str, study_digest: str, keys: Iterable[str]) -> TrialResults:
        """What is known of the trials of a study, and all their evaluations: from what its last report has kept where
        that still holds, so that thousands are read in seconds.
        """
        return trial_results.load(self._client, self.last_report(study, study_digest) or self.last_report(study), keys)

    def read(self, keys: Iterable[str]) -> TrialResults:
        """What is known of a few trials, and their evaluations, straight from their runs."""
        return trial_results.load(self._client, None, keys)

    # Reports

    def open_report(
        self, study: str, study_digest: str, tags: Mapping[str, str] | None = None, *, note: str = ""
    ) -> ReportRun:
        """Opens the run that owns this process's claims, and that the report goes into. note: what MLflow's page
        of it says.
        """
        return report_runs.open_report(self._client, study, study_digest, self._lease_s, tags or {}, note)

    def last_report(self, study: str, study_digest: str | None = None) -> Report | None:
        return report_runs.last_report(self._client, study, study_digest)
