"""Running studies in this process: what is run and what is not, and that nothing in between changes the table."""

import io
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import pytest
from driver_studies import Watched, drive, folders, npz, results, same, settled, study, table

from grokgrid import api, patience, running
from grokgrid.engine import Block, Event, Finished, InlineEngine, Lost, Started
from grokgrid.results import Results
from grokgrid.tracking import Tracking, TrackingAway, TrackingRefused
from grokgrid.tracking.client import Client
from search_spaces import Study
from trainables.data.load import load
from trainables.validation import ValidationErrors

Undisturbed = Callable[[Study], Results]

pytestmark = pytest.mark.usefixtures("ready_home")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_ELSEWHERE_CHECKED_EVERY_S", 0.1)
    monkeypatch.setattr(patience, "AWAY_RETRIED_EVERY_S", 0.0)
    monkeypatch.setattr(running, "_IDLE_S", 0.01)


def keys(study: Study) -> set[str]:
    return {trial.key for trial in study.trials}


def states(study: Study, cell: str) -> list[str]:
    trials = results(study).trials
    return [str(state) for state in trials["state"][trials["cell"] == cell]]


class TestOnlyWhatIsMissingIsRun:
    def test_a_study_is_run_once(self):
        first, again = Watched(), Watched()
        outcome = drive(study(), first)
        assert outcome.finished == keys(study()) == set(first.keys) and len(first.keys) == 6
        assert not outcome.failed and not outcome.lost
        before = results(study())
        assert states(study(), "baseline") == ["reached"] * 2
        assert states(study(), "slow") == ["censored"] * 2
        assert states(study(), "wild") == ["diverged"] * 2
        settled(keys(study()))
        assert folders() == set()

        assert drive(study(), again).finished == keys(study())
        assert again.blocks == []
        assert list(results(study()).trials["run_id"]) == list(before.trials["run_id"])

    def test_a_trial_says_which_grokgrid_ran_it(self):
        drive(study(seeds=1))
        for record in Tracking().find(sorted(keys(study(seeds=1)))).values():
            assert record.tags["grokgrid.version"] == version("grokgrid")
            assert re.fullmatch(r"[0-9a-f]{12}\+?", record.tags["grokgrid.commit"])

    def test_nor_does_another_study_of_the_same_trials(self):
        drive(study())
        other = study(name="other", question="May I look, too?", arms={"plain": {}})
        watched = Watched()
        assert drive(other, watched).finished == keys(other)
        assert watched.blocks == []

    @pytest.mark.parametrize(
        "more",
        [
            {"seeds": 3},
            {"seeds": [5, 1]},
            {"arms": {"baseline": {}, "wide": {"model": {"width": 16}}}},
            {"arms": {"slow": {"grid": {"optimiser.lr": [0.01, 0.002, 0.005]}}}},
        ],
        ids=["more seeds", "other seeds", "an arm", "points"],
    )
    def test_more_runs_what_is_missing(self, more: dict[str, Any], undisturbed: Undisturbed):
        drive(study())
        watched = Watched()
        drive(study(**more), watched)
        assert sorted(watched.keys) == sorted(keys(study(**more)) - keys(study()))
        settled(keys(study()) | keys(study(**more)))
        same(results(study(**more)), undisturbed(study(**more)))

    def test_cells_with_the_same_trial_share_it(self):
        twins = study(arms={"baseline": {}, "twin": {}})
        watched = Watched()
        assert drive(twins, watched).finished == set(watched.keys)
        assert len(watched.keys) == 2
        shown = table(results(twins)).drop(columns=["arm", "cell"])
        assert shown[:2].equals(shown[2:].reset_index(drop=True))
        settled(watched.keys)

    @pytest.mark.slow
    def test_a_run_deleted_in_mlflow_is_missing_and_run_again(self, undisturbed: Undisturbed):
        drive(study())
        gone = results(study()).trials.iloc[3]
        Client(f"sqlite:///{api.home.home() / 'mlflow.db'}").delete(gone["run_id"])
        watched = Watched()
        drive(study(), watched)
        assert watched.keys == [gone["key"]]
        settled(keys(study()))
        same(results(study()), undisturbed(study()))

    @pytest.mark.slow
    def test_short_trials_share_blocks(self, monkeypatch: pytest.MonkeyPatch):
        many = study(seeds=12, arms={"baseline": {}})
        watched = Watched()
        drive(many, watched)
        sizes = [len(block.work) for block in watched.blocks]
        assert sizes[:2] == [1, 1], "how long a trial takes is not known before one has run"
        assert max(sizes) > 2 and sum(sizes) == 12
        # Longer than a block is meant to be: then each by itself.
        monkeypatch.setattr(running, "_BLOCK_S", 0.001)
        watched = Watched()
        drive(study(seeds=18, arms={"baseline": {}}), watched)
        assert [len(block.work) for block in watched.blocks] == [1] * 6

    def test_blocks_are_spread_over_all_slots(self):
        """With more slots than trials are left for, each gets some, and none gets all."""
        watched = Watched()
        watched.engine.num_slots = 4  # type: ignore[misc]
        drive(study(seeds=20, arms={"baseline": {}}), watched)
        sizes = [len(block.work) for block in watched.blocks]
        assert sum(sizes) == 20 and max(sizes) <= 3


