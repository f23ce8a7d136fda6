"""Finds classes by the names of their files, so that no list of them is written down anywhere.

A package, `trainables/regularisers/` say, holds an abstract class in `base.py` and one component in every other public
file, whose name is the component's. Files that begin with an underscore are helpers, and `plugin.py` adapts plugins.
"""

import importlib
import inspect
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

from trainables.configuration import Config
from trainables.validation import Problem, ValidationErrors

_NO_COMPONENT = ("base", "plugin")

C = TypeVar("C", bound=Config)


def package_of(one: type) -> str:
    """The package that its file lies in."""
    return one.__module__.rpartition(".")[0]


def is_base(one: type) -> bool:
    """Whether it is the abstract class that a package's components share."""
    return one.__module__.rpartition(".")[2] == "base"


def base_of(one: type[C]) -> type[C]:
    """The abstract class that a component derives from; of an abstract class, itself."""
    return next(each for each in one.__mro__ if is_base(each))


def folders_of(package: str) -> tuple[str, ...]:
    """Where its files lie."""
    return tuple(importlib.import_module(package).__path__)


def files_of(package: str) -> dict[str, Path]:
    """Component's name -> its file; imports none of them.

    Raises:
        ValidationErrors: two files have the same name.
    """
    return _files_in(package, folders_of(package))


def class_named(base: type[C], name: str) -> type[C]:
    """The component in the file of that name, beside the base.

    Raises:
        ValidationErrors: its file cannot be imported, or holds no component of this kind, or more than one.
    """
    return _class_in(base, folders_of(package_of(base)), name)  # type: ignore[return-value]


# The two below are asked for every component of every cell, and a study may have ten thousand.
@cache
def _class_in(base: type[Config], folders: tuple[str, ...], name: str) -> type[Config]:
    package = package_of(base)
    try:
        module = importlib.import_module(f"{package}.{name}")
    except (Exception, SystemExit) as error:
        file = _files_in(package, folders).get(name, name)
        wrong = f"{file} cannot be imported: {_where(error, folders)}{type(error).__name__}: {_first_line(error)}"
        raise ValidationErrors(name, [Problem((), wrong)]) from error
    own = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    found = [each for each in own if issubclass(each, base) and not inspect.isabstract(each)]
    if len(found) != 1:
        what = "no component" if not found else "more than one component"
        several = f": {', '.join(c.__name__ for c in found)}" if found else ""
        abstract = [f"{c.__name__} lacks {', '.join(sorted(missing))}" for c in own if (missing := _missing(c, base))]
        wrong = "; ".join([f"{module.__file__} holds {what} of {package.rpartition('.')[2]}{several}", *abstract])
        raise ValidationErrors(name, [Problem((), wrong)])
    if not found[0].__pydantic_complete__:
        wrong = (
            f"{module.__file__}: a field of {found[0].__name__} has a type that its module does not import at run time"
        )
        raise ValidationErrors(name, [Problem((), wrong)])
    return found[0]


@cache
def _files_in(package: str, folders: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(_public_files(folders), key=lambda file: file.name):
        if file.stem in found:
            wrong = f"two components of {package} have the name {file.stem!r}: {found[file.stem]} and {file}"
            raise ValidationErrors(package, [Problem((), wrong)])
        found[file.stem] = file
    return found


def _public_files(folders: tuple[str, ...]) -> Iterator[Path]:
    for folder in folders:
        yield from (f for f in Path(folder).glob("*.py") if f.stem not in _NO_COMPONENT and f.name[0] != "_")


def _where(error: BaseException, folders: tuple[str, ...]) -> str:
    """The file and line of a component or its helper that an error came through last."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{Path(error.filename).name}, line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if any(Path(frame.filename).is_relative_to(folder) for folder in folders)]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}: " if own else ""


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "msg", error))
    return text.splitlines()[0] if text else ""


def _missing(each: type, base: type) -> frozenset[str]:
    """The methods that a component does not have yet."""
    return getattr(each, "__abstractmethods__", frozenset()) if issubclass(each, base) else frozenset()
