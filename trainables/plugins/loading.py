"""Importing plugins, from where they lie or from what was shipped; checking what they can be called with.

What is imported is what the configuration declares, or nothing is: its source is read again, and compared.
"""

import inspect
import reprlib
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.plugins.config import Plugin
from trainables.plugins.scope import Scope, active_scope
from trainables.plugins.source import SourceCode, line_of, read_source
from trainables.plugins.streams import StreamClosed
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def load_plugin(config: Plugin, scope: Scope | None = None) -> Callable[..., Any]:
    """The plugin, ready to be called as `interfaces.py` says, in the scope of its trial; by default in one of its own.

    Raises:
        ValidationErrors: it is not there, is not what the configuration declares, or cannot be called so.
    """
    return _load(config, scope or Scope())[0]


def _load(config: Plugin, scope: Scope) -> tuple[Callable[..., Any], Any]:
    """And the object that was made of it if it is a class."""
    source = source_of(config)
    target = object_of(source, scope)
    if problems := list(config.interface.problems(target, config.settings)):
        raise ValidationErrors(config.kind(), problems)
    try:
        with scope.active():
            bound = config.interface.bound(target, config.settings)
            if isinstance(target, type) and isinstance(bound, target):
                scope.objects.append(bound)
    except (Exception, SystemExit) as error:
        raise config.problem(f"{config.object} cannot be made: {told(error, source.root)}") from error
    return _inside(scope, config, bound), bound


def _inside(scope: Scope, config: Plugin, bound: Callable[..., Any]) -> Callable[..., Any]:
    """`bound`, called in a scope."""

    def called(*given: Any, **named: Any) -> Any:
        try:
            with scope.active():
                result = bound(*given, **named)
                if scope.note is not None:
                    scope.note(config, given, result)
        except StreamClosed as error:
            raise config.problem(f"{place(config)} {error}") from error
        return result

    return called


def loaded(plugin: Plugin) -> Callable[..., Any]:
    """The plugin in the active scope, loaded there once; outside of all scopes in one of the process's own."""
    scope = active_scope() or _outside
    if (known := scope.loaded.get(id(plugin))) is None:
        # With the plugin itself: so its id is not given to another one.
        known = scope.loaded[id(plugin)] = (plugin, *_load(plugin, scope))
    return known[1]


def method_of(plugin: Plugin, name: str) -> Callable[..., Any] | None:
    """Of the object that is made of a class, loaded as by `loaded`; None if it is no class, or has no such method."""
    scope = active_scope() or _outside
    loaded(plugin)
    *_, bound = scope.loaded[id(plugin)]
    method = getattr(bound, name, None)
    return _inside(scope, plugin, method) if callable(method) else None


_outside = Scope()


def object_of(source: SourceCode, scope: Scope | None = None) -> Any:
    """What a source is of, as it is in the module.

    Raises:
        ValidationErrors: the module cannot be imported.
    """
    try:
        return (scope or Scope()).object_of(source)
    except ValidationErrors:
        raise
    except StreamClosed as error:
        raise ValidationErrors(source.object, [Problem(("name",), f"{source.main} {error}")]) from error
    except (Exception, SystemExit) as error:
        wrong = f"{source.main} cannot be imported: {told(error, source.root)}"
        raise ValidationErrors(source.object, [Problem(("name",), wrong)]) from error


def told(error: BaseException, *roots: Path) -> str:
    """An exception in a sentence, with the last line under one of the roots that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame for frame in frames if any(Path(frame.filename).is_relative_to(root) for root in roots)]
    place = f"{Path(lines[-1].filename).name}, line {lines[-1].lineno}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"


def parameters(plugin: Plugin) -> frozenset[str]:
    """The names of all that it takes."""
    scope = active_scope() or _outside
    return frozenset(inspect.signature(object_of(source_of(plugin), scope)).parameters)


def seeds(steps: int, generator: "torch.Generator") -> "dict[str, Tensor]":
    """What a plugin draws from, for `seeded`: one number a step."""
    import torch

    return {"seed": torch.randint(2**62, (steps,), generator=generator, device=generator.device)}


def seeded(draws: "Mapping[str, Tensor]", device: "torch.device") -> "torch.Generator":
    """A plugin's generator for one step."""
    import torch

    return torch.Generator(device).manual_seed(int(draws["seed"]))


def shown(value: Any) -> str:
    """What a plugin returned, in few words: tensors by their shape, the rest cut short."""
    return f"a tensor of shape {tuple(value.shape)}" if hasattr(value, "shape") else reprlib.repr(value)


def place(config: Plugin) -> str:
    """A plugin for people: what it is called, and where it is written."""
    source = source_of(config)
    line = line_of(source)
    return f"{config.object} ({source.main}{f', line {line}' if line is not None else ''})"


def scalar(plugin: Plugin, *given: Any) -> "Tensor":
    """What the plugin returns, checked to be a tensor that is one number: what a loss consists of."""
    value: Tensor = loaded(plugin)(*given)
    if getattr(value, "shape", None) != ():
        raise plugin.problem(f"{plugin.object} should return one number as a tensor, it returned {shown(value)}")
    return value


def provide(source: SourceCode) -> None:
    """For a process that may not see the plugin's files, or not as they were: from now on its source is found."""
    _provided.setdefault(source.digest, source)


def source_of(config: Plugin) -> SourceCode:
    """The declared source, from where the plugin lies or as it was provided.

    Raises:
        ValidationErrors: it is in neither place.
    """
    assert config.source is not None
    try:
        found = read_source(config.name)
    except ValueError as error:
        wrong = Problem(("name",), str(error))
    else:
        if found.digest == config.source:
            return found
        changed = f"declared is {config.source}, that of {config.name} is {found.digest}: it was changed, or is another"
        wrong = Problem(("source",), changed)
    if config.source not in _provided:
        raise ValidationErrors(config.kind(), [wrong])
    return _written(_provided[config.source])


def _written(source: SourceCode) -> SourceCode:
    """With its files in a folder of this process."""
    root = Path(_folder().name) / source.digest.removeprefix("sha256:")[:16]
    for path, text in source.files:
        file = root / path
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")
    return replace(source, root=root)


_provided: dict[str, SourceCode] = {}


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="grokgrid-plugins-", ignore_cleanup_errors=True)