class TestAskingForMore:
    more = [
        {"budget": {"steps": 100}, "evaluate": {"every": 5}},
        {"goal": {"metric": "test_accuracy", "above": 0.62}},
        {"budget": {"steps": 100}, "evaluate": {"every": 5}, "goal": {"metric": "train_loss", "below": 0.3}},
        {"budget": {"steps": 75}, "evaluate": {"every": 5}, "goal": None},
    ]

    @pytest.mark.parametrize("trial", more, ids=["budget", "goal", "both", "no goal"])
    def test_continues_and_equals_having_asked_so_from_the_start(self, trial: Any, undisturbed: Undisturbed):
        drive(study())
        first = results(study())
        done = dict(zip(first.trials["key"], first.trials["steps"], strict=True))
        watched = Watched()
        drive(study(trial=trial), watched)
        assert watched.keys, "nothing was to be continued: the test is too easy"
        for key in watched.keys:
            assert min(watched.steps(key)) == done[key] + 5
        settled(keys(study()))
        assert folders() == set()
        same(results(study(trial=trial)), undisturbed(study(trial=trial)))
        # And the study that asked for less sees what it saw.
        same(results(study()), first)

    @pytest.mark.parametrize("trial", more, ids=["budget", "goal", "both", "no goal"])
    def test_asking_for_less_runs_nothing_and_equals_having_asked_so_from_the_start(
        self, trial: Any, undisturbed: Undisturbed
    ):
        drive(study(trial=trial))
        watched = Watched()
        drive(study(), watched)
        less = undisturbed(study())
        # A trial that stopped before the goal was known to be higher may have to go on, none has to go back.
        assert set(watched.keys) <= {key for key in less.trials["key"] if watched.steps(key)}
        same(results(study()), less)

    def test_diverged_trials_are_over(self):
        drive(study())
        watched = Watched()
        drive(
            study(trial={"budget": {"steps": 100}, "evaluate": {"every": 5}}, arms={"wild": study().arms["wild"]}),
            watched,
        )
        assert watched.blocks == []


