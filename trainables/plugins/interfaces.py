"""How a plugin is called: what it is given, and whether it can take that.

Each kind's plugin.py says what a plugin of that kind is called with. `settings` are those that a study gives beside the
name. A model and a data set are made, with the settings by name. Of the others a function takes the settings by name at
every call; a class is made with them, once, and the object is then called.
"""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainables.validation import Problem, nearest


@dataclass(frozen=True)
class Interface:
    """given: by position, at every call; named: by name, beside the settings, when the object is made.

    makes     whether the call makes the object that is wanted, so that a class is called like a function
    derives   the full name of the class that a class must derive from
    optional  by name, if the object takes it
    yields    whether it is a generator function, or takes `report`
    """

    given: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    makes: bool = False
    derives: str | None = None
    optional: tuple[str, ...] = ()
    yields: bool = False

    def problems(self, target: Any, settings: Mapping[str, Any]) -> Iterator[Problem]:
        """Why `target` cannot be called so; nothing if it can."""
        if not callable(target):
            yield Problem(("name",), f"is {target!r}: it should be a function or a class")
        elif self.yields:
            yield from self._silent(target)
            yield from _misfits(target, (), (), settings, self.optional)
        elif self._is_made_first(target):
            yield from _misfits(target, (), (), settings)
            # Of the class itself: type has a __call__, too.
            if "__call__" not in dir(target):
                wrong = (
                    f"{target.__name__} is a class without __call__: it should be a function that takes"
                    f" {_listed(self.given)}, or a class with a __call__ that does"
                )
                yield Problem(("name",), wrong)
            else:
                call = inspect.getattr_static(target, "__call__")
                yield from _suspended(call, f"{target.__name__}.__call__")
                yield from _misfits(call, ("self", *self.given), (), {})
        else:
            yield from _suspended(target, getattr(target, "__name__", "it"))
            yield from _misfits(target, self.given, self.named, settings)

    def _silent(self, target: Any) -> Iterator[Problem]:
        called = getattr(target, "__name__", "it")
        if isinstance(target, type):
            yield Problem(("name",), f"{called} is a class: it should be a function")
        elif inspect.isgeneratorfunction(target) and "report" in inspect.signature(target).parameters:
            yield Problem(("name",), f"{called} yields and takes `report`: it should do one of the two")
        elif not inspect.isgeneratorfunction(target) and "report" not in inspect.signature(target).parameters:
            wrong = f"{called} neither yields (step, metrics) nor takes `report` to call: nothing would be known of it"
            yield Problem(("name",), wrong)

    def _is_made_first(self, target: Any) -> bool:
        return isinstance(target, type) and bool(self.given) and not self.makes

    def bound(self, target: Any, settings: Mapping[str, Any]) -> Callable[..., Any]:
        """What is called with `given` alone."""
        if self._is_made_first(target):
            made: Callable[..., Any] = target(**settings)
            return made
        return lambda *given, **named: target(*given, **named, **copy.deepcopy(settings))


def _suspended(target: Any, called: str) -> Iterator[Problem]:
    """Of a function whose call does not run it."""
    forms = [target, inspect.getattr_static(type(target), "__call__", None)]
    if any(inspect.isasyncgenfunction(form) or inspect.iscoroutinefunction(form) for form in forms):
        kind = "is an async function (`async def`)"
    elif any(map(inspect.isgeneratorfunction, forms)):
        kind = "is a generator function (it has a `yield`)"
    else:
        return
    yield Problem(("name",), f"{called} {kind}: it should be a plain function (`def`) that ends with `return`")


def _misfits(
    target: Any,
    given: tuple[str, ...],
    named: tuple[str, ...],
    settings: Mapping[str, Any],
    optional: tuple[str, ...] = (),
) -> Iterator[Problem]:
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (ValueError, TypeError):
        return  # Of a builtin it is not known.
    kinds = inspect.Parameter
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    takes_more = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
    called = getattr(target, "__name__", "it")
    if len(positional) < len(given) and not takes_more:
        yield Problem(("name",), f"{called}{inspect.signature(target)} should take {_listed(given)} first, by position")
        return
    rest = [
        p
        for p in parameters
        if p not in positional[: len(given)] and p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    ]
    names = [p.name for p in rest]
    for name in named:
        if name not in names and not takes_any:
            yield Problem(("name",), f"{called}{inspect.signature(target)} should take {name}, by name")
    for p in rest:
        if p.default is kinds.empty and p.name not in {*named, *settings, *optional}:
            yield Problem((p.name,), f"is missing: {called} needs it")
    allowed = [name for name in names if name not in (*named, *optional)]
    for name in settings:
        if name in (*named, *optional):
            yield Problem((name,), f"is not a setting: {called} gets it anyway")
        elif name not in names and not takes_any:
            told = nearest(name, allowed) if allowed else "it has none"
            yield Problem((name,), f"is not a setting of {called}; {told}")


def _listed(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)})"
