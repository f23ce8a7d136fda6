"""Importing parts of one's own, from where they lie or from what was shipped; checking what they can be called with.

What is imported is what the configuration declares, or nothing is: its source is read again, and compared. A process
imports a module once. Should it be asked for another source under the same name (a file edited meanwhile, or two
folders with a helper each of the same name) it refuses, rather than computing with the wrong one. A file that is named
itself may have the name of another.
"""

import importlib
import importlib.util
import reprlib
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trainables.mistakes import Mistake, Mistakes
from trainables.own.config import OwnConfig
from trainables.own.interfaces import INTERFACES
from trainables.own.source import SourceCode, module_of, read_source, read_text

if TYPE_CHECKING:
    from torch import Tensor


def load_part(config: OwnConfig) -> Callable[..., Any]:
    """The part, ready to be called as `interfaces.py` says.

    Raises:
        Mistakes: it is not there, is not what the configuration declares, or cannot be called so.
    """
    source = source_of(config)
    interface, part = INTERFACES[config.kind], object_of(source)
    if mistakes := list(interface.mistakes(part, config.settings)):
        raise Mistakes(config.kind, mistakes)
    try:
        return interface.bound(part, config.settings)
    except (Exception, SystemExit) as error:
        wrong = f"{config.object} cannot be made: {told(error, source.root)}"
        raise Mistakes(config.kind, [Mistake(("name",), wrong)]) from error


def object_of(source: SourceCode) -> Any:
    """What a source is of, as it is in the module.

    Raises:
        Mistakes: the module cannot be imported.
    """
    try:
        return getattr(_module(source), source.object, None)
    except Mistakes:
        raise
    except (Exception, SystemExit) as error:
        wrong = f"{source.main} cannot be imported: {told(error, source.root)}"
        raise Mistakes(source.object, [Mistake(("name",), wrong)]) from error


def told(error: BaseException, *roots: Path) -> str:
    """An exception in a sentence, with the last line under one of the roots that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame for frame in frames if any(Path(frame.filename).is_relative_to(root) for root in roots)]
    place = f"{Path(lines[-1].filename).name}, line {lines[-1].lineno}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"


def shown(value: Any) -> str:
    """What a part returned, in few words: tensors by their shape, the rest cut short."""
    return f"a tensor of shape {tuple(value.shape)}" if hasattr(value, "shape") else reprlib.repr(value)


def scalar(part: Callable[..., Any], config: OwnConfig) -> "Callable[..., Tensor]":
    """The part, checked to return a tensor that is one number: what a loss consists of."""

    def checked(*given: Any) -> "Tensor":
        value = part(*given)
        if getattr(value, "shape", None) != ():
            wrong = f"{config.object} should return one number as a tensor, it returned {shown(value)}"
            raise Mistakes(config.kind, [Mistake(("name",), wrong)])
        return value

    return checked


def provide(source: SourceCode) -> None:
    """For a process that may not see the part's files, or not as they were: from now on its source is found."""
    _provided.setdefault(source.digest, source)


def source_of(config: OwnConfig) -> SourceCode:
    """The declared source, from where the part lies or as it was provided.

    Raises:
        Mistakes: it is in neither place.
    """
    assert config.source is not None
    try:
        found = read_source(config.name)
    except ValueError as error:
        wrong = Mistake(("name",), str(error))
    else:
        if found.digest == config.source:
            return found
        changed = f"declared is {config.source}, that of {config.name} is {found.digest}: it was changed, or is another"
        wrong = Mistake(("source",), changed)
    if config.source not in _provided:
        raise Mistakes(config.kind, [wrong])
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
_imported: dict[str, str | None] = {}
"""Name of a module that a part consists of -> its text when it was first seen here."""


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="grokgrid-parts-", ignore_cleanup_errors=True)


def _module(source: SourceCode) -> ModuleType:
    """The main file as a module; imported at most once."""
    if str(source.root) not in sys.path and not source.is_installed:
        sys.path.append(str(source.root))
    importlib.invalidate_caches()
    if "/" in source.main or source.is_installed:
        module, beside = importlib.import_module(source.module), source.files
    else:
        # Under a name that no other file has: two folders may well have a file of the same name.
        module = _from_file(source.root / source.main, f"{source.module}_{source.digest.removeprefix('sha256:')[:12]}")
        beside = tuple(file for file in source.files if file[0] != source.main)
    for path, text in beside:
        name = module_of(path)
        if name in sys.modules and _imported.setdefault(name, _text_of(sys.modules[name])) != text:
            wrong = (
                f"module {name!r} was imported by this process from another source, {sys.modules[name].__file__}:"
                " start a new process, or give the module another name"
            )
            raise Mistakes(str(source.root / path), [Mistake((), wrong)])
    return module


def _from_file(file: Path, name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _text_of(module: ModuleType) -> str | None:
    try:
        return read_text(Path(module.__file__ or ""))
    except OSError:
        return None
