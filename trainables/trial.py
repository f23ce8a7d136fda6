"""A trial: the training of one configuration with one seed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from trainables.component import Component, kinds_in
from trainables.validation import Problem, ValidationErrors, not_fields
from trainables.work import Work, WorkConfig

if TYPE_CHECKING:
    from trainables.evaluations import Budget, Goal


class TrialConfig(WorkConfig):
    """All settings of a trial but its seed.

    What is validated becomes a GradientConfig, or with `procedure` a ProcedureConfig.
    """

    if TYPE_CHECKING:
        # Fields of both, and last in both: fields of a base would come first.
        budget: Budget
        goal: Goal | None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if cls.__base__ is not WorkConfig:
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


def kinds() -> dict[str, type[Component]]:
    """The fields of trials that hold components -> the kind that each holds."""
    from trainables.gradient_config import GradientConfig
    from trainables.procedure_config import ProcedureConfig

    return kinds_in(GradientConfig) | kinds_in(ProcedureConfig)


class Trial(Work):
    """The training of one configuration with one seed."""

    config: TrialConfig
