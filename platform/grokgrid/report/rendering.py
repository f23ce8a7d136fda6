"""What the renderers share: names said once, and figures as SVG that belongs in a page."""

import io
import re
from typing import TYPE_CHECKING, Any

from grokgrid.analyses import Column, Figure, Table
from grokgrid.analyses.drawing import GRID

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

_INK = "#010203"
"""Stands for the page's own colour: matplotlib knows no `currentColor`."""


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


def svg(figure: Figure) -> str:
    """For inlining in HTML: text as text, in the page's font and ink, ids of its own, nothing of other hosts."""
    text = _drawn(figure, "svg", {"svg.fonttype": "none", "svg.hashsalt": figure.name}, ink=_INK).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{figure.name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    return text.replace(_INK, "currentColor").replace(GRID, "var(--line)")


def image(figure: Figure, kind: str) -> bytes:
    """As a file of its own: svg or pdf."""
    return _drawn(figure, kind, {"svg.hashsalt": figure.name})


def _drawn(figure: Figure, kind: str, settings: dict[str, str], *, ink: str = "#222222") -> bytes:
    import matplotlib

    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    # A name with a dollar in it is a name, not a formula.
    rc: Any = {**dict.fromkeys(inked, ink), **settings, "font.size": 10, "pdf.fonttype": 42, "text.parse_math": False}
    with matplotlib.rc_context(rc):
        drawing: Drawing = figure.draw()
        file = io.BytesIO()
        # Without the date, the same answer gives the same file.
        metadata = {"Date": None} if kind == "svg" else {"CreationDate": None}
        drawing.savefig(file, format=kind, transparent=True, metadata=metadata)
    return file.getvalue()
