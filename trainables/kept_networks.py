"""Networks that are kept on the way, beside the last one, so that any stage of training can be looked at later.

A network is parameters and buffers, named as in the state of a snapshot: `parameters.0.weight`. Every snapshot has all
that were kept so far, those of the snapshot before it as links to the same files. So what holds for snapshots holds for
them: a trial that is killed and continued has the same ones, bit for bit.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import final

from safetensors.torch import save_file
from torch import Tensor

from trainables.checksums import Damaged
from trainables.evaluations import NOT_YET, Budget, Goal, Keep
from trainables.records import Evaluation, Snapshot

MOST_UNSAVED_BYTES = 2**26
"""In memory: with more there is a snapshot out of turn."""

_OF_A_NETWORK = ("parameters.", "buffers.")


@final
class KeptNetworks:
    """The networks that one trial keeps. keep: which ones; None for no more."""

    def __init__(self, keep: Keep | None, budget: Budget) -> None:
        self._keep, self._budget = keep, budget
        self._saved: set[str] = set()
        self._unsaved: dict[str, dict[str, Tensor]] = {}
        self._is_met = False

    def restore(self, latest: Snapshot, evaluations: Sequence[Evaluation]) -> None:
        """Continues from a snapshot."""
        self._saved = {path.name for path in latest.kept_path.glob("*")}
        when = self._keep.when if self._keep is not None else None
        self._is_met = when is not None and any(_holds(when, evaluation) for evaluation in evaluations)

    def note(self, evaluations: Sequence[Evaluation], state: Callable[[], Mapping[str, Tensor] | None]) -> None:
        """Keeps the network of the last evaluation, if `keep` asks for it. state: returns the trial's state."""
        if self._keep is None:
            return
        last = evaluations[-1]
        before = self._position(evaluations[-2]) if len(evaluations) > 1 else NOT_YET
        is_kept = self._keep.has_place_in(before, self._position(last))
        if self._keep.when is not None and not self._is_met:
            self._is_met = _holds(self._keep.when, last)
            is_kept |= self._is_met
        if is_kept:
            network = {name: tensor for name, tensor in (state() or {}).items() if name.startswith(_OF_A_NETWORK)}
            copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in network.items()}
            self._unsaved[f"{last.steps:09d}.safetensors"] = copies

    @property
    def is_due(self) -> bool:
        """Whether so much is not saved yet that a snapshot should be."""
        sizes = (tensor.nbytes for network in self._unsaved.values() for tensor in network.values())
        return sum(sizes) > MOST_UNSAVED_BYTES

    def fill(self, snapshot: Snapshot, earlier: Sequence[Snapshot]) -> None:
        """Writes all that were kept into a new snapshot. earlier: the trial's snapshots, the latest last."""
        if self._saved or self._unsaved:
            snapshot.kept_path.mkdir()
        for name in self._saved:
            _link([each.kept_path / name for each in reversed(earlier)], snapshot.kept_path / name)
        for name, network in self._unsaved.items():
            save_file(network, snapshot.kept_path / name)

    def saved(self) -> None:
        """The snapshot is written."""
        self._saved |= self._unsaved.keys()
        self._unsaved = {}

    def _position(self, evaluation: Evaluation) -> float:
        return self._budget.position(steps=evaluation.steps, epochs=evaluation.epochs)


def _holds(when: Goal, evaluation: Evaluation) -> bool:
    value = evaluation.values.get(when.metric)
    return bool(evaluation.steps) and value is not None and when.met_by(low=value, high=value)


def _link(sources: Sequence[Path], target: Path) -> None:
    """Copies where links are not possible."""
    for source in sources:
        try:
            os.link(source, target)
        except FileNotFoundError:
            continue
        except OSError:
            shutil.copyfile(source, target)
        return
    raise Damaged(f"the network {target.name} was kept and is in no snapshot any more")