class TestFailures:
    """A cell whose data are not what they were declared to be."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "own.npz"

    @pytest.fixture
    def failing(self, file: Path) -> Study:
        digest = npz(file)
        npz(file, seed=1)
        own = {"data": {"name": "npz", "path": str(file), "digest": digest}}
        return study(arms={"broken": own, "baseline": {}}, trial={"data": study().trial["data"], "goal": None})

    def test_fail_alone_and_are_left_until_asked_for(self, failing: Study, file: Path):
        told = io.StringIO()
        outcome = drive(failing, told=told)
        broken = {failing.trial_of(failing.cells[0], seed).key for seed in (0, 1)}
        assert set(outcome.failed) == broken and outcome.finished == keys(failing) - broken
        assert all(reason.startswith("data npz: the content's digest is") for reason in outcome.failed.values())
        assert states(failing, "broken") == ["failed"] * 2
        assert states(failing, "baseline") == ["finished"] * 2
        assert "broken seed 1 failed: data npz: the content's digest is" in told.getvalue()
        assert "4/4 trials, 0 running, 2 failed, 2 finished" in told.getvalue()
        settled(keys(failing))

        tracking = Tracking()
        record = tracking.find(broken)[broken.pop()]
        assert "Traceback" in tracking.failure_log(record)

        watched = Watched()
        outcome = drive(failing, watched)
        assert watched.blocks == [] and len(outcome.failed) == 2
        assert all(reason.startswith("data npz: the content's digest is") for reason in outcome.failed.values())

        watched = Watched()
        assert len(drive(failing, watched, retry_failed=True).failed) == 2
        assert len(watched.keys) == 2
        settled(keys(failing))

        npz(file)
        watched = Watched()
        outcome = drive(failing, watched, retry_failed=True)
        assert outcome.finished == keys(failing) and not outcome.failed
        assert len(watched.keys) == 2
        assert states(failing, "broken") == ["finished"] * 2
        assert folders() == set()
        settled(keys(failing))

    def test_of_all_trials(self, failing: Study):
        alone = study(arms={"broken": failing.arms["broken"]}, trial={"goal": None})
        assert set(drive(alone).failed) == keys(alone)
        assert states(alone, "broken") == ["failed"] * 2
        settled(keys(alone))

    def test_of_a_trial_that_was_to_be_continued_keep_what_it_had(self, failing: Study, file: Path):
        npz(file)
        drive(failing)
        before = results(failing)
        npz(file, seed=1)
        load.cache_clear()
        larger = failing.model_copy(
            update={"trial": {**failing.trial, "budget": {"steps": 80}, "evaluate": {"every": 5}}}
        )
        larger = Study.model_validate(larger.model_dump())
        assert len(drive(larger).failed) == 2
        same(results(failing), before)
        assert states(larger, "broken") == ["failed"] * 2
        npz(file)
        watched = Watched()
        drive(larger, watched, retry_failed=True)
        assert [min(watched.steps(key)) for key in watched.keys] == [61, 61]
        assert states(larger, "broken") == ["finished"] * 2


class Losing:
    """An engine on which one trial's worker is lost, or leaves its results where nobody sees them."""

    num_slots = 1

    def __init__(self, key: str, end: Event) -> None:
        self._key, self._end, self._engine = key, end, InlineEngine()
        self._news: list[Event] = []

    def submit(self, block: Block) -> None:
        rest = tuple(trial for trial in block.work if trial.key != self._key)
        if len(rest) < len(block.work):
            self._news += [Started(self._key), self._end]
        if rest:
            self._engine.submit(Block(id=block.id, work=rest, storage=block.storage))

    def poll(self, timeout_s: float) -> list[Event]:
        news, self._news = self._news, []
        return news + self._engine.poll(timeout_s)

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> "Losing":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class TestLostTrials:
    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda key: Lost(key, "Traceback:\n  many lines\nthe node went away"), "the node went away"),
            (Finished, "it finished, but left nothing under"),
        ],
        ids=["lost", "storage not shared"],
    )
    def test_are_named_and_run_the_next_time(self, make: Callable[[str], Event], reason: str, undisturbed: Undisturbed):
        key = study().trial_of(study().cells[1], 1).key
        told = io.StringIO()
        outcome = drive(study(), Losing(key, make(key)), told=told)
        assert set(outcome.lost) == {key} and reason in outcome.lost[key]
        assert outcome.finished == keys(study()) - {key}
        assert f"slow seed 1 was lost: {reason}" in told.getvalue()
        assert states(study(), "slow") == ["censored", "missing"]
        settled(keys(study()) - {key})

        watched = Watched()
        drive(study(), watched)
        assert watched.keys == [key]
        settled(keys(study()))
        same(results(study()), undisturbed(study()))


class Interrupting(Watched):
    """Sends this process a signal after so many evaluations, as a terminal does."""

    def __init__(self, after: int, *numbers: signal.Signals) -> None:
        super().__init__()
        self._after, self._numbers = after, list(numbers)

    def poll(self, timeout_s: float) -> list[Event]:
        events = super().poll(0)
        if self._numbers and len(self.events) >= self._after:
            for number in self._numbers:
                signal.raise_signal(number)
            self._numbers = []
        return events


