"""What is wrong with what people write, all of it at once: where, what was given, what is allowed, what is nearest.

`validate` is pydantic's own validation with its errors put into sentences. Every `Config` explains the errors of its
own fields (`configuration.py`), so an error's path needs no knowledge of the types that it passed through.
"""

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

ENOUGH = 100
"""Problems to look for: nobody reads more at a time."""

_MOST_LINES, _MOST_CHARACTERS, _MOST_ALLOWED, _MOST_SHOWN = 18, 1_900, 40, 100

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """One validation error: the path of the field, what is wrong, and the line (from 1) if it is known."""

    path: Path
    message: str
    line: int | None = None

    @property
    def where(self) -> str:
        return ".".join(str(part) for part in self.path)

    def below(self, *path: str | int) -> "Problem":
        """The same problem, of what stands at `path`."""
        return Problem((*path, *self.path), self.message, self.line)

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
        placed = [with_line(problem, lines or {}) for problem in problems_of(error)]
        raise ValidationErrors(source, sorted(placed, key=lambda problem: problem.line or 0)) from None


def with_line(problem: Problem, lines: dict[Path, int]) -> Problem:
    """The problem with the line of its field, or of the nearest field around it."""
    for length in range(len(problem.path), 0, -1):
        if problem.path[:length] in lines:
            return Problem(problem.path, problem.message, lines[problem.path[:length]])
    return problem


def problems_of(error: ValidationError, fields: Iterable[str] = ()) -> list[Problem]:
    """The problems behind pydantic's errors; a validator that raises `ValidationErrors` reports several at once.

    fields: the names of the settings of the model that was validated
    """
    problems = []
    for details in _without_echoes(error.errors()):
        # "[key]" is pydantic's word for a mapping's name itself.
        path = tuple(part for part in details["loc"] if part != "[key]")
        inner = details.get("ctx", {}).get("error")
        if isinstance(inner, ValidationErrors):
            problems += [problem.below(*path) for problem in inner.problems]
        else:
            problems.append(Problem(path, _message(details, fields)))
    return problems


def _without_echoes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """A list with a wrong item counts for pydantic as too short by that item, too."""
    return [details for details in errors if details["type"] != "too_short" or _is_short(details)]


def _is_short(details: ErrorDetails) -> bool:
    given = details["input"]
    return not isinstance(given, Sized) or len(given) < details["ctx"]["min_length"]


def _message(details: ErrorDetails, fields: Iterable[str]) -> str:
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
            return f"is not a setting here; {nearest(details['loc'][-1], fields)}"
        case "literal_error":
            expected = [item.strip("' ") for item in context["expected"].replace(" or ", ", ").split(",")]
            return f"{shown(given)} is not allowed; {nearest(given, expected)}"
        case "value_error" | "assertion_error":
            return str(context["error"])
        case "dict_type" | "model_type" | "model_attributes_type":
            return not_fields(given)
        case "tuple_type":
            return f"{shown(given)} is not a list; write `[…, …]`"
        case _:
            return f"{shown(given)} is not allowed: {details['msg'].replace('Input should', 'it should')}"


def not_fields(given: Any) -> str:
    return f"{shown(given)} is not a set of fields; write `{{field: value, …}}`"


def shown(value: Any) -> str:
    """As it stands in a YAML file."""
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    try:
        return cut(repr(value), _MOST_SHOWN)
    except ValueError:
        return "a number of thousands of digits"
