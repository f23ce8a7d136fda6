"""The few calls to MLflow that all else here is made of: quiet, typed, and with two exceptions of their own.

TrackingAway  the server or database cannot be reached or is in trouble. Nothing is wrong with the call: try again later
RunGone       the run was deleted meanwhile, by whoever took it over or in MLflow's pages

A call that raised TrackingAway may still have happened, for an answer can get lost on its way. So every caller must be
able to repeat itself: see how claims and ingestion do.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, final
from urllib.parse import quote, unquote, urlsplit

from grokgrid import home
from grokgrid.tracking.away import TrackingAway, TrackingError, TrackingRefused, is_away, redact
from grokgrid.tracking.connection import (
    artifact_root,
    check_artifacts_fit,
    check_artifacts_stay,
    check_sqlite,
    connect,
    with_driver,
)
from grokgrid.tracking.refusals import not_mlflow, refusal
from trainables.names import MAX_PARAM, MAX_TAG, fitted, shortened

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MAX_RESULTS = 50_000
"""What MLflow gives in one page. Pages of a changing table can skip rows, so whatever must be exact reads one page."""

_KIND = "grokgrid.kind"

_OTHER_STORES = {
    "databricks": "a Databricks workspace",
    "databricks-uc": "Databricks' Unity Catalog",
    "uc": "a Unity Catalog",
}
"""What MLflow takes beside servers and databases, by schemes, which may also stand alone."""

_GIVE = (
    "Supported are SQLite (sqlite:///FILE), PostgreSQL (postgresql://…) and MLflow servers (http://… or https://…):"
    " export MLFLOW_TRACKING_URI to one of them, or unset it to use the database under GROKGRID_HOME."
)


class RunGone(Exception):
    """The run was deleted."""


class RunState(StrEnum):
    """MLflow's own status of a run."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class Run:
    """A run as MLflow has it; `live` unless deleted."""

    id: str
    name: str
    state: RunState
    live: bool
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    artifact_uri: str
    started_ms: int
    ended_ms: int | None


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    name: str
    value: float
    steps: int
    time_ms: int


