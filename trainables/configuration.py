"""The base of every configuration: frozen, closed to unknown fields, strict about numbers.

Strict numbers: `width: true` or `width: "196"` is an error, not a 1 or a 196.
"""

import re
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from trainables.validation import ValidationErrors, nearest, problems_of, shown

Int = Annotated[int, Field(strict=True)]
Float = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Bool = Annotated[bool, Field(strict=True)]

PositiveInt = Annotated[Int, Field(gt=0, le=2**53)]
NonNegativeInt = Annotated[Int, Field(ge=0, le=2**53)]
PositiveFloat = Annotated[Float, Field(gt=0)]
NonNegativeFloat = Annotated[Float, Field(ge=0)]


class _NotInKey:
    """Marks a field that does not decide the trajectory, so is left out of the trial key."""


NOT_IN_KEY = _NotInKey()


class Config(BaseModel):
    """Typed settings, which explain their own errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            names = [field.alias or name for name, field in cls.model_fields.items()]
            raise ValidationErrors(cls.__name__, problems_of(error, names)) from None


def spelled(pattern: str, words: str) -> AfterValidator:
    """For text that matches `pattern` as a whole; `words` tell people what that is."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{shown(text)} is not allowed: it should be {words}")
        return text

    return AfterValidator(check)


def number_or(number: Any, *words: str) -> PlainValidator:
    """For a number of the given type, or one of the words: with one error where a union would have one a member."""
    numbers = TypeAdapter(number)

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            try:
                return numbers.validate_python(value)
            except ValidationError as error:
                raise ValidationErrors("number", problems_of(error)) from None
        if value not in words:
            raise ValueError(f"{value!r} is not allowed; {nearest(value, words)}")
        return value

    return PlainValidator(check)


def decisive(value: Any) -> Any:
    """What of a configuration goes into the trial key, as plain JSON types.

    Fields that stand at their default are left out (but `name`), so that a setting added later with a neutral default
    leaves the keys of all earlier trials as they were. Changing a default therefore needs a new `TRIAL_SEMANTICS`.
    """
    if isinstance(value, BaseModel):
        fields = {
            name: getattr(value, name)
            for name, field in type(value).model_fields.items()
            if NOT_IN_KEY not in field.metadata
            and (name == "name" or getattr(value, name) != field.get_default(call_default_factory=True))
        }
        # Settings of a plugin have no declared type, by which 1 and 1.0 would be the same.
        extra = {name: without_type(setting) for name, setting in (value.model_extra or {}).items()}
        return {name: decisive(field) for name, field in fields.items()} | extra
    if isinstance(value, dict):
        return {name: decisive(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [decisive(item) for item in value]
    return value


def without_type(value: Any) -> Any:
    """1.0 as 1: what reads it makes no difference between them."""
    if isinstance(value, dict):
        return {name: without_type(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_type(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
