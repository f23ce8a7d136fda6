"""Reading YAML as people mean it: YAML 1.2's numbers and booleans, no key twice, the line of everything kept.

PyYAML follows YAML 1.1, where `1e-3` and `1E5` are texts, `010` is eight and `no` is false. Here `1e-3` is a number,
`010` is ten, and only true and false are booleans. Only plain types are built, nothing from a file can name a class,
and aliases may not multiply a few lines into millions.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from trainables.mistakes import Mistake, Mistakes, Path

_MAX_VALUES = 100_000


@dataclass(frozen=True)
class Document:
    """A YAML file's content, and the line (from 1) on which the value at each path begins."""

    content: dict[str, Any]
    lines: dict[Path, int]
    source: str


class _Loader(yaml.SafeLoader):
    pass


_Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", list("-+0123456789.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def read_yaml(path: FilePath) -> Document:
    """Reads a file that holds one mapping.

    Raises:
        Mistakes: the file is not there, is no YAML, holds no mapping, a key twice or one that is no text.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise Mistakes(str(path), [Mistake((), f"cannot be read: {reason}")]) from None
    return parse_yaml(text, source=str(path))


def parse_yaml(text: str, *, source: str) -> Document:
    """As `read_yaml`, of text; `source` names it in messages."""
    try:
        node, content = _load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        raise Mistakes(source, [Mistake((), f"is not YAML: {error.problem}", line)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Mistakes(source, [Mistake((), f"is not YAML: {error}")]) from None
    if not isinstance(content, dict):
        raise Mistakes(source, [Mistake((), "must hold fields, one `name: value` a line")])
    lines: dict[Path, int] = {}
    mistakes: list[Mistake] = []
    _walk(node, (), lines, mistakes)
    if mistakes:
        raise Mistakes(source, mistakes)
    return Document(content, lines, source)


def parse_value(text: str) -> Any:
    """One value as YAML reads it: `1e-3` -> 0.001, `[1, 2]` -> [1, 2]. What is no YAML is text."""
    try:
        return _load(text)[1]
    except (yaml.YAMLError, RecursionError):
        return text


def _load(text: str) -> tuple[yaml.Node, Any]:
    node: Any = yaml.compose(text, Loader=_Loader)
    if _num_values(node, {}) > _MAX_VALUES:
        raise yaml.YAMLError(f"with its aliases written out it has more than {_MAX_VALUES:,} values")
    return node, yaml.load(text, Loader=_Loader)


def _num_values(node: yaml.Node | None, known: dict[int, float]) -> float:
    """With every alias written out: infinitely many, if one stands inside what it stands for."""
    if isinstance(node, yaml.MappingNode):
        inner = [each for pair in node.value for each in pair]
    else:
        inner = node.value if isinstance(node, yaml.SequenceNode) else []
    if id(node) not in known:
        known[id(node)] = math.inf
        known[id(node)] = 1 + sum(_num_values(each, known) for each in inner)
    return known[id(node)]


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], mistakes: list[Mistake]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner, line = (*path, str(key.value)), key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                comma = "; a comma ends a value here: write 1000 and 0.5" if node.flow_style else ""
                mistakes.append(Mistake(path, f"{key.value} stands where a field's name should{comma}", line))
            elif inner in lines:
                mistakes.append(Mistake(inner, "is given twice", line))
            lines[inner] = line
            _walk(value, inner, lines, mistakes)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            _walk(value, (*path, index), lines, mistakes)
