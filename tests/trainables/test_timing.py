"""Timing the beginning of a trial. That it is about right is claimed nowhere: here, what is counted how often."""

from typing import Any

import pytest
import torch
from tiny_trials import tiny_trial

from trainables import timing
from trainables.gradient_config import GradientConfig
from trainables.timing import Timing, timed
from trainables.training import Training


def config(**settings: Any) -> GradientConfig:
    found = tiny_trial(0, **settings).config
    assert isinstance(found, GradientConfig)
    return found


class TestHowLongATrialTakes:
    TIMING = Timing(step_s=1.0, batch_size=50, steps_per_epoch=7, evaluation_s=100.0, end_s=10_000.0)

    def test_counts_steps_evaluations_and_the_end(self):
        trial = config(budget={"steps": 20}, evaluate={"every": 5})  # After 1, 6, 11 and 16.
        assert self.TIMING.trial_s(trial) == 16 + 400 + 10_000

    def test_of_epochs_counts_their_steps(self):
        trial = config(budget={"epochs": 6}, evaluate={"at": [0, 2, 6]})
        assert self.TIMING.trial_s(trial) == 6 * 7 + 300 + 10_000

    def test_an_iteration_for_one_example_is_its_share_of_a_step(self):
        assert self.TIMING.example_s == 1 / 50


class TestTimed:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch):
        """A step takes 10 ms, and each probe 1 s."""
        now = [0.0]

        def advance(training: Training, steps: int) -> None:
            now[0] += 0.01 * (steps - training.steps)
            training.seconds += 0.01 * (steps - training.steps)
            training.steps = steps

        def measure(training: Training, probes: tuple[Any, ...]) -> dict[str, float]:
            now[0] += len(probes)
            return {}

        monkeypatch.setattr(Training, "advance", advance)
        monkeypatch.setattr(Training, "measure", measure)
        monkeypatch.setattr(timing.time, "process_time", lambda: now[0])

    def test_a_probe_that_is_seldom_due_costs_so_much_less(self, clock):
        """Four are measured at every evaluation of a classification: accuracy and loss on two sets."""
        probes = [{"name": "jacobian_norm", "every": 10}, {"name": "centroid", "every": 20}]
        found = timed(tiny_trial(0, probes=probes))
        assert found.step_s == pytest.approx(0.01)
        assert found.evaluation_s == pytest.approx(4 + 1 / 10 + 1 / 20)
        assert found.end_s == pytest.approx(6)

    @pytest.mark.parametrize(("batch_size", "examples", "steps"), [(None, 70, 1), (20, 20, 4)])
    def test_knows_the_batches(self, clock, batch_size: int | None, examples: int, steps: int):
        found = timed(tiny_trial(0, batch_size=batch_size))
        assert (found.batch_size, found.steps_per_epoch) == (examples, steps)

    def test_trains_indeed(self):
        """And leaves torch's threads as they were."""
        num_threads = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            found = timed(tiny_trial(0))
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(num_threads)
        assert 0 < found.step_s < 0.5 and found.evaluation_s > 0
