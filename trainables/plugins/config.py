"""Settings of the plugins, and how a component's field tells them from ours."""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Discriminator, Tag, model_validator

from trainables.configuration import NOT_IN_KEY, Config, named, spelled
from trainables.plugins.source import read_source
from trainables.validation import Problem, ValidationErrors

PLUGIN = "package.module:object or file.py:object"
"""How the name of a plugin is written; among the names that messages say are allowed."""

Digest = Annotated[str, spelled(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")]


class PluginConfig(Config):
    """A plugin; fields that are not below are its settings, which it is called with by name.

    name    where it lies, no part of the key
    source  the digest of its source, which is; read from where it lies unless given
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: ClassVar[str]

    name: Annotated[str, spelled(r"(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*", PLUGIN), NOT_IN_KEY]
    source: Digest | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_source(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("source") is None and is_plugin(value.get("name")):
            try:
                return {**value, "source": read_source(value["name"]).digest}
            except ValueError as error:
                raise ValidationErrors(cls.kind, [Problem(("name",), str(error))]) from None
        return value

    @model_validator(mode="after")
    def _settings_can_be_written_down(self) -> Self:
        wrong = [name for name, value in self.settings.items() if not _is_plain(value)]
        if wrong:
            told = "should be a number, a text, true, false, null, or a list or set of fields of those"
            raise ValidationErrors(
                self.kind,
                [Problem((name,), f"{self.settings[name]!r} is not allowed: it {told}") for name in wrong],
            )
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """Copies: what a part does to a list that it is given changes no configuration."""
        return copy.deepcopy(self.model_extra or {})

    @property
    def object(self) -> str:
        """The name of the function or class."""
        return self.name.rpartition(":")[2]


def is_plugin(name: Any) -> bool:
    """Whether a component's name says where a plugin lies."""
    return isinstance(name, str) and ":" in name


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def component(own: type[PluginConfig], *ours: type[Config]) -> Any:
    """The type of a component's field: one of `ours` by its name, or `own`. Where there is one of ours alone its name
    may be left out.
    """
    tagged: dict[str, type[Config]] = {each.model_fields["name"].annotation.__args__[0]: each for each in ours}  # type: ignore[union-attr]
    alone = next(iter(tagged)) if len(tagged) == 1 else None

    def tag(value: Any) -> Any:
        name = value.get("name", alone) if isinstance(value, Mapping) else getattr(value, "name", None)
        return PLUGIN if is_plugin(name) else name

    members: Any = Annotated[own, Tag(PLUGIN)]
    for name, each in reversed(tagged.items()):
        members = Annotated[each, Tag(name)] | members
    return named(Annotated[members, Discriminator(tag)])
