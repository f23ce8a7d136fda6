"""Validation errors in what people write, told all at once: where, what was given, what is allowed, what is nearest.

`validate` is pydantic's own validation with its errors put into sentences.
"""

import types
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

ENOUGH = 100
"""ValidationErrors to look for: nobody reads more at a time."""

_MOST_LINES, _MOST_CHARACTERS, _MOST_ALLOWED, _MOST_SHOWN = 18, 1_900, 40, 100

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """One problem: the path of the field, what is wrong, and the line (from 1) if it is known."""

    path: Path
    message: str
    line: int | None = None

    @property
    def where(self) -> str:
        return ".".join(str(part) for part in self.path)

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line is not None else ""
        where = cut(printable(self.where.replace("\n", r"\n")), 200)
        message = printable(self.message)
        return f"{line}{where}: {message}" if self.path else f"{line}{message}"


class ValidationErrors(ValueError):
    """Everything that is wrong with one file or one call."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        """Under 20 lines and 2,000 characters: the first problems, and how many more there are."""
        source = printable(self.source.replace("\n", r"\n"))
        source = source if len(source) <= 300 else f"…{source[-300:]}"
        if len(self.problems) == 1:
            return cut(f"{source}: {self.problems[0]}", _MOST_CHARACTERS, _MOST_LINES)
        # Whoever looks for them may have stopped there.
        or_more = " or more" if len(self.problems) >= ENOUGH else ""
        lines = [f"{source}: {len(self.problems):,} problems{or_more}"]
        for index, problem in enumerate(self.problems):
            told = f"  {cut(str(problem), 600, 6)}".split("\n")
            num = sum(map(len, lines)) + len(lines) + sum(map(len, told)) + len(told)
            if num > _MOST_CHARACTERS or len(lines) + len(told) > _MOST_LINES:
                lines.append(f"  and {len(self.problems) - index:,} more{or_more and ', or still more'}")
                break
            lines += told
        return "\n".join(lines)


def nearest(value: Any, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'?` and what is allowed, as the end of a sentence."""
    given, allowed = value if isinstance(value, str) else shown(value), [str(item) for item in allowed]
    # To compare long texts, or one with many, takes minutes.
    near = get_close_matches(given, allowed[:1000], n=1, cutoff=0.5) if len(given) <= 100 else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(allowed) - _MOST_ALLOWED:,} more" if len(allowed) > _MOST_ALLOWED else ""
    return f"{hint}Allowed: {', '.join(cut(each, 100) for each in allowed[:_MOST_ALLOWED])}{more}"


def printable(text: str) -> str:
    """The text with escapes for all but line feeds that a terminal would not print as a character."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def cut(text: str, most: int, most_lines: int = 1_000) -> str:
    """At most so many characters and lines of a text."""
    short = "\n".join(text[: most + 1].split("\n")[:most_lines])
    return text if len(short) == len(text) and len(text) <= most else f"{short[: most - 1]}…"


def validate(model: type[M], content: Any, *, source: str, lines: dict[Path, int] | None = None) -> M:
    """`content` as a `model`.

    Raises:
        ValidationErrors: all that pydantic finds, each with its path, its line if `lines` has it, and what is allowed.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = problems_of(model, error)
        placed = [with_line(problem, lines or {}) for problem in problems]
        raise ValidationErrors(source, sorted(placed, key=lambda problem: problem.line or 0)) from None


def with_line(problem: Problem, lines: dict[Path, int]) -> Problem:
    """The problem with the line of its field, or of the nearest field around it."""
    for length in range(len(problem.path), 0, -1):
        if problem.path[:length] in lines:
            return Problem(problem.path, problem.message, lines[problem.path[:length]])
    return problem