@final
class Client:
    """Connects at the first call, not before: importing MLflow takes seconds."""

    def __init__(self, uri: str) -> None:
        scheme, colon, _ = uri.partition(":")
        if scheme in _OTHER_STORES:
            raise TrackingError(
                f"MLFLOW_TRACKING_URI is {redact(uri)!r}, {_OTHER_STORES[scheme]}, which grokgrid does not support."
                f" {_GIVE}"
            )
        if not colon or scheme == "file":
            raise TrackingError(
                f"MLFLOW_TRACKING_URI is {redact(uri)!r}, a folder: MLflow no longer keeps runs in folders. {_GIVE}"
            )
        if uri.partition("?")[0] in ("sqlite://", "sqlite:///", "sqlite:///:memory:"):
            raise TrackingError(
                f"MLFLOW_TRACKING_URI is {uri!r}, a database in memory, which ends with the command. Give sqlite:///FILE."
            )
        self.place = redact(uri)
        self.uri = with_driver(uri)
        self._connected: MlflowClient | None = None
        self._experiments: dict[str, str] = {}
        self._kinds: set[str] = set()

    @property
    def is_remote(self) -> bool:
        """Whether a server stands between us and the database, so that calls wait for the network."""
        return self.uri.startswith(("http:", "https:"))

    def is_empty(self) -> bool:
        """Whether there is certainly nothing to read, known without MLflow: an embedded database not yet created."""
        path = home.sqlite_path(self.uri)
        if path is not None:
            check_sqlite(path)
        return path is not None and not path.exists()

    def version(self) -> str:
        """MLflow's: the server's where there is one that tells, and ours."""
        with self._reaching():
            import mlflow

        ours = f"MLflow {mlflow.__version__}"
        if not self.is_remote:
            return ours
        import requests

        with suppress(requests.RequestException):
            told = requests.get(f"{self.uri.rstrip('/')}/version", timeout=10)
            if told.ok and told.text != mlflow.__version__:
                return f"{ours} here, {told.text[:20]} there"
        return ours

    # Experiments

    def experiment(self, name: str, kind: str) -> str:
        """The id of the experiment, which is created if it is missing. `kind` is how `experiments` finds it again."""
        if name not in self._kinds:
            if self.find_experiment(name) is None:
                location = None if self.is_remote else f"{artifact_root()}/{quote(name)}"
                if location is not None:
                    check_artifacts_fit(location, self.uri)
                with self._reaching() as mlflow, _unless_done_by_others():
                    mlflow.create_experiment(name, artifact_location=location, tags={_KIND: kind})
            with self._reaching() as mlflow:
                found = mlflow.get_experiment_by_name(name)
                if found is not None and found.tags.get(_KIND) != kind:
                    # Made by hand.
                    with _unless_done_by_others():
                        mlflow.set_experiment_tag(found.experiment_id, _KIND, kind)
            if found is not None and not self.is_remote:
                check_artifacts_stay(found.artifact_location)
            self._kinds.add(name)
        experiment_id = self.find_experiment(name)
        assert experiment_id is not None
        return experiment_id

    def find_experiment(self, name: str) -> str | None:
        if name not in self._experiments:
            with self._reaching() as mlflow:
                found = mlflow.get_experiment_by_name(name)
            if found is None:
                return None
            if not found.experiment_id:
                # MLflow makes an experiment without any content of whatever JSON it is given.
                raise TrackingRefused(not_mlflow(self.uri, f"an experiment {name!r} without an id"))
            if found.lifecycle_stage != "active":
                raise TrackingError(
                    f"The MLflow experiment {name!r} was deleted. Bring it back with"
                    f" `mlflow experiments restore --experiment-id {found.experiment_id}`, or remove it for good with"
                    f" `mlflow gc --experiment-ids {found.experiment_id}`."
                )
            self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def experiments(self, kind: str) -> list[str]:
        with self._reaching() as mlflow:
            found = mlflow.search_experiments(filter_string=f"tags.`{_KIND}` = '{kind}'", max_results=MAX_RESULTS)
        return [experiment.experiment_id for experiment in found]

    # Runs

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run:
        fit = {tag: shortened(value, MAX_TAG) for tag, value in tags.items()}
        with self._reaching() as mlflow:
            return self._run(mlflow.create_run(experiment_id, run_name=name, tags=fit))

    def run(self, run_id: str) -> Run:
        with self._reaching(run_id) as mlflow:
            return self._run(mlflow.get_run(run_id))

    def _run(self, run: Any) -> Run:
        if not run.info.run_id:
            raise TrackingRefused(not_mlflow(self.uri, "a run without an id"))
        return _run(run)

    def search(
        self,
        experiment_ids: Sequence[str],
        query: str,
        *,
        order_by: str | None = None,
        limit: int = MAX_RESULTS,
        deleted: bool = False,
    ) -> list[Run]:
        """Live runs, or deleted ones, in one page."""
        if not experiment_ids:
            return []
        with self._reaching() as mlflow:
            from mlflow.entities import ViewType

            found = mlflow.search_runs(
                list(experiment_ids),
                query,
                run_view_type=ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY,
                max_results=limit,
                order_by=[order_by] if order_by else None,
            )
        assert limit < MAX_RESULTS or not found.token, "more runs than one page holds"
        return [self._run(run) for run in found]

    def log(
        self,
        run_id: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Logging the same again changes nothing. Parameters may have any names and values."""
        names = fitted(params or {})
        with self._reaching(run_id) as mlflow:
            from mlflow.entities import Metric, Param, RunTag

            mlflow.log_batch(
                run_id,
                metrics=[Metric(point.name, point.value, point.time_ms, point.steps) for point in points],
                params=[Param(names[name], shortened(value, MAX_PARAM)) for name, value in (params or {}).items()],
                tags=[RunTag(name, shortened(value, MAX_TAG)) for name, value in (tags or {}).items()],
            )

    def set_state(self, run_id: str, state: RunState) -> None:
        with self._reaching(run_id) as mlflow:
            if state is RunState.RUNNING:
                mlflow.update_run(run_id, status=state.value)
            else:
                mlflow.set_terminated(run_id, status=state.value)

    def delete(self, run_id: str) -> None:
        """Soft, as MLflow's pages do it: `mlflow gc` removes what was deleted. Nothing happens to a deleted run."""
        with self._reaching() as mlflow:
            mlflow.delete_run(run_id)

    def undelete(self, run_id: str) -> None:
        with self._reaching() as mlflow:
            mlflow.restore_run(run_id)

    def discard(self, run_id: str) -> None:
        """Ends and deletes a run that is not wanted, whether somebody else does so too or not."""
        try:
            self.set_state(run_id, RunState.KILLED)
            self.delete(run_id)
        except RunGone:
            pass

    # Files of a run

    def upload(self, artifact_uri: str, folder: Path) -> None:
        """All files of a folder; those that are there already are overwritten."""
        with self._reaching(place=artifact_uri):
            self._files(artifact_uri).log_artifacts(str(folder))

    def files(self, artifact_uri: str, folder: str | None = None) -> list[str]:
        """The files directly in the run's folder, or in one below it."""
        with self._reaching(place=artifact_uri):
            return [file.path for file in self._files(artifact_uri).list_artifacts(folder) if not file.is_dir]

    def file(self, artifact_uri: str, path: str, into: Path) -> Path:
        """A local file with the content: where it lies if that is on this machine, else downloaded into a folder."""
        if artifact_uri.startswith(("/", "file:")):
            # A plain path may hold what would end it in a URI.
            is_path = artifact_uri.startswith("/")
            return Path(artifact_uri if is_path else unquote(urlsplit(artifact_uri).path)) / path
        with self._reaching(place=artifact_uri):
            return Path(self._files(artifact_uri).download_artifacts(path, str(into)))

    def remove_files(self, artifact_uri: str) -> None:
        """All files of a run, if where they are kept allows it."""
        with suppress(Exception):
            self._files(artifact_uri).delete_artifacts()

    def _files(self, artifact_uri: str) -> Any:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(artifact_uri, tracking_uri=self.uri)

    # Connection

    @contextmanager
    def _reaching(self, run_id: str | None = None, place: str | None = None) -> Iterator["MlflowClient"]:
        """Translates exceptions; given the run that is to be changed, also its having been deleted.

        place: where artifacts are kept, if it is that which must be reached
        """
        handled = sys.exception()
        try:
            yield self._connect()
        except (TrackingError, TrackingAway):
            raise
        except Exception as error:
            elsewhere = place if place is not None and not place.startswith("mlflow-artifacts:") else None
            if elsewhere is None and (refused := refusal(self.uri, error, handled)):
                raise TrackingRefused(refused) from error
            if is_away(error, handled):
                whose = "MLflow" if elsewhere is None else "The store of artifacts"
                raise TrackingAway(elsewhere or self.uri, error, handled, whose) from error
            if run_id is not None and not self._is_live(run_id, error):
                raise RunGone(run_id) from error
            raise

    def _is_live(self, run_id: str, error: Exception) -> bool:
        """Whether the run is there, asked after MLflow refused something: its refusals have no code for this."""
        from mlflow.exceptions import MlflowException

        if not isinstance(error, MlflowException):
            return True
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        with self._reaching() as mlflow:
            return bool(mlflow.get_run(run_id).info.lifecycle_stage == "active")

    def _connect(self) -> "MlflowClient":
        if self._connected is None:
            self._connected = connect(self.uri)
        return self._connected


@contextmanager
def _unless_done_by_others() -> Iterator[None]:
    """Two processes that create the same thing at once: MLflow refuses the second."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        already = error.error_code == "RESOURCE_ALREADY_EXISTS" or "unique" in str(error).lower()
        if not already:
            raise


def _run(run: Any) -> Run:
    return Run(
        id=run.info.run_id,
        name=run.info.run_name,
        state=RunState(run.info.status),
        live=run.info.lifecycle_stage == "active",
        tags=run.data.tags,
        params=run.data.params,
        metrics=run.data.metrics,
        artifact_uri=run.info.artifact_uri,
        started_ms=run.info.start_time,
        ended_ms=run.info.end_time,
    )
