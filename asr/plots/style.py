"""How every picture looks, and how it becomes SVG or PNG."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import numpy.typing as npt

from asr.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "INK", "NARROW", "WIDE", "Floats", "drawn", "figure", "to_png", "to_svg"]

NARROW = (4.2, 2.7)  # inches; letters of 9 points are readable on a phone 360 pixels wide
WIDE = (8.4, 3.4)  # shown in a box that scrolls sideways
# readable on white and on black
COLOURS = ("#2f7fb8", "#d1722a", "#3c9a5f", "#b0478f", "#8a7a2c", "#6a6fc4", "#c0504d", "#5f8a8b")
INK = "#0a0b0c"  # placeholder: to_svg replaces it by the colour of the page's text
_STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.4,
    "image.interpolation": "nearest",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "date.converter": "concise",
}
_INK_ON_PAPER: Any = {"figure.facecolor": "white", "savefig.facecolor": "white"}

Floats = npt.NDArray[np.floating[Any]]
P = ParamSpec("P")


def drawn(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function to draw in our style, whatever the caller's matplotlib settings are.

    matplotlib is imported on the first call.
    """

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        require("matplotlib", "train")
        from matplotlib import rc_context

        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


def figure(
    rows: int = 1, size: tuple[float, float] = NARROW, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of a size in inches, and its ``rows`` drawings, one below the other."""
    from matplotlib.figure import Figure

    made = Figure(figsize=size, layout="constrained")
    axes = made.subplots(rows, 1, squeeze=False, **options)
    return made, list(axes[:, 0])


def _save(figure: Figure, kind: str, settings: Any, **options: Any) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({**_STYLE, **settings}), warnings.catch_warnings():
        # the reader's browser has the glyph
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def to_svg(figure: Figure, name: str, alt: str = "") -> str:
    """Return ``<svg>`` for an HTML page: as wide as its box, in the page's text colour and font.

    Args:
        figure: to render.
        name: unique on the page; prefix of the identifiers in the SVG.
        alt: text for screen readers.
    """
    metadata = {"Date": None, "Creator": None}  # the same figure gives the same text
    text = _save(figure, "svg", {"svg.hashsalt": name}, metadata=metadata).decode("utf-8")
    unneeded = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
    body = unneeded.sub("", text[text.index("<svg") :])
    body = body[body.index(">") + 1 :]
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body).replace(INK, "currentColor")
    body = re.sub(r"(font: [\d.a-z ]*px) [^;\"]*", r"\1 system-ui, sans-serif", body)
    width, height = figure.get_size_inches()
    spoken = re.sub(r"[<>&\"]", " ", alt)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" aria-label="{spoken}" viewBox="0 0 {72 * width:g} {72 * height:g}" '
        f'style="width:100%;max-width:{96 * width:.0f}px;stroke-linejoin:round">{body}'
    )


def to_png(figure: Figure, dpi: int = 150) -> bytes:
    """Return the figure as PNG on white."""
    return _save(figure, "png", _INK_ON_PAPER, dpi=dpi, facecolor="white")
