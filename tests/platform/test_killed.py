"""Drivers as processes: killed at every stage, interrupted, two at once, with MLflow going away and coming back."""

import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_processes import Grokgrid, Zygote
from driver_studies import folders, results, same, settled, study
from mlflow_server import Server

from grokgrid import home
from grokgrid.results import Results
from grokgrid.tracking import Tracking
from search_spaces import Study, to_yaml

Undisturbed = Callable[[Study], Results]
Run = Callable[..., Grokgrid]

pytestmark = pytest.mark.usefixtures("ready_home")

MOMENTS = {
    "before claiming": ("grokgrid.tracking.tracking:Tracking.claim", "before", 1),
    "having announced a claim": ("grokgrid.tracking.claims:_announce", "after", 1),
    "having claimed": ("grokgrid.tracking.tracking:Tracking.claim", "after", 1),
    "while training": ("trainables.training:Training.measure", "before", 4),
    "while saving a snapshot": ("trainables.run:save_file", "after", 4),
    "before noting that a trial is over": ("grokgrid.running:Driver._note", "before", 1),
    "before recording": ("grokgrid.tracking.tracking:Tracking.ingest", "before", 2),
    "having tried out where artifacts go": ("grokgrid.tracking.client:Client.upload", "after", 1),
    "having uploaded a trial": ("grokgrid.tracking.client:Client.upload", "after", 2),
    "having recorded all of a trial but its end": ("grokgrid.tracking.trials:complete", "before", 1),
    "before removing a folder": ("trainables.records:WorkFolder.remove", "before", 1),
    "before answering": ("grokgrid.api:_report", "before", 1),
    "before keeping the report": ("grokgrid.tracking.report_runs:ReportRun.finish", "before", 1),
    "before ending the report's run": ("grokgrid.tracking.report_runs:release", "before", 1),
}


@pytest.fixture
def run(zygote: Zygote, tmp_path: Path) -> Run:
    """Starts `grokgrid run` of a study, in this process's environment."""

    def start(study: Study, *options: str, **more: object) -> Grokgrid:
        file = tmp_path / f"{study.name}.yaml"
        file.write_text(to_yaml(study))
        options = ("--engine", "inline", "--checkpoint-every", "0", *options)
        return zygote.start("run", str(file), *options, log=tmp_path / "log", **more)  # type: ignore[arg-type]

    return start


def keys(study: Study) -> set[str]:
    return {trial.key for trial in study.trials}


def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


class TestKilled:
    @pytest.mark.slow
    def test_at_every_stage_one_after_the_other(self, run: Run, undisturbed: Undisturbed):
        small = study(seeds=4)
        for moment, (call, when, nth) in MOMENTS.items():
            killed = run(small, die={"call": call, "when": when, "nth": nth})
            assert killed.wait() == -signal.SIGKILL, f"{moment}\n{killed.log.read_text()}"
        last = run(small)
        assert last.wait() == 0, last.log.read_text()
        settled(keys(small))
        same(results(small), undisturbed(small))
        reports = Tracking().last_report(small.name)
        assert reports is not None and set(reports.keys()["key"]) == keys(small)
        # Two were killed between recording a trial and removing its folder: there for whoever continues the trial.
        assert len(folders()) <= 2

    @pytest.mark.slow
    def test_after_ever_longer(self, run: Run, undisturbed: Undisturbed):
        small = study(seeds=3)
        delay_s = 0.2
        while (code := (grokgrid := run(small)).ended_within(delay_s)) is None:
            grokgrid.signal(signal.SIGKILL)
            if (code := grokgrid.wait()) != -signal.SIGKILL:
                break  # It ended by itself meanwhile.
            delay_s *= 1.4
        assert code == 0, grokgrid.log.read_text()
        assert delay_s > 0.5, "it was never killed"
        settled(keys(small))
        same(results(small), undisturbed(small))


LONG = study(
    seeds=1,
    trial={"budget": {"steps": 200_000}, "evaluate": {"every": 100}, "goal": None},
    arms={"a": {}, "b": {"optimiser": {"lr": 0.02}}},
)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGINT, signal.SIGHUP))]
)
def test_an_interrupt_stops_cleanly_with_130(number: signal.Signals, run: Run):
    grokgrid = run(LONG, "--checkpoint-every", "600")
    until(lambda: "1 running" in grokgrid.log.read_text())
    grokgrid.signal(number)
    assert grokgrid.wait() == 130, grokgrid.log.read_text()
    log = grokgrid.log.read_text()
    assert "stopping: running trials save a snapshot" in log
    assert log.splitlines()[-1] == "Stopped. What was done is kept: run it again to go on."
    assert "Traceback" not in log
    settled(set())
    assert len(folders()) == 1, "the running trial's snapshot"


