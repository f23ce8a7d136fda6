"""Names made from what users write: for cells, MLflow, files and tables.

A plain text or a number stays as it is: `jacobian/strength/0.001`. Anything else becomes a readable part and a hash:

    segment("relu")  relu        segment("a b")   a_b-31cd62c1a3cd
    segment(1)       1           segment("1")     1-d2f5fc5be9dd

So two different values never share a name, and no name is longer than its back end takes. A plain text that reads like
a number, like a word of YAML or like a name with a hash gets a hash too.
"""

import hashlib
import json
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

MAX_KEY = 250
"""Characters of a metric's or parameter's name in MLflow."""

MAX_PARAM, MAX_TAG = 6000, 5000
"""Characters of a value in MLflow. It takes 8,000 in a tag and counts some of them twice."""

TRIALS_EXPERIMENT, IMPORTS_EXPERIMENT = "grokgrid-trials", "grokgrid-imports"
"""The MLflow experiment that holds all trials, and the one where an import has its lease while it lasts."""

MAX_ARM = 40
"""Characters of an arm's name."""

MAX_METRIC = 100
"""Characters of a metric's name, which is a part of longer ones and of the names of files."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.ASCII)
_PLAIN = re.compile(r"[\w.-]+", re.ASCII)
_HASHED = re.compile(r".+-[0-9a-f]{12}")
_WORDS = {"true", "false", "none", "null"}
_MAX_SEGMENT, _MAX_FILE, _MAX_WRITTEN = 60, 80, 60
_INT64 = range(-(2**63), 2**63)


def segment(value: Any) -> str:
    """A value, or the name of a setting, as a part of a metric's name."""
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and value.strip(".") and not _HASHED.fullmatch(value) and _is_text(value)
        text = value
    else:
        is_plain = value is None or isinstance(value, bool | int | float)
        # 1e+16: MLflow takes no plus.
        text = _text(value).replace("+", "")
    return text if is_plain and len(text) <= _MAX_SEGMENT else _hashed(value, text[:_MAX_SEGMENT], _MAX_SEGMENT)


def written(value: Any) -> str:
    """A value within the name of a cell, in quotes where it could be taken for something else."""
    text = value if isinstance(value, str) else _text(value)
    if isinstance(value, str) and not (re.fullmatch(r"[\w./:@+-]+", value) and _is_text(value)):
        # Two texts that differ only in how an accent is encoded look the same.
        text = repr(value) if unicodedata.is_normalized("NFC", value) else ascii(value)
    return text if len(text) <= _MAX_WRITTEN else f"{text[:40]}…{_digest(value)}"


def file_part(text: str, separator: str) -> str:
    """A metric (`max/test_loss`) or the path of a setting (`model.width`) as a part of a file's name."""
    parts = text.split(separator)
    is_plain = all(re.fullmatch(r"\w+", part, re.ASCII) for part in parts) and len(text) <= _MAX_FILE
    return "-".join(parts) if is_plain else _hashed(text, text.replace(separator, "-"), _MAX_FILE)


def fitted(texts: Iterable[str], most: int = MAX_KEY) -> dict[str, str]:
    """Names of metrics or parameters as MLflow takes them, by what they are meant to be.

    Some of its databases ignore case and accents: of two names that differ in nothing else the later one gets a hash.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(texts):
        name, salt = text, text
        is_key = re.fullmatch(r"[\w./-]+", text, re.ASCII) and posixpath.normpath(text) == text
        if not is_key or text[0] in "./" or len(text) > most or folded(text) in taken:
            name = _hashed(salt, text, most, keep="/")
        while folded(name) in taken:
            salt += " again"
            name = _hashed(salt, text, most, keep="/")
        found[text] = name
        taken.add(folded(name))
    return found


def numbered(arm: str, number: int, taken: Iterable[str]) -> str:
    """`jacobian-2`, an arm made of another one, beside the arms that there are."""
    name = f"{arm}-{number}"
    if len(name) <= MAX_ARM and folded(name) not in map(folded, taken):
        return name
    mark = f"-{number}-{_digest(arm)}"
    return arm[: MAX_ARM - len(mark)] + mark


def shortened(text: str, most: int) -> str:
    """A text as MLflow's databases take it: without what is no character, and cut with a hash where it is too long."""
    clean = re.sub("[\0\ud800-\udfff]", lambda match: ascii(match[0])[1:-1], text)
    return clean if len(clean) <= most else f"{clean[: most - 20]}… {_digest(text)}"


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """The same for names that some file system or database takes for one."""
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(char))


def alike(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that some file system or database takes for one."""
    first: dict[str, str] = {}
    found = [(first.setdefault(folded(text), text), text) for text in dict.fromkeys(texts)]
    return [(one, other) for one, other in found if one != other]


def is_reserved(name: str) -> bool:
    """Whether a study cannot be named so: an experiment has the name already, or no folder could have it everywhere."""
    return (
        name in (TRIALS_EXPERIMENT, IMPORTS_EXPERIMENT, "default")
        or name.endswith(".")
        or _DEVICES.fullmatch(name) is not None
    )


def fit_one_column(values: Iterable[Any]) -> bool:
    """Whether a column of a table holds all these values as they are: numbers only, say."""
    kinds = {_kind(value) for value in values if value is not None}
    return len(kinds) <= 1 and "other" not in kinds


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float) or isinstance(value, int) and value in _INT64:
        return "number"
    return "text" if isinstance(value, str) else "other"


def _is_text(text: str) -> bool:
    """Whether a text cannot be taken for a number, a boolean or nothing."""
    if text.lower() in _WORDS:
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def _text(value: Any) -> str:
    try:
        return str(value)
    except ValueError:
        # Python writes out no whole number of thousands of digits.
        return f"number of many digits, {_digest(value)}, beyond what can be written out here"


def _hashed(value: Any, text: str, most: int, keep: str = "") -> str:
    readable = re.sub(rf"[^\w.{re.escape(keep)}-]+", "_", text, flags=re.ASCII)
    if keep:
        readable = posixpath.normpath(readable).lstrip("./")
    return f"{readable[: most - 13] or '_'}-{_digest(value)}"


def _digest(value: Any) -> str:
    """12 hexadecimal characters: 1 and 1.0 differ, and so do 1 and "1"."""
    return hashlib.sha256(json.dumps(_plain(value)).encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {json.dumps(_plain(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int {value:x}"
    return value if value is None or isinstance(value, bool | float) else f"text {value}"
