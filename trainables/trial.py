"""A trial: one configuration with one seed, the rules between its fields, and the key: which trials are the same."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from trainables.component import Component, components_in, kinds_in
from trainables.configuration import Config, Int
from trainables.datasets.base import Dataset
from trainables.evaluations import Budget, Goal
from trainables.plugins.config import Plugin, plugins_in
from trainables.validation import Problem, ValidationErrors, not_fields

Seed = Annotated[Int, Field(ge=0, lt=2**32)]

TRIAL_SEMANTICS = 3
"""Increment when the same configuration and seed would train differently; old trials no longer match."""


class TrialConfig(Config):
    """All settings of a trial but its seed.

    What is validated becomes a GradientConfig, or with `procedure` a ProcedureConfig.

    budget  how long it may train
    goal    ends the trial at the first evaluation that meets it
    """

    if TYPE_CHECKING:
        # Fields of both, and last in both: fields of a base would come first.
        budget: Budget
        goal: Goal | None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if cls.__base__ is not Config:
            return handler(source)
        by_class = core_schema.simple_ser_schema("any")
        return core_schema.no_info_plain_validator_function(cls._chosen, serialization=by_class)

    @classmethod
    def _chosen(cls, value: Any) -> "TrialConfig":
        if isinstance(value, TrialConfig):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(not_fields(value))
        from trainables.gradient_config import GradientConfig
        from trainables.procedure_config import ProcedureConfig

        kind: type[TrialConfig] = GradientConfig if value.get("procedure") is None else ProcedureConfig
        if kind is ProcedureConfig:
            # An arm takes away with null what the trial gives for networks.
            given = {name: each for name, each in value.items() if each is not None}
            if of_networks := [n for n in given if n in GradientConfig.model_fields and n not in kind.model_fields]:
                nulls = ", ".join(f"{name}: null" for name in of_networks)
                wrong = f"stands in the place of {', '.join(of_networks)}; write {nulls} beside it"
                raise ValidationErrors("trial", [Problem(("procedure",), wrong)])
            return kind.model_validate(given)
        return kind.model_validate({name: each for name, each in value.items() if name != "procedure"})

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...] | None:
        """What it measures; None if only its evaluations say."""

    @property
    @abstractmethod
    def data_sets(self) -> tuple[Dataset, ...]:
        """The data that it is trained on, as far as grokgrid knows it."""

    @abstractmethod
    def next_evaluation(self, *, steps: int, epochs: float) -> float:
        """The first evaluation after that, in the budget's unit, whether within the budget or not; inf if there is
        none; if only training tells, the first that may be.
        """

    @property
    @abstractmethod
    def last_evaluation(self) -> int:
        """The last evaluation within the budget, in its unit, at least 1: where a trial that never meets its goal
        ends.
        """

    @property
    @abstractmethod
    def num_evaluations(self) -> int | None:
        """None if only training tells."""

    @abstractmethod
    def decides(self) -> dict[str, Any]:
        """What of it decides the trajectory, as plain JSON types."""

    @property
    def components(self) -> tuple[tuple[str, Component], ...]:
        """All components, each with its dotted path."""
        return components_in(self)

    @property
    def plugins(self) -> tuple[tuple[str, Plugin], ...]:
        """The plugins among them."""
        return plugins_in(self.components)


def kinds() -> dict[str, type[Component]]:
    """The fields of trials that hold components -> the kind that each holds."""
    from trainables.gradient_config import GradientConfig
    from trainables.procedure_config import ProcedureConfig

    return kinds_in(GradientConfig) | kinds_in(ProcedureConfig)


class Trial(Config):
    """One configuration with one seed: the unit of record."""

    config: TrialConfig
    seed: Seed

    @property
    def key(self) -> str:
        """What decides the trajectory, as 32 hexadecimal characters: the cell's 24 and 8 of the seed, so the seeds of a
        cell are found by their common beginning. Not cached: `model_copy(update=…)` would copy the old key along.
        """
        return seed_key(cell_key(self.config), self.seed)


def cell_key(config: TrialConfig) -> str:
    """24 hexadecimal characters of a hash of all that decides a trajectory but the seed.

    Budget and goal are left out (a trial that ended is continued when more is asked of it), the unit and spacing of the
    evaluations are in.
    """
    text = json.dumps({"semantics": TRIAL_SEMANTICS, **config.decides()}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def seed_key(cell: str, seed: int) -> str:
    """The key of a cell's trial with this seed."""
    return f"{cell}{seed:08x}"
