"""What all plugins have in common: a user's code in the place of a component."""

import copy
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, model_validator

from trainables.component import PLUGIN_NAME, Component
from trainables.configuration import NOT_IN_KEY, spelled
from trainables.plugins.interfaces import Interface
from trainables.plugins.source import read_source
from trainables.validation import Problem, ValidationErrors

Digest = Annotated[str, spelled(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")]


class Plugin(Component):
    """A plugin; fields that are not declared are its settings, which it is called with by name.

    The adapter of a kind is `class PluginX(Plugin, X)` in the kind's plugin.py; it repeats `model_config`, since X's
    would close it to settings.

    name       where it lies, not part of the key
    source     the digest of its source, which is; read from where it lies unless given
    interface  what it is called with
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    interface: ClassVar[Interface]

    name: Annotated[str, spelled(r"(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*", PLUGIN_NAME), NOT_IN_KEY]
    source: Digest | None = None

    @classmethod
    def pinned(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """With the source as it is now."""
        if settings.get("source") is None:
            return {**settings, "source": read_source(settings["name"]).digest}
        return dict(settings)

    @model_validator(mode="before")
    @classmethod
    def _read_source(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("source") is None and is_plugin(value.get("name")):
            try:
                return cls.pinned(value)
            except ValueError as error:
                raise ValidationErrors(cls.kind(), [Problem(("name",), str(error))]) from None
        return value

    @model_validator(mode="after")
    def _settings_can_be_written_down(self) -> Self:
        wrong = [name for name, value in self.settings.items() if not _is_plain(value)]
        if wrong:
            told = "should be a number, a text, true, false, null, or a list or set of fields of those"
            raise ValidationErrors(
                self.kind(),
                [Problem((name,), f"{self.settings[name]!r} is not allowed: it {told}") for name in wrong],
            )
        return self

    @property
    def plugin(self) -> Self:
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """Copies: what a plugin does to a list that it is given changes no configuration."""
        return copy.deepcopy(self.model_extra or {})

    def problem(self, message: str) -> ValidationErrors:
        """What is wrong with it, as an error to raise."""
        return ValidationErrors(self.kind(), [Problem(("name",), message)])

    @property
    def object(self) -> str:
        """The name of the function or class."""
        return self.name.rpartition(":")[2]


def plugins_in(components: Iterable[tuple[str, Component]]) -> tuple[tuple[str, Plugin], ...]:
    """The plugins among components, each with its path."""
    return tuple((path, component.plugin) for path, component in components if component.plugin is not None)


def is_plugin(name: Any) -> bool:
    """Whether a component's name says where a plugin lies."""
    return isinstance(name, str) and ":" in name


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
