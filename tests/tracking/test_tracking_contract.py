"""What the driver relies on, against every kind of place that MLflow keeps runs in, of both kinds of work."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from mlflow.tracking import MlflowClient
from tracking_rivals import never
from tracking_trials import Folders, assessment, keys, trial

from grokgrid.tracking import TRIALS, Tracking, TrackingError, TrialResults, WorkRecord, WorkStatus
from grokgrid.tracking.client import Client
from trainables import checksums
from trainables.evaluations import Budget, Evaluate
from trainables.records import End, WorkFolder, ending
from trainables.trial import Trial
from trainables.work import Work


def mlflow_client(uri: str) -> MlflowClient:
    return MlflowClient(Client(uri).uri)


def runs_in_mlflow(uri: str, key: str) -> list[tuple[str, str]]:
    """Status and tag of the runs of a key that are not deleted, in MLflow's own words."""
    client = mlflow_client(uri)
    experiment = client.get_experiment_by_name(TRIALS)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.`grokgrid.key` = '{key}'")
    return [(run.info.status, run.data.tags["grokgrid.status"]) for run in found]


@pytest.fixture(params=["trial", "assessment"])
def make(request: pytest.FixtureRequest) -> Callable[..., Work]:
    """Makes work of either kind that no other test has."""
    return trial if request.param == "trial" else assessment


@pytest.fixture
def report(tracking: Tracking, study: str):  # type: ignore[no-untyped-def]
    report = tracking.open_report(study, "digest")
    yield report
    report.abandon()


def test_a_finished_trial_is_read_back_as_it_was(tracking, report, folders: Folders, uri: str) -> None:
    subject = trial(seed=7, regulariser={"name": "jacobian", "strength": 1e-3}, batch_size=256)
    snapshot = folders.finished(subject)
    held = tracking.claim(report, [subject.key], never).won[subject.key]
    ingested = tracking.ingest(held, snapshot, {"grokgrid.commit": "abc"})
    found = tracking.find([subject.key])[subject.key]

    assert found == ingested
    assert found.status is WorkStatus.FINISHED
    assert found.summary == snapshot.summary()
    assert ending(subject.config, found.summary) is End.GOAL
    assert found.place is not None and found.place.device_name == "an abacus"
    assert found.tags["grokgrid.commit"] == "abc"
    assert found.params["regularisers.jacobian.strength"] == "0.001"
    assert found.params["gradient_filters"] == "none"
    assert found.params["seed"] == "7"
    assert not any(name.startswith(("budget", "goal")) for name in found.params)
    # 40/40 is the first accuracy above 0.85.
    assert found.reached == {"test_accuracy_above_0.85": (40, 0.4)}
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]


def test_names_and_values_of_any_kind_are_kept(tracking, report, uri: str) -> None:
    """Of settings, whose names and values are people's own, and of metrics, which are named by values of a grid."""
    odd = ["a b", "a:b", "A:B", "a/../b", "é", "", "x" * 300, "y\0z", "half \udcff", "plain.name"]
    client = Client(uri)
    client.log(
        report.run_id, params={name: f"{name}\0\udcff" * 3000 for name in odd}, tags={"grokgrid.odd": "\0" * 9000}
    )
    run = client.run(report.run_id)
    assert len(run.params) == len(odd) and run.params["plain.name"].startswith(r"plain.name\x00\udcff")
    assert len({value[:20] for value in run.params.values()}) == len(odd)
    metrics = {f"acceleration/jacobian/{name}/low": float(index) for index, name in enumerate(odd)}
    keys = pandas.DataFrame({"key": ["k"]})
    report.finish(study_yaml="", keys=keys, tables={}, files=[], metrics=metrics, trial_results=tracking.read([]))
    kept = client.run(report.run_id).metrics
    assert sorted(kept.values()) == sorted(metrics.values())
    assert kept["acceleration/jacobian/plain.name/low"] == len(odd) - 1


@pytest.mark.service
def test_a_place_of_artifacts_that_a_database_has_no_room_for_is_refused(postgres: str, monkeypatch) -> None:
    monkeypatch.setenv("GROKGRID_ARTIFACTS", "s3://bucket/" + "x" * 150)
    with pytest.raises(TrackingError, match="is 173 characters long; this database takes at most 157"):
        Client(postgres).experiment("study-0123", "study")


