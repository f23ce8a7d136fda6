"""Plugins: users' own training functions."""

from __future__ import annotations

import hashlib
import numbers
import re
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import model_validator

from trainables.configuration import NOT_IN_KEY
from trainables.names import alike
from trainables.plugins.config import Digest, Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import loaded, parameters, place, shown
from trainables.procedures._reporting import evaluations_of
from trainables.procedures.base import Procedure, State, Yielded
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import torch

    from trainables.data.load import Data


class PluginProcedure(Plugin, Procedure):
    """train(seed, state, …settings) yields (step, metrics) or (step, metrics, state) at each evaluation; or
    train(report, …settings) calls report(step, metrics, state) there. It may take seed, state and device by name.

    files    that it reads; their content is part of the trial's key
    digests  of them, in this order; by default as they are now
    """

    model_config = Plugin.model_config
    interface = Interface(optional=("seed", "state", "device", "report"), yields=True)

    files: Annotated[tuple[Path, ...], NOT_IN_KEY] = ()
    digests: tuple[Digest, ...] = ()

    @model_validator(mode="after")
    def _has_a_digest_a_file(self) -> Self:
        if len(self.digests) != len(self.files):
            raise ValueError(f"{len(self.digests)} digests are given for {len(self.files)} files: leave them out")
        return self

    @classmethod
    def pinned(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """With the source and the digests of files as they are now."""
        found = super().pinned(settings)
        files = found.get("files") or ()
        if isinstance(files, str | Path):
            files = (files,)
        if files and not found.get("digests") and isinstance(files, list | tuple):
            return {**found, "files": list(files), "digests": [_digest(Path(file)) for file in files]}
        return found

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        for file, digest in zip(self.files, self.digests, strict=True):
            if _digest(file) != digest:
                raise self.problem(f"{file} has changed since the trial was planned: plan it again")
        offered = {"seed": seed, "state": state, "device": str(device)}
        for given in evaluations_of(loaded(self), parameters(self), offered):
            yield self._checked(given)

    def _checked(self, given: Any) -> Yielded:
        what = f"{place(self)} should give (step, metrics) or (step, metrics, state)"
        if not isinstance(given, tuple) or len(given) not in (2, 3):
            raise self.problem(f"{what}, it gave {shown(given)}")
        step, metrics, state = (*given, None)[:3]
        if isinstance(step, bool) or not isinstance(step, numbers.Integral) or step < 1:
            raise self.problem(f"{what}: step is a whole number from 1, not {shown(step)}")
        if not isinstance(metrics, Mapping) or not metrics:
            raise self.problem(f"{what}: metrics are a dict of numbers by name, not {shown(metrics)}")
        values = {name: self._number(name, value) for name, value in metrics.items()}
        for one, other in alike(values):
            raise self.problem(f"{place(self)}: the metrics {one!r} and {other!r} differ in nothing but case")
        if state is not None and not isinstance(state, Mapping):
            kinds = "tensors, arrays, numbers, texts and bytes"
            raise self.problem(f"{what}: state is a dict of {kinds}, not {shown(state)}")
        return Yielded(int(step), values, state)

    def _number(self, name: Any, value: Any) -> float:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w.-]*", name, re.ASCII):
            rule = "letters, digits, _, - and . alone are"
            raise self.problem(f"{place(self)}: {shown(name)} is no name of a metric: {rule}")
        if hasattr(value, "item") and getattr(value, "shape", None) in ((), None):
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise self.problem(f"{place(self)}: metric {name!r} should be a number, it is {shown(value)}")
        return float(value)


def _digest(file: Path) -> str:
    """Raises:
    ValidationErrors: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    except OSError as error:
        wrong = f"{file} cannot be read: {error.strerror or error}"
        raise ValidationErrors("procedures", [Problem(("files",), wrong)]) from None