class TestInterrupts:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_stop_cleanly_and_running_again_goes_on(self, number: signal.Signals, undisturbed: Undisturbed):
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        told = io.StringIO()
        interrupted = Interrupting(18, number)
        with pytest.raises(KeyboardInterrupt):
            drive(study(), interrupted, told=told)
        assert "stopping" in told.getvalue()
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
        settled()
        (left,) = folders()
        seen = interrupted.steps(left)
        assert seen, "no trial was under way"

        watched = Watched()
        drive(study(), watched)
        assert watched.steps(left)[0] == seen[-1] + 5
        same(results(study()), undisturbed(study()))
        settled(keys(study()))

    def test_the_second_one_stops_at_once(self, undisturbed: Undisturbed):
        with pytest.raises(KeyboardInterrupt):
            drive(study(), Interrupting(18, signal.SIGINT, signal.SIGINT))
        settled()
        drive(study())
        same(results(study()), undisturbed(study()))


class Flaky:
    """Calls that fail: as `is_away` says, or by chance one in ten, and half of these only once they are done."""

    def __init__(self) -> None:
        self.on = False
        self.is_away: Callable[[], bool] | None = None
        self.random = random.Random(0)
        self.times = 0
        self.refuses = False

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def flaky(client: Client, *args: Any, **kwargs: Any) -> Any:
            fails = self.on and (self.is_away() if self.is_away is not None else self.random.random() < 0.1)
            if not fails:
                return call(client, *args, **kwargs)
            self.times += 1
            if self.is_away is None and self.random.random() < 0.5:
                call(client, *args, **kwargs)
            if self.refuses:
                raise TrackingRefused("its login has expired")
            raise TrackingAway(client.uri, ConnectionError("away"))

        return flaky


class WhileFlaky(Watched):
    """What comes before and after the driver's loop has no second try: it is for the next run to put right."""

    def __init__(self, flaky: Flaky, *, also_when_closed: bool = False) -> None:
        super().__init__()
        self._flaky, self._also_when_closed = flaky, also_when_closed

    def __enter__(self) -> Self:
        self._flaky.on = True
        return self

    def close(self) -> None:
        self._flaky.on = self._also_when_closed
        super().close()

    def __exit__(self, *_: object) -> None:
        self._flaky.on = False


class TestMlflowAway:
    @pytest.fixture
    def flaky(self, monkeypatch: pytest.MonkeyPatch) -> Flaky:
        flaky = Flaky()
        for name in ("find_experiment", "create_run", "run", "search", "log", "set_state", "delete", "upload", "file"):
            monkeypatch.setattr(Client, name, flaky.wrapped(getattr(Client, name)))
        return flaky

    @pytest.mark.parametrize("luck", range(4))
    def test_now_and_then_changes_nothing(self, luck: int, flaky: Flaky, undisturbed: Undisturbed):
        larger = study(seeds=3, trial={"budget": {"steps": 80}, "evaluate": {"every": 5}})
        expected = undisturbed(larger)
        drive(study())
        flaky.random = random.Random(luck)
        told = io.StringIO()
        drive(larger, WhileFlaky(flaky), told=told)
        assert flaky.times > 3
        assert "Training goes on meanwhile" in told.getvalue() and "MLflow is back" in told.getvalue()
        settled(keys(larger))
        same(results(larger), expected)
        assert folders() == set()

    @pytest.mark.parametrize("refuses", [False, True])
    def test_for_a_while_training_goes_on(self, refuses: bool, flaky: Flaky, undisturbed: Undisturbed):
        engine = WhileFlaky(flaky)
        seen: list[int] = []

        def is_away() -> bool:
            seen.append(len(engine.events))
            return seen[-1] > 5 and flaky.times < 20

        flaky.is_away, flaky.refuses = is_away, refuses
        drive(study(), engine)
        assert flaky.times == 20 and seen[-1] > seen[seen.index(next(n for n in seen if n > 5))]
        settled(keys(study()))
        same(results(study()), undisturbed(study()))

    def test_for_good_is_told_and_what_was_trained_is_recorded_by_the_next_run(
        self, flaky: Flaky, monkeypatch: pytest.MonkeyPatch, undisturbed: Undisturbed
    ):
        monkeypatch.setattr(patience, "AWAY_FOR_GOOD_S", 0.5)
        engine = WhileFlaky(flaky, also_when_closed=True)
        flaky.is_away = lambda: len(engine.events) > 5
        with pytest.raises(TrackingAway):
            drive(study(), engine)
        trained = folders()
        assert trained

        watched = Watched()
        drive(study(), watched)
        assert set(watched.keys) == keys(study()) - trained
        settled(keys(study()))
        same(results(study()), undisturbed(study()))
        assert folders() == set()