def problems_of(model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """The problems behind pydantic's errors; a validator that raises `ValidationErrors` tells several at once."""
    problems = []
    for details in _without_other_branches(model, error.errors()):
        path, inner = _path(model, details["loc"]), details.get("ctx", {}).get("error")
        if isinstance(inner, ValidationErrors):
            problems += [Problem((*path, *problem.path), problem.message) for problem in inner.problems]
        else:
            problems.append(Problem(path, _message(model, details)))
    return problems


def _without_other_branches(model: type[BaseModel], errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Where a field may be of several types, pydantic tells what each of them would want. Kept is what the type that
    was meant has to say: anything more special than "is not of that type", or the words that a text could have been.
    """
    known = [details for details in errors if details["type"] != "too_short" or _is_short(details)][: 2 * ENOUGH]
    paths = [_path(model, details["loc"]) for details in known]
    kept: list[ErrorDetails] = []
    for details, path in zip(known, paths, strict=True):
        beside = [
            (e, len(other))
            for e, other in zip(known, paths, strict=True)
            if e is not details and other[: len(path)] == path
        ]
        deeper = [e for e, depth in beside if depth > len(path) and _rank(e) == _rank(details)]
        better = [
            e for e, _ in beside if _rank(e) < _rank(details) or e in kept and _rank(e) == _rank(details)
        ] + deeper
        if _rank(details) == 0 or not better:
            kept.append(details)
    return kept


def _is_short(details: ErrorDetails) -> bool:
    """Pydantic counts only the items that are right."""
    given = details["input"]
    return not isinstance(given, Sized) or len(given) < details["ctx"]["min_length"]


def _rank(details: ErrorDetails) -> int:
    if details["type"] == "literal_error":
        return 1 if isinstance(details["input"], str) else 2
    return 2 if details["type"].endswith("_type") else 0


def _message(model: type[BaseModel], details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    given = details["input"]
    match details["type"]:
        case "too_short":
            return f"{shown(given)} is not allowed: it should hold at least {context['min_length']}"
        case "too_long":
            return f"{shown(given)} is not allowed: it should hold at most {context['max_length']:,}"
        case "missing":
            return "is missing"
        case "extra_forbidden":
            fields = _type_at(model, details["loc"][:-1])
            known = fields.model_fields if isinstance(fields, type) and issubclass(fields, BaseModel) else {}
            names = [field.alias or name for name, field in known.items()]
            return f"is not a setting here; {nearest(details['loc'][-1], names)}"
        case "union_tag_invalid":
            tags = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
            return f"{shown(context['tag'])} is not known; {nearest(context['tag'], tags)}"
        case "union_tag_not_found" if isinstance(given, dict):
            allowed = ", ".join(_tags(_type_at(model, details["loc"])))
            # A function of ours tells a component by its name.
            field = "name" if context["discriminator"].endswith("()") else context["discriminator"].strip("'")
            return f"needs a {field}. Allowed: {allowed}"
        case "literal_error":
            expected = [item.strip("' ") for item in context["expected"].replace(" or ", ", ").split(",")]
            return f"{shown(given)} is not allowed; {nearest(given, expected)}"
        case "value_error":
            return str(context["error"])
        case "dict_type" | "model_type" | "model_attributes_type" | "union_tag_not_found":
            return f"{shown(given)} is not a set of fields; write `{{field: value, …}}`"
        case "tuple_type":
            return f"{shown(given)} is not a list; write `[…, …]`"
        case _:
            return f"{shown(given)} is not allowed: {details['msg'].replace('Input should', 'it should')}"


def shown(value: Any) -> str:
    """As it stands in a YAML file."""
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    try:
        return cut(repr(value), _MOST_SHOWN)
    except ValueError:
        return "a number of thousands of digits"


def _path(model: type[BaseModel], loc: Path) -> Path:
    """The path in the file: pydantic's without the names of union members that it puts in between."""
    path: list[str | int] = []
    here: Any = model
    for part in loc:
        here, is_field = _step(here, part)
        # "[key]" is pydantic's word for the name itself.
        if is_field and part != "[key]":
            path.append(part)
    return tuple(path)


def _type_at(model: type[BaseModel], loc: Path) -> Any:
    here: Any = model
    for part in loc:
        here, _ = _step(here, part)
    return _plain(here)


def _step(here: Any, part: str | int) -> tuple[Any, bool]:
    """The type one step inside `here`, and whether that step is one of the file too."""
    here = _plain(here)
    if isinstance(here, type) and issubclass(here, BaseModel):
        field = here.model_fields.get(str(part))
        return (field.annotation if field is not None else None), True
    if get_origin(here) in (Union, types.UnionType):
        for member in get_args(here):
            if part in _tags(member):
                return _plain(member), False
            if isinstance(part, str) and getattr(_plain(member), "__name__", None) == part:
                return _plain(member), False
        return None, False
    if get_origin(here) in (list, tuple):
        return get_args(here)[0], isinstance(part, int)
    if get_origin(here) is dict:
        return get_args(here)[1], True
    return None, isinstance(part, int)


def _plain(annotation: Any) -> Any:
    """Without Annotated, and without the None of an optional."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _plain(members[0])
    return annotation


def _tags(annotation: Any) -> list[str]:
    """The names by which a tagged union tells its members, or the one name of a member."""
    if get_origin(annotation) is Annotated:
        given = [data.tag for data in get_args(annotation)[1:] if isinstance(data, Tag)]
        return given or _tags(_plain(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return [tag for member in get_args(annotation) for tag in _tags(member)]
    for field in ("name", "kind"):
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and field in annotation.model_fields:
            literal = annotation.model_fields[field].annotation
            if get_origin(literal) is Literal:
                return [str(value) for value in get_args(literal)]
    return []
