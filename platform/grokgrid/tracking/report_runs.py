"""Reports: runs in the study's own experiment. An open one holds the lease of a driver, see owners."""

import getpass
import hashlib
import math
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, final

from grokgrid.tracking.away import TrackingError
from grokgrid.tracking.claims import release
from grokgrid.tracking.client import Client, Point, Run, RunState
from grokgrid.tracking.kept import checked_file_of_report
from grokgrid.tracking.owners import RENEW_EVERY_S, lease_tag, owner_tags
from grokgrid.tracking.records import TRIALS
from grokgrid.tracking.trial_results import FOLDER as RESULTS
from grokgrid.tracking.trial_results import TrialResults, keep
from trainables import checksums
from trainables.checksums import Damaged
from trainables.names import MAX_TAG, fitted

if TYPE_CHECKING:
    import pandas

_NOTE, _HEADLINE = "mlflow.note.content", "grokgrid.headline"
_STUDY, _STUDY_DIGEST, _KEYS_DIGEST = "grokgrid.study", "grokgrid.study_digest", "grokgrid.keys_digest"


@final
class ReportRun:
    """A report being worked on, and the lease of whoever does."""

    def __init__(self, client: Client, run: Run, lease_s: float) -> None:
        self._client = client
        self._run = run
        self._lease_s = lease_s
        self._renewed = time.monotonic()

    @property
    def run_id(self) -> str:
        return self._run.id

    def keep_alive(self) -> None:
        """Renews the lease when it is time to: to be called often."""
        if time.monotonic() - self._renewed > min(RENEW_EVERY_S, self._lease_s / 4):
            self.renew()

    def renew(self) -> None:
        """Renews the lease. Taken for dead meanwhile, or deleted in MLflow's pages, we come back to life."""
        run = self._client.run(self.run_id)
        if not run.live:
            self._client.undelete(self.run_id)
        if run.state is not RunState.RUNNING:
            self._client.set_state(self.run_id, RunState.RUNNING)
        self._client.log(self.run_id, tags=lease_tag(self._lease_s))
        self._renewed = time.monotonic()

    def finish(
        self,
        *,
        study_yaml: str,
        keys: "pandas.DataFrame",
        tables: Mapping[str, "pandas.DataFrame"],
        files: Iterable[Path],
        metrics: Mapping[str, float],
        trial_results: TrialResults,
        headline: str = "",
    ) -> None:
        """Keeps the report and gives up what is still claimed. Can be repeated until it returns.

        keys     the trials it rests on: a column `key`, and whatever says where each belongs
        tables   name -> table, kept as tables/NAME.parquet
        files    figures, report.html: kept under their names
        metrics  what `mlflow.search_runs` shall find; values that are not finite are left out
        trial_results    what it was made from: kept for the next report
        headline what the report says in short
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "study.yaml").write_text(study_yaml)
            keys.to_parquet(folder / "keys.parquet", index=False)
            (folder / "tables").mkdir()
            for name, table in tables.items():
                table.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
            for path in files:
                shutil.copyfile(path, folder / path.name)
            (folder / RESULTS).mkdir()
            keep(trial_results, folder / RESULTS, self.run_id)
            checksums.write(folder)
            self._client.upload(self._run.artifact_uri, folder)
        names = fitted(metrics)
        self._client.log(
            self.run_id,
            points=[
                Point(names[name], float(value), 0, self._run.started_ms)
                for name, value in metrics.items()
                if math.isfinite(value)
            ],
            tags={_KEYS_DIGEST: keys_digest(keys["key"]), **({_HEADLINE: headline[:MAX_TAG]} if headline else {})},
        )
        release(self._client, self.run_id)
        self._client.set_state(self.run_id, RunState.FINISHED)

    def abandon(self) -> None:
        """Gives up without a report: after Ctrl-C, or when there turned out to be nothing to do."""
        release(self._client, self.run_id)
        self._client.discard(self.run_id)


def open_report(
    client: Client, study: str, study_digest: str, lease_s: float, tags: Mapping[str, str], note: str = ""
) -> ReportRun:
    """note: what MLflow's page of it says, the study's question"""
    if study == TRIALS:
        raise TrackingError(f"A study may not be named {TRIALS}: that is the MLflow experiment that holds all trials.")
    name = f"report {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    own = {
        _STUDY: study,
        _STUDY_DIGEST: study_digest,
        "mlflow.user": _user(),
        "mlflow.source.name": "grokgrid",
        **owner_tags(lease_s),
        **({_NOTE: note[:MAX_TAG]} if note else {}),
    }
    return ReportRun(client, client.create_run(client.experiment(study, "study"), name, {**tags, **own}), lease_s)


@dataclass(frozen=True)
class Report:
    """A finished report. Reading one of its files raises a TrackingError if that is missing or damaged."""

    run_id: str
    study: str
    study_digest: str
    keys_digest: str
    finished: datetime
    metrics: Mapping[str, float]
    artifact_uri: str
    _client: Client

    def study_yaml(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return self._file("study.yaml", Path(folder)).read_text()

    def keys(self) -> "pandas.DataFrame":
        return self._read("keys.parquet")

    def tables(self) -> list[str]:
        return sorted(Path(path).stem for path in self._client.files(self.artifact_uri, "tables"))

    def table(self, name: str) -> "pandas.DataFrame":
        return self._read(f"tables/{name}.parquet")

    def _read(self, path: str) -> "pandas.DataFrame":
        import pandas

        with tempfile.TemporaryDirectory() as folder:
            return pandas.read_parquet(self._file(path, Path(folder)))

    def _file(self, path: str, into: Path) -> Path:
        try:
            return checked_file_of_report(self._client, self.artifact_uri, path, into)
        except Damaged as error:
            raise TrackingError(f"{self.artifact_uri}: {error}. `grokgrid report` gives the report again.") from None


def last_report(client: Client, study: str, study_digest: str | None = None) -> Report | None:
    """The latest report of a study; of one version of it, if that is given."""
    experiment = None if client.is_empty() else client.find_experiment(study)
    if experiment is None:
        return None
    query = "attributes.status = 'FINISHED'"
    if study_digest is not None:
        query += f" AND tags.`{_STUDY_DIGEST}` = '{study_digest}'"
    found = client.search([experiment], query, order_by="attributes.end_time DESC", limit=1)
    if not found:
        return None
    run = found[0]
    assert run.ended_ms is not None
    return Report(
        run_id=run.id,
        study=study,
        study_digest=run.tags.get(_STUDY_DIGEST, ""),
        keys_digest=run.tags.get(_KEYS_DIGEST, ""),
        finished=datetime.fromtimestamp(run.ended_ms / 1000, UTC),
        metrics=run.metrics,
        artifact_uri=run.artifact_uri,
        _client=client,
    )


def keys_digest(keys: Iterable[str]) -> str:
    """Names a set of trials, in whatever order."""
    return hashlib.sha256("\n".join(sorted(set(keys))).encode()).hexdigest()[:32]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Some containers run under a user without a name.
        return "unknown"
