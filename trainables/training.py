"""The training of one trial: its state, and the updates from one look to the next.

State lives in a `Training`, which advances, measures, and turns into a flat dict of tensors and back; `run.py` decides
when. Nothing here waits for the device between two looks.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor

from trainables.data.load import Data, load
from trainables.gradient_filters.build import build_gradient_filter
from trainables.input_noise.tan_huang import draw_noise, noise_scale
from trainables.losses.build import build_loss
from trainables.models.build import build_model
from trainables.models.config import OwnModelConfig
from trainables.objective import Batch, Draws, build_objective
from trainables.optimisers.build import build_optimiser
from trainables.own.loading import load_part
from trainables.probes.config import OwnProbeConfig, ProbeConfig
from trainables.probes.measure import measure
from trainables.randomness import Stream, generator
from trainables.regularisers.config import JacobianConfig, OwnRegulariserConfig
from trainables.regularisers.jacobian import draw_projections
from trainables.trial import Trial


@final
class Training:
    """A trial between two updates.

    updates      done so far
    seconds      of optimisation so far; see `Look`
    diverged_at  the update at which the loss was first not finite
    """

    def __init__(self, trial: Trial, device: torch.device) -> None:
        self._config = config = trial.config
        self._seed = trial.seed
        self.device = device
        self._data: Data = load(config.data, getattr(torch, config.dtype), device)
        x = self._data.x_train
        self._batch_size = min(config.batch_size or len(x), len(x))
        self.updates_per_pass = -(-len(x) // self._batch_size)

        self._model = build_model(
            config.model, input_shape=x.shape[1:], num_classes=self._data.num_classes, dtype=x.dtype
        )
        parameters, buffers = self._model.init(generator(trial.seed, Stream.INIT))
        self._parameters = {name: p.to(device).requires_grad_() for name, p in parameters.items()}
        self._buffers = {name: b.to(device) for name, b in buffers.items()}
        self._objective = build_objective(config, self._model)
        self._loss = build_loss(config.loss)
        self._optimiser = build_optimiser(config.optimiser, self._parameters.values())
        self._filter = build_gradient_filter(config.gradient_filter) if config.gradient_filter is not None else None
        self._filter_state: Mapping[str, Tensor] = {}
        self._own_probes = {probe: load_part(probe) for probe in config.probes if isinstance(probe, OwnProbeConfig)}
        self._noise_scale: Tensor | None = None
        self._noise = generator(trial.seed, Stream.NOISE, device=device)
        self._projections = generator(trial.seed, Stream.PROJECTIONS, device=device)

        self.updates = 0
        self.seconds = 0.0
        self.diverged_at: int | None = None

    @property
    def passes(self) -> float:
        return self.updates / self.updates_per_pass

    def advance(self, updates: int) -> None:
        """Trains until `updates` updates are done.

        Whether all losses were finite is asked only then, for nothing on the way waits for the device; `diverged_at`
        names the first that was not.
        """
        losses: list[Tensor] = []
        first = self.updates + 1
        with _without_denormals(), self._timed():
            while self.updates < updates:
                number, index = divmod(self.updates, self.updates_per_pass)
                if index == 0 or not losses:
                    order = self._order(number)
                if index == 0 and self._config.input_noise is not None:
                    self._noise_scale = noise_scale(self._config.input_noise, self._train_accuracy())
                losses.append(self._update(self._batch(order, index)))
                self.updates += 1
            finite = torch.stack(losses).isfinite()
        if not bool(finite.all()):
            self.diverged_at = first + int(finite.logical_not().nonzero()[0])

    def measure(self, probes: tuple[ProbeConfig, ...]) -> dict[str, float]:
        with _without_denormals(), torch.no_grad():
            parameters = {name: p.detach() for name, p in self._parameters.items()}
            return measure(
                probes, self._function(), self._data, self._loss, parameters=parameters, own=self._own_probes
            )

    def _update(self, batch: Batch) -> Tensor:
        parameters = self._parameters
        with self._seeded_model():
            loss, self._buffers, _ = self._objective(parameters, self._buffers, batch, self._draw(batch))
        found = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
        gradients: Mapping[str, Tensor] = dict(zip(parameters, found, strict=True))
        if self._filter is not None:
            gradients, self._filter_state = self._filter(gradients, self._filter_state)
        for name, parameter in parameters.items():
            parameter.grad = gradients[name]
        self._optimiser.step()
        return loss.detach()

    def _order(self, number: int) -> Tensor | None:
        """The order of the training set in a pass; None is file order."""
        if not self._config.shuffle:
            return None
        shuffled = torch.randperm(len(self._data.x_train), generator=generator(self._seed, Stream.ORDER, number))
        return shuffled.to(self.device)

    def _batch(self, order: Tensor | None, index: int) -> Batch:
        part = slice(index * self._batch_size, (index + 1) * self._batch_size)
        rows = part if order is None else order[part]
        return Batch(self._data.x_train[rows], self._data.y_train[rows])

    def _draw(self, batch: Batch) -> Draws:
        noise = projections = None
        if self._noise_scale is not None:
            noise = draw_noise(batch.x, self._noise_scale, self._noise)
        if isinstance(self._config.regulariser, JacobianConfig):
            shape = torch.Size((len(batch.x), self._data.num_classes))
            projections = draw_projections(self._config.regulariser, shape, batch.x, self._projections)
        own = isinstance(self._config.regulariser, OwnRegulariserConfig)
        return Draws(noise, projections, self._projections if own else None)

    @contextmanager
    def _seeded_model(self) -> Iterator[None]:
        """A model of one's own draws from torch's global generators, which stand at a place of this update's own."""
        if not isinstance(self._config.model, OwnModelConfig):
            yield
            return
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(generator(self._seed, Stream.MODEL, self.updates).initial_seed())
            yield

    def _function(self) -> Callable[[Tensor], Tensor]:
        parameters = {name: p.detach() for name, p in self._parameters.items()}
        return lambda x: self._model.evaluate(parameters, self._buffers, x)

    def _train_accuracy(self) -> Tensor:
        """On the device, so that noise training waits for nothing."""
        with torch.no_grad():
            outputs = self._function()(self._data.x_train)
            return (outputs.argmax(1) == self._data.y_train).to(outputs.dtype).mean()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Adds to `seconds`: this thread's CPU time, the process's if it computes on several, wall time on a GPU."""
        if self.device.type == "cpu":
            clock = time.thread_time if torch.get_num_threads() == 1 else time.process_time
        else:
            clock = time.perf_counter
            torch.cuda.synchronize(self.device)
        start = clock()
        yield
        if self.device.type != "cpu":
            torch.cuda.synchronize(self.device)
        self.seconds += clock() - start

    def state(self) -> dict[str, Tensor]:
        """All that the next update depends on, but the configuration, the seed and the number of updates done."""
        state = {f"parameters.{name}": p.detach() for name, p in self._parameters.items()}
        state |= {f"buffers.{name}": b for name, b in self._buffers.items()}
        for index, entry in self._optimiser.state_dict()["state"].items():
            state |= {f"optimiser.{index}.{name}": value for name, value in entry.items() if value is not None}
        state |= {f"averages.{name}": tensor for name, tensor in self._filter_state.items()}
        if self._noise_scale is not None:
            state["noise_scale"] = self._noise_scale
        return state | {"noise": self._noise.get_state(), "projections": self._projections.get_state()}

    def restore(self, state: dict[str, Tensor], *, updates: int, seconds: float, diverged_at: int | None) -> None:
        """Continues from what `state` gave."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(state[f"parameters.{name}"])
        self._buffers = {name: state[f"buffers.{name}"].to(self.device) for name in self._buffers}
        entries: dict[int, dict[str, Any]] = {}
        for key, value in state.items():
            if key.startswith("optimiser."):
                _, index, name = key.split(".")
                entries.setdefault(int(index), {})[name] = value
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": entries, "param_groups": groups})
        self._filter_state = {
            name.removeprefix("averages."): tensor.to(self.device)
            for name, tensor in state.items()
            if name.startswith("averages.")
        }
        self._noise_scale = state["noise_scale"].to(self.device) if "noise_scale" in state else None
        self._noise.set_state(state["noise"].cpu())
        self._projections.set_state(state["projections"].cpu())
        self.updates, self.seconds, self.diverged_at = updates, seconds, diverged_at


@contextmanager
def _without_denormals() -> Iterator[None]:
    """A CPU takes a hundred times longer over numbers below the normal ones than over zero, which they become here.

    Optimisers' averages decay into them: in float32, training takes up to twice as long on processors that keep them.
    Of several threads only this one drops them; the others' share of a tensor is always the same, so results are, too.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