def test_mlflows_own_pages_get_sparse_curves(tracking, report, folders: Folders, uri: str) -> None:
    subject = trial()
    held = tracking.claim(report, [subject.key], never).won[subject.key]
    tracking.ingest(held, folders.finished(subject))

    def history(metric: str) -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in mlflow_client(uri).get_metric_history(held.run_id, metric)]

    assert history("test_accuracy") == [(10, 0.25), (20, 0.5), (30, 0.75), (40, 1.0)]
    assert history("train_loss") == [(10, 1 / 10), (20, 1 / 20), (40, 1 / 40)]
    assert history("train_jacobian_norm_mean") == [(20, 20**0.5), (40, 40**0.5)]


def known(tracking, subjects, study: str = "never answered") -> TrialResults:
    return tracking.trial_results(study, "first", [subject.key for subject in subjects])


def recorded(tracking, study: str, folders: Folders, subjects, steps: int = 40) -> None:
    """Runs the trials, and keeps a report of the study that rests on them."""
    report = tracking.open_report(study, "first")
    for subject in subjects:
        held = tracking.claim(report, [subject.key], lambda found: has(found, steps)).won.get(subject.key)
        if held is not None:
            tracking.ingest(held, folders.finished(subject, steps))
    trial_results = known(tracking, subjects, study)
    empty = pandas.DataFrame({"key": list(trial_results.records)})
    report.finish(study_yaml="", keys=empty, tables={}, files=[], metrics={}, trial_results=trial_results)


def has(found: WorkRecord, steps: int) -> bool:
    return found.summary is not None and found.summary.steps >= steps


class TestWhatAReportKeeps:
    """Results read by way of a report equal those read trial by trial, whatever has happened since."""

    @pytest.fixture
    def subjects(self) -> list[Trial]:
        config = trial().config
        return [Trial(config=config, seed=seed) for seed in range(4)]

    @staticmethod
    def same(tracking, study: str, subjects) -> TrialResults:
        kept, afresh = known(tracking, subjects, study), known(tracking, subjects)
        assert kept.records == afresh.records
        order = ["key", "steps"]
        pandas.testing.assert_frame_equal(
            *(
                trial_results.evaluations.to_pandas().astype({"key": str}).sort_values(order, ignore_index=True)
                for trial_results in (kept, afresh)
            )
        )
        assert [c.null_count for c in kept.evaluations.columns] == [c.null_count for c in afresh.evaluations.columns]
        assert not afresh.evaluations_in
        return kept

    def test_is_read_in_the_place_of_the_trials(self, tracking, study: str, folders: Folders, subjects) -> None:
        recorded(tracking, study, folders, subjects)
        first = tracking.last_report(study).run_id
        assert set(self.same(tracking, study, subjects).evaluations_in.values()) == {first}
        assert self.same(tracking, study, subjects[:1]).evaluations_in == {subjects[0].key: first}

    def test_once_over_several_reports(self, tracking, study: str, folders: Folders, subjects) -> None:
        recorded(tracking, study, folders, subjects[:3])
        first = tracking.last_report(study).run_id
        recorded(tracking, study, folders, subjects)
        second = tracking.last_report(study).run_id
        expected = dict.fromkeys((subject.key for subject in subjects[:3]), first) | {subjects[3].key: second}
        assert self.same(tracking, study, subjects).evaluations_in == expected

    def test_is_not_trusted_of_a_trial_that_went_on(self, tracking, study: str, folders: Folders, subjects) -> None:
        recorded(tracking, study, folders, subjects)
        recorded(tracking, f"{study}-other", folders, subjects[:1], steps=60)
        kept = self.same(tracking, study, subjects)
        assert kept.records[subjects[0].key].summary.steps == 60
        assert subjects[0].key not in kept.evaluations_in and len(kept.evaluations_in) == 3

    def test_is_not_all_of_a_trial_that_failed_since(self, tracking, study: str, folders: Folders, subjects) -> None:
        recorded(tracking, study, folders, subjects)
        report = tracking.open_report(study, "first")
        tracking.fail(tracking.claim(report, [subjects[0].key], never).won[subjects[0].key], subjects[0], "no more")
        kept = self.same(tracking, study, subjects)
        assert kept.records[subjects[0].key].reason == "no more"
        report.abandon()

    def test_is_not_trusted_of_a_deleted_run(self, tracking, study: str, uri: str, folders: Folders, subjects) -> None:
        recorded(tracking, study, folders, subjects)
        mlflow_client(uri).delete_run(known(tracking, subjects).records[subjects[1].key].run_id)
        assert subjects[1].key not in self.same(tracking, study, subjects).records

    def test_is_not_missed(self, tracking, study: str, uri: str, folders: Folders, subjects) -> None:
        recorded(tracking, study, folders, subjects[:2])
        first = tracking.last_report(study).run_id
        recorded(tracking, study, folders, subjects)
        mlflow_client(uri).delete_run(first)
        assert len(self.same(tracking, study, subjects).evaluations_in) == 2
        mlflow_client(uri).delete_run(tracking.last_report(study).run_id)
        assert not self.same(tracking, study, subjects).evaluations_in

    def test_tells_what_is_no_number(self, tracking, study: str, folders: Folders, subjects) -> None:
        snapshot = folders.finished(subjects[0], end=End.DIVERGED)
        odd = {"test_accuracy": math.inf, "train_loss": math.nan}
        snapshot.write_summary(snapshot.summary().model_copy(update={"high": odd, "final": {}, "last": odd}))
        checksums.write(snapshot.path)
        report = tracking.open_report(study, "first")
        tracking.ingest(tracking.claim(report, [subjects[0].key], never).won[subjects[0].key], snapshot)
        recorded(tracking, study, folders, subjects[:1])
        kept, afresh = (known(tracking, subjects[:1], name).records[subjects[0].key] for name in (study, "none"))
        assert repr(kept.summary) == repr(afresh.summary) and kept.summary.high["test_accuracy"] == math.inf


