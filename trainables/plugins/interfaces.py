"""What plugins are called with. `settings` are those that a study gives beside the name.

    model            make(input_shape, num_classes, **settings) -> torch.nn.Module, which maps (batch, *input_shape) to
                     (batch, num_classes)
    data             make(**settings) -> {"x_train", "y_train", "x_test", "y_test"}, arrays as in an .npz file
    loss             (outputs, y) -> scalar; outputs (batch, classes), y (batch,) classes
    regulariser      (step) -> scalar, which is added to the loss; see Step
    gradient_filter  (gradients, state) -> (gradients, state), both name -> tensor; `state` is empty at first and part
                     of every checkpoint
    probe            (evaluation) -> number, or name -> number for the names in its `gives`; see ProbeInput

Of the last four a function takes the settings by name at every call; a class is made with them, once, and the object is
then called.
"""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainables.validation import Problem, nearest

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Step:
    """What a regulariser sees of one step.

    parameters  name -> tensor
    x, y        inputs (batch, …), with their noise if there is any, and classes (batch,)
    outputs     (batch, classes)
    vjp         v (batch, classes) -> (v'J (batch, …),), J the Jacobian of the outputs with respect to the inputs; from
                the forward pass that the loss uses
    f           inputs -> outputs, another forward pass
    number      the step's, from 1: a tensor of one int64, for a term that changes while training goes on
    generator   for whatever the regulariser draws; on the tensors' device, and part of every checkpoint
    """

    parameters: "Mapping[str, Tensor]"
    x: "Tensor"
    y: "Tensor"
    outputs: "Tensor"
    vjp: "Callable[[Tensor], tuple[Tensor]]"
    f: "Callable[[Tensor], Tensor]"
    number: "Tensor | None"
    generator: "torch.Generator | None"


@dataclass(frozen=True)
class ProbeInput:
    """What a probe sees of the network at an evaluation.

    f           inputs -> outputs, as it is evaluated; may be differentiated by its inputs, with torch.func say
    parameters  name -> tensor
    x, y        inputs (points, …) and classes (points,)
    generator   for whatever the probe draws; on the tensors' device. What comes out of it depends on the seed, the
                probe's metrics and the number of steps done, not on other probes or on where training was continued
    """

    f: "Callable[[Tensor], Tensor]"
    parameters: "Mapping[str, Tensor]"
    x: "Tensor"
    y: "Tensor"
    generator: "torch.Generator"


@dataclass(frozen=True)
class Interface:
    """given: by position, at every call; named: by name, beside the settings, when the object is made."""

    given: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    def problems(self, part: Any, settings: Mapping[str, Any]) -> Iterator[Problem]:
        """Why `part` cannot be called so; nothing if it can."""
        if not callable(part):
            yield Problem(("name",), f"is {part!r}: it should be a function or a class")
        elif self.given and isinstance(part, type):
            yield from _misfits(part, (), (), settings)
            # Of the class itself: type has a __call__, too.
            if "__call__" not in dir(part):
                yield Problem(("name",), f"{part.__name__} has no __call__, which takes {_listed(self.given)}")
            else:
                yield from _misfits(inspect.getattr_static(part, "__call__"), ("self", *self.given), (), {})
        else:
            yield from _misfits(part, self.given, self.named, settings)

    def bound(self, part: Any, settings: Mapping[str, Any]) -> Callable[..., Any]:
        """What is called with `given` alone."""
        if self.given and isinstance(part, type):
            return part(**settings)
        return lambda *given, **named: part(*given, **named, **copy.deepcopy(settings))


INTERFACES: dict[str, Interface] = {
    "model": Interface(named=("input_shape", "num_classes")),
    "data": Interface(),
    "loss": Interface(given=("outputs", "y")),
    "regulariser": Interface(given=("step",)),
    "gradient_filter": Interface(given=("gradients", "state")),
    "probe": Interface(given=("evaluation",)),
}


def _misfits(
    part: Any, given: tuple[str, ...], named: tuple[str, ...], settings: Mapping[str, Any]
) -> Iterator[Problem]:
    try:
        parameters = list(inspect.signature(part).parameters.values())
    except (ValueError, TypeError):
        return  # Of a builtin it is not known.
    kinds = inspect.Parameter
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    takes_more = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
    called = getattr(part, "__name__", "it")
    if len(positional) < len(given) and not takes_more:
        yield Problem(("name",), f"{called}{inspect.signature(part)} should take {_listed(given)} first, by position")
        return
    rest = [
        p
        for p in parameters
        if p not in positional[: len(given)] and p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    ]
    names = [p.name for p in rest]
    for name in named:
        if name not in names and not takes_any:
            yield Problem(("name",), f"{called}{inspect.signature(part)} should take {name}, by name")
    for p in rest:
        if p.default is kinds.empty and p.name not in {*named, *settings}:
            yield Problem((p.name,), f"is missing: {called} needs it")
    allowed = [name for name in names if name not in named]
    for name in settings:
        if name in named:
            yield Problem((name,), f"is not a setting: {called} gets it anyway")
        elif name not in names and not takes_any:
            told = nearest(name, allowed) if allowed else "it has none"
            yield Problem((name,), f"is not a setting of {called}; {told}")


def _listed(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)})"