class TestRoom:
    """Nothing fills the disk for ever."""

    @pytest.mark.parametrize("keep", [True, False])
    def test_checkpoints_of_what_ended_are_kept_unless_told_otherwise(self, keep: bool, ready_home: Path):
        drive(study(), keep_checkpoints=keep)
        artifacts = ready_home / "artifacts"
        assert len(list(artifacts.rglob("curves.parquet"))) == 6
        assert len(list(artifacts.rglob("state.safetensors"))) == (6 if keep else 0)

    def test_a_study_says_so(self, ready_home: Path):
        api.run(study(keep_checkpoints=False, seeds=1), engine=InlineEngine)
        assert not list((ready_home / "artifacts").rglob("state.safetensors"))

    def test_without_its_checkpoint_a_trial_starts_anew_where_more_is_asked(self, undisturbed: Undisturbed):
        longer = study(trial={"budget": {"steps": 90}, "evaluate": {"every": 5}})
        drive(study(), keep_checkpoints=False)
        watched = Watched()
        drive(longer, watched)
        assert [watched.steps(key)[0] for key in watched.keys] == [1] * len(watched.keys) != []
        same(results(longer), undisturbed(longer))

    def test_what_nobody_wrote_to_for_long_is_removed_from_storage(self, tmp_path: Path):
        storage = tmp_path / "storage"
        for name, days in (("old", 61), ("fresh", 59)):
            (storage / name / "at-000000001").mkdir(parents=True)
            for path in (storage / name / "at-000000001", storage / name):
                os.utime(path, (time.time() - days * 86400,) * 2)
        assert running.remove_abandoned(storage, float("inf")) == 0
        assert running.remove_abandoned(storage, 60) == 1
        assert [path.name for path in storage.iterdir()] == ["fresh"]

    @pytest.mark.parametrize("days", ["soon", "-1"])
    def test_a_number_of_days_that_is_none_is_refused(self, days: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GROKGRID_STORAGE_DAYS", days)
        with pytest.raises(ValidationErrors, match="GROKGRID_STORAGE_DAYS: .* should be a number of days"):
            api.run(study(), engine=InlineEngine)


class TestTheEnvironment:
    """Faults that are no trial's: nothing is recorded as failed, and nothing changes in the table."""

    long = study(trial={"budget": {"steps": 400}, "evaluate": {"every": 5}, "goal": None})

    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("trainables.run.RETRIED_EVERY_S", 0.01)
        monkeypatch.setattr("grokgrid.engine.work.RETRIED_EVERY_S", 0.01)

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            pytest.param("storage", "storage/trials: Not a directory", marks=pytest.mark.slow),
            ("artifacts", "artifacts"),
        ],
    )
    def test_a_folder_that_is_gone_for_a_while(
        self, place: str, words: str, ready_home: Path, undisturbed: Undisturbed
    ):
        folder, told = ready_home / place, io.StringIO()
        drive(study(seeds=[7], arms={"baseline": {}}))  # So that all folders are there.
        fault = Fault(folder, told)
        outcome = drive(self.long, fault, told=told)
        assert outcome.finished == keys(self.long) and fault.num_polls > 3
        assert words in told.getvalue()
        settled(keys(self.long) | set(keys(study(seeds=[7], arms={"baseline": {}}))))
        same(results(self.long), undisturbed(self.long))
        assert folders() == set()

    def test_for_an_hour_ends_the_run_and_nothing_has_failed(
        self, ready_home: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Undisturbed
    ):
        monkeypatch.setattr(patience, "AWAY_FOR_GOOD_S", 0.3)
        drive(study(seeds=[7], arms={"baseline": {}}))
        told = io.StringIO()
        fault = Fault(ready_home / "storage", told, for_good=True)
        with pytest.raises(patience.AwayForGood, match="Not a directory.*run the command again"):
            drive(self.long, fault, told=told)
        fault.end()
        assert drive(self.long).finished == keys(self.long)
        same(results(self.long), undisturbed(self.long))
        settled()

    def test_storage_that_stalls_is_reported(self, ready_home: Path, monkeypatch: pytest.MonkeyPatch):
        """A call into it neither returns nor raises."""
        monkeypatch.setattr(patience, "STALLED_AFTER_S", 0.1)
        monkeypatch.setattr(patience, "_TRIED_EVERY_S", 0.01)
        answers, said = threading.Event(), []
        monkeypatch.setattr(patience, "_write", lambda file: answers.wait())
        watch = patience.StallWatch(ready_home / "storage" / "trials", said.append)
        watch.start()
        while not said:
            time.sleep(0.01)
        assert "storage/trials has not answered for" in said[0] and watch.stalled_s
        answers.set()
        while len(said) < 2:
            time.sleep(0.01)
        watch.stop()
        assert said[1].endswith("storage/trials answers again")

    def test_a_watch_leaves_nothing_behind(self, ready_home: Path):
        (ready_home / "storage").mkdir()
        patience._write(ready_home / "storage" / ".alive")
        assert not list((ready_home / "storage").iterdir())


