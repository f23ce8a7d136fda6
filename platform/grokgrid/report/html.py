"""A report as one page that needs nothing else: no scripts, no other files, no other hosts."""

import functools
import importlib.resources
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from grokgrid.analyses import Report, Table
from grokgrid.report.files import put
from grokgrid.report.rendering import inline_svg, said_once, split_columns
from search_spaces import Study, to_yaml

if TYPE_CHECKING:
    from jinja2 import Template

_VERSIONS = ("grokgrid", "numpy", "scipy", "pandas")


def write(report: Report, folder: Path) -> Path:
    """Writes report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    return put(folder / "report.html", render(report).encode())


def render(report: Report) -> str:
    trials = report.tables.get("trials")
    return _template().render(
        report=report,
        study_yaml=portable_yaml(report.study),
        versions=[(name, found) for name in _VERSIONS if (found := _version(name))],
        trials=trials[["cell", "seed", "key", "state"]].to_dict("records") if trials is not None else [],
    )


def portable_yaml(study: Study) -> str:
    """The study without the folders of whoever ran it: a page is passed on."""
    text = to_yaml(study)
    for path in sorted(set(_absolute_paths([study.trial, study.arms])), key=len, reverse=True):
        text = text.replace(path, f"…/{PureWindowsPath(path).name}")
    return text


def _absolute_paths(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _absolute_paths(each)
    elif isinstance(value, str | Path):
        path = str(value)
        if len(path) > 1 and (PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()):
            yield path


@functools.cache
def _template() -> "Template":
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"rows": _rows, "svg": inline_svg}
    return environment.from_string(importlib.resources.files(__package__).joinpath("report.html.j2").read_text("utf-8"))


def _rows(table: Table) -> list[list[tuple[str, str]]]:
    """(kind, text) of each field; the first row holds the labels."""
    _, values, prose = split_columns(table)
    columns = [*said_once(table), *values, *prose]
    kinds = [column.kind for column in columns]
    texts = [[column.label for column in columns], *zip(*(column.text for column in columns), strict=True)]
    return [list(zip(kinds, row, strict=True)) for row in texts]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