def test_curves_of_several_trials_make_one_table(tracking, report, folders: Folders) -> None:
    subjects = [trial(seed=seed) for seed in range(3)]
    claims = tracking.claim(report, [subject.key for subject in subjects], never)
    for subject in subjects:
        tracking.ingest(claims.won[subject.key], folders.finished(subject, steps=20 + 10 * subject.seed))
    curves = known(tracking, subjects).evaluations.to_pandas()

    assert list(curves) == [
        "key", "steps", "epochs", "seconds", "test_accuracy", "train_loss", "train_jacobian_norm_mean",
    ]  # fmt: skip
    assert dict(curves.groupby("key").size()) == {subject.key: 2 + subject.seed for subject in subjects}
    last = curves[curves.key == subjects[2].key]
    assert list(last.test_accuracy) == [0.25, 0.5, 0.75, 1.0]
    assert list(last.train_loss.isna()) == [False, False, True, False]
    assert list(last.train_jacobian_norm_mean.isna()) == [True, False, True, False]
    assert known(tracking, []).evaluations.column_names == ["key", "steps", "epochs", "seconds"]


def test_infinities_and_nan_come_back(make, tracking, report, folders: Folders) -> None:
    subject = make()
    snapshot = folders.finished(subject, end=End.DIVERGED)
    odd = {"test_accuracy": math.inf, "train_loss": -math.inf}
    summary = snapshot.summary().model_copy(
        update={"diverged_at": 35, "high": odd, "low": odd, "final": {}, "last": {"train_loss": math.nan}}
    )
    snapshot.write_summary(summary)
    checksums.write(snapshot.path)
    tracking.ingest(tracking.claim(report, [subject.key], never).won[subject.key], snapshot)
    read = tracking.find([subject.key])[subject.key].summary

    assert read.diverged_at == 35 and read.end is End.DIVERGED
    assert read.high == read.low == odd
    assert math.isnan(read.final["train_loss"])


def test_finding_nothing(tracking) -> None:
    assert tracking.find(keys(2)) == {}
    assert tracking.find([]) == {}


def test_a_claim_is_taken_until_it_is_withdrawn(tracking, report, study: str, uri: str) -> None:
    wanted = keys(3)
    other = tracking.open_report(study, "digest")
    first = tracking.claim(report, wanted[:2], never)
    second = tracking.claim(other, wanted, never)
    assert set(first.won) == set(wanted[:2])
    assert set(second.won) == {wanted[2]}
    assert second.taken == {key: report.run_id for key in wanted[:2]}
    assert {found.status for found in tracking.find(wanted).values()} == {WorkStatus.RUNNING}

    tracking.withdraw(first.won.values())
    assert set(tracking.claim(other, wanted, never).won) == set(wanted)
    other.abandon()
    assert tracking.find(wanted) == {}
    assert runs_in_mlflow(uri, wanted[0]) == []


def test_asking_again_for_what_is_held_gives_the_same_claim(tracking, report) -> None:
    (key,) = keys(1)
    first = tracking.claim(report, [key], never)
    assert tracking.claim(report, [key], never) == first


