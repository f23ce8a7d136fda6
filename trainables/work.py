"""Work: what a driver claims, an engine runs and a tracking server records, by key.

There are two kinds: the training of a trial, and the assessment of a network that a trial has left.
"""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from trainables.component import Component, components_in
from trainables.configuration import Config, Int
from trainables.plugins.config import Plugin, plugins_in
from trainables.validation import not_fields

if TYPE_CHECKING:
    from trainables.datasets.base import Dataset
    from trainables.evaluations import Budget, Goal

Seed = Annotated[Int, Field(ge=0, lt=2**32)]

TRIAL_SEMANTICS = 3
"""Increment when the same configuration and seed would train differently; old trials no longer match."""


class NetworkAt(NamedTuple):
    """The network of a trial after so many steps."""

    key: str
    step: int

    @property
    def file_name(self) -> str:
        return f"{self.key}-{self.step:09d}.safetensors"


class WorkConfig(Config):
    """All settings of a work item but the seed.

    What is validated becomes an AssessmentConfig if it has an `assessment`, else a TrialConfig.

    budget  how far it may go
    goal    ends a trial at the first evaluation that meets it
    """

    if TYPE_CHECKING:

        @property
        def budget(self) -> Budget: ...

        @property
        def goal(self) -> Goal | None: ...

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if cls.__base__ is not Config:
            return handler(source)
        by_class = core_schema.simple_ser_schema("any")
        return core_schema.no_info_plain_validator_function(cls._of_its_kind, serialization=by_class)

    @classmethod
    def _of_its_kind(cls, value: Any) -> "WorkConfig":
        from trainables.assessment_config import AssessmentConfig
        from trainables.trial import TrialConfig

        if isinstance(value, WorkConfig):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(not_fields(value))
        return AssessmentConfig.model_validate(value) if "assessment" in value else TrialConfig.model_validate(value)

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...] | None:
        """What it measures; None if only its evaluations say."""

    @property
    @abstractmethod
    def data_sets(self) -> "tuple[Dataset, ...]":
        """The data that it needs, as far as grokgrid knows it."""

    @abstractmethod
    def next_evaluation(self, *, steps: int, epochs: float) -> float:
        """The first evaluation after that, in the budget's unit, whether within the budget or not; inf if there is
        none; if only the work itself tells, the first that may be.
        """

    @property
    @abstractmethod
    def last_evaluation(self) -> int:
        """The last evaluation within the budget, in its unit, at least 1."""

    @property
    @abstractmethod
    def num_evaluations(self) -> int | None:
        """None if only the work itself tells."""

    @abstractmethod
    def decides(self) -> dict[str, Any]:
        """What of it decides the result, as plain JSON types."""

    def needs(self, seed: int) -> tuple[NetworkAt, ...]:
        """The networks of trials that it is made of."""
        return ()

    @property
    def draws(self) -> bool:
        """Whether the seed decides anything of it."""
        return True

    def key(self, seed: int) -> str:
        """With this seed. What does not draw has one key for all of them."""
        return seed_key(cell_key(self), seed if self.draws else 0)

    @property
    def components(self) -> tuple[tuple[str, Component], ...]:
        """All components, each with its dotted path."""
        return components_in(self)

    @property
    def plugins(self) -> tuple[tuple[str, Plugin], ...]:
        """The plugins among them."""
        return plugins_in(self.components)


class Work(Config):
    """One configuration with one seed: the unit of record."""

    config: WorkConfig
    seed: Seed

    @property
    def key(self) -> str:
        """What decides the result, as 32 hexadecimal characters: 24 of all but the seed and 8 of the seed, so the seeds
        of a cell are found by their common beginning. Not cached: `model_copy(update=…)` would copy the old key along.
        """
        return self.config.key(self.seed)

    @property
    def needs(self) -> tuple[NetworkAt, ...]:
        """The networks of trials that it is made of."""
        return self.config.needs(self.seed)


def cell_key(config: WorkConfig) -> str:
    """24 hexadecimal characters of a hash of all that decides a result but the seed.

    Budget and goal are left out (a trial that ended is continued when more is asked of it), the unit and spacing of the
    evaluations are in.
    """
    text = json.dumps({"semantics": TRIAL_SEMANTICS, **config.decides()}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def seed_key(cell: str, seed: int) -> str:
    """The key of a cell's work with this seed."""
    return f"{cell}{seed:08x}"
