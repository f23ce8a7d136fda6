"""The figures of a report as files. One that cannot be drawn is missing with a note; all else of a report is there.

What a figure needs is another library's: fonts, settings, folders. None of it is worth the report.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from grokgrid.analyses import Figure, Report, Section
from grokgrid.report.files import put
from grokgrid.report.rendering import pdf, svg


def write(report: Report, folder: Path, *, with_pdf: bool = False) -> tuple[Report, list[Path]]:
    """Each figure as NAME.svg and, if asked for, as NAME.pdf, which takes longer than all else of a figure.

    Returns:
        The report without the figures that cannot be drawn, with notes in their places; and the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    sections = tuple(_write_section(section, folder, with_pdf, written) for section in report.sections)
    return replace(report, sections=sections), written


def _write_section(section: Section, folder: Path, with_pdf: bool, written: list[Path]) -> Section:
    notes, shown = list(section.notes), []
    for figure in section.figures:
        why = _try(svg, figure, folder / f"{figure.name}.svg", written)
        if why is not None:
            notes.append(f"The figure “{figure.title}” ({figure.name}) is missing, for it cannot be drawn: {why}.")
            continue
        shown.append(figure)
        if with_pdf and (why := _try(pdf, figure, folder / f"{figure.name}.pdf", written)) is not None:
            notes.append(f"The file {figure.name}.pdf is missing, for it cannot be drawn: {why}.")
    return replace(section, figures=tuple(shown), notes=tuple(notes))


def _try(draw: Callable[[Figure], bytes], figure: Figure, path: Path, written: list[Path]) -> str | None:
    """None, or why there is no file."""
    try:
        written.append(put(path, draw(figure)))
    except Exception as error:
        with suppress(OSError):
            path.unlink()  # An older one would be taken for this report's.
        return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")[:200]
    return None