def test_what_was_finished_meanwhile_is_settled(make, tracking, report, folders: Folders, uri: str) -> None:
    subject = make()
    tracking.ingest(tracking.claim(report, [subject.key], never).won[subject.key], folders.finished(subject))
    claims = tracking.claim(report, [subject.key], lambda known: known.summary is not None)
    assert not claims.won
    assert claims.settled == tracking.find([subject.key])
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]


def test_a_longer_run_replaces_the_shorter(tracking, report, folders: Folders, uri: str) -> None:
    """As when a study asks for a larger budget, and a higher goal."""
    subject = trial(goal={"metric": "test_accuracy", "above": 0.4})
    tracking.ingest(tracking.claim(report, [subject.key], never).won[subject.key], folders.finished(subject, steps=20))
    short = tracking.find([subject.key])[subject.key]
    folders[subject.key].remove()

    more = Trial(
        config=subject.config.model_copy(
            update={
                "goal": subject.config.goal.model_copy(update={"above": 0.9}),
                "budget": Budget(epochs=1000),
                "evaluate": Evaluate(every=1),
            }
        ),
        seed=subject.seed,
    )
    assert more.key == subject.key
    assert ending(more.config, short.summary) is None
    held = tracking.claim(report, [more.key], lambda known: ending(more.config, known.summary) is not None).won[
        more.key
    ]
    assert tracking.find([more.key])[more.key] == short
    tracking.restore(short, folders[more.key])
    restored = folders[more.key].latest()
    assert restored is not None and restored.summary() == short.summary

    tracking.ingest(held, folders.finished(more, steps=40))
    found = tracking.find([more.key])[more.key]
    assert found.run_id == held.run_id and found.summary.steps == 40
    assert found.reached == {"test_accuracy_above_0.4": (20, 0.2), "test_accuracy_above_0.9": (40, 0.4)}
    assert runs_in_mlflow(uri, more.key) == [("FINISHED", "finished")]


def test_a_restored_snapshot_is_the_recorded_one_to_the_byte(
    make, tracking, report, folders: Folders, tmp_path: Path
) -> None:
    """Those in folders, too: more than a tag has room for."""
    subject = make()
    snapshot = folders.finished(subject, num_kept=80)
    record = tracking.ingest(tracking.claim(report, [subject.key], never).won[subject.key], snapshot)
    elsewhere = WorkFolder(tmp_path / "elsewhere", subject.key)
    tracking.restore(record, elsewhere)
    restored = elsewhere.latest()
    assert restored.path.name == snapshot.path.name
    files = {path.relative_to(snapshot.path) for path in snapshot.path.rglob("*") if path.is_file()}
    assert len(files) > 80
    assert {path.relative_to(restored.path) for path in restored.path.rglob("*") if path.is_file()} == files
    for path in files:
        assert (restored.path / path).read_bytes() == (snapshot.path / path).read_bytes(), path


def test_ingesting_twice_changes_nothing(make, tracking, report, folders: Folders, uri: str) -> None:
    subject = make()
    snapshot = folders.finished(subject)
    held = tracking.claim(report, [subject.key], never).won[subject.key]
    assert tracking.ingest(held, snapshot) == tracking.ingest(held, snapshot)
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]


def test_a_claim_lost_to_nobody_is_claimed_again(make, tracking, report, folders: Folders, uri: str) -> None:
    """Somebody took us for dead, and went away; or a user deleted the run in MLflow's pages."""
    subject = make()
    held = tracking.claim(report, [subject.key], never).won[subject.key]
    mlflow_client(uri).delete_run(held.run_id)
    record = tracking.ingest(held, folders.finished(subject))
    assert record.run_id != held.run_id
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]


def test_a_claim_lost_to_another_is_dropped(make, tracking, report, study: str, folders: Folders, uri: str) -> None:
    subject = make()
    snapshot = folders.finished(subject)
    held = tracking.claim(report, [subject.key], never).won[subject.key]
    tracking.withdraw([held])
    other = tracking.open_report(study, "digest")
    theirs = tracking.claim(other, [subject.key], never).won[subject.key]
    assert tracking.ingest(held, snapshot) is None
    tracking.fail(held, subject, "no")

    finished = tracking.ingest(theirs, snapshot)
    assert tracking.ingest(held, snapshot) == finished
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]
    other.abandon()


