"""The training of one trial: its state, and the steps from one evaluation to the next.

State lives in a `Training`, which advances, measures, and turns into a flat dict of tensors and back; `run.py` decides
when. Nothing here waits for the device between two evaluations.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from trainables.data.load import Data, made_digest, of_trial, same_data
from trainables.draws import Draws
from trainables.gradient_config import GradientConfig, check_fit
from trainables.measuring import Measuring, Now
from trainables.models.base import Spec, freeze
from trainables.objective import Batch, Drawn, Tensors, build_objective
from trainables.plugins.loading import loaded
from trainables.plugins.scope import Scope
from trainables.probes.accuracy import are_right
from trainables.probes.base import Probe
from trainables.randomness import Stream, generator, seed_of, words
from trainables.tables import Columns
from trainables.work import Work


@final
class Training:
    """A trial between two steps.

    config, data as the trial has them
    steps      done so far
    seconds      of optimisation so far; see `Evaluation`
    diverged_at  the step at which the loss was first not finite
    tables       that were measured at the latest evaluation
    """

    def __init__(
        self, trial: Work, device: torch.device, *, scope: Scope | None = None, data_digest: str | None = None
    ) -> None:
        """scope: that of the trial's plugins, by default a new one; data_digest: what data that a function
        makes must have, if that is known.
        """
        assert isinstance(trial.config, GradientConfig)
        self.config, self._seed, self.device = trial.config, trial.seed, device
        self._scope = scope or Scope(device=str(device))
        dtype = getattr(torch, self.config.dtype)
        self.data: Data = of_trial(self.config.data, dtype, device, data_digest, trial.seed)
        self.check_data(data_digest, "elsewhere for this study")
        self._first_seed = seed_of(trial.seed, Stream.PLUGINS)
        self.steps = 0
        self.seconds = 0.0
        self.diverged_at: int | None = None
        self.next_evaluation: float | None = None
        self.tables: Mapping[str, Columns] = {}
        with self._plugins():
            if self._scope.is_active:
                self._scope.seed(self._first_seed)
            self._build()
            self._measuring = Measuring(self.config, self.data, self._seed, device, self._drawing)
            with without_denormals(), torch.no_grad():
                self._measuring.begin(self._now())

    def _build(self) -> None:
        config, device, seed = self.config, self.device, self._seed
        x = self.data.x_train
        self._batch_size = min(config.batch_size or len(x), len(x))
        whole, rest = divmod(len(x), self._batch_size)
        self.steps_per_epoch = whole + (rest > 0 and not config.drop_last)

        for _, plugin in config.plugins:
            loaded(plugin)
        self._spec = Spec(self.data.task, x.shape[1:], self.data.num_outputs, x.dtype)
        check_fit(config, tuple(x.shape[1:]), has_pixels=self.data.has_pixels)
        self._network = freeze(config.model.build(self._spec), config.model.frozen)
        parameters, buffers = self._network.init(generator(seed, Stream.INIT))
        self._parameters = {name: p.to(device).requires_grad_() for name, p in parameters.items()}
        self._buffers = {name: b.to(device) for name, b in buffers.items()}
        self._objective = build_objective(config, self._network, self.data.normalisation)
        self._optimiser = config.optimiser.init(self._parameters)
        self._filters: dict[str, Mapping[str, Tensor]] = {
            name: each.init(self._parameters) for name, each in config.gradient_filters.items()
        }
        self._transforms: dict[str, Mapping[str, Tensor]] = {
            name: {key: tensor.to(device) for key, tensor in each.init().items()}
            for name, each in config.input_transforms.items()
        }
        self._gradients: Mapping[str, Tensor] = {}
        self._number = torch.tensor(0, device=device)
        self._masks = Draws(self._masks_of_steps, seed, Stream.MODEL, "", device)
        self._inputs = {
            name: self._draws(each.draw, Stream.INPUT_TRANSFORMS, name)
            for name, each in config.input_transforms.items()
        }
        self._terms = {
            name: self._draws(each.draw, Stream.REGULARISERS, name) for name, each in config.regularisers.items()
        }

    def _masks_of_steps(self, steps: int, drawing: torch.Generator) -> Tensors:
        return self._network.draw(steps, self._batch_size, drawing)

    def _draws(self, draw: Callable[..., dict[str, Tensor]], stream: Stream, name: str) -> Draws:
        def of_steps(steps: int, drawing: torch.Generator) -> dict[str, Tensor]:
            return draw(steps, self._batch_size, self._spec, drawing)

        return Draws(of_steps, self._seed, stream, name, self.device)

    def change_basis(self, layer: str, basis: Tensor) -> None:
        """Before the first step: inputs x become their coordinates Q'x in an orthonormal basis Q (D, r), and the
        weights W (outputs, D) of the layer that takes them WQ. If Q spans the rows of W and the training inputs,
        gradient descent is the same but for rounding.
        """
        with torch.no_grad():
            self._parameters[layer] = (self._parameters[layer] @ basis).requires_grad_()
        x_train, x_test = (x.flatten(1) @ basis for x in (self.data.x_train, self.data.x_test))
        self.data = replace(self.data, x_train=x_train, x_test=x_test)
        self._optimiser = self.config.optimiser.init(self._parameters)
        self._measuring = Measuring(self.config, self.data, self._seed, self.device, self._drawing)
        self._measuring.begin(self._now())

    @property
    def parameters(self) -> Tensors:
        """As they stand, by name."""
        return {name: p.detach() for name, p in self._parameters.items()}

    @property
    def data_digest(self) -> str | None:
        """Of data that a function made; other data's is part of the trial's key."""
        return made_digest(self.config.data, self.data)

    def check_data(self, expected: str | None, where: str) -> None:
        """Raises:
        DataError: the function made other data here than `where`, of that digest.
        """
        same_data(self.config.data, self.data_digest, expected, where)

    @property
    def epochs(self) -> float:
        return self.steps / self.steps_per_epoch

    def advance(self, steps: int) -> None:
        """Trains until `steps` steps are done.

        Whether all losses were finite is asked only then, for nothing on the way waits for the device; `diverged_at`
        names the first that was not.
        """
        losses: list[Tensor] = []
        first = self.steps + 1
        with without_denormals(), self._plugins(), self._timed():
            self._number = torch.tensor(self.steps, device=self.device)
            while self.steps < steps:
                number, index = divmod(self.steps, self.steps_per_epoch)
                if index == 0 or not losses:
                    order = self._order(number)
                if index == 0 and self.config.input_transforms:
                    self._begin_epoch()
                losses.append(self._step(self._batch(order, index)))
                self.steps += 1
            finite = torch.stack(losses).isfinite()
        if not bool(finite.all()):
            self.diverged_at = first + int(finite.logical_not().nonzero()[0])

    def evaluate(self, number: int) -> dict[str, float] | None:
        """Trains to the next evaluation, so many having been made, and measures what is due; None if it diverges."""
        unit = self.steps_per_epoch if self.config.budget.unit == "epochs" else 1
        following = self.config.next_evaluation(steps=self.steps, epochs=self.epochs)
        target = int(following if number else self.config.first_evaluation) * unit
        if target > self.steps:
            self.advance(target)
        if self.diverged_at is not None:
            return None
        return self.measure(tuple(probe for probe in self.config.all_probes if number % probe.every == 0))

    def at_end(self) -> dict[str, float]:
        with without_denormals(), torch.no_grad(), self._plugins():
            return self._measuring.measure_once_more(self._now())

    def close(self) -> None:
        pass

    def measure(self, probes: tuple[Probe, ...]) -> dict[str, float]:
        """Metric -> value, without changing anything but `tables` and the probes' own states."""
        with without_denormals(), torch.no_grad(), self._plugins():
            values, self.tables = self._measuring.measure(probes, self._now())
        return values

    def _now(self) -> Now:
        return Now(self._network.evaluate, self.parameters, self._buffers, self.steps)

    def _step(self, batch: Batch) -> Tensor:
        config, drawn, before = self.config, self._drawn(), self._buffers
        loss, gradients, self._buffers = self._differentiate(self._parameters, before, batch, drawn)
        with torch.no_grad():
            elsewhere = config.optimiser.elsewhere(self._parameters, gradients)
        if elsewhere is not None:
            # The same draws, and buffers change once a step.
            there = {name: each.requires_grad_() for name, each in elsewhere.items()}
            _, gradients, _ = self._differentiate(there, before, batch, drawn)
        factor = 1.0 if config.schedule is None else config.schedule.factor(self.steps, self.steps_per_epoch)
        with torch.no_grad():
            for name, each in config.gradient_filters.items():
                gradients, self._filters[name] = each.filter(gradients, self._filters[name])
            config.optimiser.step(self._parameters, gradients, self._optimiser, factor)
        self._gradients = gradients
        return loss

    def _differentiate(
        self, parameters: Tensors, buffers: Tensors, batch: Batch, drawn: Drawn
    ) -> tuple[Tensor, Mapping[str, Tensor], Tensors]:
        """The objective, its gradient, and the buffers after it."""
        self._seed_step()
        loss, after, _ = self._objective(parameters, buffers, batch, drawn)
        found = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
        return loss.detach(), dict(zip(parameters, found, strict=True)), after

    def _order(self, number: int) -> Tensor | None:
        """The order of the training set in an epoch; None is file order."""
        if not self.config.shuffle:
            return None
        shuffled = torch.randperm(len(self.data.x_train), generator=generator(self._seed, Stream.ORDER, number))
        return shuffled.to(self.device)

    def _batch(self, order: Tensor | None, index: int) -> Batch:
        part = slice(index * self._batch_size, (index + 1) * self._batch_size)
        rows = part if order is None else order[part]
        return Batch(self.data.x_train[rows], self.data.y_train[rows])

    def _drawn(self) -> Drawn:
        if self._scope.is_active:
            self._number = self._number + 1
        return Drawn(
            inputs={name: draws.at(self.steps) for name, draws in self._inputs.items()},
            states=self._transforms,
            network=self._masks.at(self.steps),
            terms={name: draws.at(self.steps) for name, draws in self._terms.items()},
            number=self._number,
        )

    def _begin_epoch(self) -> None:
        known: list[Tensor] = []

        def train_accuracy() -> Tensor:
            """On the device, so that noise training waits for nothing; computed once for all transforms."""
            if not known:
                self._drawing("training accuracy", self.steps)
                now = self._now()
                with torch.no_grad():
                    outputs = now.evaluate(now.parameters, now.buffers, self.data.x_train)
                    known.append(are_right(outputs, self.data.y_train).to(outputs.dtype).mean())
            return known[0]

        for name, transform in self.config.input_transforms.items():
            self._transforms[name] = transform.epoch(train_accuracy)

    def _plugins(self) -> AbstractContextManager[None]:
        """Where plugins run: in the scope of this trial."""
        return self._scope.active() if self.config.plugins else nullcontext()

    def _seed_step(self) -> None:
        """What plugins draw from the global generators is the trial's, too, wherever it is continued."""
        if not self._scope.is_active:
            return
        self._scope.seed((self._first_seed + self.steps) % 2**63)

    def _drawing(self, what: str, steps: int) -> None:
        """Before a measurement of that name after so many steps: seeds the global generators, for plugins that draw."""
        if self._scope.is_active:
            self._scope.seed(seed_of(self._seed, Stream.PROBES, steps, *words(what)))

    def gradients(self) -> dict[str, Tensor]:
        """Of the latest step, as the optimiser got them."""
        return dict(self._gradients)

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
        """All that the next step depends on, but the configuration, the seed and the number of steps done."""
        state = {f"parameters.{name}": p.detach() for name, p in self._parameters.items()}
        state |= {f"buffers.{name}": b for name, b in self._buffers.items()}
        state |= {f"optimiser.{name}": tensor for name, tensor in self._optimiser.items()}
        for kind, states in (("filters", self._filters), ("transforms", self._transforms)):
            state |= {f"{kind}.{name}.{key}": t for name, of in states.items() for key, t in of.items()}
        state |= {f"probes.{id}.{name}": t for id, of in self._measuring.states.items() for name, t in of.items()}
        return state

    def restore(self, state: dict[str, Tensor], *, steps: int, seconds: float, diverged_at: int | None) -> None:
        """Continues from what `state` gave."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(state[f"parameters.{name}"])
        self._buffers = {name: state[f"buffers.{name}"].to(self.device) for name in self._buffers}
        self._optimiser = _under("optimiser.", state)
        for kind, states in (("filters", self._filters), ("transforms", self._transforms)):
            for name in states:
                states[name] = _under(f"{kind}.{name}.", state)
        self._measuring.states = {id: _under(f"probes.{id}.", state) for id in self._measuring.states}
        self.steps, self.seconds, self.diverged_at = steps, seconds, diverged_at


def _under(start: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The part of a state whose names begin so, without that beginning."""
    return {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}


@contextmanager
def without_denormals() -> Iterator[None]:
    """A CPU takes a hundred times longer over numbers below the normal ones than over zero, which they become here.

    Optimisers' averages decay into them: in float32, training takes up to twice as long on processors that keep them.
    Of several threads only this one drops them; the others' share of a tensor is always the same, so results are, too.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
