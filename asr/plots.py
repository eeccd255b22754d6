"""All figures of the project, for reports, TensorBoard and recipes.

Each function returns a ``matplotlib.figure.Figure`` that belongs to no window and no global state,
so that nothing has to be closed; ``to_svg`` and ``to_png`` render it.

Legend: T frames, F features, V vocabulary, H hidden units, L target positions, S source positions.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import numpy.typing as npt

from asr.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "anomaly",
    "attention",
    "bars",
    "confusion_matrix",
    "ctc_alignment",
    "curves",
    "forecast",
    "gates",
    "intervals",
    "posteriors",
    "spectrogram",
    "to_png",
    "to_svg",
]

NARROW = (4.2, 2.7)  # inches; letters of 9 points are readable on a phone 360 pixels wide
WIDE = (8.4, 3.4)  # shown in a box that scrolls sideways
# readable on white and on black
COLOURS = ("#2f7fb8", "#d1722a", "#3c9a5f", "#b0478f", "#8a7a2c", "#6a6fc4", "#c0504d", "#5f8a8b")
_INK = "#0a0b0c"  # placeholder: to_svg replaces it by the colour of the page's text
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
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.fonttype": "none",
    "date.converter": "concise",
}
_INK_ON_PAPER: Any = {"figure.facecolor": "white", "savefig.facecolor": "white"}

Floats = npt.NDArray[np.floating[Any]]
P = ParamSpec("P")


def _drawn(draw: Callable[P, Figure]) -> Callable[P, Figure]:
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


def _figure(
    rows: int = 1, size: tuple[float, float] = NARROW, **options: Any
) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, **options)
    return figure, list(axes[:, 0])


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
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body).replace(_INK, "currentColor")
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


# --------------------------------------------------------------------------------------------------
# any training


@_drawn
def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str = "step",
    ylabel: str = "",
    percent: bool = False,
    smooth: bool = False,
    log: bool = False,
) -> Figure:
    """Draw lines by name.

    Args:
        lines: name -> (x, y).
        xlabel: of the x axis.
        ylabel: of the y axis.
        percent: the values are fractions, shown in percent.
        smooth: draw a running mean over the raw values.
        log: logarithmic y axis.
    """
    figure, (axes,) = _figure()
    for colour, (name, (x, y)) in zip(_cycle(), lines.items(), strict=False):
        values = np.asarray(y, float) * (100 if percent else 1)
        if smooth and len(values) > 50:
            axes.plot(x, values, color=colour, alpha=0.25, linewidth=0.6)
            values = _running_mean(values, max(5, len(values) // 50))
        marker = "o" if len(values) <= 30 else None
        axes.plot(x, values, color=colour, label=name, marker=marker, markersize=3)
    if log:
        axes.set_yscale("log")
    if all(float(place).is_integer() for x, _ in lines.values() for place in x):
        axes.locator_params(axis="x", integer=True)
    axes.set(xlabel=xlabel, ylabel=ylabel + (" %" if percent else ""))
    axes.grid(alpha=0.2)
    if len(lines) > 1:
        axes.legend()
    return figure


def _cycle() -> list[str]:
    return list(COLOURS) * 8


def _running_mean(values: Floats, width: int) -> Floats:
    padded = np.concatenate([np.full(width - 1, np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(np.nanmean(windows, axis=1))


@_drawn
def intervals(
    rows: Sequence[tuple[str, float, float | None, float | None]], xlabel: str = ""
) -> Figure:
    """Draw values with their intervals, a line each.

    Args:
        rows: (name, value, low, high); low and high are None where there is no interval.
        xlabel: of the values.
    """
    figure, (axes,) = _figure(size=(NARROW[0], 0.7 + 0.34 * len(rows)))
    for place, (_, value, low, high) in enumerate(rows):
        if low is not None and high is not None:
            line: dict[str, Any] = {"linewidth": 2, "alpha": 0.5, "solid_capstyle": "butt"}
            axes.plot([low, high], [place, place], color=COLOURS[0], **line)
        axes.plot([value], [place], "o", color=COLOURS[0], markersize=5)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x", alpha=0.2)
    return figure


@_drawn
def bars(groups: Mapping[str, Mapping[str, float]], ylabel: str = "") -> Figure:
    """Draw bars side by side: group -> name -> height; a group may lack some of the names."""
    figure, (axes,) = _figure()
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    width = 0.8 / max(1, len(names))
    for number, (name, colour) in enumerate(zip(names, _cycle(), strict=False)):
        at = [place for place, group in enumerate(groups.values()) if name in group]
        heights = [group[name] for group in groups.values() if name in group]
        left = np.asarray(at) + (number - (len(names) - 1) / 2) * width
        axes.bar(left, heights, width * 0.92, color=colour, label=name)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_ylabel(ylabel)
    axes.grid(axis="y", alpha=0.2)
    if len(names) > 1:
        axes.legend()
    return figure


# --------------------------------------------------------------------------------------------------
# speech


@_drawn
def spectrogram(features: Floats, frame_shift_s: float = 0.01, title: str = "") -> Figure:
    """Draw log-Mel features (T, F) over time in seconds."""
    figure, (axes,) = _figure(size=(WIDE[0], 2.4))
    _show_features(axes, features, frame_shift_s)
    axes.set(xlabel="seconds", title=title)
    return figure


def _show_features(axes: Axes, features: Floats, frame_shift_s: float) -> None:
    low, high = np.percentile(features, [2, 99.5])
    axes.imshow(
        features.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=low,
        vmax=high,
        extent=(0, len(features) * frame_shift_s, -0.5, features.shape[1] - 0.5),
    )
    axes.set_ylabel("Mel band")


@_drawn
def posteriors(
    log_probs: Floats, tokens: Sequence[str], seconds_per_frame: float = 0.04, at_least: float = 0.2
) -> Figure:
    """Draw CTC posteriors over time: the blank in grey, and a line for every likely token.

    Args:
        log_probs: (T, V) natural logarithms, the blank first.
        tokens: V strings.
        seconds_per_frame: of the log_probs.
        at_least: probability that a token must reach to be drawn.
    """
    figure, (axes,) = _figure(size=(WIDE[0], 2.2))
    _show_posteriors(axes, log_probs, tokens, seconds_per_frame, at_least)
    axes.set_xlabel("seconds")
    return figure


def _show_posteriors(
    axes: Axes, log_probs: Floats, tokens: Sequence[str], frame_s: float, at_least: float
) -> None:
    probs = np.exp(log_probs.astype(np.float64))
    middles = (np.arange(len(probs)) + 0.5) * frame_s
    axes.fill_between(middles, probs[:, 0], color="#8c96a0", alpha=0.25, linewidth=0, label="blank")
    shown = [token for token in range(1, probs.shape[1]) if probs[:, token].max() >= at_least]
    for token, colour in zip(shown, _cycle(), strict=False):
        axes.plot(middles, probs[:, token], color=colour, linewidth=1)
    axes.set(ylim=(0, 1.02), ylabel="probability", xlim=(0, len(probs) * frame_s))


@_drawn
def ctc_alignment(
    features: Floats,
    log_probs: Floats,
    tokens: Sequence[str],
    frame_shift_s: float,
    seconds_per_frame: float,
) -> Figure:
    """Draw spectrogram above, CTC posteriors below, and the best path's tokens where they begin.

    Args:
        features: (T, F) log-Mel.
        log_probs: (T', V) natural logarithms, the blank first.
        tokens: V strings.
        frame_shift_s: of the features.
        seconds_per_frame: of the log_probs.
    """
    seconds = len(features) * frame_shift_s
    width = max(WIDE[0], min(40.0, 1.7 * seconds))
    figure, (above, below) = _figure(2, (width, 3.6), sharex=True, height_ratios=[3, 2])
    _show_features(above, features, frame_shift_s)
    _show_posteriors(below, log_probs, tokens, seconds_per_frame, 0.2)
    path = log_probs.argmax(axis=1)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    for frame in starts[path[starts] != 0]:
        x = (frame + 0.5) * seconds_per_frame
        above.axvline(x, color="white", alpha=0.35, linewidth=0.6)
        label = _printable(tokens[path[frame]])
        below.text(x, 1.03, label, ha="center", va="bottom", fontsize=8)
    below.set_xlabel("seconds")
    below.set_xlim(0, seconds)
    return figure


def _printable(token: str) -> str:
    """Return a token as matplotlib can show it.

    ``$`` would begin a formula; a word boundary becomes an open box, since a blank is not seen.
    """
    return "␣" if token in ("▁", " ", "|") else token.replace("▁", "␣").replace("$", r"\$")


# --------------------------------------------------------------------------------------------------
# what happens inside


@_drawn
def gates(
    activations: Mapping[str, Floats], seconds_per_frame: float | None = None, max_units: int = 64
) -> Figure:
    """Draw the gates of a recurrent layer, a map each, units sorted by their peak in the first.

    Args:
        activations: name -> (T, H), such as ``input``, ``forget``, ``output`` (0 to 1) and ``cell``
            (any sign, shown about 0).
        seconds_per_frame: for a time axis in seconds; None: in steps.
        max_units: so many are shown, evenly chosen.
    """
    figure, axes = _figure(
        len(activations), (WIDE[0] * 0.8, 0.5 + 1.15 * len(activations)), sharex=True
    )
    first = np.asarray(next(iter(activations.values())), float)
    order = np.argsort(first.argmax(axis=0), kind="stable")
    order = order[np.unique(np.linspace(0, len(order) - 1, min(max_units, len(order))).astype(int))]
    for place, (name, values) in zip(axes, activations.items(), strict=True):
        values = np.asarray(values, float)[:, order]
        signed = bool(values.min() < 0)
        bound = float(np.quantile(np.abs(values), 0.995) or 1) if signed else 1.0
        picture = place.imshow(
            values.T,
            aspect="auto",
            origin="lower",
            cmap="RdBu_r" if signed else "viridis",
            vmin=-bound if signed else 0,
            vmax=bound,
            extent=(0, len(values) * (seconds_per_frame or 1.0), -0.5, len(order) - 0.5),
        )
        place.set_ylabel(name)
        place.set_yticks([])
        figure.colorbar(picture, ax=place, pad=0.01)
    axes[-1].set_xlabel("step" if seconds_per_frame is None else "seconds")
    return figure


@_drawn
def attention(weights: Floats, source: Sequence[str], target: Sequence[str]) -> Figure:
    """Draw attention weights (L, S): a row a target token, a column a source token."""
    figure, (axes,) = _figure(
        size=(min(12.0, 1.4 + 0.32 * len(source)), min(10.0, 1.2 + 0.28 * len(target)))
    )
    axes.imshow(np.asarray(weights, float), cmap="viridis", vmin=0, aspect="auto")
    _name_ticks(axes, source, target)
    return figure


def _name_ticks(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    names = [_printable(name) for name in columns]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [_printable(name) for name in rows])


@_drawn
def confusion_matrix(labels: Sequence[str], counts: npt.NDArray[np.int64]) -> Figure:
    """Draw counts (n, n) with true classes in rows.

    Colours are shares of the row; up to 12 classes have their counts written in.
    """
    size = min(9.0, 1.6 + 0.42 * len(labels))
    figure, (axes,) = _figure(size=(max(NARROW[0] * 0.8, size), max(2.4, size * 0.85)))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _name_ticks(axes, labels, labels)
    axes.set(xlabel="predicted", ylabel="true")
    if len(labels) <= 12:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.55 else "#20262c"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(picture, ax=axes, label="share of the row", shrink=0.8)
    return figure


# --------------------------------------------------------------------------------------------------
# series


@_drawn
def forecast(
    history: Sequence[float],
    truth: Sequence[float],
    predicted: Sequence[float],
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    *,
    steps: Sequence[Any] | None = None,
    title: str = "",
) -> Figure:
    """Draw a forecast against the truth.

    Args:
        history: values up to the present.
        truth: values that came; may be empty.
        predicted: the forecast.
        low: lower end of its interval.
        high: upper end of its interval.
        steps: timestamps or numbers of history and forecast; by default 0 is the first predicted.
        title: of the picture.
    """
    figure, (axes,) = _figure()
    at = list(range(-len(history), len(predicted))) if steps is None else list(steps)
    past, ahead = at[: len(history)], at[len(history) :]
    axes.plot(past, history, color="#8c96a0", label="history")
    if len(truth):
        axes.plot(ahead[: len(truth)], truth, color=COLOURS[0], label="truth")
    axes.plot(ahead, predicted, color=COLOURS[1], label="forecast")
    if low is not None and high is not None:
        axes.fill_between(ahead, low, high, color=COLOURS[1], alpha=0.2, linewidth=0)
    if past:
        axes.axvline(
            past[-1] + (ahead[0] - past[-1]) / 2, color="#8c96a0", linewidth=0.6, linestyle=":"
        )
    axes.set(title=title, xlabel="" if hasattr(at[0], "year") else "step")
    axes.legend()
    return figure


@_drawn
def anomaly(
    values: Sequence[float],
    scores: Sequence[float],
    threshold: float | None = None,
    truth: Sequence[int] | None = None,
    *,
    steps: Sequence[Any] | None = None,
    title: str = "",
) -> Figure:
    """Draw a series above and its anomaly scores below.

    Args:
        values: of the series.
        scores: of its steps.
        threshold: drawn as a line.
        truth: steps other than 0 are shaded.
        steps: timestamps or numbers; by default from 0.
        title: of the picture.
    """
    figure, (above, below) = _figure(2, (WIDE[0], 3.2), sharex=True)
    at = range(len(values)) if steps is None else list(steps)
    above.plot(at, values, color=COLOURS[0], linewidth=0.9)
    below.plot(at[: len(scores)], scores, color=COLOURS[1], linewidth=0.9)
    if threshold is not None:
        below.axhline(threshold, color=_INK, linewidth=0.7, linestyle="--")
    if truth is not None:
        shade: dict[str, Any] = {"color": "#c0504d", "alpha": 0.18, "linewidth": 0, "step": "mid"}
        anomalous = np.asarray(truth) != 0
        for axes in (above, below):
            low, high = axes.get_ylim()
            axes.fill_between(at[: len(truth)], low, high, where=anomalous, **shade)
            axes.set_ylim(low, high)
    above.set(ylabel="value", title=title)
    below.set(ylabel="score", xlabel="" if hasattr(at[0], "year") else "step")
    return figure
