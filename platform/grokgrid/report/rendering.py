"""What the renderers share: names said once, and figures as SVG that belongs in a page."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from grokgrid.analyses import Column, Figure, Table
from grokgrid.analyses.drawing import GRID

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

_INK = "#010203"
"""Black, but to be told from any other: in a page it stands for the page's own colour."""

_DRAWN: "WeakKeyDictionary[Figure, bytes]" = WeakKeyDictionary()


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


def svg(figure: Figure) -> bytes:
    """Drawn once as long as the figure lives, for drawing is what takes longest of a report."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    if figure not in _DRAWN:
        file = io.BytesIO()
        with _drawing(figure) as drawing:
            # Without the date, the same report gives the same file.
            FigureCanvasSVG(drawing).print_svg(file, metadata={"Date": None})  # type: ignore[no-untyped-call]
        _DRAWN[figure] = file.getvalue()
    return _DRAWN[figure]


def pdf(figure: Figure) -> bytes:
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    file = io.BytesIO()
    with _drawing(figure) as drawing:
        FigureCanvasPdf(drawing).print_pdf(file, metadata={"CreationDate": None})  # type: ignore[no-untyped-call]
    return file.getvalue()


def inline_svg(figure: Figure) -> str:
    """For HTML: text as text, in the page's font and ink, ids of its own, nothing of other hosts."""
    text = svg(figure).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{figure.name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    return text.replace(_INK, "currentColor").replace(GRID, "var(--line)")


@contextmanager
def _drawing(figure: Figure) -> "Iterator[Drawing]":
    """The figure as Matplotlib draws it, to be put into a file here."""
    # Of folders that it cannot write to, and fonts that are not there: it does without them.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

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
    with matplotlib.rc_context():
        # Not the user's: LaTeX or a font that is not there would stop the drawing.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(rc)
        yield figure.draw()
