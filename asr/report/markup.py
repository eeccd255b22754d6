"""Pieces of HTML.

Whatever comes from a file goes through :func:`escape`; nothing needs a script or the network.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asr.plots import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "escape",
    "facts",
    "fold",
    "gallery",
    "paragraph",
    "percent",
    "picture",
    "preformatted",
    "table",
]


def escape(text: object) -> str:
    """Return text that is safe between tags and in quoted attributes."""
    return html.escape(str(text))


def percent(value: float | None) -> str:
    """Return a fraction as percent with two decimals, or a dash."""
    return "-" if value is None else f"{100 * value:.2f}"


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """Return names and values side by side."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="facts">{rows}</dl>'


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in a box that scrolls sideways where the screen is narrow."""
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        '<div class="scroll" '
        f'tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def fold(summary: str, content: str, is_open: bool = False) -> str:
    """Return content that opens on a click."""
    attribute = " open" if is_open else ""
    return f"<details{attribute}><summary>{escape(summary)}</summary>{content}</details>"


def preformatted(text: str) -> str:
    """Return text as it is, in a box of its own."""
    return f'<pre class="scroll" tabindex="0">{escape(text)}</pre>'


def picture(name: str, figure: Figure, caption: str, wide: bool = False) -> str:
    """Return a figure with its caption.

    Args:
        name: unlike that of any other figure on the page.
        figure: from :mod:`asr.plots`.
        caption: plain text.
        wide: keep it legible in a box that scrolls sideways, instead of shrinking it to a phone's
            width.
    """
    width = f' style="min-width:{70 * float(figure.get_size_inches()[0]):.0f}px"' if wide else ""
    drawing = f'<div class="drawing"{width}>{to_svg(figure, name, caption)}</div>'
    box = f'<div class="scroll" tabindex="0">{drawing}</div>' if wide else drawing
    attribute = " class=wide" if wide else ""
    return f"<figure{attribute}>{box}<figcaption>{escape(caption)}</figcaption></figure>"


def gallery(pictures: Sequence[str]) -> str:
    """Return pictures side by side where there is room."""
    return f'<div class="gallery">{"".join(pictures)}</div>'
