"""Figures: what they show is what was given, as SVG that can stand beside others in a page, without
global state.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure

from asr import plots

RNG = np.random.default_rng(0)
LOG_PROBS = np.log(RNG.dirichlet(np.ones(5), size=30)).astype(np.float32)
TOKENS = ["<blank>", "▁", "a", "$", "漢"]
FEATURES = RNG.standard_normal((120, 20)).astype(np.float32)
DRAWINGS: dict[str, Callable[[], Figure]] = {
    "curves": lambda: plots.curves(
        {"a": (range(200), range(1, 201)), "b": ([1], [2.0])}, smooth=True, log=True
    ),
    "intervals": lambda: plots.intervals([("dev", 0.1, 0.08, 0.12), ("test", 0.2, None, None)]),
    "bars": lambda: plots.bars({"1 s": {"greedy": 1.0, "beam": 2.0}, "5 s": {"beam": 3.0}}, "ms"),
    "stacked": lambda: plots.stacked([{"start": {"a": 1.0}}, {"5 s": {"a": 2.0, "b": 3.0}}], "ms"),
    "spectrogram": lambda: plots.spectrogram(FEATURES),
    "posteriors": lambda: plots.posteriors(LOG_PROBS, TOKENS),
    "ctc_alignment": lambda: plots.ctc_alignment(FEATURES, LOG_PROBS, TOKENS, 0.01, 0.04),
    "gates": lambda: plots.gates(
        {"input": RNG.random((9, 3)), "cell": RNG.standard_normal((9, 3))}
    ),
    "attention": lambda: plots.attention(RNG.random((2, 3)), ["a", "$", "c"], ["x", "y"]),
    "confusion_matrix": lambda: plots.confusion_matrix(["N", "S"], np.array([[5, 1], [0, 0]])),
    "forecast": lambda: plots.forecast([1, 2], [3, 4], [3, 5], [2, 4], [4, 6]),
    "anomaly": lambda: plots.anomaly([1, 2, 3], [0.1, 0.2, 0.9], 0.5, [0, 0, 1]),
}


def test_every_public_drawing_is_tested() -> None:
    assert set(DRAWINGS) == set(plots.__all__) - {"to_svg", "to_png"}


@pytest.mark.parametrize("name", sorted(DRAWINGS))
def test_svg_is_whole_has_its_own_names_and_the_pages_ink(name: str) -> None:
    svg = plots.to_svg(DRAWINGS[name](), name, 'a "b" <c>')
    root = ET.fromstring(svg)
    assert root.get("aria-label") == "a  b   c "
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert all(i.startswith(f"{name}-") for i in ids)
    assert set(re.findall(r"url\(#([^)]*)\)", svg)) <= set(ids)
    assert "currentColor" in svg
    assert "#0a0b0c" not in svg


def test_the_same_data_give_the_same_bytes() -> None:
    once, again = (plots.to_svg(plots.bars({"x": {"y": 1.0}}), "n") for _ in range(2))
    assert once == again


def test_png_and_settings_stay_the_callers() -> None:
    before = dict(rcParams)
    assert plots.to_png(DRAWINGS["bars"](), dpi=40).startswith(b"\x89PNG")
    assert dict(rcParams) == before


def test_interval_and_value_stand_where_they_were_given() -> None:
    axes = plots.intervals([("dev", 12.0, 10.0, 15.0)]).axes[0]
    interval, value = axes.lines
    assert list(interval.get_xdata()) == [10.0, 15.0]
    assert list(value.get_xdata()) == [12.0]


def test_alignment_labels_the_first_frame_of_every_run_of_the_best_path() -> None:
    best = [0, 2, 2, 0, 2, 1, 3, 0]
    log_probs = np.log(np.full((8, 5), 0.02) + 0.9 * np.eye(5)[best]).astype(np.float32)
    figure = plots.ctc_alignment(FEATURES[:32], log_probs, TOKENS, 0.01, 0.04)
    labels = [
        (text.get_text(), round(text.get_position()[0] / 0.04 - 0.5))
        for text in figure.axes[1].texts
    ]
    assert labels == [("a", 1), ("a", 4), ("␣", 5), (r"\$", 6)]


def test_running_mean_is_of_the_values_so_far() -> None:
    assert plots._running_mean(np.array([1.0, 3.0, 5.0, 7.0]), 2).tolist() == [1.0, 2.0, 4.0, 6.0]


def test_a_forecast_has_dates_a_title_and_no_empty_entry() -> None:
    days = [datetime(2024, 1, day) for day in range(1, 5)]
    (axes,) = plots.forecast([1, 2], [], [3, 5], [2, 4], [4, 6], steps=days, title="shop").axes
    assert axes.get_title() == "shop"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["history", "forecast"]
    assert type(axes.xaxis.get_major_formatter()).__name__ == "ConciseDateFormatter"
    assert axes.get_lines()[1].get_xdata().tolist() == days[2:]
