"""Studies from their names, from YAML files, and back to YAML."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from search_spaces.cells import Settings
from search_spaces.library import LIBRARY
from search_spaces.study import Study
from trainables.assessments.base import SPLITS, Assessment
from trainables.component import Component, kinds_in
from trainables.gradient_config import SHORT_FORMS
from trainables.plugins.config import is_plugin
from trainables.plugins.source import read_source, root_of
from trainables.reading import read_yaml
from trainables.trial import kinds as trial_kinds
from trainables.validation import Problem, ValidationErrors, nearest, validate


def read_study(source: str | Path) -> Study:
    """The library's study of that name, or the study in that YAML file.

    Raises:
        ValidationErrors: no such study or file, or everything that is wrong in it.
    """
    if str(source) in LIBRARY:
        return LIBRARY[str(source)]()
    path = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        wrong = f"is no study of the library and no .yaml file; {nearest(str(source), LIBRARY)}"
        raise ValidationErrors(str(source), [Problem((), wrong)])
    document = read_yaml(path)
    content = _with_absolute_paths(document.content, path.resolve().parent)
    return validate(Study, content, source=document.source, lines=document.lines)


def to_yaml(study: Study) -> str:
    """A study as YAML that `read_study` reads as the same study."""
    return _yaml(_content(study))


def to_portable_yaml(study: Study) -> tuple[str, dict[Path, Path]]:
    """A study as YAML that names its files by where they lie beside it, and the files themselves, by those places: also
    what plugins import. Files of one folder stay together, the first folder's in files/0.

    Modules lie where `import` finds them from the folder of the YAML. Installed packages are left out, and are found
    wherever they are installed.
    """
    content, files, place_of = _portable(study)
    for plugin in study.plugins:
        source = read_source(plugin.name)
        if not source.is_installed:
            is_file = plugin.name.rpartition(":")[0].endswith(".py")
            place = place_of(source.root) if is_file else Path()
            files |= {place / path: source.root / path for path, _ in source.files}
    return _yaml(content), files


def digest(study: Study) -> str:
    """Tells versions of a study apart that share a name, wherever their files lie; other source of a plugin
    is another version.
    """
    return hashlib.sha256(_yaml(_portable(pinned(study))[0]).encode()).hexdigest()[:32]


def _portable(study: Study) -> tuple[dict[str, Any], dict[Path, Path], Callable[[Path], Path]]:
    """The content with places for files, the files by their places, and the place of a folder."""
    folders: dict[Path, int] = {}
    files: dict[Path, Path] = {}

    def place_of(folder: Path) -> Path:
        return Path("files", str(folders.setdefault(folder, len(folders))))

    def beside(name: str) -> str:
        file = Path(name).absolute()
        root = root_of(file) if file.suffix == ".py" else file.parent
        place = place_of(root) / file.relative_to(root)
        files[place] = file
        return str(place)

    return with_files(_content(study), beside, root=lambda folder: folder), files, place_of


def _content(study: Study) -> dict[str, Any]:
    content = study.model_dump(mode="json", exclude_defaults=True)
    for analysis, dumped in zip(study.analyses, content.get("analyses", ()), strict=False):
        dumped["kind"] = analysis.kind
    if study.assessments:
        content["assessments"] = [_component(each) for each in study.assessments]
    return content


def _component(component: Component) -> dict[str, Any]:
    """As a study gives it: its name, and the settings that differ from their defaults."""
    given = {"name": component.name, **component.model_dump(mode="json", exclude_defaults=True)}
    for field in given:
        if isinstance(inner := getattr(component, field), Component):
            given[field] = _component(inner)
    return given


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def pinned(study: Study) -> Study:
    """The study with the sources of plugins as they are now, whatever becomes of the files."""

    def pin(given: Any, kind: type[Component]) -> Any:
        """A component as the study gives it; without a name it is a change of one that is given elsewhere."""
        component = {"name": given} if isinstance(given, str) else given
        if not isinstance(component, dict) or "name" not in component or given in SPLITS:
            return given
        one = kind.named("plugin" if is_plugin(component["name"]) else component["name"])
        found = one.pinned(component)
        for field, inner in kinds_in(one).items():
            if field in found:
                found[field] = pin(found[field], inner)
        return given if found == component else found

    def pin_all(field: str, given: Any) -> Any:
        """A component, or several of them in a list or by name."""
        kind = kinds[field]
        if isinstance(given, list | tuple):
            return [pin(each, kind) for each in given]
        if isinstance(given, dict) and field in SHORT_FORMS.values():
            return {name: pin(each, kind) for name, each in given.items()}
        return pin(given, kind)

    def settings(given: Settings) -> Settings:
        return {field: pin_all(field, value) if field in kinds else value for field, value in given.items()}

    kinds = trial_kinds()
    arms = {name: settings(arm) for name, arm in study.arms.items()}
    trial = settings(study.trial)
    assessments = [pin(each.model_dump(mode="json"), Assessment) for each in study.assessments]
    as_given = [each.model_dump(mode="json") for each in study.assessments]
    if (trial, arms, assessments) == (study.trial, study.arms, as_given):
        return study
    changed = {"trial": trial, "arms": arms, "assessments": assessments}
    return Study.model_validate(study.model_dump() | changed)


def _with_absolute_paths(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Files that a study names are meant from where the study lies, wherever it is run from."""
    return with_files(content, lambda file: str(folder / Path(file).expanduser()))


def with_files(
    content: dict[str, Any], change: Callable[[str], str], *, root: Callable[[str], str] | None = None
) -> dict[str, Any]:
    """A study's content with every file or folder that it names changed: `path` of data, `files` of a procedure, and
    the files of plugins, `file.py:Object`, wherever they are named; and `root`, a folder of data that every machine
    has, by `root` if that is given.
    """

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: changed(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [changed(inner) for inner in value]
        if isinstance(value, str) and is_plugin(value) and value.rpartition(":")[0].endswith(".py"):
            file, _, object = value.rpartition(":")
            return f"{change(file)}:{object}"
        return value

    def settings(given: Any) -> Any:
        given = changed(given)
        data = given.get("data") if isinstance(given, dict) else None
        for field, place in (("path", change), ("root", root or change)):
            if isinstance(data, dict) and isinstance(data.get(field), str):
                data[field] = place(data[field])
        procedure = given.get("procedure") if isinstance(given, dict) else None
        files = procedure.get("files") if isinstance(procedure, dict) else None
        if isinstance(procedure, dict) and isinstance(files, str | list):
            several = [files] if isinstance(files, str) else files
            procedure["files"] = [change(file) if isinstance(file, str) else file for file in several]
        return given

    def assessment(given: Any) -> Any:
        """What it is `on` may be a data set of its own."""
        if not isinstance(given, dict):
            return changed(given)
        return {**changed(given), **({"on": settings({"data": given["on"]})["data"]} if "on" in given else {})}

    arms = content.get("arms")
    changes = {"trial": settings(content["trial"])} if "trial" in content else {}
    if isinstance(arms, dict):
        changes["arms"] = {name: settings(arm) for name, arm in arms.items()}
    if isinstance(content.get("assessments"), list | tuple):
        changes["assessments"] = [assessment(each) for each in content["assessments"]]
    return content | changes