class TestTwoAtOnce:
    @pytest.mark.slow
    def test_on_overlapping_studies(self, run: Run, undisturbed: Undisturbed):
        one = study(name="one", seeds=6, arms={arm: study().arms[arm] for arm in ("baseline", "slow")})
        two = study(name="two", seeds=[8, 3, 4, 5], arms={arm: study().arms[arm] for arm in ("slow", "wild")})
        both = run(one), run(two)
        for grokgrid in both:
            assert grokgrid.wait() == 0, grokgrid.log.read_text()
        settled(keys(one) | keys(two))
        assert folders() == set()
        same(results(one), undisturbed(one))
        same(results(two), undisturbed(two))

    @pytest.mark.slow
    def test_one_takes_over_what_the_other_was_killed_at(self, run: Run):
        dying = run(LONG)
        until(folders)
        (begun,) = folders()
        short = study(
            seeds=1, trial={**LONG.trial, "budget": {"steps": 500}, "evaluate": {"every": 100}}, arms=LONG.arms
        )
        # It wants the same trials, if less of them, and has to wait for the other.
        waiting = run(short)
        assert waiting.ended_within(1.5) is None
        dying.signal(signal.SIGKILL)
        assert dying.wait() == -signal.SIGKILL
        assert waiting.wait() == 0, waiting.log.read_text()
        assert begun in keys(short)
        settled(keys(short))


@pytest.mark.slow
def test_mlflow_away_for_a_while(run: Run, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A real server, stopped and started again."""
    long = {"budget": {"steps": 4000}, "evaluate": {"every": 50}, "goal": {"metric": "train_loss", "below": 0.0}}
    some = study(seeds=4, trial=long, arms={"baseline": {}})
    expected = undisturbed(some)
    server = Server(tmp_path)
    server.start()
    server.wait()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    grokgrid = run(some, MLFLOW_TRACKING_URI=server.uri)

    def progress() -> list[str]:
        return [snapshot.name for folder in folders() for snapshot in (home.storage_root() / folder).glob("at-*")]

    try:
        until(progress)
        server.stop()
        before = progress()
        until(lambda: "Training goes on meanwhile" in grokgrid.log.read_text())
        until(lambda: progress() != before)
        assert grokgrid.ended_within(3) is None
        server.start()
        server.wait()
        assert grokgrid.wait() == 0, grokgrid.log.read_text()
        assert "MLflow is back" in grokgrid.log.read_text()
        settled(keys(some))
        same(results(some), expected)
        assert folders() == set()
    finally:
        server.stop()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux alone changes the limits of a running process")
class TestLimits:
    """The kernel refuses what it granted before: to write on, as when a disk is full, or to open another file. It is
    asked for everything that a run writes: snapshots, MLflow's database, its artifacts, temporary folders.
    """

    wide = study(
        seeds=3,
        trial={
            "budget": {"steps": 4000},
            "evaluate": {"every": 50},
            "goal": None,
            "model": {"name": "mlp", "width": 64},
        },
        arms={"baseline": {}},
    )

    @pytest.mark.parametrize(
        ("limit", "most", "words"),
        [(resource.RLIMIT_FSIZE, 30_000, "File too large"), (resource.RLIMIT_NOFILE, 0, "Too many open files")],
        ids=["no room", "no file handles"],
    )
    def test_for_a_while_fail_nothing(self, limit: int, most: int, words: str, run: Run, undisturbed: Undisturbed):
        expected = undisturbed(self.wide)
        grokgrid = run(self.wide)
        until(folders)
        before = resource.prlimit(grokgrid.pid, limit)
        resource.prlimit(grokgrid.pid, limit, (most, before[1]))
        until(lambda: words in grokgrid.log.read_text())
        assert grokgrid.ended_within(3) is None, grokgrid.log.read_text()
        resource.prlimit(grokgrid.pid, limit, before)
        assert grokgrid.wait() == 0, grokgrid.log.read_text()
        assert "Traceback" not in grokgrid.log.read_text()
        settled(keys(self.wide))
        same(results(self.wide), expected)
        assert folders() == set()
