"""What a component can be: the parts that ship, and those in a file of one's own."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from trainables.configuration import Config
from trainables.plugins.config import PluginConfig
from trainables.plugins.interfaces import INTERFACES
from trainables.plugins.loading import object_of
from trainables.plugins.source import functions_in, read_source
from trainables.trial import TrialConfig
from trainables.validation import Problem, ValidationErrors


@dataclass(frozen=True)
class Part:
    """field: of a trial, or several of them, where a plugin could stand; settings: as they are written."""

    field: str
    name: str
    settings: str
    about: str


def shipped() -> Iterator[Part]:
    """The parts that ship, field by field."""
    for field, info in TrialConfig.model_fields.items():
        for config in _configs(info.annotation):
            if not issubclass(config, PluginConfig):
                settings = [
                    name if setting.is_required() else f"{name}={setting.default}"
                    for name, setting in config.model_fields.items()
                    if name != "name"
                ]
                yield Part(field, config.model_fields["name"].default, ", ".join(settings), _about(config))


def in_file(path: Path) -> Iterator[Part]:
    """The functions and classes of a file, which is run, and the fields in which each could stand.

    Raises:
        ValidationErrors: there is no such file, or it is no Python that can be imported.
    """
    try:
        if path.suffix != ".py":
            raise ValueError("is no .py file")
        names = functions_in(path)
    except ValueError as error:
        raise ValidationErrors(str(path), [Problem((), str(error))]) from None
    for name in names:
        part = object_of(read_source(f"{path}:{name}"))
        if not _has_signature(part):
            continue  # An exception, say, or a name that was deleted again.
        fields = ["probes" if kind == "probe" else kind for kind in _kinds(part)]
        yield Part(" or ".join(fields) or "nothing", f"{path}:{name}", _settings(part), _about(part))


def _configs(annotation: Any) -> Iterator[type[Config]]:
    """The named components that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if "name" in annotation.model_fields:
            yield annotation  # type: ignore[misc]
    elif get_origin(annotation) is Annotated:
        yield from _configs(get_args(annotation)[0])
    else:
        for each in get_args(annotation):
            yield from _configs(each)


def _has_signature(part: Any) -> bool:
    try:
        inspect.signature(part)
        inspect.signature(part.__call__)
    except (TypeError, ValueError, AttributeError):
        return False
    return True


def _about(part: Any) -> str:
    """The first paragraph of what it says of itself."""
    return " ".join((part.__doc__ or "").split("\n\n")[0].split())


def _kinds(part: Any) -> list[str]:
    """Those whose interface it fits, its settings aside, judged by the names that it uses, else by how many things it
    needs to be given.
    """
    fitting = [
        (kind, interface)
        for kind, interface in INTERFACES.items()
        if not any(problem.path == ("name",) for problem in interface.problems(part, {}))
    ]
    made = list(inspect.signature(part).parameters.values())
    called = list(inspect.signature(part.__call__).parameters.values())[1:] if inspect.isclass(part) else made
    names = tuple(each.name for each in called)
    needed = [each for each in called if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    for fits in (
        lambda interface: interface.named and set(interface.named) <= {each.name for each in made},
        lambda interface: interface.given and interface.given == names[: len(interface.given)],
        lambda interface: not interface.named and len(interface.given) == len(needed),
    ):
        if found := [kind for kind, interface in fitting if fits(interface)]:
            return found
    return []


def _settings(part: Any) -> str:
    taken = {name for interface in INTERFACES.values() for name in (*interface.given, *interface.named)}
    parameters = inspect.signature(part).parameters.values()
    return ", ".join(str(each.replace(annotation=each.empty)) for each in parameters if each.name not in taken)
