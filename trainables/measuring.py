"""What probes measure of a network in training, and what they keep from one evaluation to the next."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, final

import torch
from torch import Tensor

from trainables.data.load import Data
from trainables.gradient_config import GradientConfig
from trainables.probes._state import check_state
from trainables.probes.base import Probe, ProbeInput, Split
from trainables.randomness import Stream, generator, words
from trainables.tables import Columns, columns_of
from trainables.validation import Problem, ValidationErrors

Tensors = dict[str, Tensor]


class Now(NamedTuple):
    """A network as it stands after so many steps. evaluate: (parameters, buffers, x) -> outputs"""

    evaluate: Callable[[Tensors, Tensors, Tensor], Tensor]
    parameters: Tensors
    buffers: Tensors
    steps: int


@final
class Measuring:
    """The probes of one trial.

    states  of the probes, by id; part of every snapshot
    """

    def __init__(
        self, config: GradientConfig, data: Data, seed: int, device: torch.device, drawing: Callable[[str, int], None]
    ) -> None:
        """drawing: called with a measurement's name and the number of steps; seeds what plugins draw of themselves."""
        self._config, self._data, self._seed, self._device = config, data, seed, device
        self._drawing = drawing
        self.states: dict[str, Tensors] = {}

    def begin(self, now: Now) -> None:
        """Before the first step."""
        for probe in self._config.all_probes:
            # Most have no state: only those that do pay for it.
            keeps = type(probe).init is not Probe.init
            at = self._own(self._seen(probe.on, now), probe, {}, now.steps, "init of ") if keeps else None
            self.states[probe.id] = probe.init(at) if at is not None else {}
            check_state(probe, self.states[probe.id], set(self.states[probe.id]))

    def measure(self, probes: tuple[Probe, ...], now: Now) -> tuple[dict[str, float], dict[str, Columns]]:
        """Metric -> value, and table -> columns; only the probes' own states change."""
        return self._measured(probes, now, self.states)

    def measure_once_more(self, now: Now) -> dict[str, float]:
        """Every metric; a trial that goes on from here has not been measured once more."""
        copies = {id: {name: t.clone() for name, t in state.items()} for id, state in self.states.items()}
        return self._measured(self._config.all_probes, now, copies)[0]

    def _measured(
        self, probes: tuple[Probe, ...], now: Now, states: Mapping[str, Tensors]
    ) -> tuple[dict[str, float], dict[str, Columns]]:
        seen: dict[Split, ProbeInput] = {}
        values: dict[str, Tensor | float] = {}
        tables: dict[str, Columns] = {}
        for probe in probes:
            if probe.on not in seen:
                seen[probe.on] = self._seen(probe.on, now)
            state = states[probe.id]
            names = set(state)
            measured = probe.measure(self._own(seen[probe.on], probe, state, now.steps))
            if measured.keys() != set(probe.announced):
                wrong = f"{probe.name} measured {', '.join(measured)}, and says that it measures"
                raise ValidationErrors("probes", [Problem((), f"{wrong} {', '.join(probe.announced)}")])
            check_state(probe, state, names)
            values |= {name: measured[name] for name in probe.metrics}  # type: ignore[misc]
            tables |= {name: columns_of(name, measured[name]) for name in probe.table_names}
        return {name: float(value) for name, value in values.items()}, tables

    def _seen(self, on: Split, now: Now) -> ProbeInput:
        """What all probes of a split see."""

        def network(parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
            return now.evaluate(dict(parameters), now.buffers, x)

        def drawing(what: str) -> None:
            self._drawing(what, now.steps)

        def no_generator() -> torch.Generator:
            raise AssertionError("a probe draws from a generator of its own")

        loss = self._config.loss.value
        return ProbeInput(
            lambda x: network(now.parameters, x),
            network,
            now.parameters,
            *self._data.part(on),
            loss,
            drawing,
            no_generator,
            model=self._config.model,
            steps=now.steps,
        )

    def _own(self, seen: ProbeInput, probe: Probe, state: Tensors, steps: int, what: str = "") -> ProbeInput:
        """With what is that probe's alone."""

        def make_generator() -> torch.Generator:
            index = words(what + ", ".join(probe.announced))
            return generator(self._seed, Stream.PROBES, steps, *index, device=self._device)

        return replace(seen, state=state, make_generator=make_generator)
