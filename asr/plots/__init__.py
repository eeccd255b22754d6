"""All figures of the project, for reports, TensorBoard and recipes.

Each function returns a ``matplotlib.figure.Figure`` that belongs to no window and no global state,
so that nothing has to be closed; ``to_svg`` and ``to_png`` render it.

Legend: T frames, F features, V vocabulary, H hidden units, L target positions, S source positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.plots.style import COLOURS, INK, NARROW, WIDE, Floats, drawn, to_png, to_svg
from asr.plots.style import figure as new_figure

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
    "stacked",
    "to_png",
    "to_svg",
]

# --------------------------------------------------------------------------------------------------
# any training


@drawn
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
    figure, (axes,) = new_figure()
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


@drawn
def intervals(
    rows: Sequence[tuple[str, float, float | None, float | None]], xlabel: str = ""
) -> Figure:
    """Draw values with their intervals, a line each.

    Args:
        rows: (name, value, low, high); low and high are None where there is no interval.
        xlabel: of the values.
    """
    figure, (axes,) = new_figure(size=(NARROW[0], 0.7 + 0.34 * len(rows)))
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


@drawn
def bars(groups: Mapping[str, Mapping[str, float]], ylabel: str = "") -> Figure:
    """Draw bars side by side: group -> name -> height; a group may lack some of the names."""
    figure, (axes,) = new_figure()
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


@drawn
def stacked(panels: Sequence[Mapping[str, Mapping[str, float]]], xlabel: str = "") -> Figure:
    """Draw bars of parts end to end, in drawings with scales of their own.

    Args:
        panels: group -> part -> length, for each drawing; a group may lack parts.
        xlabel: of the lengths.
    """
    heights = [0.9 + 0.4 * len(groups) for groups in panels]
    size = (WIDE[0], sum(heights))
    figure, drawings = new_figure(len(panels), size, gridspec_kw={"height_ratios": heights})
    for axes, groups in zip(drawings, panels, strict=True):
        names = list(dict.fromkeys(name for group in groups.values() for name in group))
        ends = np.zeros(len(groups))
        for name, colour in zip(names, _cycle(), strict=False):
            widths = np.array([group.get(name, 0.0) for group in groups.values()])
            axes.barh(range(len(groups)), widths, 0.62, left=ends, color=colour, label=name)
            ends += widths
        for place, end in enumerate(ends):
            axes.annotate(f" {end:.4g}", (end, place), va="center")
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_xlabel(xlabel)
        axes.margins(x=0.1)
        axes.grid(axis="x", alpha=0.2)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


# --------------------------------------------------------------------------------------------------
# speech


@drawn
def spectrogram(features: Floats, frame_shift_s: float = 0.01, title: str = "") -> Figure:
    """Draw log-Mel features (T, F) over time in seconds."""
    figure, (axes,) = new_figure(size=(WIDE[0], 2.4))
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


@drawn
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
    figure, (axes,) = new_figure(size=(WIDE[0], 2.2))
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


@drawn
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
    figure, (above, below) = new_figure(2, (width, 3.6), sharex=True, height_ratios=[3, 2])
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


@drawn
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
    figure, axes = new_figure(
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


@drawn
def attention(weights: Floats, source: Sequence[str], target: Sequence[str]) -> Figure:
    """Draw attention weights (L, S): a row a target token, a column a source token."""
    figure, (axes,) = new_figure(
        size=(min(12.0, 1.4 + 0.32 * len(source)), min(10.0, 1.2 + 0.28 * len(target)))
    )
    axes.imshow(np.asarray(weights, float), cmap="viridis", vmin=0, aspect="auto")
    _name_ticks(axes, source, target)
    return figure


def _name_ticks(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    names = [_printable(name) for name in columns]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [_printable(name) for name in rows])


@drawn
def confusion_matrix(labels: Sequence[str], counts: npt.NDArray[np.int64]) -> Figure:
    """Draw counts (n, n) with true classes in rows.

    Colours are shares of the row; up to 12 classes have their counts written in.
    """
    size = min(9.0, 1.6 + 0.42 * len(labels))
    figure, (axes,) = new_figure(size=(max(NARROW[0] * 0.8, size), max(2.4, size * 0.85)))
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


@drawn
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
    figure, (axes,) = new_figure()
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


@drawn
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
    figure, (above, below) = new_figure(2, (WIDE[0], 3.2), sharex=True)
    at = range(len(values)) if steps is None else list(steps)
    above.plot(at, values, color=COLOURS[0], linewidth=0.9)
    below.plot(at[: len(scores)], scores, color=COLOURS[1], linewidth=0.9)
    if threshold is not None:
        below.axhline(threshold, color=INK, linewidth=0.7, linestyle="--")
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
