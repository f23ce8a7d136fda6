"""What plugins are called with and return in a rehearsal, as digests: two runs are then compared call by call.

Where two runs differ, the first call that was given the same and returned something else is the one to blame.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from trainables.plugins.config import Plugin
from trainables.probes.base import ProbeInput
from trainables.regularisers.base import Step

TRAINING = "training"
"""Stands in for a call after each step: it returned the whole state."""


class Call(NamedTuple):
    """plugin: its field and its number among the trial's plugins, or TRAINING; given, returned: digests."""

    plugin: str
    step: int
    given: str
    returned: str


@dataclass
class Seen:
    """What a regulariser's term or a filter did in all steps: whether it ever depended on a parameter, had a gradient
    that is not zero, or changed a gradient.
    """

    depends: bool = False
    acts: bool = False


@final
class Recorder:
    """`note` is for a `Scope`. The code that trains sets `step`, and adds to `trained` the parameters that got a
    gradient.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._names = {plugin.model_dump_json(): str(index) for index, plugin in enumerate(plugins)}
        self.calls: list[Call] = []
        self.seen: dict[str, Seen] = {}
        self.trained: set[str] = set()
        self.step = 0

    def note(self, config: Plugin, given: Sequence[Any], returned: Any) -> None:
        plugin = self._names[config.model_dump_json()]
        match config.kind():
            case "regularisers":
                (step,) = given
                self._note_term(self.seen.setdefault(plugin, Seen()), step, returned)
                given = [step.x, step.y, step.outputs]
            case "gradient_filters" if isinstance(returned, tuple) and returned and isinstance(returned[0], Mapping):
                seen = self.seen.setdefault(plugin, Seen(depends=True))
                changed = (name for name, old in given[0].items() if not _same(old, returned[0].get(name)))
                seen.acts |= any(True for _ in changed)
            case "models" if len(given) == 3:
                given = [given[2]]
            case "probes":
                (evaluation,) = given
                assert isinstance(evaluation, ProbeInput)
                given = [evaluation.x, evaluation.y]
            case _:
                pass
        self.calls.append(Call(plugin, self.step, digest_of(given), digest_of(returned)))

    def state(self, state: Mapping[str, Tensor]) -> None:
        self.calls.append(Call(TRAINING, self.step, "", digest_of(state)))

    @staticmethod
    def _note_term(seen: Seen, step: Step, term: Any) -> None:
        if not isinstance(term, Tensor) or not term.requires_grad or term.shape != ():
            return
        parameters = list(step.parameters.values())
        found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        seen.depends |= any(gradient is not None for gradient in found)
        seen.acts |= any(gradient is not None and bool((gradient != 0).any()) for gradient in found)


def first_difference(one: Sequence[Call], other: Sequence[Call]) -> Call | None:
    """The call to blame; None if there is no difference."""
    for mine, theirs in zip(one, other, strict=False):
        is_same_call = (mine.plugin, mine.step, mine.given) == (theirs.plugin, theirs.step, theirs.given)
        if is_same_call and mine.returned != theirs.returned:
            return mine
    if list(one) == list(other):
        return None
    # What was given differs too, or one called something that the other did not: only an outer call can tell.
    differ = (mine for mine, theirs in zip(one, other, strict=False) if mine != theirs)
    return next(differ, one[-1])._replace(plugin=TRAINING)


def digest_of(value: Any) -> str:
    sha = hashlib.sha1(usedforsecurity=False)
    for piece in _pieces(value):
        sha.update(piece)
    return sha.hexdigest()


def _pieces(value: Any) -> Iterable[bytes]:
    match value:
        case Tensor():
            yield _bytes(value)
        case nn.Module():
            yield from _pieces(value.state_dict())
        case Mapping():
            for name in sorted(value, key=str):
                yield str(name).encode()
                yield from _pieces(value[name])
        case list() | tuple():
            for each in value:
                yield from _pieces(each)
        case int() | float() | str() | None:
            yield repr(value).encode()
        case _:
            # An object's text may have its address in it.
            yield type(value).__name__.encode()


def _bytes(tensor: Tensor) -> bytes:
    functorch: Any = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    # Inside torch.func every operation would wrap its result again.
    with torch._C._DisableFuncTorch():
        plain = tensor.detach().cpu().resolve_conj().resolve_neg().reshape(-1).contiguous()
        content = plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return f"{plain.dtype} {tuple(tensor.shape)}".encode() + content


def _same(one: Tensor, other: Any) -> bool:
    return isinstance(other, Tensor) and one.shape == other.shape and torch.equal(one, other)


def kept(modules: Iterable[ModuleType], objects: Iterable[Any]) -> dict[str, str]:
    """Plain values that modules hold, their functions and classes, and what people made of those: name -> value."""
    found = {}
    for module in modules:
        for name, value in list(vars(module).items()):
            if _is_plain(value) and not name.startswith("__"):
                found[name] = _text(value)
            elif getattr(value, "__module__", None) == module.__name__:
                defaults = (getattr(value, "__defaults__", None), getattr(value, "__kwdefaults__", None))
                found[f"the defaults of {name}"] = digest_of(defaults)
                found |= _attributes(name, value)
    for each in objects:
        inner = each.modules() if isinstance(each, nn.Module) else [each]
        for number, one in enumerate(inner):
            found |= _attributes(f"{type(one).__name__}{number or ''}", one)
    return found


def _attributes(where: str, value: Any) -> dict[str, str]:
    attributes = vars(value) if hasattr(value, "__dict__") else {}
    return {f"{where}.{name}": _text(each) for name, each in list(attributes.items()) if _is_plain(each, name)}


def _is_plain(value: Any, name: str = "") -> bool:
    return isinstance(value, bool | int | float | str | list | dict | set) and not name.startswith("_")


def _text(value: Any) -> str:
    return f"{len(value)} entries" if isinstance(value, list | dict | set) else repr(value)
