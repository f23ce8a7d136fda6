"""The training of a trial by a procedure, evaluation by evaluation; its counterpart for gradients is `training.py`."""

import math
import time
from collections.abc import Generator, Mapping
from typing import Any, final

import torch
from torch import Tensor

from trainables.data.load import made_digest, of_trial, same_data
from trainables.evaluations import NOT_YET
from trainables.plugins.scope import Scope
from trainables.procedure_config import ProcedureConfig
from trainables.procedures.base import Yielded
from trainables.randomness import Stream, seed_of
from trainables.saved_state import NotSavable, from_tensors, to_tensors
from trainables.tables import Columns
from trainables.validation import Problem, ValidationErrors
from trainables.work import Work


@final
class ProcedureTraining:
    """See Trainer. `state()` is None where the procedure cannot go on from its last evaluation."""

    def __init__(
        self, trial: Work, device: torch.device, *, scope: Scope | None = None, data_digest: str | None = None
    ) -> None:
        """data_digest: what data that a function makes must have, if that is known"""
        assert isinstance(trial.config, ProcedureConfig)
        self._config, self._seed, self.device = trial.config, trial.seed, device
        self._scope = scope or Scope(device=str(device))
        data = self._config.data
        self._data = of_trial(data, torch.float64, device, data_digest, trial.seed) if data is not None else None
        self.check_data(data_digest, "elsewhere for this study")
        self.steps, self.seconds = 0, 0.0
        self._evaluated_at = int(NOT_YET)
        self.diverged_at: int | None = None
        self.next_evaluation: float | None = None
        self.tables: Mapping[str, Columns] = {}
        self._state: dict[str, Tensor] | None = None
        self._evaluations: Generator[Yielded] | None = None

    @property
    def epochs(self) -> float:
        return 0.0

    @property
    def data_digest(self) -> str | None:
        return made_digest(self._config.data, self._data) if self._config.data and self._data else None

    def check_data(self, expected: str | None, where: str) -> None:
        if self._config.data is not None:
            same_data(self._config.data, self.data_digest, expected, where)

    def evaluate(self, number: int) -> dict[str, float] | None:
        """The next evaluation within the budget; None if there is none."""
        following = self._config.procedure.next_step(self._evaluated_at)
        if following is not None and following > self._config.budget.extent:
            self.next_evaluation = following
            return None
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        start = clock()
        with self._scope.active():
            self._scope.seed(seed_of(self._seed, Stream.PLUGINS, self.steps))
            if self._evaluations is None:
                procedure = self._config.procedure
                state = None if self._state is None else from_tensors(self._state)
                self._evaluations = procedure.run(seed=self._seed, state=state, device=self.device, data=self._data)
            given = next(self._evaluations, None)
        if given is not None and given.step <= self._evaluated_at:
            after = f" after step {self.steps}" if self._evaluated_at >= 0 else ""
            wrong = f"gave step {given.step}{after}: steps must grow, from the state on as well"
            raise ValidationErrors("procedures", [Problem(("name",), wrong)])
        self.next_evaluation = math.inf if given is None else given.step
        if given is None or given.step > self._config.budget.extent:
            return None
        self.seconds += clock() - start
        self.steps = self._evaluated_at = given.step
        # A copy: what a function gives it may go on to change.
        self._state = self._saved(given.state)
        self.next_evaluation = None
        return dict(given.metrics)

    def _saved(self, state: Mapping[str, Any] | None) -> dict[str, Tensor] | None:
        try:
            return None if state is None else to_tensors(state)
        except NotSavable as error:
            raise ValidationErrors("procedures", [Problem(("name",), str(error))]) from None

    def at_end(self) -> None:
        return None

    def state(self) -> dict[str, Tensor] | None:
        return self._state

    def restore(self, state: dict[str, Tensor], *, steps: int, seconds: float, diverged_at: int | None) -> None:
        self._state, self.seconds = state, seconds
        self.steps = self._evaluated_at = steps

    def close(self) -> None:
        if self._evaluations is not None:
            with self._scope.active():
                self._evaluations.close()
