"""The base of every component: its settings and its computation in one class, found by the name of its file.

A kind of component is a package, `trainables/regularisers/` say. Its `base.py` holds the abstract class of the kind;
every other public module holds one component, and the module's name is the component's. Files that begin with an
underscore are helpers.

    class TrialConfig(Config):
        optimiser: Optimiser            # {name: adamw, lr: 1e-3} imports optimisers/adamw.py, and no other component

A name with a colon, `my_file.py:Lion`, is a plugin's, and the kind's `plugin.py` adapts it. No list of components is
written down anywhere, so none can be incomplete; to a type checker the field is a plain `Optimiser`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from trainables.configuration import Config
from trainables.discovery import base_of, class_named, files_of, folders_of, is_base, package_of
from trainables.tasks import TASKS, Task
from trainables.validation import nearest, not_fields

if TYPE_CHECKING:
    from trainables.plugins.config import Plugin

PLUGIN_NAME = "package.module:object or file.py:object"
"""How the name of a plugin is written."""


class Component(Config):
    """Settings are fields, frozen and plain; what is computed from them are methods.

    `name` is the file's. A component holds no state and no loaded code: it is hashed, copied and sent to workers.

    serves  the tasks that it can be part of
    """

    serves: ClassVar[tuple[Task, ...]] = TASKS

    name: str

    @property
    def plugin(self) -> Plugin | None:
        """This component if it is a plugin's, else None."""
        return None

    @classmethod
    def pinned(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of this component with what they leave to the state of files: other components leave nothing."""
        return dict(settings)

    @classmethod
    def kind(cls) -> str:
        """The package of its kind: "regularisers"."""
        return package_of(cls).rpartition(".")[2]

    @classmethod
    def folders(cls) -> tuple[str, ...]:
        """Where the components of this kind lie."""
        return folders_of(package_of(cls))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of all components of this kind; imports none of them."""
        return tuple(files_of(package_of(cls)))

    @classmethod
    def has_adapter(cls) -> bool:
        """Whether plugins of this kind are possible."""
        return _has_adapter(cls.folders())

    @classmethod
    def named(cls, name: str) -> type[Self]:
        """The component of that name, or the adapter for "plugin".

        Raises:
            ValidationErrors: its file cannot be imported, or holds no component of this kind, or more than one.
        """
        return class_named(base_of(cls), name)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if not is_base(cls):
            return handler(source)
        # "any": a value is written by its own class, so that model_dump loses none of its settings.
        by_class = core_schema.simple_ser_schema("any")
        return core_schema.no_info_plain_validator_function(cls._chosen, serialization=by_class)

    @classmethod
    def _chosen(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        content = {"name": value} if isinstance(value, str) else value
        if not isinstance(content, Mapping):
            raise ValueError(not_fields(content))
        name = content.get("name")
        if not isinstance(name, str):
            raise ValueError(f"needs a name. Allowed: {', '.join(cls._allowed())}")
        is_plugin = ":" in name and cls.has_adapter()
        if not is_plugin and name not in cls.names():
            raise ValueError(f"{name!r} is not known; {nearest(name, cls._allowed())}")
        return cls.named("plugin" if is_plugin else name).model_validate(content)

    @classmethod
    def _allowed(cls) -> list[str]:
        return [*cls.names(), *([PLUGIN_NAME] if cls.has_adapter() else [])]


def kinds_in(config: type[Config]) -> dict[str, type[Component]]:
    """The fields of a configuration that hold components -> the kind that each holds."""
    found = {field: _kind_in(info.annotation) for field, info in config.model_fields.items()}
    return {field: kind for field, kind in found.items() if kind is not None}


def _kind_in(annotation: Any) -> type[Component] | None:
    if inspect.isclass(annotation) and issubclass(annotation, Component):
        return annotation
    return next((kind for each in get_args(annotation) if (kind := _kind_in(each)) is not None), None)


def components_in(config: Config) -> tuple[tuple[str, Component], ...]:
    """The components that the fields of a configuration hold, and those within them, each with its dotted path."""
    held: list[tuple[str, Any]] = []
    for field in type(config).model_fields:
        match getattr(config, field):
            case dict() as by_name:
                held += [(f"{field}.{name}", each) for name, each in by_name.items()]
            case tuple() as several:
                held += [(f"{field}.{index}", each) for index, each in enumerate(several)]
            case one:
                held.append((field, one))
    found: list[tuple[str, Component]] = []
    for path, each in held:
        if isinstance(each, Component):
            found += [(path, each), *((f"{path}.{inner}", within) for inner, within in components_in(each))]
    return tuple(found)


@cache
def _has_adapter(folders: tuple[str, ...]) -> bool:
    return any((Path(folder) / "plugin.py").is_file() for folder in folders)