def test_a_failed_trial_keeps_its_log(make, tracking, report, folders: Folders, uri: str) -> None:
    subject = make(seed=3)
    log = "Traceback …\nValueError: no such luck\n"
    tracking.fail(tracking.claim(report, [subject.key], never).won[subject.key], subject, log)
    found = tracking.find([subject.key])[subject.key]
    assert found.status is WorkStatus.FAILED
    assert found.reason == "ValueError: no such luck"
    assert found.params["seed"] == "3"
    assert tracking.failure_log(found) == log
    assert runs_in_mlflow(uri, subject.key) == [("FAILED", "failed")]

    skipped = tracking.claim(report, [subject.key], lambda known: known.status is WorkStatus.FAILED)
    assert skipped.settled == {subject.key: found}

    retried = tracking.claim(report, [subject.key], never).won[subject.key]
    tracking.fail(retried, subject, "again")
    assert tracking.find([subject.key])[subject.key].reason == "again"
    assert runs_in_mlflow(uri, subject.key) == [("FAILED", "failed")]

    tracking.ingest(tracking.claim(report, [subject.key], never).won[subject.key], folders.finished(subject))
    assert tracking.find([subject.key])[subject.key].failed_run is None
    assert runs_in_mlflow(uri, subject.key) == [("FINISHED", "finished")]


def test_a_failed_continuation_leaves_the_result(make, tracking, report, folders: Folders, uri: str) -> None:
    subject = make()
    tracking.ingest(tracking.claim(report, [subject.key], never).won[subject.key], folders.finished(subject))
    tracking.fail(tracking.claim(report, [subject.key], never).won[subject.key], subject, "out of memory")
    found = tracking.find([subject.key])[subject.key]
    assert found.status is WorkStatus.FINISHED and found.summary is not None
    assert found.reason == "out of memory"
    assert tracking.failure_log(found) == "out of memory"
    assert sorted(runs_in_mlflow(uri, subject.key)) == [("FAILED", "failed"), ("FINISHED", "finished")]


def test_a_run_deleted_in_mlflows_pages_is_missing(make, tracking, report, folders: Folders, uri: str) -> None:
    subject = make()
    record = tracking.ingest(tracking.claim(report, [subject.key], never).won[subject.key], folders.finished(subject))
    mlflow_client(uri).delete_run(record.run_id)
    assert tracking.find([subject.key]) == {}
    assert subject.key in tracking.claim(report, [subject.key], lambda known: True).won


def test_a_report_is_kept_and_found(tracking, study: str, uri: str, tmp_path: Path) -> None:
    wanted = keys(3)
    page = tmp_path / "report.html"
    page.write_text("<p>Sooner.</p>")
    table = pandas.DataFrame({"arm": ["jacobian"], "mean": [1.5]})
    report = tracking.open_report(study, "first", {"grokgrid.commit": "abc"})
    tracking.claim(report, wanted, never)
    given = {
        "study_yaml": "name: x\n",
        "keys": pandas.DataFrame({"key": wanted, "arm": "baseline"}),
        "tables": {"acceleration": table},
        "files": [page],
        "metrics": {"acceleration/jacobian/steps/low": 1.25, "none": math.nan, "bound": math.inf},
        "trial_results": known(tracking, []),
    }
    report.finish(**given)
    report.finish(**given)

    found = tracking.last_report(study)
    assert found.run_id == report.run_id
    assert found.study_yaml() == "name: x\n"
    assert found.metrics == {"acceleration/jacobian/steps/low": 1.25}
    assert found.tables() == ["acceleration"]
    pandas.testing.assert_frame_equal(found.table("acceleration"), table)
    assert list(found.keys().key) == wanted
    run = mlflow_client(uri).get_run(report.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["grokgrid.commit"] == "abc"
    # What it still had claimed is free again.
    assert tracking.find(wanted) == {}

    assert tracking.last_report(study, "second") is None
    second = tracking.open_report(study, "second")
    assert tracking.last_report(study, "second") is None
    second.finish(**given)
    assert tracking.last_report(study).run_id == tracking.last_report(study, "second").run_id == second.run_id
    assert tracking.last_report(study, "first").run_id == report.run_id


def test_an_unknown_study_has_no_report(tracking, study: str) -> None:
    assert tracking.last_report(study) is None


def test_a_study_may_not_take_the_trials_name(tracking) -> None:
    with pytest.raises(TrackingError, match="may not be named grokgrid-trials"):
        tracking.open_report(TRIALS, "digest")


def test_a_deleted_experiment_is_told(uri: str, study: str) -> None:
    Tracking(uri).open_report(study, "digest").abandon()
    client = mlflow_client(uri)
    client.delete_experiment(client.get_experiment_by_name(study).experiment_id)
    with pytest.raises(TrackingError, match="was deleted. Bring it back with"):
        Tracking(uri).open_report(study, "digest")
