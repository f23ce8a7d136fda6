"""What a component can be: those that ship, and the plugins in a file."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.assessments.base import Assessment
from trainables.component import Component
from trainables.gradient_config import SHORT_FORMS
from trainables.plugins.config import Plugin
from trainables.plugins.interfaces import Interface
from trainables.plugins.loading import object_of
from trainables.plugins.source import functions_in, read_source
from trainables.trial import kinds
from trainables.validation import Problem, ValidationErrors


@dataclass(frozen=True)
class Listed:
    """field: of a trial, or several of them, where it could stand; settings: as they are written."""

    field: str
    name: str
    settings: str
    about: str


def _kinds() -> dict[str, type[Component]]:
    """Field of a trial, or of a study, -> the kind of component that it holds."""
    of_trials = {field: kind for field, kind in kinds().items() if field not in SHORT_FORMS}
    return {**of_trials, "assessments": Assessment}


def shipped() -> Iterator[Listed]:
    """The components that ship, field by field."""
    for field, kind in _kinds().items():
        for name in kind.names():
            component = kind.named(name)
            settings = [
                setting if info.is_required() else f"{setting}={info.default}"
                for setting, info in component.model_fields.items()
                if setting != "name"
            ]
            yield Listed(field, name, ", ".join(settings), _about(component))


def in_file(path: Path) -> Iterator[Listed]:
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
        plugin = object_of(read_source(f"{path}:{name}"))
        if not _has_signature(plugin):
            continue  # An exception, say, or a name that was deleted again.
        yield Listed(" or ".join(_fields(plugin)) or "nothing", f"{path}:{name}", _settings(plugin), _about(plugin))


def _has_signature(plugin: Any) -> bool:
    try:
        inspect.signature(plugin)
        inspect.signature(plugin.__call__)
    except (TypeError, ValueError, AttributeError):
        return False
    return True


def _about(plugin: Any) -> str:
    """The first paragraph of what it says of itself."""
    return " ".join((plugin.__doc__ or "").split("\n\n")[0].split())


def _fields(plugin: Any) -> list[str]:
    """Those whose interface it fits, its settings aside, judged by the names that it uses, else by how many things it
    needs to be given.
    """
    fitting = [
        (field, interface)
        for field, interface in _interfaces().items()
        if not any(problem.path == ("name",) for problem in interface.problems(plugin, {}))
    ]
    if inspect.isclass(plugin):
        bases = {f"{base.__module__}.{base.__qualname__}" for base in plugin.__mro__}
        if derived := [field for field, interface in _interfaces().items() if interface.derives in bases]:
            return derived
    made = list(inspect.signature(plugin).parameters.values())
    called = list(inspect.signature(plugin.__call__).parameters.values())[1:] if inspect.isclass(plugin) else made
    names = tuple(each.name for each in called)
    needed = [each for each in called if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    for fits in (
        lambda interface: interface.named and set(interface.named) <= {each.name for each in made},
        lambda interface: interface.given and interface.given == names[: len(interface.given)],
        lambda interface: not interface.named and len(interface.given) == len(needed),
    ):
        if found := [field for field, interface in fitting if fits(interface)]:
            return found
    return []


def _interfaces() -> dict[str, Interface]:
    """By field, of the kinds that take plugins."""
    adapters = {field: kind.named("plugin") for field, kind in _kinds().items() if kind.has_adapter()}
    return {field: adapter.interface for field, adapter in adapters.items() if issubclass(adapter, Plugin)}


def _settings(plugin: Any) -> str:
    taken = {name for interface in _interfaces().values() for name in (*interface.given, *interface.named)}
    parameters = inspect.signature(plugin).parameters.values()
    return ", ".join(str(each.replace(annotation=each.empty)) for each in parameters if each.name not in taken)
