"""What the renderers share: names said once, and figures as SVG that belongs in a page."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from grokgrid.analyses import Column, Figure, Table
from grokgrid.analyses.drawing import GRID

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

_INK = "#010203"
"""Black, but to be told from any other: in a page it stands for the page's own colour."""

_IMAGES: "WeakKeyDictionary[Figure, Images]" = WeakKeyDictionary()


def split_columns(table: Table) -> tuple[list[Column], list[Column], list[Column]]:
    """Names, values, prose."""
    names, values, prose = ([c for c in table.columns if c.kind == kind] for kind in ("name", "value", "prose"))
    return names, values, prose


def said_once(table: Table) -> list[Column]:
    """The name columns, blank where the first one says the same as the row above."""
    names, _, _ = split_columns(table)
    if len(names) < 2:
        return names
    texts = names[0].text
    once = tuple("" if row and texts[row - 1] == text else text for row, text in enumerate(texts))
    return [Column(names[0].label, once, "name"), *names[1:]]


class Images(NamedTuple):
    """A figure as files."""

    svg: bytes
    pdf: bytes


def images(figure: Figure) -> Images:
    """Drawn once as long as the figure lives, for drawing is what takes longest of a report."""
    if figure not in _IMAGES:
        _IMAGES[figure] = _drawn(figure)
    return _IMAGES[figure]


def svg(figure: Figure) -> str:
    """For inlining in HTML: text as text, in the page's font and ink, ids of its own, nothing of other hosts."""
    text = images(figure).svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{figure.name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    return text.replace(_INK, "currentColor").replace(GRID, "var(--line)")


def _drawn(figure: Figure) -> Images:
    import matplotlib
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    # A name with a dollar in it is a name, not a formula.
    rc: Any = {
        **dict.fromkeys(inked, _INK),
        "svg.fonttype": "none",
        "svg.hashsalt": figure.name,
        "pdf.fonttype": 42,
        # Room is measured as files print: letters of whole dots come out too narrow or too wide.
        "text.hinting": "none",
        "font.size": 10,
        "text.parse_math": False,
    }
    files = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(rc):
        drawing: Drawing = figure.draw()
        # Laid out once: `savefig` would do so for each file.
        layout = drawing.get_layout_engine()
        assert layout is not None
        layout.execute(drawing)
        drawing.set_layout_engine("none")
        # Without the date, the same answer gives the same file.
        FigureCanvasSVG(drawing).print_svg(files[0], metadata={"Date": None})  # type: ignore[no-untyped-call]
        with _fonts_without_tables_of_layout():
            FigureCanvasPdf(drawing).print_pdf(files[1], metadata={"CreationDate": None})  # type: ignore[no-untyped-call]
    return Images(*(file.getvalue() for file in files))


@contextmanager
def _fonts_without_tables_of_layout() -> Iterator[None]:
    """A PDF says where each letter stands. To cut what a font knows of that to the letters in use, too, is a third of
    the time that a PDF takes; and Matplotlib has no setting for what is left out.
    """
    from fontTools.subset import Options  # type: ignore[import-untyped]

    # Should fontTools do without this attribute one day, PDFs only take longer.
    usual = getattr(Options, "_drop_tables_default", [])
    Options._drop_tables_default = [*usual, "GDEF", "GPOS", "GSUB"]
    try:
        yield
    finally:
        Options._drop_tables_default = usual
