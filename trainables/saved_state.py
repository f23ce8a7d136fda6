"""The state of a user's training function as named tensors, which a snapshot holds, and back: no pickle is read.

Dicts, lists and tuples may be as deep as they like. Tensors and arrays stand by themselves, under numbers; the rest is
one text of JSON that says what stands where.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.plugins.loading import shown

_TREE = "tree"


class NotSavable(ValueError):
    """Something that can be no part of a state; the message names it."""


def to_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Copies, so that what is saved stays as it is.

    Raises:
        NotSavable
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_packed(state, "state", tensors)).encode()
    return {_TREE: torch.tensor(list(tree), dtype=torch.uint8), **tensors}


def from_tensors(tensors: Mapping[str, Tensor]) -> Any:
    """What `to_tensors` was given."""
    return _unpacked(json.loads(bytes(tensors[_TREE].cpu().tolist())), tensors)


def _packed(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return ["is", value]
        case bytes():
            return ["bytes", base64.b64encode(value).decode()]
        case Tensor():
            return ["tensor", _kept(value.detach().clone(), tensors)]
        case np.ndarray() if value.dtype.kind in "biuf":
            return ["array", _kept(torch.from_numpy(value.copy()), tensors)]
        case np.generic():
            return ["is", value.item()]
        case Mapping():
            if wrong := [key for key in value if not isinstance(key, str | int) or isinstance(key, bool)]:
                raise NotSavable(f"{name} has {shown(wrong[0])} as a key: texts and whole numbers alone can be saved")
            return ["dict", [[key, _packed(each, f"{name}[{key!r}]", tensors)] for key, each in value.items()]]
        case list() | tuple():
            inner = [_packed(each, f"{name}[{index}]", tensors) for index, each in enumerate(value)]
            return ["list" if isinstance(value, list) else "tuple", inner]
    raise NotSavable(
        f"{name} is {shown(value)}: tensors, arrays, numbers, texts, bytes and None alone can be saved, in dicts, lists"
        " and tuples"
    )


def _kept(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    key = str(len(tensors))
    tensors[key] = tensor
    return key


def _unpacked(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    form, value = packed
    match form:
        case "bytes":
            return base64.b64decode(value)
        case "tensor":
            return tensors[value].clone()
        case "array":
            return tensors[value].cpu().numpy().copy()
        case "dict":
            return {key: _unpacked(each, tensors) for key, each in value}
        case "list":
            return [_unpacked(each, tensors) for each in value]
        case "tuple":
            return tuple(_unpacked(each, tensors) for each in value)
    return value
