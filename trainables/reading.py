"""Reading YAML as people mean it: YAML 1.2's numbers and booleans, no key twice, the line of everything kept.

PyYAML follows YAML 1.1, where `1e-3` and `1E5` are texts, `010` is eight and `no` is false. Here `1e-3` is a number,
`010` is ten, and only true and false are booleans. Values are built one by one as the parser finds them, so that a file
that is too large, too deep or multiplied by aliases is refused before it is there. Tags, which can name classes, and
merge keys are refused.
"""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from trainables.limits import MAX_BYTES, MAX_DIGITS, MAX_VALUES, wrong_size, wrong_text
from trainables.validation import Path, Problem, ValidationErrors, shown

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".nan": "nan", ".inf": "inf", "+.inf": "inf", "-.inf": "-inf"}


@dataclass(frozen=True)
class Document:
    """A YAML file's content, and the line (from 1) on which the value at each path begins."""

    content: dict[str, Any]
    lines: dict[Path, int]
    source: str


def read_yaml(path: FilePath) -> Document:
    """Reads a file that holds one mapping.

    Raises:
        ValidationErrors: the file is not there, is no YAML, is too large, holds no mapping, or what `parse_yaml`
        refuses.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValidationErrors(
                str(path), [Problem((), "cannot be read: is no file, but a folder, a pipe or a device")]
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ValidationErrors):
            raise
        reason = error.strerror if isinstance(error, OSError) else "no file can be named so"
        raise ValidationErrors(str(path), [Problem((), f"cannot be read: {reason}")]) from None
    if len(content) > MAX_BYTES:
        raise ValidationErrors(
            str(path), [Problem((), f"is larger than {MAX_BYTES / 2**20:g} MiB, which is the limit")]
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationErrors(str(path), [Problem((), "cannot be read: is not text in UTF-8")]) from None
    return parse_yaml(text.replace("\r\n", "\n"), source=str(path))


def parse_yaml(text: str, *, source: str) -> Document:
    """As `read_yaml`, of text; `source` names it in messages.

    Raises:
        ValidationErrors: it is no YAML or holds no mapping; or it holds a key twice, a tag, a merge key, a character
        that
            cannot be printed, or more than `trainables.limits` allows.
    """
    builder = _Builder(text)
    try:
        content = builder.document()
    except yaml.YAMLError as error:
        raise ValidationErrors(source, [_syntax(error, text)]) from None
    except _Refused as refused:
        raise ValidationErrors(source, [*builder.problems, refused.problem]) from None
    if builder.problems:
        raise ValidationErrors(source, builder.problems)
    if not isinstance(content, dict):
        raise ValidationErrors(source, [Problem((), "must hold fields, one `name: value` a line")])
    return Document(content, builder.lines, source)


def parse_value(text: str) -> Any:
    """One value as YAML reads it: `1e-3` -> 0.001, `[1, 2]` -> [1, 2]. What is no YAML is text.

    Raises:
        ValidationErrors: it holds what `parse_yaml` refuses.
    """
    builder = _Builder(text)
    try:
        value = builder.document()
    except yaml.YAMLError:
        return text
    except _Refused as refused:
        raise ValidationErrors("value", [*builder.problems, refused.problem]) from None
    if builder.problems:
        raise ValidationErrors("value", builder.problems)
    return value


class _Refused(Exception):
    """Reading cannot go on."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


@dataclass(frozen=True)
class _Anchored:
    """What an alias stands for: a value, how many values that is, and the lines within it."""

    value: Any
    num: int
    lines: dict[Path, int]


