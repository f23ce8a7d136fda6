"""How long a trial would take here, from a second of it: its steps and its evaluations, timed apart."""

import time
from dataclasses import dataclass
from itertools import groupby

import torch

from trainables.gradient_config import GradientConfig
from trainables.training import Training
from trainables.trial import Trial

_LONG_ENOUGH_S = 0.5
_WARM_UP = 2
"""Steps in which memory is laid out and kernels are chosen."""


@dataclass(frozen=True)
class Timing:
    """Of one thread on a CPU, or of a GPU.

    step_s           of the optimiser
    batch_size       examples in a step
    steps_per_epoch
    evaluation_s     on average: a probe that is due at every tenth counts for a tenth
    end_s            at the end, where all probes are due
    """

    step_s: float
    batch_size: int
    steps_per_epoch: int
    evaluation_s: float
    end_s: float

    def trial_s(self, config: GradientConfig) -> float:
        """From its beginning to the last evaluation within its budget."""
        steps = config.last_evaluation * (self.steps_per_epoch if config.budget.unit == "epochs" else 1)
        return steps * self.step_s + config.num_evaluations * self.evaluation_s + self.end_s

    @property
    def example_s(self) -> float:
        """About a forward and a backward pass for one example: an iteration of an attack, say."""
        return self.step_s / self.batch_size


def timed(trial: Trial, device: str = "cpu") -> Timing:
    """Trains it for a second. Nothing is written.

    Raises:
        DataError: the data is missing, or not what the configuration declares.
        ValidationErrors: a plugin is missing, is not what the configuration declares, or gives what it should not.
    """
    config = trial.config
    assert isinstance(config, GradientConfig)
    clock = time.process_time if device == "cpu" else time.perf_counter
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training = Training(trial, torch.device(device))
        training.advance(_WARM_UP)
        done, before = training.steps, training.seconds
        while training.seconds - before < _LONG_ENOUGH_S:
            training.advance(2 * training.steps)
        step_s = (training.seconds - before) / (training.steps - done)
        evaluation_s = end_s = 0.0
        probes = sorted(config.all_probes, key=lambda probe: probe.every)
        for every, due in groupby(probes, lambda probe: probe.every):
            start = clock()
            training.measure(tuple(due))
            took = clock() - start
            evaluation_s, end_s = evaluation_s + took / every, end_s + took
    finally:
        torch.set_num_threads(num_threads)
    num_train = len(training.data.x_train)
    return Timing(step_s, min(config.batch_size or num_train, num_train), training.steps_per_epoch, evaluation_s, end_s)
