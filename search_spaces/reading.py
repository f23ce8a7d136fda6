"""Studies from their names, from YAML files, and back to YAML."""

import hashlib
from pathlib import Path
from typing import Any

import yaml

from search_spaces.library import LIBRARY
from search_spaces.study import Study
from trainables.mistakes import Mistake, Mistakes, nearest, validate
from trainables.reading import read_yaml


def read_study(source: str | Path) -> Study:
    """The library's study of that name, or the study in that YAML file.

    Raises:
        Mistakes: no such study or file, or everything that is wrong in it.
    """
    if str(source) in LIBRARY:
        return LIBRARY[str(source)]()
    path = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        wrong = f"is no study of the library and no .yaml file; {nearest(source, LIBRARY)}"
        raise Mistakes(str(source), [Mistake((), wrong)])
    document = read_yaml(path)
    content = _with_absolute_paths(document.content, path.resolve().parent)
    return validate(Study, content, source=document.source, lines=document.lines)


def to_yaml(study: Study) -> str:
    """A study as YAML that `read_study` reads as the same study."""
    content = study.model_dump(mode="json", exclude_defaults=True)
    for analysis, dumped in zip(study.analyses, content.get("analyses", ()), strict=False):
        dumped["kind"] = analysis.kind
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def digest(study: Study) -> str:
    """Tells versions of a study apart that share a name."""
    return hashlib.sha256(to_yaml(study).encode()).hexdigest()[:32]


def _with_absolute_paths(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Files that a study names are meant from where the study lies, wherever it is run from."""
    arms = content.get("arms")
    for settings in (content.get("trial"), *(arms.values() if isinstance(arms, dict) else ())):
        data = settings.get("data") if isinstance(settings, dict) else None
        for field in ("path", "root"):
            if isinstance(data, dict) and isinstance(data.get(field), str):
                data[field] = str(folder / Path(data[field]).expanduser())
    return content