class Fault(Watched):
    """Moves a folder away, and a file to its place, once some evaluations are done, and back when the driver says
    so.
    """

    def __init__(self, folder: Path, told: io.StringIO, *, for_good: bool = False) -> None:
        super().__init__()
        self._folder, self._told, self._for_good = folder, told, for_good
        self._is_gone, self.num_polls = False, 0

    def poll(self, timeout_s: float) -> list[Event]:
        events = super().poll(0)
        if not self._is_gone and not self.num_polls and len(self.events) > 90:
            self._folder.rename(self._folder.with_name("elsewhere"))
            self._folder.touch()
            self._is_gone = True
        self.num_polls += self._is_gone
        if self._is_gone and not self._for_good and self.num_polls > 200 and self._is_told():
            self.end()
        return events

    def _is_told(self) -> bool:
        return any(
            words in self._told.getvalue() for words in ("Training goes on meanwhile", "is not saved or not started")
        )

    def end(self) -> None:
        self._folder.unlink()
        self._folder.with_name("elsewhere").rename(self._folder)
        self._is_gone = False


MEMORY = """
import os
import torch


def always(step):
    return torch.empty(2**60).sum()


def in_company(step, *, company):
    if os.path.exists(company):
        torch.empty(2**60)
    return 0 * step.outputs.sum()
"""


class TestOutOfMemory:
    def test_twice_alone_is_a_failure(self, tmp_path: Path):
        (tmp_path / "memory.py").write_text(MEMORY)
        always = {"regulariser": {"name": f"{tmp_path / 'memory.py'}:always"}}
        some = study(arms={"hungry": always, "baseline": {}}, seeds=1)
        watched, told = Watched(), io.StringIO()
        outcome = drive(some, watched, told=told)
        (hungry,) = outcome.failed
        assert watched.keys.count(hungry) == 2 and "allocate" in outcome.failed[hungry]
        assert watched.keys[-1] == hungry, "it is tried again when nothing else is left to run"
        assert outcome.finished == keys(some) - {hungry}
        assert states(some, "hungry") == ["failed"]
        settled(keys(some))

    def test_in_company_is_none(self, tmp_path: Path):
        """As on an engine of two slots: what it lacks, another trial has."""
        (tmp_path / "memory.py").write_text(MEMORY)
        company = tmp_path / "company"
        company.touch()
        greedy = {"regulariser": {"name": f"{tmp_path / 'memory.py'}:in_company", "company": str(company)}}
        some = study(arms={"greedy": greedy, "baseline": {}}, seeds=1)
        watched = Watched()
        watched.engine.num_slots = 2  # type: ignore[misc]

        def events(timeout_s: float) -> list[Event]:
            found = Watched.poll(watched, timeout_s)
            if sum(isinstance(event, Finished) for event in watched.events) == 1:
                company.unlink(missing_ok=True)
            return found

        watched.poll = events  # type: ignore[method-assign]
        assert drive(some, watched).finished == keys(some)
        settled(keys(some))
