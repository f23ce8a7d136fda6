"""The assessment of a network, batch by batch; its counterparts for training are `training.py` and
`procedure_training.py`.
"""

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.assessment_config import TABLE, AssessmentConfig, Facts, misfit
from trainables.assessments.base import AssessedNetwork, AssessmentInput
from trainables.data.load import Data, load, made_digest, of_trial, same_data
from trainables.datasets.base import Dataset
from trainables.laid_networks import read_network
from trainables.models.base import Spec, freeze
from trainables.plugins.loading import loaded
from trainables.plugins.scope import Scope
from trainables.randomness import Stream, generator, seed_of
from trainables.tables import Columns, columns_of
from trainables.training import without_denormals
from trainables.validation import Problem, ValidationErrors
from trainables.work import NetworkAt, Work

_ROUNDING = 1e-5


@final
class Assessing:
    """See Trainer. Its steps are examples; what it knows of those that it has done is its state."""

    def __init__(self, work: Work, networks: Path, device: torch.device, *, data_digest: str | None = None) -> None:
        """networks: the folder where the networks lie that the work needs"""
        assert isinstance(work.config, AssessmentConfig)
        self._config, self._seed, self.device = work.config, work.seed, device
        self._assessment = work.config.assessment
        self._scope = Scope(device=str(device))
        self.steps, self.seconds = 0, 0.0
        self.diverged_at: int | None = None
        self.next_evaluation: float | None = None
        self.tables: Mapping[str, Columns] = {}
        self._rows: list[Columns] = []
        dtype = getattr(torch, work.config.trial.dtype)
        self._trained_on: Data = of_trial(work.config.trial.data, dtype, device, data_digest, work.seed)
        self.check_data(data_digest, "elsewhere for this study")
        with self._plugins():
            if self._scope.is_active:
                self._scope.seed(seed_of(self._seed, Stream.ASSESSMENTS))
            built = [self._built(networks, need) for need in work.needs]
        self._network, self._source = built[0], built[1] if len(built) > 1 else None
        self._x, self._y, self._chosen = self._examples(dtype)

    @property
    def epochs(self) -> float:
        return 0.0

    @property
    def data_digest(self) -> str | None:
        return made_digest(self._config.trial.data, self._trained_on)

    def check_data(self, expected: str | None, where: str) -> None:
        same_data(self._config.trial.data, self.data_digest, expected, where)

    def evaluate(self, number: int) -> dict[str, float] | None:
        """Assesses the next batch; the metrics once all are done, {} before. None if there are none left."""
        if self.steps >= len(self._chosen):
            self.next_evaluation = math.inf
            return None
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        start = clock()
        rows = self._chosen[self.steps : self.steps + self._assessment.batch_size]
        with without_denormals(), self._plugins():
            if self._scope.is_active:
                self._scope.seed(seed_of(self._seed, Stream.ASSESSMENTS, self.steps))
            self._rows.append(columns_of(TABLE, self._assessment.assess(self._input(rows))))
        self.steps += len(rows)
        self.tables = {}
        values: dict[str, float] = {}
        if self.steps == len(self._chosen):
            self.next_evaluation = math.inf
            whole = self._whole()
            self.tables = {TABLE: whole}
            values = {name: float(value) for name, value in self._assessment.summarise(whole).items()}
        self.seconds += clock() - start
        return values

    def at_end(self) -> None:
        return None

    def state(self) -> dict[str, Tensor]:
        whole = {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in self._whole().items()}
        return {"done": torch.tensor(self.steps), **{f"rows.{name}": each for name, each in whole.items()}}

    def restore(self, state: dict[str, Tensor], *, steps: int, seconds: float, diverged_at: int | None) -> None:
        own = {name.removeprefix("rows."): each.cpu().numpy() for name, each in state.items() if name != "done"}
        self._rows = [own] if own else []
        self.steps, self.seconds = steps, seconds

    def close(self) -> None:
        pass

    def _whole(self) -> Columns:
        """The rows of all batches so far."""
        if not self._rows:
            return {}
        # Those of a snapshot come in another order of columns.
        whole = {name: np.concatenate([rows[name] for rows in self._rows]) for name in self._rows[-1]}
        self._rows = [whole]
        return whole

    def _built(self, networks: Path, need: NetworkAt) -> AssessedNetwork:
        trial, data = self._config.trial, self._trained_on
        for _, plugin in self._config.plugins:
            loaded(plugin)
        spec = Spec(data.task, data.x_train.shape[1:], data.num_outputs, data.x_train.dtype)
        network = freeze(trial.model.build(spec), trial.model.frozen)
        state = {name: tensor.to(self.device) for name, tensor in read_network(networks, need).items()}
        parameters, buffers = _under("parameters.", state), _under("buffers.", state)

        def outputs(x: Tensor) -> Tensor:
            return network.evaluate(parameters, buffers, data.normalisation(x))

        return AssessedNetwork(outputs, data.task, data.num_outputs, spec.dtype, data.has_pixels)

    def _examples(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """Inputs before they are normalised, labels, and the numbers of those that are assessed."""
        on = self._config.assessment.on
        data = load(on, dtype, self.device) if isinstance(on, Dataset) else self._trained_on
        own, its = _facts(self._trained_on), _facts(data)
        if (wrong := misfit(self._assessment, self._config.trial, own, its)) is not None:
            raise self._problem(wrong)
        x, y = data.part("test" if isinstance(on, Dataset) else on)
        x = data.normalisation.undone(x)
        if self._trained_on.has_pixels:
            x = self._checked(x)
        num = self._assessment.num_examples
        if num is not None and num < len(x):
            order = torch.randperm(len(x), generator=generator(self._seed, Stream.EXAMPLES))
            return x, y, order[:num].sort().values.numpy()
        return x, y, np.arange(len(x))

    def _checked(self, x: Tensor) -> Tensor:
        """Pixels, without what normalising and undoing it has rounded."""
        if bool((x < -_ROUNDING).any() or (x > 1 + _ROUNDING).any()):
            low, high = float(x.min()), float(x.max())
            wrong = f"are no pixels in [0, 1]: they range from {low:g} to {high:g}"
            raise self._problem(f"the inputs of {self._config.data.title} {wrong}")
        return x.clamp(0.0, 1.0)

    def _input(self, rows: NDArray[np.int64]) -> AssessmentInput:
        at = torch.from_numpy(rows)
        x, y = self._x[at.to(self.device)], self._y[at.to(self.device)]
        return AssessmentInput(self._network, self._source, x, y, at, self._seed)

    def _problem(self, wrong: str) -> ValidationErrors:
        return ValidationErrors("assessments", [Problem((), f"{self._assessment.title}: {wrong}")])

    def _plugins(self) -> AbstractContextManager[None]:
        return self._scope.active() if self._config.plugins else nullcontext()


def _facts(data: Data) -> Facts:
    return Facts(tuple(data.x_train.shape[1:]), data.num_outputs, data.has_pixels)


def _under(start: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}
