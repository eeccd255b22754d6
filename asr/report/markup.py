"""HTML elements of the page, without scripts and external files.

All text from files goes through :func:`escape`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asr.plots import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from asr.scoring import UtteranceScore

__all__ = [
    "alignment",
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

_TITLES = {"S": "substituted", "D": "deleted", "I": "inserted"}


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
    """Return a table, which scrolls sideways on a narrow screen."""
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
    """Return preformatted text in a box."""
    return f'<pre class="scroll" tabindex="0">{escape(text)}</pre>'


def picture(name: str, figure: Figure, caption: str, wide: bool = False) -> str:
    """Return a figure with its caption.

    Args:
        name: unique on the page.
        figure: from :mod:`asr.plots`.
        caption: plain text.
        wide: scroll sideways on a narrow screen instead of shrinking.
    """
    width = f' style="min-width:{70 * float(figure.get_size_inches()[0]):.0f}px"' if wide else ""
    drawing = f'<div class="drawing"{width}>{to_svg(figure, name, caption)}</div>'
    box = f'<div class="scroll" tabindex="0">{drawing}</div>' if wide else drawing
    attribute = " class=wide" if wide else ""
    return f"<figure{attribute}>{box}<figcaption>{escape(caption)}</figcaption></figure>"


def gallery(pictures: Sequence[str]) -> str:
    """Return pictures side by side, as far as the screen is wide enough."""
    return f'<div class="gallery">{"".join(pictures)}</div>'


def alignment(utterance: UtteranceScore) -> str:
    """Return the alignment as HTML, each reference word above its hypothesis word."""
    words = []
    for edit, said, heard in utterance.steps():
        if edit == "=":
            words.append(f'<span class="w"><span>{escape(said)}</span></span>')
        else:
            inner = f"<span>{escape(said)}</span><span>{escape(heard)}</span>"
            words.append(f'<span class="w {edit}" title="{_TITLES[edit]}">{inner}</span>')
    return f"<div>{''.join(words)}</div>"