class _Builder:
    """Makes plain values from the parser's events. `problems` are those after which reading goes on."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._text = text
        self._num = 0
        self._anchors: dict[str, _Anchored | None] = {}
        self._events: Iterator[yaml.Event] = iter(())

    def document(self) -> Any:
        if (wrong := wrong_text(self._text)) is not None:
            before = self._text[: next(i for i, char in enumerate(self._text) if wrong_text(char))]
            raise _Refused(Problem((), wrong, before.count("\n") + 1))
        self._events = yaml.parse(self._text, Loader=_PARSER)
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), ())
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Refused(Problem((), "a second document begins here; one is allowed", _line(after)))
        return value

    def _value(self, event: yaml.Event, path: Path) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        self._count(1, event, path)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(Problem(path, f"the tag {shown(tag)} is not allowed; leave it out", _line(event)))
        num, num_lines = self._num, len(self.lines)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(path)
        else:
            value = self._mapping(event, path)
        if event.anchor is not None:
            lines = dict(list(self.lines.items())[num_lines:])
            inner = {place[len(path) :]: line for place, line in lines.items()}
            self._anchors[event.anchor] = _Anchored(value, self._num - num + 1, inner)
        return value

    def _alias(self, event: yaml.AliasEvent, path: Path) -> Any:
        assert event.anchor is not None
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            wrong = "stands inside what it stands for" if event.anchor in self._anchors else "stands for nothing above"
            raise _Refused(Problem(path, f"the alias *{event.anchor} {wrong}", _line(event)))
        self._count(anchored.num, event, path)
        self.lines |= {(*path, *inner): line for inner, line in anchored.lines.items()}
        return anchored.value

    def _list(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            inner = (*path, len(values))
            self._check_size(len(values) + 1, event, path)
            self.lines[inner] = _line(event)
            values.append(self._value(event, inner))
        return values

    def _mapping(self, start: yaml.Event, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name, inner = self._name(event, start, path), path
            if name is not None:
                inner = (*path, name)
                if name in values:
                    self.problems.append(Problem(inner, "is given twice", _line(event)))
                self.lines[inner] = _line(event)
            self._check_size(len(values) + 1, event, path)
            value = self._value(next(self._events), inner)
            if name is not None:
                values[name] = value
        return values

    def _name(self, event: yaml.Event, start: Any, path: Path) -> str | None:
        """The name of a field; None for what cannot be one."""
        name = self._value(event, path)
        is_merge = isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<"
        if is_merge:
            wrong = "merge keys, <<, are not allowed; write the fields out"
        elif not isinstance(name, str):
            comma = "; a comma ends a value here: write 1000 and 0.5" if start.flow_style else ""
            text = event.value if isinstance(event, yaml.ScalarEvent) else shown(name)
            wrong = f"{text or 'nothing'} stands where a field's name should{comma}"
        else:
            return name
        self.problems.append(Problem(path, wrong, _line(event)))
        return None

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Any:
        text = str(event.value)
        if (wrong := wrong_text(text)) is not None:
            self.problems.append(Problem(path, wrong, _line(event)))
        if not event.implicit[0]:
            return text
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text.lower() == "true"
        if _INT.fullmatch(text):
            if len(text.lstrip("+-0")) <= MAX_DIGITS:
                return int(text.lstrip("+-0") or "0") * (-1 if text.startswith("-") else 1)
            wrong = f"is a whole number of {len(text):,} digits; at most {MAX_DIGITS} are allowed"
            self.problems.append(Problem(path, wrong, _line(event)))
            return 0
        if _FLOAT.fullmatch(text) or text in _SPECIAL:
            return float(_SPECIAL.get(text, text))
        return text

    def _count(self, num: int, event: yaml.Event, path: Path) -> None:
        self._num += num
        if self._num > MAX_VALUES:
            wrong = f"more than {MAX_VALUES:,} values, those of aliases counted each time; that is the limit"
            raise _Refused(Problem((), wrong, _line(event)))

    def _check_size(self, num: int, event: yaml.Event, path: Path) -> None:
        if (wrong := wrong_size(num, path)) is not None:
            raise _Refused(Problem(path, wrong, _line(event)))


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _syntax(error: yaml.YAMLError, text: str) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem((), f"is not YAML: {str(error).partition(chr(10))[0]}")
    return Problem((), f"is not YAML: {error.problem}", min(error.problem_mark.line, text.count("\n")) + 1)
