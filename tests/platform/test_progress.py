"""What a driver says on the way: of trials and of assessments, each at its own pace."""

import io
import re

import pytest
from rich.console import Console

from grokgrid import progress as module
from grokgrid.engine.interface import Started
from grokgrid.progress import Progress
from trainables.records import End
from trainables.trial import Trial, TrialConfig
from trainables.work import Work

TRIAL = {
    "data": {"name": "digits"},
    "model": {"name": "mlp", "width": 8},
    "loss": "cross_entropy",
    "optimiser": {"name": "adamw", "lr": 0.01},
    "budget": {"epochs": 20},
}


def work() -> tuple[list[Work], list[Work]]:
    """Three trials, and an assessment of each."""
    config = TrialConfig.model_validate(TRIAL)
    of_each = {"trial": config, "step": 20, "assessment": {"name": "accuracy"}}
    trials = [Trial(config=config, seed=seed) for seed in range(3)]
    return [*trials], [Work.model_validate({"config": of_each, "seed": seed}) for seed in range(3)]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    return clock


def told(progress: Progress) -> str:
    return progress._line()


def of(trials: list[Work], assessments: list[Work]) -> Progress:
    shown = Progress("study", 1, Console(file=io.StringIO()))
    shown.expect({item.key: (item.key, item) for item in (*trials, *assessments)})
    return shown


def test_trials_and_assessments_have_paces_of_their_own(now: list[float]) -> None:
    """Two trials of 100 s are left, and two assessments of 2 s."""
    trials, assessments = work()
    shown = of(trials, assessments)
    shown.ended(trials[0].key, End.BUDGET, 100.0)
    shown.ended(assessments[0].key, End.BUDGET, 2.0)
    assert "about 0:03:24 left" in told(shown)
    now[0] = 50.0
    shown.note(Started(trials[1].key))
    now[0] = 80.0
    assert "about 0:02:54 left" in told(shown)


def test_assessments_have_no_steps_a_second(now: list[float]) -> None:
    trials, assessments = work()
    shown = of(trials, assessments)
    shown.note(Started(trials[0].key))
    now[0] = 5.0
    shown.note(Started(assessments[0].key))
    assert "steps/s" in told(shown)
    shown.ended(trials[0].key, End.BUDGET, 5.0)
    assert not re.search("steps/s", told(shown))
